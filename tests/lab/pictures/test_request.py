"""One real request, through real servers: served apps, and small ones that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from flask import Flask
from pydantic import BaseModel

from course.errors import CourseError
from course.lab.pictures import request as request_module
from course.lab.pictures.request import show_request
from course.lab.pictures.request_words import what_a_browser_does
from course.lab.pictures.routes import Handler, handler_of
from course.lab.serving import Server, serve


class Order(BaseModel):
    product: str
    quantity: int


def shop() -> FastAPI:
    app = FastAPI()
    items = APIRouter(prefix="/items")

    @app.post("/orders", status_code=201)
    def create_order(order: Order, request: Request) -> dict[str, object]:
        return {"product": order.product, "port": request.client and request.client.port}

    @items.get("/{number}")
    def read_item(number: int) -> int:
        return number

    @app.get("/page", response_class=HTMLResponse)
    def page() -> str:
        return "<script>alert(1)</script>"

    @app.get("/long")
    def long() -> Response:
        return Response("é" * 2500, media_type="text/plain")

    @app.get("/picture")
    def picture() -> Response:
        return Response(
            bytes(range(256)) * 2, media_type="image/png", headers={"Set-Cookie": "id=abcdefghijkl; Path=/"}
        )

    @app.get("/pieces")
    def pieces() -> StreamingResponse:
        return StreamingResponse(iter(["first ", "second"]), media_type="text/plain")

    @app.get("/old")
    def old() -> RedirectResponse:
        return RedirectResponse("/page")

    @app.get("/broken")
    def broken() -> int:
        return 1 // 0

    app.include_router(items)
    return app


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(shop(), name="pictures") as running:
        yield running


@pytest.fixture
def answering() -> Iterator[Callable[..., tuple[str, bytearray]]]:
    """Starts a server that answers one request with these bytes; gives its address and what it is sent."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes, *, hang_up: bool = True) -> tuple[str, bytearray]:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)
        heard = bytearray()

        def answer_one() -> None:
            connection, _ = listener.accept()
            opened.append(connection)
            while b"\r\n\r\n" not in heard:
                heard.extend(connection.recv(65_536))
            connection.sendall(answer)
            if hang_up:
                connection.close()

        threads.append(threading.Thread(target=answer_one, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", heard

    yield start
    for thread in threads:
        thread.join(5)
    for each in opened:
        each.close()


def test_shows_exactly_the_bytes_that_travel(answering: Callable[..., tuple[str, bytearray]]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
    url, heard = answering(answer)
    picture = show_request(url, "/a path?q=é", headers={"X-Mine": "1", "user-agent": "me"})
    assert picture.sent == bytes(heard)
    assert picture.sent.startswith(b"GET /a%20path?q=%C3%A9 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"user-agent: me\r\n" in picture.sent
    assert b"User-Agent" not in picture.sent
    assert b"\r\nConnection: close\r\n" in picture.sent
    assert (picture.received, picture.status, picture.body) == (answer, 200, b"hi")


def test_tells_the_way_to_a_served_app_and_back(server: Server) -> None:
    picture = show_request(server, "/orders", "post", json={"product": "Mug", "quantity": 2})
    assert picture.status == 201
    assert picture.near is not None
    assert f'"port":{picture.near[1]}'.encode() in picture.body
    assert set(picture.times) == {"name", "connection", "work", "response"}
    assert picture.handler == Handler("POST /orders", "create_order")
    text = repr(picture)
    assert f"port {picture.near[1]} ↔ 127.0.0.1, port {server.port}" in " ".join(text.split())
    assert 'POST /orders HTTP/1.1" 201' in text
    assert "it calls create_order()" in text
    assert '{"product": "Mug", "quantity": 2}' in text
    html = picture._repr_html_()
    assert html.count("<li>") == 7
    for part in ("request line", "status line", "blank line", "CR LF", "what kind of data the body is"):
        assert part in html


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/page", "draws the body as a page"),
        ("/picture", "draws the picture"),
        ("/old", "a new request at once, to /page"),
        ("/items/3", "shows the data as text"),
        ("/nothing", "No route of the app fits GET /nothing"),
        ("/broken", "Your app raised ZeroDivisionError"),
    ],
)
def test_tells_what_server_and_browser_do(server: Server, path: str, said: str) -> None:
    picture = show_request(server, path)
    assert said in " ".join(repr(picture).split())
    assert said in picture._repr_html_()


def test_what_the_app_sends_is_shown_and_never_becomes_markup(server: Server) -> None:
    html = show_request(server, "/page")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<i>x" not in show_request(server, "/<i>x")._repr_html_()


def test_long_bodies_are_cut_and_bytes_that_are_no_text_are_hex(server: Server) -> None:
    long = show_request(server, "/long")
    assert len(long.body) == 5000
    assert "2,952 bytes more" in repr(long)
    assert repr(long).count("é") == 1024
    binary = repr(show_request(server, "/picture"))
    assert "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n" in binary
    assert "256 bytes more" in binary


def test_a_body_in_pieces_is_shown_as_it_came_and_put_together(server: Server) -> None:
    picture = show_request(server, "/pieces")
    assert picture.received.endswith(b"6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n")
    assert picture.body == b"first second"
    assert "length 0 ends it" in picture._repr_html_()


def test_secrets_are_shown_only_in_part(server: Server) -> None:
    headers = {
        "Authorization": "Bearer abcdefghijkl",
        "Cookie": "session=qrstuvwxyz123; a=b",
        "X-API-Key": "k3y",
    }
    picture = show_request(server, "/picture", headers=headers)
    assert b"Bearer abcdefghijkl" in picture.sent
    for shown in (repr(picture), picture._repr_html_()):
        assert "Bearer abc…" in shown
        assert "session=qrs…; a=…" in shown
        assert "id=abc…; Path=/" in shown
        assert not any(secret in shown for secret in ("defghi", "tuvwx", "k3y"))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "step", "said"),
    [
        ("https://127.0.0.1:8000", "address", "https encrypts"),
        ("127.0.0.1:8000/orders", "address", "is no address of a web server"),
        ("http://127.0.0.1:port/", "address", "Write it as http://"),
        ("http://no-such-machine.invalid/", "name", "No machine is called no-such-machine.invalid"),
        ("http://127.0.0.1:CLOSED/", "connection", "no program listens on port"),
    ],
)
def test_a_way_that_ends_early_says_where_and_what_to_do(url: str, step: str, said: str) -> None:
    picture = show_request(url.replace("CLOSED", str(closed_port())))
    assert picture.stopped is not None
    assert (picture.stopped.step, picture.status, picture.received) == (step, None, b"")
    assert "✗" in repr(picture)
    assert said in " ".join(repr(picture).split())
    assert said in picture._repr_html_()


@pytest.mark.parametrize(
    ("answer", "step", "said"),
    [
        (b"", "work", "closed the connection without an answer"),
        (b"5.5.5-MariaDB\x00\n\xff", "response", "The answer is not HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x16", "response", "speaks https only"),
    ],
)
def test_a_server_without_http_is_told(
    answering: Callable[..., tuple[str, bytearray]], answer: bytes, step: str, said: str
) -> None:
    picture = show_request(answering(answer)[0])
    assert picture.stopped is not None
    assert (picture.stopped.step, picture.received) == (step, answer)
    assert said in " ".join(repr(picture).split())
    assert said in picture._repr_html_()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "No answer within"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "still sending after"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_500_000, "reading stopped after"),
    ],
)
def test_endless_waiting_ends(
    answering: Callable[..., tuple[str, bytearray]], monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    monkeypatch.setattr(request_module, "_SECONDS", 0.3)
    assert said in " ".join(repr(show_request(answering(answer, hang_up=False)[0])).split())


def test_a_body_cut_short_is_told_and_an_open_connection_is_not_waited_for(
    answering: Callable[..., tuple[str, bytearray]],
) -> None:
    short = show_request(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")[0])
    assert "ended after 4 of the 9 bytes" in " ".join(repr(short).split())
    whole = show_request(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", hang_up=False)[0])
    assert (whole.body, whole.cut) == (b"hi", "")


@pytest.mark.parametrize("headers", [{"X": "a\r\nInjected: b"}, {"a:b": "c"}, {"": "c"}])
def test_a_header_cannot_smuggle_lines(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(CourseError, match="cannot be sent"):
        show_request(server, headers=headers)


def test_a_method_is_one_word(server: Server) -> None:
    with pytest.raises(CourseError, match="write one word"):
        show_request(server, method="GET /x")


def test_a_flask_app_tells_its_route_too() -> None:
    app = Flask("shop")

    @app.get("/orders/<int:number>")
    def read_order(number: int) -> dict[str, int]:
        return {"number": number}

    assert handler_of(app, "GET", "/orders/3") == Handler("GET /orders/<int:number>", "read_order")
    assert handler_of(app, "GET", "/orders/x") == Handler()
    with serve(app, name="pictures-flask") as running:
        assert '"GET /orders/3 HTTP/1.1" 200' in show_request(running, "/orders/3").log_line


def test_routes_of_included_routers_are_known() -> None:
    app = shop()
    assert handler_of(app, "GET", "/items/3") == Handler("GET /items/{number}", "read_item")
    assert handler_of(app, "DELETE", "/orders") == Handler()
    assert handler_of(object(), "GET", "/") is None


def test_an_answer_without_a_body_shows_nothing_new(answering: Callable[..., tuple[str, bytearray]]) -> None:
    assert "no body" in what_a_browser_does(show_request(answering(b"HTTP/1.1 204 No Content\r\n\r\n")[0]))
