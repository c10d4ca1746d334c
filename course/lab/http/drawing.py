"""Draw what a request written by hand was, and what came back: its bytes, and each line's meaning."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from course.lab.http.asking import status_words
from course.lab.http.message import Message
from course.lab.pictures.request import RequestPicture
from course.lab.pictures.request_drawing import bytes_html, parts_text
from course.lab.pictures.request_words import Part, request_parts, response_parts

_MEANINGS = {
    200: "it worked",
    201: "it worked, and something new was made",
    204: "it worked, and there is nothing to show",
    301: "it has moved for good: look elsewhere",
    302: "look elsewhere this time",
    303: "look elsewhere for the result",
    304: "nothing has changed since last time",
    307: "ask the same elsewhere this time",
    308: "it has moved for good: ask the same elsewhere",
    400: "the server cannot make sense of the request",
    401: "say who you are first",
    403: "you may not have this",
    404: "there is nothing at this path",
    405: "this path does not take this method",
    406: "it cannot be had in a form that you accept",
    409: "it does not fit what is there already",
    413: "the body is too large",
    415: "the body is written in a way that the server does not take",
    422: "the data does not fit what is asked for",
    429: "too many requests: wait a little",
    500: "the server's own program broke",
    503: "the server is not ready: try again later",
}
_FAMILIES = {
    1: "wait for more",
    2: "it worked",
    3: "look elsewhere",
    4: "the request was at fault",
    5: "the server was at fault",
}
_ADDED = "What is marked as added was not in your cell: a browser adds such parts too."


def answer_html(message: Message, picture: RequestPicture) -> str:
    """Both messages, byte for byte."""
    title = (
        f"<code>{escape(message.method)} {escape(message.path)}</code> → {escape(_meaning(picture.status))}"
    )
    notes = [*([_ADDED] if message.added else []), *_told(picture)]
    return bytes_html(title, map(escape, notes), _sent_parts(message, picture), picture)


def answer_text(message: Message, picture: RequestPicture) -> str:
    """The same as plain text; added lines are marked with a plus."""
    blocks = [f"{message.method} {message.path} → {_meaning(picture.status)}"]
    sent = [
        replace(part, text=f"+ {part.text}") if part.name.startswith("added") else part
        for part in _sent_parts(message, picture)
    ]
    blocks += [*([_ADDED.replace("as added", "with a plus")] if message.added else []), *_told(picture)]
    blocks.append(parts_text("The request", len(picture.sent), sent))
    blocks.append(parts_text("The response", len(picture.received), response_parts(picture)))
    return "\n\n".join(blocks)


def _meaning(status: int | None) -> str:
    code = status or 0
    words = _MEANINGS.get(code) or _FAMILIES.get(code // 100, "")
    return f"{status_words(code)}: {words}" if words else status_words(code)


def _told(picture: RequestPicture) -> list[str]:
    """What else there is to say of an answer."""
    broke = f"The server's program raised {picture.raised}" if picture.raised else ""
    return [told for told in (broke, picture.cut) if told]


def _sent_parts(message: Message, picture: RequestPicture) -> list[Part]:
    """The parts of the request, with those that were added marked."""
    parts = request_parts(picture)
    for number in message.added:
        part = parts[number]
        if number:
            parts[number] = replace(part, name=f"added {part.name}")
        else:
            parts[number] = replace(part, meaning=f"{part.meaning} (HTTP/1.1 was added)")
    return parts
