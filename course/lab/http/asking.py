"""Send a request written by hand to a server, and keep the answer: `ask(request, on=server)`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from course.lab.http.errors import HttpError
from course.lab.http.message import Message, read_message
from course.lab.http.request import Request
from course.lab.pictures.request import RequestPicture, send


@dataclass(frozen=True, repr=False)
class Answer:
    """A server's answer, and what it is an answer to.

    Attributes:
        status: the status code, as in 404.
        headers: the answer's headers, by their names in small letters.
        body: the answer's body as text.
        method: the method that was sent.
        path: the path that was sent, with its query.
        sent: all that was sent, as text.
        sent_body: the body that was sent, as text.
    """

    status: int
    headers: dict[str, str]
    body: str
    method: str
    path: str
    sent: str
    sent_body: str

    def __repr__(self) -> str:
        return f"<Answer {status_words(self.status)} to {self.method} {self.path}>"


def ask(request: Request | str, on: Any) -> Answer:  # noqa: ANN401 - a server here or in the student's kernel
    """Send a request to a server and return its answer.

    Args:
        request: what a `%%http` cell was given as its name, or a request's text.
        on: a server that `serve` started, or anything with a `url`.

    Raises:
        EmptyRequest: there is nothing to send yet (an AssertionError).
        HttpError: this is no request, or no server answers.
    """
    message, picture = exchange(_text_of(request), on)
    kind = picture.headers.get("content-type", "")
    charset = kind.partition("charset=")[2].split(";")[0].strip(' "') or "utf-8"
    try:
        body = picture.body.decode(charset, "replace")
    except LookupError:
        body = picture.body.decode(errors="replace")
    return Answer(
        status=picture.status or 0,
        headers=picture.headers,
        body=body,
        method=message.method,
        path=message.path,
        sent=message.raw.decode(),
        sent_body=message.body.decode(),
    )


def exchange(text: str, on: Any) -> tuple[Message, RequestPicture]:  # noqa: ANN401 - as `ask`
    """What was sent of a request's text, and what came back. Raises as `ask`."""
    url = str(on.url)
    message = read_message(text, urlsplit(url).netloc)
    picture = send(url + message.path, message.method, message.raw)
    if picture.stopped is not None:
        stop = picture.stopped
        refused = stop.step == "connection"
        hint = "Run the cell that starts the server, then this cell again." if refused else stop.advice
        raise HttpError(stop.said, hint)
    return message, picture


def status_words(status: int) -> str:
    """ "404 Not Found"."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _text_of(request: Request | str) -> str:
    text = request.text if isinstance(request, Request) else request
    if type(text) is not str:
        raise HttpError(
            "A test found something else under the name of your request.",
            "Leave the first line of its cell, %%http, as it was, use its name for nothing else, and run the cell again.",
        )
    return text
