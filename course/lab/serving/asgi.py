"""Run a FastAPI or other ASGI app with uvicorn, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette

from course.lab.serving.docs_page import asset, uses_outside_assets, with_own_assets
from course.lab.serving.errors import from_own_code
from course.lab.serving.log import Log, ServerLogHandler, route_streams

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

_GRACE_SECONDS = 0.5  # what a running request gets to finish when the server stops
_JOIN_SECONDS = 5.0  # what the app's own shutdown code gets before its thread is left to itself


class AsgiRunner:
    """One app on one bound socket.

    `settled` is set as soon as the app answers, or has failed to start; `failure` is what it raised in its start-up or
    in its shutdown.
    """

    def __init__(self, app: AsgiApp, listener: socket.socket, log: Log) -> None:
        self.settled = threading.Event()
        self.failure: BaseException | None = None
        self.listener = listener
        self._log = log
        self._front = _Front(app, log)
        # A Starlette app knows the lifespan protocol: whatever it raises there is an error of the app.
        lifespan: Literal["on", "auto"] = "on" if isinstance(app, Starlette) else "auto"
        config = uvicorn.Config(
            self._front, loop="asyncio", lifespan=lifespan, log_config=None, log_level="info"
        )
        self._server = _Server(config, self.settled)
        self._thread = threading.Thread(
            target=self._run, name=f"serve-{listener.getsockname()[1]}", daemon=True
        )

    def start(self) -> None:
        """Start the thread; `settled` tells when to look further."""
        _keep_logs()
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, let running requests end, run the app's shutdown."""
        self._server.stop()
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():  # the app blocks its event loop: at least free the port
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        self._log.adopt()
        try:
            self._server.run(sockets=[self.listener])
            failed = self._server.shutdown_failed
        except BaseException as error:  # uvicorn ends a failed start-up with SystemExit
            self.failure = error
            failed = True
        finally:
            self.listener.close()
        if failed:
            self.failure = self._front.lifespan_error or self.failure
        self.settled.set()


class _Server(uvicorn.Server):
    """uvicorn's server, stopped within milliseconds.

    Stock uvicorn looks every 0.1 s whether it should stop, then sleeps 0.1 s, then waits for open connections.
    """

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self.shutdown_failed = False
        self._ready = ready
        self._stopping = threading.Event()
        self._wake: Callable[[], object] | None = None

    def stop(self) -> None:
        """Ask the server to stop; from any thread, at any time."""
        self._stopping.set()
        if self._wake is not None:
            self._wake()

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
        self._stop = stop

        def stop_now() -> None:
            stop.set()
            if task is not None and not self.started:
                task.cancel()  # the app hangs in its start-up

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(stop_now)

        self._wake = wake
        if not self._stopping.is_set():
            await super()._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        second = 0
        while not (self._stopping.is_set() or await self.on_tick(second * 10)):  # refreshes the Date header
            second += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), timeout=1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        state, clock = self.server_state, asyncio.get_running_loop().time
        for connection in list(state.connections):
            connection.shutdown()  # closes an idle one, lets a busy one answer
        until = clock() + _GRACE_SECONDS
        while (state.connections or state.tasks) and clock() < until:
            await asyncio.sleep(0.002)
        for task in state.tasks:
            task.cancel()
        for connection in list(state.connections):
            connection.transport.abort()
        await self.lifespan.shutdown()
        self.shutdown_failed = self.lifespan.should_exit


def _keep_logs() -> None:
    """Have uvicorn's loggers write to the log of the server that speaks, once for all servers."""
    logger = logging.getLogger("uvicorn")
    if not any(isinstance(handler, ServerLogHandler) for handler in logger.handlers):
        handler = ServerLogHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


class _Front:
    """Stands before the app: tells it its address behind a proxy, serves Swagger UI's files, notices its start-up error."""

    def __init__(self, app: AsgiApp, log: Log) -> None:
        self._app = app
        self._log = log
        self.lifespan_error: BaseException | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        route_streams()
        path = scope["path"]
        if scope["type"] == "http" and (found := asset(path)) is not None:
            await _respond(send, *found)
            return
        if prefix := _proxy_prefix(scope):
            raw_path = prefix.encode("latin-1") + scope["raw_path"]
            scope = {**scope, "root_path": prefix, "path": prefix + path, "raw_path": raw_path}
        if scope["type"] == "http":
            await self._answer(scope, receive, _Answer(send, path))
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Message, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if not answer.held:
                raise  # uvicorn answers and logs
            trace = traceback.format_exception(error.with_traceback(from_own_code(error.__traceback__)))
            self._log.write("ERROR: Exception in ASGI application\n" + "".join(trace))
        finally:
            await answer.release()

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                self.lifespan_error = error
            raise


def _proxy_prefix(scope: Message) -> str:
    """The path under which a proxy shows this server, as jupyter-server-proxy tells with each request; else ""."""
    headers = dict(scope["headers"])
    prefix: bytes = headers.get(b"x-forwarded-prefix") or headers.get(b"x-forwarded-context") or b""
    return prefix.decode("latin-1").rstrip("/")


async def _respond(send: Send, content: bytes, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(content)).encode())]
    headers.append((b"cache-control", b"max-age=3600"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class _Answer:
    """A `send` that passes an answer on, but for two kinds.

    A page of Swagger UI gets its assets' addresses made local. A 500 is held back until the app's error is in the log:
    apps answer first and raise then, and a student looks at the log as soon as the answer is there.
    """

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._path = path
        self._html_start: Message | None = None  # waits for the page, as its length may change
        self.held: list[Message] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] == 500:
                self.held.append(message)
            elif _is_html(message):
                self._html_start = message
            else:
                await self._send(message)
        elif self.held:
            self.held.append(message)
        elif self._html_start is not None:
            start, self._html_start = self._html_start, None
            for part in _with_local_assets(start, message, self._path):
                await self._send(part)
        else:
            await self._send(message)

    async def release(self) -> None:
        """Send what was held back."""
        held, self.held = self.held, []
        for message in held:
            await self._send(message)


def _with_local_assets(start: Message, body: Message, path: str) -> tuple[Message, Message]:
    page = body.get("body", b"")
    if body.get("more_body") or not uses_outside_assets(page):
        return start, body
    page = with_own_assets(page, path)
    return {**start, "headers": _with_length(start["headers"], len(page))}, {**body, "body": page}


def _is_html(start: Message) -> bool:
    return any(
        n.lower() == b"content-type" and v.startswith(b"text/html") for n, v in start.get("headers", ())
    )


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 - any iterable of pairs
    others = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]
