"""Run a Flask or other WSGI app with werkzeug, a thread for each connection."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from course.lab.serving.log import Log, route_streams

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_GRACE_SECONDS = 0.5  # what a running request gets to finish when the server stops


class WsgiRunner:
    """One app on one bound socket; `settled` is set as soon as it answers."""

    failure: BaseException | None = None  # a WSGI app has no start-up or shutdown that could fail

    def __init__(self, app: WSGIApplication, listener: socket.socket, log: Log) -> None:
        self.settled = threading.Event()
        # jupyter-server-proxy tells with each request under which path the browser sees this server.
        behind_proxy = ProxyFix(app, x_for=0, x_proto=0, x_prefix=1)
        self._server = _Server(behind_proxy, listener, log)
        self.listener = self._server.socket
        self._thread = threading.Thread(target=self._run, name=f"serve-{self._server.port}", daemon=True)

    def start(self) -> None:
        """Start the thread; `settled` tells when it answers."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, let running requests end, close every connection."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread now, not at its next poll
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()

    def _run(self) -> None:
        self.settled.set()  # the socket listens already
        self._server.serve_forever(poll_interval=0.05)


class _Server(ThreadedWSGIServer):
    """werkzeug's server on a socket that is bound already, with its log kept and its connections known."""

    def __init__(self, app: WSGIApplication, listener: socket.socket, log: Log) -> None:
        host, port = listener.getsockname()
        super().__init__(host, port, app, _Handler, fd=listener.fileno())
        listener.close()  # werkzeug listens on a duplicate
        self._log = log
        self._open: set[Any] = set()

    def close_connections(self) -> None:
        """Close the connections that clients keep open: they would go on talking to this app."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # ends an idle one, lets a busy one answer
        until = time.monotonic() + _GRACE_SECONDS
        while self._open and time.monotonic() < until:
            time.sleep(0.002)
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's types
        self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self._log.adopt()
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self._log.write(traceback.format_exc())

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: ANN401
        self._log.write(f"{type.upper()}: {message % args if args else message}\n")


class _Handler(WSGIRequestHandler):
    """Logs like uvicorn: one plain line a request."""

    def run_wsgi(self) -> None:
        route_streams()
        super().run_wsgi()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.log("info", '%s - "%s" %s', self.address_string(), self.requestline, code)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: ANN401
        self.server.log(type, message, *args)
