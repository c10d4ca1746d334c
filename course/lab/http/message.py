"""Read a request that was written by hand, add what a browser would add, and say where it cannot be sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote, urlsplit

from course.lab.http.errors import EmptyRequest, HttpError

STUB = "# Write your request here"
"""What stands in a released cell in place of the request that a student is to write."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_VERSION = "HTTP/1.1"
_VERSIONS = (_VERSION, "HTTP/1.0")
_WITH_BODY = ("POST", "PUT", "PATCH")
_MARKER = re.compile(r"\s*#+ (?:BEGIN|END) SOLUTION\s*")
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>.*)")
_LIKE_A_VERSION = re.compile(r"\s+https?[\s/]*[\d.,]*$", re.IGNORECASE)
_LIKE_A_BODY = re.compile(r"\s*[{}\[\]\"']|[^\s:]+=")
_COMMON = re.compile(r"(?:Host|Accept[\w-]*|User-Agent|Content-\w+|Connection|Authorization|Cookie)[ \t]*:", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A request as it is sent: its method and path, the lines of its head, and its body.

    `added` are the numbers of the head's lines that the course added; 0 is the request line, to which the version was
    added.
    """

    method: str
    path: str
    head: tuple[str, ...]
    body: bytes
    added: frozenset[int]

    @property
    def raw(self) -> bytes:
        """The bytes that go over the wire."""
        return "".join(f"{line}\r\n" for line in (*self.head, "")).encode() + self.body


def without_markers(text: str) -> str:
    """A cell's text without the marks that an author puts around a solution, and without space around it."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line for line in lines if not _MARKER.fullmatch(line)).strip()


def is_empty(text: str) -> bool:
    """Whether there is no request: white space and comments only."""
    return all(not line.strip() or line.lstrip().startswith("#") for line in text.split("\n"))


def read_message(text: str, host: str) -> Message:
    """The request in a cell's text, for a server at `host`, as in "127.0.0.1:8000".

    Comments before the request line are dropped. The version, Host, Content-Length and Connection are added where they
    are missing. Raises EmptyRequest, and HttpError where this is no request.
    """
    text = without_markers(text)
    if is_empty(text):
        raise EmptyRequest
    above, lines = _below_comments(text)
    _refuse_missing_lines(above, lines)
    end = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    first = lines[0].rstrip()
    method, path, version = _request_line(first)
    headers = [_header(line.rstrip(), lines[:end]) for line in lines[1:end]]
    body = "\n".join(lines[end:]).strip()
    _refuse_headers_in(body)
    head = [f"{method} {path} {version or _VERSION}", *(f"{name}: {value}" for name, value in headers)]
    added = _missing_headers(method, {name.lower(): value for name, value in headers}, body.encode(), host)
    numbers = [*([] if version else [0]), *range(len(head), len(head) + len(added))]
    return Message(method, path, (*head, *added), body.encode(), frozenset(numbers))


def _below_comments(text: str) -> tuple[list[str], list[str]]:
    """The comments above a request, and the request's lines."""
    lines = text.split("\n")
    start = next(
        number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")
    )
    return lines[:start], lines[start:]


def _refuse_missing_lines(above: list[str], lines: list[str]) -> None:
    """Refuse a request of which the student has not written their part."""
    stub_stands = STUB in map(str.strip, lines)
    if _HEADER.fullmatch(lines[0].strip()) and STUB in map(str.strip, above):
        stub_stands = True
    if stub_stands:
        raise HttpError(
            "A line is missing here.", "Write it in the place of the comment.", line=STUB, untried=True
        )


# --- the request line -----------------------------------------------------------------------------------------------


def _request_line(line: str) -> tuple[str, str, str]:
    """The method, the path, and the version, "" where it was left out."""
    if line != line.lstrip():
        raise HttpError("The request line begins with a space.", "Take the space away.", line=line)
    method, _, rest = line.partition(" ")
    _check_method(method, line)
    rest, version = _without_version(f" {rest}", line)
    words = rest.split()
    if not words:
        raise HttpError(
            "The request line has no path.",
            f"Say after {method} what you want, as in: {method} /orders. The first page of a site is {method} /",
            line=line,
        )
    if len(words) > 1:
        raise HttpError(
            "There is a space in the path.",
            "A request line has a method, a path and the version, with one space between them. The path itself has no "
            "space: look for one too many. Where an address needs one, it is written %20.",
            line=line,
        )
    _check_path(words[0], line)
    return method, words[0], version


def _check_method(method: str, line: str) -> None:
    if method in METHODS:
        return
    title, start = "The request line has no method that a server knows.", method.upper()
    if _HEADER.fullmatch(line):
        title = "The request line is missing."
        hint = "The first line says what you want: a method and a path, as in: GET /orders. The headers come below it."
    elif start in METHODS:
        hint = f"Methods are written in capital letters: {start}, not {method}."
    elif method.startswith("/") or "://" in method:
        hint = "Write what you want to do before the path: GET /orders asks for the orders."
    elif glued := next((known for known in METHODS if start.startswith(f"{known}/")), ""):
        hint = f"Put a space between the method and the path: {glued} {method[len(glued) :]}"
    elif close := get_close_matches(start, METHODS, n=1, cutoff=0.65):
        hint = f"Is {method} meant to be {close[0]}?"
    else:
        hint = f"{method} is no method. Begin with one of {', '.join(METHODS[:5])}, a space, and the path."
    raise HttpError(title, hint, line=line)


def _without_version(rest: str, line: str) -> tuple[str, str]:
    """What stands after the method, without the version; and the version, "" where it was left out."""
    words = rest.split()
    if words and words[-1] in _VERSIONS:
        return rest.rstrip().removesuffix(words[-1]), words[-1]
    if _LIKE_A_VERSION.search(rest):
        raise HttpError("The version is written in another way.", f"Write {_VERSION} at the end of the line, or leave it out.", line=line)  # fmt: skip
    return rest, ""


def _check_path(path: str, line: str) -> None:
    if "://" in path:
        parts = urlsplit(path)
        own = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        raise HttpError(
            "The request line holds a whole address.",
            f"Write only its path here: {own}. The server is named in the first line of the cell.",
            line=line,
        )
    if not path.startswith("/"):
        bare = path.removeprefix("href=").strip("\"'\u201c\u201d\u2018\u2019")
        raise HttpError("The path does not begin with a slash.", f"Write /{bare.lstrip('/')}", line=line)
    if "#" in path:
        raise HttpError(
            "There is a # in the path.",
            "What stands after # in an address is for the browser alone, and is never sent. Take it away.",
            line=line,
        )
    if not path.isascii():
        written = quote(path, safe="/%?=&+,;:@!$'()*~-._")
        raise HttpError(
            "The path has a letter that cannot be sent as it is.", f"It is written {written}", line=line
        )


# --- the headers ----------------------------------------------------------------------------------------------------


def _header(line: str, head: list[str]) -> tuple[str, str]:
    """A header's name and value."""
    found = _HEADER.fullmatch(line)
    if found and not line.startswith("#"):
        return found["name"], found["value"]
    title = "This line is no header."
    if line.lstrip().startswith("#"):
        hint = "A comment may stand above the request line only. Take this line away."
    elif _LIKE_A_BODY.match(line):
        title = "A blank line is missing before the body."
        hint = "The headers end with a blank line. Put one above this line: below it stands the body, the data you send."
    elif line != line.lstrip():
        hint = "It begins with a space. Take the space away."
    elif line.partition(" ")[0].upper() in METHODS:
        hint = "A cell holds one request. Take the second request line away."
    elif ":" in line:
        hint = "The name before the colon is one word. Hyphens join its parts, as in Content-Type: text/plain"
    else:
        hint = "A header is a name, a colon and a value, as in Accept-Language: en. "
        hint += "If this line is data that you send, put a blank line above it."
    raise HttpError(title, hint, line=line)


def _refuse_headers_in(body: str) -> None:
    first = body.partition("\n")[0]
    if _COMMON.match(first):
        raise HttpError(
            "There is a blank line above a header.",
            "The first blank line ends the headers, so the server would take this line for data. Take the blank line away.",
            line=first,
        )


def _missing_headers(method: str, given: dict[str, str], body: bytes, host: str) -> list[str]:
    """The header lines that a browser would have sent too."""
    length = given.get("content-length")
    if length is not None and length.strip() != str(len(body)):
        raise HttpError(
            f"Content-Length says {length.strip()}, but the body has {len(body)} bytes.",
            "Leave this header out: it is added for you.",
            line=f"Content-Length: {length}",
        )
    needs_length = length is None and "transfer-encoding" not in given and (body or method in _WITH_BODY)
    return [
        *([] if "host" in given else [f"Host: {host}"]),
        *([f"Content-Length: {len(body)}"] if needs_length else []),
        *([] if "connection" in given else ["Connection: close"]),
    ]
