"""Make one real HTTP request and keep every step of its way to the server and back, byte for byte."""

from __future__ import annotations

import io
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from json import dumps
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote, urlsplit

from course.errors import CourseError
from course.lab.pictures.routes import Handler, handler_of

if TYPE_CHECKING:
    from course.lab.serving import Server

Step = Literal["address", "name", "connection", "request", "work", "response"]

_SECONDS = 10.0  # for the whole way: an endless stream ends here too
_MOST = 1_000_000  # bytes of an answer that are read
_SAFE = "/%:@!$&'()*+,;=~-._?"  # what a browser leaves as it is in a path or query
_TLS_ALERT = b"\x15\x03"
_LOG_LINES = 200


def show_request(
    to: str | Server,
    path: str = "",
    method: str = "GET",
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> RequestPicture:
    """Make one request and show its way from browser to server and back. Shown when it is the last line of a cell.

    What goes wrong on the way becomes part of the picture. The bytes themselves are in `.sent` and `.received`.

    Args:
        to: a server that `serve` started, or an address such as "http://127.0.0.1:8000".
        path: what is asked for there, as in "/orders?city=Accra".
        method: GET, POST, PUT, PATCH, DELETE or another.
        json: data to send as the request's body.
        headers: more headers to send.

    Raises:
        CourseError: this cannot be sent as a request: a method of two words, a header with a line break.
    """
    address = (to if isinstance(to, str) else to.url) + path
    body = b"" if json is None else dumps(json, ensure_ascii=False).encode()
    more = {"Content-Type": "application/json"} if json is not None else {}
    more |= dict(headers or {})
    _check(method.upper(), headers or {})
    return _followed(address, method.upper(), partial(_request_bytes, method.upper(), body=body, more=more))


def send(url: str, method: str, message: bytes) -> RequestPicture:
    """Send a request that is written already, byte for byte, and follow its way as `show_request` does."""
    return _followed(url, method, lambda _address: message)


@dataclass
class Address:
    """A web address taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def target(self) -> str:
        """What the request line asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Stopped(Exception):
    """The way ends at a step: what was said there, and what to do."""

    def __init__(self, step: Step, said: str, advice: str) -> None:
        super().__init__(said)
        self.step, self.said, self.advice = step, said, advice


@dataclass
class RequestPicture:
    """One request's way. A figure is None where the way ended before it.

    Attributes:
        sent: the request's bytes, exactly as they were sent.
        received: the response's bytes, exactly as they came.
        status: the response's status code.
        body: the response's body, its pieces put together.
        times: milliseconds of the steps "name", "connection", "work" and "response".
        found: the IP addresses of the name.
        refused: the IP addresses that refused, before one took the connection.
        near, far: this machine's end of the connection and the server's, as IP address and port.
    """

    url: str
    method: str
    address: Address | None = None
    found: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    near: tuple[str, int] | None = None
    far: tuple[str, int] | None = None
    times: dict[str, float] = field(default_factory=dict)
    sent: bytes = b""
    received: bytes = b""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: str = ""
    handler: Handler | None = None
    log_line: str = ""
    raised: str = ""
    stopped: Stopped | None = None

    def __repr__(self) -> str:
        from course.lab.pictures.request_drawing import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from course.lab.pictures.request_drawing import as_html

        return as_html(self)


def _followed(url: str, method: str, message: Callable[[Address], bytes]) -> RequestPicture:
    """The way of the request that `message` writes."""
    picture = RequestPicture(url, method)
    try:
        _travel(picture, message)
    except Stopped as stop:
        picture.stopped = stop
    _look_at_the_server(picture)
    return picture


def _travel(picture: RequestPicture, message: Callable[[Address], bytes]) -> None:
    """Go the way step by step, noting in the picture what was seen. Raises Stopped where it ends."""
    until = time.monotonic() + _SECONDS
    picture.address = address = _apart(picture.url)
    with _timed(picture, "name"):
        addresses = _looked_up(address)
    picture.found = list(dict.fromkeys(str(each[0]) for _, each in addresses))
    with closing(_connected(picture, addresses, until)) as connection:
        picture.near, picture.far = connection.getsockname()[:2], connection.getpeername()[:2]
        picture.sent = message(address)
        try:
            connection.sendall(picture.sent)
        except OSError as error:
            raise Stopped(
                "request", _words(error), "The server hung up while it was being asked. Look at its log."
            ) from None
        _receive(picture, connection, until)


@contextmanager
def _timed(picture: RequestPicture, step: Step) -> Iterator[None]:
    """Notes in the picture how many milliseconds the block took."""
    start = time.perf_counter()
    yield
    picture.times[step] = (time.perf_counter() - start) * 1000


def _check(method: str, headers: Mapping[str, str]) -> None:
    if not method.isascii() or not method.replace("-", "").isalpha():
        raise CourseError(f"{method!r} is no method of a request: write one word, such as GET or POST.")
    for name, value in headers.items():
        if not name or ":" in name or not f"{name}{value}".isprintable():
            raise CourseError(
                f"The header {name!r} cannot be sent: its name and value are one line of text each, and the name has no colon."
            )


def _apart(url: str) -> Address:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Stopped("address", f"{error}", "Write it as http://127.0.0.1:8000/path.") from None
    if parts.scheme == "https":
        raise Stopped(
            "address",
            "https encrypts every byte, so there would be nothing to read here.",
            "Ask a server on this machine with http:// to see its bytes.",
        )
    if parts.scheme != "http" or not host:
        raise Stopped(
            "address", f"{url!r} is no address of a web server.", "Write it as http://127.0.0.1:8000/path."
        )
    path = quote(parts.path or "/", safe=_SAFE)
    return Address("http", host, port or 80, path, quote(parts.query, safe=_SAFE))


def _looked_up(address: Address) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Stopped(
            "name",
            f"No machine is called {address.host}: {_words(error)}.",
            "Look for a typing mistake. A server on this machine is at 127.0.0.1 or localhost.",
        ) from None
    return [(family, where) for family, _, _, _, where in found]


def _connected(
    picture: RequestPicture, addresses: list[tuple[socket.AddressFamily, Any]], until: float
) -> socket.socket:
    """A connection to the first address that takes it, as browsers do."""
    error: OSError = OSError("no address")
    for family, where in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            with _timed(picture, "connection"):
                connection.connect(where)
        except OSError as problem:
            connection.close()
            picture.refused.append(str(where[0]))
            error = problem
        else:
            return connection
    port = addresses[0][1][1]
    if isinstance(error, ConnectionRefusedError):
        said, advice = (
            f"Connection refused: no program listens on port {port}.",
            "Run the cell that starts your server, and compare the port with the one that your server tells.",
        )
    else:
        said, advice = f"{_words(error)}.", "Is the machine switched on, and is this its address?"
    raise Stopped("connection", said, advice)


def _request_bytes(method: str, address: Address, body: bytes, more: Mapping[str, str]) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    headers = {
        "Host": host if address.port == 80 else f"{host}:{address.port}",
        "User-Agent": "show_request",
        "Accept": "*/*",
        "Connection": "close",
    }
    if body or method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body))
    given = {name.lower() for name in more}
    headers = {name: value for name, value in headers.items() if name.lower() not in given} | dict(more)
    lines = [f"{method} {address.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


def _receive(picture: RequestPicture, connection: socket.socket, until: float) -> None:
    wire = _Wire(connection, until)
    response = HTTPResponse(cast("socket.socket", wire), method=picture.method)
    start = time.perf_counter()
    try:
        response.begin()
        picture.status = response.status
        picture.headers = {name.lower(): value for name, value in response.getheaders()}
        picture.body, picture.cut = _body_of(response)
    except OSError as error:  # http.client's RemoteDisconnected is one too
        raise _no_answer(error) from None
    except HTTPException:
        raise _no_http(bytes(wire.received)) from None
    finally:
        picture.received = bytes(wire.received)
        if wire.first is not None:
            picture.times["work"] = (wire.first - start) * 1000
            picture.times["response"] = (time.perf_counter() - wire.first) * 1000
        response.close()


def _body_of(response: HTTPResponse) -> tuple[bytes, str]:
    """The body, and why it is not whole."""
    announced = response.length
    body = bytearray()
    why = ""
    try:
        while len(body) < _MOST and (piece := response.read1(65_536)):
            body += piece
    except TimeoutError:
        why = f"The server was still sending after {_SECONDS:g} seconds: reading stopped there."
    except (OSError, HTTPException):
        why = "The connection ended in the middle of the body."
    else:
        if len(body) >= _MOST:
            why = f"The answer is long: reading stopped after {len(body):,} bytes."
        elif announced is not None and len(body) < announced:
            why = f"The connection ended after {len(body):,} of the {announced:,} bytes that were announced."
    return bytes(body), why


def _no_answer(error: OSError) -> Stopped:
    if isinstance(error, TimeoutError):
        return Stopped(
            "work",
            f"No answer within {_SECONDS:g} seconds.",
            "The server took the request and is still busy, or waits for something. Look for an endless loop in your "
            "endpoint.",
        )
    return Stopped(
        "work",
        "The server closed the connection without an answer.",
        "It may have crashed, or it speaks no HTTP. Look at its log: server.logs().",
    )


def _no_http(received: bytes) -> Stopped:
    if received.startswith(_TLS_ALERT):
        return Stopped(
            "response",
            "The server answered with an alarm of TLS: it speaks https only.",
            "Give the address of a server that speaks plain http.",
        )
    return Stopped(
        "response",
        "The answer is not HTTP: it does not begin with a status line such as HTTP/1.1 200 OK.",
        "Another program listens on this port, a database perhaps. Compare the port with the one that your server tells.",
    )


class _Wire(io.RawIOBase):
    """Reads a connection and keeps every byte that comes."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.received = bytearray()
        self.first: float | None = None  # when the first byte came
        self._connection, self._until = connection, until

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - typeshed's WriteableBuffer
        self._connection.settimeout(max(self._until - time.monotonic(), 0.001))
        size = self._connection.recv_into(buffer)
        if size and self.first is None:
            self.first = time.perf_counter()
        self.received += buffer[:size]
        return size


def _look_at_the_server(picture: RequestPicture) -> None:
    """Note what a server of this notebook tells of the request: who handled it, what was raised, what its log says."""
    serving = sys.modules.get("course.lab.serving.server")
    if serving is None or picture.far is None or picture.address is None:
        return
    server = next((each for each in serving._running.values() if each.port == picture.far[1]), None)
    if server is None:
        return
    with suppress(Exception):  # any app may break here: then its part is left out
        picture.handler = handler_of(getattr(server, "app", None), picture.method, picture.address.path)
    if picture.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        picture.raised = serving.last_traceback(server.port).strip().rpartition("\n")[2]
    picture.log_line = next(_lines_about(server.logs(_LOG_LINES), picture), "")


def _lines_about(log: str, picture: RequestPicture) -> Iterator[str]:
    """The access log's lines about this request, the newest first: uvicorn tells our port, werkzeug does not."""
    assert picture.near is not None
    assert picture.address is not None
    asked = f'"{picture.method} {picture.address.target} HTTP/1.1"'
    for line in reversed(log.splitlines()):
        if asked in line and (f":{picture.near[1]} " in line or f"{picture.near[0]} " in line):
            yield line


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:g} seconds"
    return getattr(error, "strerror", None) or str(error)
