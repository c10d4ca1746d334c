"""Start, replace and stop the servers of a notebook."""

from __future__ import annotations

import atexit
import errno
import os
import re
import socket
from contextlib import suppress
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

from course.lab.serving.beside import Beside, show_beside
from course.lab.serving.browser import browser_url
from course.lab.serving.errors import ServeError, app_failed
from course.lab.serving.interface import Interface, interface_of
from course.lab.serving.log import Log

if TYPE_CHECKING:
    from course.lab.serving.asgi import AsgiRunner
    from course.lab.serving.wsgi import WsgiRunner

_START_SECONDS = 30.0
_HOST = "127.0.0.1"
_LOGS_KEPT = 20
_TRACEBACK_LINES = 100
_NEXT_RECORD = re.compile(r"\n(?=[A-Z]+: )")  # what uvicorn logs after it
_TAKEN = (errno.EADDRINUSE, getattr(errno, "WSAEACCES", errno.EADDRINUSE))

_running: dict[str, Server] = {}
_logs: dict[int, Log] = {}  # by port, kept when the server has stopped: a failing test still asks for it


def serve(app: object, name: str = "app", port: int = 0) -> Server:
    """Serve an app in the background until it is stopped, served again, or the kernel ends.

    Returns as soon as the app answers, its start-up included. A server of the same name is replaced, and its port kept
    where that is free.

    Args:
        app: a FastAPI, Starlette or other ASGI app, or a Flask or other WSGI app.
        name: what the server is called; serving under the name again replaces it.
        port: the port to listen on, on this machine only; 0 takes a free one.

    Raises:
        ServeError: this is no app, the port is taken, or the app's own start-up failed.
    """
    interface = interface_of(app)
    old = _running.pop(name, None)
    if old is not None:
        with suppress(ServeError):  # the old app's shutdown failed: that is past
            old.stop()
    listener = _bind(port, old.port if old else 0)
    server = Server(app, name, interface, listener)
    _running[name] = server
    _logs.pop(server.port, None)
    _logs[server.port] = server._log
    while len(_logs) > _LOGS_KEPT:
        del _logs[next(iter(_logs))]
    return server


def last_traceback(port: int) -> str:
    """The last traceback in the log of the server that listens, or last listened, on a port; "" where there is none."""
    log = _logs.get(port)
    text = log.tail(_TRACEBACK_LINES) if log else ""
    _, begin, trace = text.rpartition("Traceback (most recent call last):")
    return _NEXT_RECORD.split(f"{begin}{trace}")[0] if begin else ""


class Server:
    """A running app.

    Attributes:
        app: what is served.
        name: what `serve` was told to call it.
        port: where it listens on 127.0.0.1.
        url: its address for code on this machine, without a slash at the end: `http://127.0.0.1:PORT`.
    """

    def __init__(
        self,
        app: object,
        name: str,
        interface: Interface,
        listener: socket.socket,
    ) -> None:
        self.app = app
        self.name = name
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{_HOST}:{self.port}"
        self._docs_path: str | None = getattr(app, "docs_url", None)
        self._log = Log()
        self._beside: Beside | None = None
        self._runner: AsgiRunner | WsgiRunner | None = _start(app, interface, listener, self._log)

    def stop(self) -> None:
        """Stop the server: running requests may end, then the app's own shutdown runs. Stopping twice is fine.

        Raises:
            ServeError: the app's shutdown raised; the server is stopped all the same.
        """
        if _running.get(self.name) is self:
            del _running[self.name]
        if self._beside is not None:
            self._beside.close()
            self._beside = None
        runner, self._runner = self._runner, None
        if runner is None:
            return
        runner.stop()
        if runner.failure is not None:
            raise app_failed("shutdown", runner.failure) from runner.failure

    def logs(self, lines: int = 20) -> str:
        """The last lines that the server logged, and that the app printed, logged or raised."""
        return self._log.tail(lines)

    def docs(self, path: str = "/docs", height: int = 600) -> None:
        """Show a page of the app, by default Swagger UI: beside the notebook in the course's JupyterLab, else inside it.

        Args:
            path: where the app has the page: its documentation (FastAPI's `docs_url`), or any other.
            height: the height shown inside the notebook, in pixels.

        Raises:
            ServeError: the app has no page at this path.
        """
        from IPython.display import display

        try:
            urlopen(self.url + path, timeout=_START_SECONDS).close()
        except (OSError, HTTPError) as error:
            raise ServeError(
                f"There is no page to show at {self.url}{path} ({error}). A FastAPI app has its documentation at"
                " /docs; Flask has none of its own. Is the server still running? server.logs() tells more."
            ) from None
        if self._show_beside(path):
            return
        address = escape(f"{browser_url(self.port)}{path}")
        html = (
            f'<div><a href="{address}" target="_blank" rel="noopener">Open {escape(path)} in a tab of its own</a>'
            " (nothing below? run this cell again)</div>"
            f'<iframe src="{address}" title="{self._title_of(path)} of {escape(self.name)}" width="100%" height="{height}"'
            ' style="border: 1px solid #8888; background: white"></iframe>'
        )
        display({"text/html": html, "text/plain": f"{self.url}{path}"}, raw=True)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.name!r} at {self.url}{'' if self._runner else ', stopped'}>"

    def _repr_html_(self) -> str:
        name = f"<b>{escape(self.name)}</b>"
        if self._runner is None:
            return f"{name} is stopped"
        address = escape(browser_url(self.port))

        def link(path: str, text: str) -> str:
            return f'<a href="{address}{escape(path)}" target="_blank" rel="noopener">{text}</a>'

        docs = f" · {link(self._docs_path, 'Swagger UI')}" if self._docs_path else ""
        return f"{name} is running: {link('/', 'open it')}{docs} · in code: <code>{self.url}</code>"

    def _ipython_display_(self) -> None:
        """Shown at the end of a cell: a line with links, and the server itself beside the notebook."""
        from IPython.display import display

        if self._beside is None:
            self._show_beside(self._docs_path or "/")
        display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]

    def _show_beside(self, path: str) -> bool:
        """Show the running server beside the notebook; False where there is no such place."""
        if self._runner is not None:
            if self._beside is not None:
                self._beside.close()
            self._beside = show_beside(self.name, self.port, path, self._title_of(path), self._log)
        return self._beside is not None

    def _title_of(self, path: str) -> str:
        return "Swagger UI" if path in (self._docs_path, "/docs") else "Page"

    def _forget(self) -> None:
        """In a forked child: the threads stayed with the parent, and its socket must not be kept open here."""
        self._log.follow(None)
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.listener.close()


def _start(
    app: Any,  # noqa: ANN401
    interface: Interface,
    listener: socket.socket,
    log: Log,
) -> AsgiRunner | WsgiRunner:
    """Start the app on the socket; returns when it answers, or raises ServeError."""
    runner: AsgiRunner | WsgiRunner
    if interface == "asgi":
        from course.lab.serving.asgi import AsgiRunner

        runner = AsgiRunner(app, listener, log)
    else:
        from course.lab.serving.wsgi import WsgiRunner

        runner = WsgiRunner(app, listener, log)
    runner.start()
    try:
        settled = runner.settled.wait(_START_SECONDS)
    except BaseException:  # the student interrupted the cell
        runner.stop()
        raise
    if not settled:
        runner.stop()
        raise ServeError(
            f"The app's start-up has not ended after {_START_SECONDS:.0f} seconds. Look what its lifespan waits for,"
            " then run this cell again."
        )
    if runner.failure is not None:
        raise app_failed("start-up", runner.failure) from runner.failure
    return runner


def _bind(port: int, wish: int) -> socket.socket:
    """A listening socket on a port: exactly this one, or for 0 the wished one where it is free, else any.

    Raises:
        ServeError: the port cannot be had.
    """
    if not port and wish:
        with suppress(OSError):
            return _listen(wish)
    try:
        return _listen(port)
    except (OSError, OverflowError, TypeError) as error:
        holder = next((s.name for s in _running.values() if s.port == port), None)
        who = f"your server {holder!r}" if holder else "another program"
        why = f"it is taken by {who}" if isinstance(error, OSError) and error.errno in _TAKEN else str(error)
        raise ServeError(
            f"Port {port} cannot be used: {why}. Stop what uses it, or leave the port out: serve(app) takes a free one."
        ) from None


def _listen(port: int) -> socket.socket:
    """A listening socket that says it speaks TCP: without, asyncio leaves small answers waiting for 40 ms."""
    listener = socket.create_server((_HOST, port))
    return socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())


def _stop_all() -> None:
    for server in list(_running.values()):
        with suppress(ServeError):
            server.stop()


def _forget_all() -> None:
    for server in _running.values():
        server._forget()
    _running.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
