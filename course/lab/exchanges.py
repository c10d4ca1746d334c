"""Show an HTTP request and its response as a beginner would describe them."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from course.lab.assertions import MISSING
from course.lab.differences import show

_LONGEST = 2000
_ONE_LINE = 44  # two bodies stand beside each other
_STATUS = re.compile(r"\b[1-5]\d\d\b")
_PART_OF = {
    **{"status_code": "Status", "headers": "Headers", "json": "Body", "text": "Body", "content": "Body"},
    **{"status": "Status", "body": "Body"},  # of an answer to a request written by hand
}


@dataclass(frozen=True)
class Expectation:
    """What a failing assert expected of one part of a response.

    `part` is "Status", "Content type", "Body", "Headers" or one header's name. `place` says in Python which piece of the
    part was looked at, where it was not the whole: `json()["total"]`. `got` is what was got of the headers.
    """

    part: str
    expected: str
    place: str = ""
    got: str = ""


@dataclass(frozen=True)
class Exchange:
    """One HTTP request, and the response where there was one (`status` None where there was none).

    `raised` is the traceback of what an app of this notebook raised, where the response says that it broke.
    """

    method: str
    path: str
    sent: str
    status: int | None = None
    reason: str = ""
    content_type: str = ""
    received: str = ""
    raised: str = ""
    expectation: Expectation | None = None


def of(values: Iterable[object]) -> list[Exchange]:
    """The exchanges among the values: each `requests.Response`, each `requests` error that knows its request, and each
    answer to a request written by hand.
    """
    found: dict[int, Exchange] = {}
    by_hand = sys.modules.get("course.lab.http.asking")
    for value in values:
        names = _ancestors(value)
        if by_hand and type(value) is by_hand.Answer:
            found.setdefault(id(value), _answered_by_hand(value))
        elif "requests.models.Response" in names:
            found.setdefault(id(value), _answered(value))
        elif "requests.exceptions.RequestException" in names and getattr(value, "request", None) is not None:
            request = value.request  # type: ignore[attr-defined]
            found.setdefault(id(value), Exchange(request.method, _path(request.url), _body(request.body)))
    return list(found.values())


def expectation(
    subject: ast.expr, part: ast.Attribute, got: object, wanted: object, words: str
) -> Expectation | None:
    """What an assert about `subject`, in which `part` is an attribute of a response, expected of the response.

    `words` say what was expected; `wanted` is the one value that was expected, MISSING if there was no such value.
    """
    if part.attr not in _PART_OF:
        return None
    header = _header(subject, part)
    match part.attr:
        case "headers" if header:
            return Expectation(header, words, got=show(got))
        case "headers" if subject is part and isinstance(got, Mapping):
            return Expectation("Headers", words, got=", ".join(got))
        case "status_code" | "status" if subject is part:
            return Expectation("Status", _STATUS.sub(lambda code: _with_phrase(int(code[0])), words))
        case "json" if isinstance(subject, ast.Call) and subject.func is part:
            return Expectation("Body", _json(wanted) or words)
        case "text" | "content" | "body" if subject is part and isinstance(wanted, (str, bytes)):
            return Expectation("Body", _body(wanted) or "(empty)")
    response = ast.unparse(part).removesuffix(part.attr)
    return Expectation(_PART_OF[part.attr], words, place=ast.unparse(subject).removeprefix(response))


def _header(subject: ast.expr, headers: ast.Attribute) -> str:
    """The name of the part where `subject` is one of the headers: `headers["location"]`; "" where it is not."""
    match subject:
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(name))) if inner is headers:
            pass
        case ast.Call(func=ast.Attribute(value=inner), args=[ast.Constant(value=str(name)), *_]) if (
            inner is headers
        ):
            pass
        case _:
            return ""
    return "Content type" if name.lower() == "content-type" else f"Header {name}"


def advice(error: BaseException) -> str:
    """What to do about a request that got no answer; "" for any other error."""
    names = _ancestors(error)
    if "requests.exceptions.Timeout" in names:
        return (
            "The server did not answer in time. Does your endpoint end? Look for an endless loop, or a wait for "
            "something that never comes."
        )
    if "requests.exceptions.ConnectionError" in names:
        return (
            "No server answers at this address: run the cell that starts your server, then this test again."
        )
    return ""


def _answered(response: Any) -> Exchange:  # noqa: ANN401 - a requests.Response, not imported for its name alone
    request = response.request
    return Exchange(
        method=request.method or "",
        path=_path(request.url or ""),
        sent=_body(request.body),
        status=response.status_code,
        reason=_phrase(response.status_code) or response.reason or "",
        content_type=response.headers.get("content-type", ""),
        received=_body(response.content if response._content_consumed else "(not read)"),
        raised=_raised(request.url or "") if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )


def _answered_by_hand(answer: Any) -> Exchange:  # noqa: ANN401 - a course.lab.http.Answer
    return Exchange(
        method=answer.method,
        path=answer.path,
        sent=_body(answer.sent_body),
        status=answer.status,
        reason=_phrase(answer.status),
        content_type=answer.headers.get("content-type", ""),
        received=_body(answer.body),
    )


def _raised(url: str) -> str:
    """What the app behind a URL raised last, if `serve` serves it; nothing is imported for it."""
    server = sys.modules.get("course.lab.serving.server")
    port = urlsplit(url).port
    return str(server.last_traceback(port)) if server and port else ""


def _ancestors(value: object) -> set[str]:
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__}


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _body(body: str | bytes | None) -> str:
    """Text of a body; JSON is laid out, long bodies are cut."""
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            return f"({len(body)} bytes that are not text)"
    if not isinstance(body, str):
        return "" if body is None else "(a stream)"
    with suppress(ValueError):
        data = json.loads(body)
        body = json.dumps(data, ensure_ascii=False)
        if len(body) > _ONE_LINE:
            body = json.dumps(data, indent=2, ensure_ascii=False)
    return body if len(body) <= _LONGEST else f"{body[:_LONGEST]}\n... ({len(body)} characters in all)"


def _json(value: object) -> str:
    """The value as the body that it would be; "" where there is none."""
    if value is MISSING:
        return ""
    try:
        return _body(json.dumps(value))
    except (TypeError, ValueError):
        return ""


def _with_phrase(status: int) -> str:
    return f"{status} {_phrase(status)}".strip()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
