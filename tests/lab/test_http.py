"""`%%http` and `ask`: requests written by hand, sent to real servers."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course.lab import ask, serve
from course.lab.http import EmptyRequest, HttpError, Request
from course.lab.http.magic import load_magic
from course.lab.http.message import STUB, read_message
from course.lab.serving import Server

HOST = "127.0.0.1:8000"


def echo(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Answers with what it was asked."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} [{body}]"
    answer = f"{asked} <é> {environ.get('HTTP_ACCEPT_LANGUAGE', '')}".encode("latin-1")
    status = "404 Not Found" if "missing" in environ["PATH_INFO"] else "200 OK"
    kind = ("Content-Type", "text/plain; charset=latin-1")
    start(status, [kind, ("Content-Length", str(len(answer)))])
    return [answer]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(echo, name="echo") as server:
        yield server


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, server: Server) -> Iterator[InteractiveShell]:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own there
    shell = InteractiveShell.instance()
    load_magic(shell)
    shell.user_ns["shop"] = server
    yield shell
    shell.reset(new_session=False)
    InteractiveShell.clear_instance()


def shown(shell: InteractiveShell, cell: str) -> tuple[str, str]:
    """What a cell shows, as HTML and as plain text."""
    with capture_output() as output:
        shell.run_cell(cell).raise_error()
    assert output.stderr == ""
    (answer,) = output.outputs
    return answer.data["text/html"], answer.data["text/plain"]


def refused(shell: InteractiveShell, cell: str) -> HttpError:
    with capture_output(), pytest.raises(HttpError) as caught:
        shell.run_cell(cell).raise_error()
    return caught.value


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_what_a_browser_adds_is_added_and_told() -> None:
    message = read_message("GET /orders", HOST)
    assert message.raw == b"GET /orders HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n"
    assert message.added == {0, 1, 2}


def test_what_is_there_is_not_added_again() -> None:
    message = read_message(
        "POST /orders HTTP/1.1\nhost: shop\nCONNECTION: keep-alive\ncontent-length: 3\n\né1", HOST
    )
    assert message.added == frozenset()
    assert message.raw.startswith(b"POST /orders HTTP/1.1\r\nhost: shop\r\n")
    assert message.raw.endswith("\r\n\r\né1".encode())


def test_a_body_gets_its_length_in_bytes() -> None:
    message = read_message("POST /orders\nContent-Type: text/plain\n\n\né 1\nb\n\n", HOST)
    assert message.body == "é 1\nb".encode()
    assert "Content-Length: 6" in message.head
    assert "Content-Length: 0" in read_message("POST /orders", HOST).head


def test_comments_above_and_spaces_at_the_ends_of_lines_do_no_harm() -> None:
    text = "# my request\n\n  # more\nGET   /orders  HTTP/1.1  \r\nAccept:  a/b \n\n"
    assert read_message(text, HOST).head[:2] == ("GET /orders HTTP/1.1", "Accept: a/b")


def test_marks_around_a_solution_are_no_part_of_it() -> None:
    text = "# BEGIN SOLUTION\nGET /orders\n# END SOLUTION\nAccept: a/b\n# BEGIN SOLUTION\n\nx\n# END SOLUTION"
    message = read_message(text, HOST)
    assert (message.path, message.body, "Accept: a/b" in message.head) == ("/orders", b"x", True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("GET", "has no path"),
        ("GET HTTP/1.1", "has no path"),
        ("GET orders", "Write /orders"),
        ('GET "/orders.html"', "Write /orders.html"),
        ('GET href="orders.html"', "Write /orders.html"),
        ("get /orders", "GET, not get"),
        ("GTE /orders", "Is GTE meant to be GET?"),
        ("FETCH /orders", "FETCH is no method"),
        ("GET/orders", "Put a space between the method and the path: GET /orders"),
        ("/orders HTTP/1.1", "before the path"),
        ("# mine\n GET /orders", "request line begins with a space"),
        ("GET /my orders HTTP/1.1", "a space in the path"),
        ("GET /orders HTTP 1.1", "Write HTTP/1.1"),
        ("GET /orders http/1.1", "Write HTTP/1.1"),
        ("GET /orders HTTP/2", "Write HTTP/1.1"),
        ("GET http://127.0.0.1:8000/orders?a=1", "only its path here: /orders?a=1."),
        ("GET /orders/é", "/orders/%C3%A9"),
        ("GET /orders#top", "never sent"),
        ("Host: shop", "request line is missing"),
        ("GET /orders\nHost shop", "a name, a colon and a value"),
        ("GET /orders\nContent Type: text/plain", "one word"),
        ("GET /orders\n Accept: text/plain", "begins with a space"),
        ("GET /orders\n# a comment", "above the request line only"),
        ("GET /orders\nGET /users", "one request"),
        ('POST /orders\nContent-Type: application/json\n{"id": 1}', "blank line is missing before the body"),
        ("POST /orders\nid=1&count=2", "blank line is missing before the body"),
        ("GET /orders\n\nHost: shop", "blank line above a header"),
        ("POST /orders\nContent-Length: 3\n\nabcd", "says 3, but the body has 4 bytes"),
    ],
)
def test_what_cannot_be_sent_says_what_to_do(text: str, says: str) -> None:
    with pytest.raises(HttpError) as caught:
        read_message(text, HOST)
    assert says in str(caught.value)
    assert not caught.value.untried


@pytest.mark.parametrize(
    "text", [f"{STUB}\nHost: shop", f"GET /orders\n{STUB}", f"POST /orders\nAccept: a/b\n\n{STUB}"]
)
def test_a_missing_line_is_no_try(text: str) -> None:
    with pytest.raises(HttpError, match="in the place of the comment") as caught:
        read_message(text, HOST)
    assert caught.value.untried


def test_a_stub_that_was_left_standing_does_no_harm() -> None:
    assert read_message(f"{STUB}\nGET /orders\nHost: shop", HOST).path == "/orders"


# --- asking ---------------------------------------------------------------------------------------------------------


def test_ask_sends_a_request_to_any_server(server: Server) -> None:
    request = Request("mine", "POST /orders?a=1\nAccept-Language: fr\n\nid=1")
    answer = ask(request, on=server)
    assert (answer.status, answer.body) == (200, "POST /orders?a=1 [id=1] <é> fr")
    assert answer.headers["content-type"] == "text/plain; charset=latin-1"
    assert (answer.method, answer.path, answer.sent_body) == ("POST", "/orders?a=1", "id=1")
    assert answer.sent.startswith("POST /orders?a=1 HTTP/1.1\r\nAccept-Language: fr\r\n")
    assert repr(ask("GET /missing", on=server)) == "<Answer 404 Not Found to GET /missing>"
    assert ask("HEAD /orders", on=server).body == ""


def test_ask_says_that_nothing_is_written(server: Server) -> None:
    for text in ("", "\n# only a comment\n"):
        with pytest.raises(EmptyRequest):
            ask(Request("mine", text), on=server)


@pytest.mark.parametrize("request_", [5, None, Request("mine", b"GET /")])
def test_ask_refuses_what_is_no_request(request_: Any, server: Server) -> None:
    with pytest.raises(HttpError, match="%%http"):
        ask(request_, on=server)


def test_a_server_that_is_gone_is_told() -> None:
    with serve(echo, name="gone") as gone:
        pass
    with pytest.raises(HttpError, match="Run the cell that starts the server"):
        ask("GET /", on=gone)


def test_what_is_no_http_is_told() -> None:
    class Odd:
        """Something that listens, and answers with what is no HTTP."""

        def __init__(self) -> None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
            self.thread = threading.Thread(target=self._answer)
            self.thread.start()

        def _answer(self) -> None:
            with self._listener, self._listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"220 mail ready\r\n")

    odd = Odd()
    with pytest.raises(HttpError, match="The answer is not HTTP"):
        ask("GET /", on=odd)
    odd.thread.join()


# --- in a notebook --------------------------------------------------------------------------------------------------


def test_a_cell_shows_both_messages_and_keeps_the_request(shell: InteractiveShell) -> None:
    html, text = shown(shell, "%%http shop --name mine\n# a comment\nGET /missing?<b>\nAccept-Language: fr\n")
    assert text.startswith(
        "GET /missing?<b> → 404 Not Found: there is nothing at this path\n\nWhat is marked"
    )
    assert "\n  Accept-Language: fr␍␊\n  + Host: 127.0.0.1" in text
    assert "\n  HTTP/1.1 404 NOT FOUND␍␊\n" in text.replace("Not Found␍␊", "NOT FOUND␍␊")
    assert "GET /missing?&lt;b&gt; HTTP/1.1" in html
    assert "<b>" not in html
    assert html.count(">added header<") == 2
    assert "(HTTP/1.1 was added)" in html
    kept = shell.user_ns["mine"]
    assert kept == Request("mine", "# a comment\nGET /missing?<b>\nAccept-Language: fr")


def test_nothing_added_is_not_spoken_of(shell: InteractiveShell) -> None:
    html, text = shown(shell, "%%http shop\nGET / HTTP/1.1\nHost: shop\nConnection: close")
    assert "added" not in html + text


def test_an_untouched_cell_sends_nothing(shell: InteractiveShell) -> None:
    _, text = shown(shell, f"%%http shop --name mine\n{STUB}")
    assert text.startswith("Nothing to send yet")
    assert shell.user_ns["mine"] == Request("mine", "")


def test_a_request_that_fails_is_kept(shell: InteractiveShell) -> None:
    assert "Is GTE meant" in str(refused(shell, "%%http shop --name mine\nGTE /"))
    assert shell.user_ns["mine"] == Request("mine", "GTE /")


def test_a_line_that_names_no_server_is_told(shell: InteractiveShell) -> None:
    assert "as in: %%http shop" in str(refused(shell, "%%http\nGET /"))
    assert "no variable till" in str(refused(shell, "%%http till\nGET /"))
    assert "Servers here: shop." in str(refused(shell, "%%http till\nGET /"))
    shell.user_ns["till"] = 5
    assert "till is not a server" in str(refused(shell, "%%http till\nGET /"))
    del shell.user_ns["shop"]
    assert "Run the cell above that starts the server" in str(refused(shell, "%%http shop\nGET /"))


SERVE = """
from course.lab import serve
def app(environ, start):
    found = environ["PATH_INFO"] == "/orders"
    start("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
shop = serve(app, name="shop")
"""
TEST = "from course.lab import ask\nassert ask(mine, on=shop).status == 200, 'Ask for /orders.'"


def test_panels_in_a_real_kernel(kernel) -> None:
    kernel.run(SERVE)
    ran = kernel.run(f"%%http shop --name mine\n{STUB}")
    assert "Nothing to send yet" in ran.text
    untouched = kernel.run(TEST, cell="orders-visible").failure
    assert (untouched["kind"], untouched["headline"]) == ("unsolved", "Not solved yet: orders")
    kernel.run("%%http shop --name mine\nGET /order")
    failed = kernel.run(TEST, cell="orders-visible")
    assert failed.failure["message"] == "Ask for /orders."
    assert "GET /order" in failed.text
    assert "404 Not Found" in failed.text
    ran = kernel.run(f"%%http shop --name mine\nGET /orders\n{STUB}")
    assert ran.failure["kind"] == "http"
    assert "○" in ran.text
    assert "course/lab" not in "\n".join(ran.error["traceback"])
    ran = kernel.run("%%http shop --name mine\nGTE /orders")
    assert "✗" in ran.text
    assert "Is GTE meant to be GET?" in ran.text
    failed = kernel.run(TEST, cell="orders-visible")
    assert "Is GTE meant to be GET?" in failed.text
    kernel.run("%%http shop --name mine\nGET /orders")
    assert "error" not in [kind for kind, _ in kernel.run(TEST, cell="orders-visible").outputs]
