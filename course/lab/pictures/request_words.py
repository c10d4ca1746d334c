"""Say in plain words what each step of a request's way was, and what each part of its bytes means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from course.lab.pictures.request import RequestPicture

SHOWN = 2048  # bytes of a body
CRLF = "␍␊"  # how the two bytes that end a line are shown

_HEX_SHOWN = 256
_LINE = re.compile(rb"([^\n]*?)(\r?\n)")
_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key")

_HEADERS = {
    "host": "which site is meant: one server may hold several",
    "user-agent": "which program asks",
    "accept": "which kinds of answer it can use",
    "accept-language": "which languages the reader likes",
    "accept-encoding": "which packings it can undo",
    "connection": "close: hang up after the answer",
    "content-type": "what kind of data the body is",
    "content-length": "how many bytes the body has",
    "authorization": "who asks: a secret, shown here only in part",
    "cookie": "what the server told the browser to remember: shown here only in part",
    "set-cookie": "what the browser is to remember: shown here only in part",
    "x-api-key": "who asks: a secret, shown here only in part",
    "date": "when the answer was made",
    "server": "which program answers",
    "location": "where to look instead",
    "transfer-encoding": "chunked: the body comes in pieces, each with its length in front",
    "content-encoding": "how the body is packed",
    "cache-control": "how long the answer may be kept and used again",
    "etag": "the mark of this version of the answer",
    "last-modified": "when the content was last changed",
    "allow": "which methods this path takes",
    "www-authenticate": "how to say who you are",
    "retry-after": "when to try again",
    "vary": "which headers the answer depends on",
    "content-disposition": "whether to show it or save it, and under which name",
    "access-control-allow-origin": "which other sites' pages may read this",
}
_CLASSES = {
    1: "wait for more",
    2: "it worked",
    3: "look elsewhere",
    4: "the request was at fault",
    5: "the server was at fault",
}


@dataclass(frozen=True)
class Part:
    """One part of a message: its name, its text as shown, how its line ended, and what it means."""

    name: str
    text: str
    end: Literal["", "␍␊", "␊"] = ""
    meaning: str = ""


@dataclass(frozen=True)
class Stage:
    """One step of the way: on which side it happens, its facts, and the arrow between the sides where there is one."""

    title: str
    side: Literal["browser", "server", "between"]
    facts: list[str] = field(default_factory=list)
    arrow: Literal["", "to", "from", "both"] = ""
    label: str = ""
    near: str = ""
    far: str = ""
    stopped: bool = False


def stages(picture: RequestPicture) -> list[Stage]:
    """The steps of the way, up to where it ended."""
    done = list(_stages(picture))
    stop = picture.stopped
    if stop is not None:
        title, side = _STOPPED[stop.step]
        done.append(Stage(title, side, [stop.said, stop.advice], stopped=True))
    return done


_STOPPED: dict[str, tuple[str, Literal["browser", "server", "between"]]] = {
    "address": ("The address cannot be used", "browser"),
    "name": ("The name is not known", "browser"),
    "connection": ("No connection", "between"),
    "request": ("The request did not get through", "between"),
    "work": ("No answer came", "server"),
    "response": ("The answer cannot be read", "between"),
}


def _stages(picture: RequestPicture) -> Iterator[Stage]:
    address, times = picture.address, picture.times
    if address is None:
        return
    yield Stage("Takes the address apart", "browser", [])
    if not picture.found:
        return
    yield Stage("Looks the name up", "browser", [f"{_looked_up(picture)} ({_ms(times['name'])})"])
    if picture.near is None or picture.far is None:
        return
    refused = [f"{each} refused, so the next was tried." for each in picture.refused]
    yield Stage(
        "Opens a connection", "between", refused, "both", _ms(times["connection"]),
        near=_end(picture.near), far=_end(picture.far),
    )  # fmt: skip
    if not picture.sent or (picture.stopped and picture.stopped.step == "request"):
        return
    yield Stage(
        "Sends the request", "between", [], "to", f"{picture.method} {address.target}",
        far=f"gets {count(len(picture.sent))}",
    )  # fmt: skip
    if picture.status is None:
        return
    yield Stage(
        "Works on it", "server", [*_work(picture), f"The first byte came after {_ms(times['work'])}."]
    )
    yield Stage(
        "Sends the response", "between", [picture.cut] if picture.cut else [], "from", status_words(picture),
        near=f"gets {count(len(picture.received))}", far=f"within {_ms(times['response'])}",
    )  # fmt: skip
    yield Stage("Shows it", "browser", [what_a_browser_does(picture)])


def _looked_up(picture: RequestPicture) -> str:
    host = picture.address.host if picture.address else ""
    if picture.found == [host]:
        return f"{host} is an IP address already{_THIS_MACHINE.get(host, '')}."
    found = " and ".join(f"{each}{_THIS_MACHINE.get(each, '')}" for each in picture.found)
    return f"{host} has the IP address {found}."


_THIS_MACHINE = {"127.0.0.1": ", that of this machine itself", "::1": ", that of this machine itself"}


def _work(picture: RequestPicture) -> Iterator[str]:
    handler = picture.handler
    if handler is not None and handler.route:
        yield f"The route {handler.route} fits: it calls {handler.function or 'its function'}()."
    elif handler is not None:
        yield f"No route of the app fits {picture.method} {picture.address.path if picture.address else ''}."
    if picture.raised:
        yield f"Your app raised {picture.raised}"
    if picture.log_line:
        yield f"Its log says: {picture.log_line}"


def what_a_browser_does(picture: RequestPicture) -> str:
    """What a browser makes of the response, by its status and its Content-Type."""
    status, headers = picture.status or 0, picture.headers
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if status in (301, 302, 303, 307, 308) and "location" in headers:
        return f"It shows nothing yet: it makes a new request at once, to {headers['location']}."
    if status == HTTPStatus.NOT_MODIFIED:
        return "It shows the copy that it kept from last time."
    if status == HTTPStatus.UNAUTHORIZED and headers.get("www-authenticate", "").lower().startswith("basic"):
        return "It asks the reader for a name and a password, then tries again."
    if not picture.body:
        return "There is no body, so there is nothing new to show."
    if headers.get("content-disposition", "").lower().startswith("attachment"):
        return "It saves the body as a file, because Content-Disposition says attachment."
    named = f"Content-Type is {kind}: " if kind else ""
    return named + _SHOWING.get(kind, _showing_by_family(kind))


_SHOWING = {
    "text/html": "it draws the body as a page, and fetches the pictures and styles that the page names.",
    "application/json": "it shows the data as text. A page's JavaScript would take it and draw something from it.",
    "application/problem+json": "it shows the data as text. A page's JavaScript would show the error.",
    "text/plain": "it shows the text as it is.",
    "text/event-stream": "it shows the lines as they come. A page's JavaScript would listen to them.",
    "application/pdf": "it opens the document.",
    "": "there is no Content-Type, so it guesses what the body is.",
}


def _showing_by_family(kind: str) -> str:
    family = kind.split("/")[0]
    if family == "image":
        return "it draws the picture."
    if family in ("audio", "video"):
        return "it plays the body."
    return "it shows the text." if family == "text" else "it saves the body as a file."


def status_words(picture: RequestPicture) -> str:
    """ "404 Not Found", or "no answer"."""
    if picture.status is None:
        return "no answer"
    try:
        return f"{picture.status} {HTTPStatus(picture.status).phrase}"
    except ValueError:
        return str(picture.status)


def request_parts(picture: RequestPicture) -> list[Part]:
    """The request's bytes, part by part."""
    head, _, body = picture.sent.partition(b"\r\n\r\n")
    parts = _head_parts(head + b"\r\n\r\n", "request line", "what is wanted: method, path, version of HTTP")
    return [*parts, *_body_parts(body, "")] if picture.sent else []


def response_parts(picture: RequestPicture) -> list[Part]:
    """The response's bytes, part by part; what is no HTTP stays in one piece."""
    if picture.status is None:
        return _body_parts(picture.received, "not HTTP")
    end = re.search(rb"\r?\n\r?\n", picture.received)
    at = end.end() if end else len(picture.received)
    family = picture.status // 100
    meaning = "version of HTTP, status, and the same in words"
    if family in _CLASSES:
        meaning += f". {family}xx: {_CLASSES[family]}"
    parts = _head_parts(picture.received[:at], "status line", meaning)
    charset = re.search(r"charset=\"?([\w-]+)", picture.headers.get("content-type", ""))
    chunked = "chunked" in picture.headers.get("transfer-encoding", "")
    meaning = (
        "the data in pieces: each has its length in front, in hex, and length 0 ends it" if chunked else ""
    )
    return [*parts, *_body_parts(picture.received[at:], meaning, charset[1] if charset else "utf-8")]


def _head_parts(head: bytes, first: str, meaning: str) -> list[Part]:
    parts = []
    for number, (line, end) in enumerate(_LINE.findall(head)):
        sign: Literal["␍␊", "␊"] = "␍␊" if end == b"\r\n" else "␊"
        text = _visible(line.decode("utf-8", "backslashreplace"))
        name, _, value = text.partition(":")
        if number == 0:
            parts.append(Part(first, text, sign, meaning))
        elif not line:
            parts.append(Part("blank line", "", sign, "the headers end here"))
        else:
            key = name.strip().lower()
            parts.append(Part("header", f"{name}:{hidden(key, value)}", sign, _HEADERS.get(key, "")))
    return parts


def _body_parts(body: bytes, meaning: str, charset: str = "utf-8") -> list[Part]:
    if not body:
        return []
    text, shown = _readable(body, charset)
    more = f"\N{HORIZONTAL ELLIPSIS} {len(body) - shown:,} bytes more" if shown < len(body) else ""
    meaning = meaning or ("the data itself" if text else "the data itself, no text: two hex digits a byte")
    return [Part("body", (text or _hex(body[:shown])) + (f"\n{more}" if more else ""), "", meaning)]


def _readable(body: bytes, charset: str) -> tuple[str, int]:
    """The body's beginning as text, "" where it is none; and how many bytes that is."""
    import codecs

    beginning = body[:SHOWN]
    try:
        text = codecs.getincrementaldecoder(charset)().decode(beginning, final=len(body) <= SHOWN)
    except (UnicodeDecodeError, LookupError):
        return "", min(len(body), _HEX_SHOWN)
    if "\0" in text:
        return "", min(len(body), _HEX_SHOWN)
    return _visible(text.replace("\r\n", f"{CRLF}\n"), keep="\n\t"), len(beginning)


def _hex(data: bytes) -> str:
    return "\n".join(data[at : at + 16].hex(" ") for at in range(0, len(data), 16))


def _visible(text: str, keep: str = "") -> str:
    """Signs that cannot be seen are written as Python writes them."""
    return "".join(sign if sign.isprintable() or sign in keep else repr(sign)[1:-1] for sign in text)


def hidden(name: str, value: str) -> str:
    """A header's value; of a secret only its beginning."""
    if name == "cookie":
        return ";".join(_hidden_pair(pair) for pair in value.split(";"))
    if name == "set-cookie":
        pair, sign, attributes = value.partition(";")
        return _hidden_pair(pair) + sign + attributes
    if name in _SECRET:
        scheme, space, secret = value.strip().partition(" ")
        return f" {scheme} {_beginning(secret)}" if space else f" {_beginning(scheme)}"
    return value


def _hidden_pair(pair: str) -> str:
    name, sign, value = pair.partition("=")
    return f"{name}{sign}{_beginning(value)}"


def _beginning(secret: str) -> str:
    return f"{secret[:3] if len(secret) > 8 else ''}\N{HORIZONTAL ELLIPSIS}"


def count(size: int) -> str:
    """ "1 byte", "2,048 bytes"."""
    return "1 byte" if size == 1 else f"{size:,} bytes"


def _end(where: tuple[str, int]) -> str:
    return f"{where[0]}, port {where[1]}"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds >= 0.1 else "less than 0.1 ms"
