"""Mutants of requests written by hand: the slips that students make, put into a correct solution one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.proof.mutants import Mutant, line_diff, solution_lines

_REQUEST_LINE = re.compile(r"(?P<method>[A-Z]+) (?P<path>/\S*)(?P<version>.*)")
_HEADER = re.compile(r"[\w-]+: *(?P<value>\S.*)")
_OTHER_METHOD = {"GET": "POST", "POST": "GET", "PUT": "POST", "PATCH": "PUT", "DELETE": "GET", "HEAD": "GET"}
_NUMBER = re.compile(r"\d+")
_LAST_LETTERS = re.compile(r"(?<=[A-Za-z])[A-Za-z](?=[^A-Za-z]*$)")


def http_mutants(source: str) -> list[Mutant]:
    """The mutants of a `%%http` cell's solution.

    Each line dropped, another method, a path that is cut, misspelt or counts one on, a parameter dropped or changed, a
    header's value and the body's numbers and words changed.
    """
    lines = source.splitlines()
    found: dict[str, Mutant] = {}
    in_body = False
    for number in solution_lines(lines):
        line = lines[number]
        for description, slip in _slips(line, in_body=in_body):
            broken = "\n".join([*lines[:number], *slip, *lines[number + 1 :]])
            if broken != source and broken not in found:
                found[broken] = Mutant(broken, description, line_diff(source, broken))
        in_body = in_body or not line.strip()
    return list(found.values())


def _slips(line: str, *, in_body: bool) -> Iterator[tuple[str, list[str]]]:
    """What may become of one line: a description, and the lines in its place."""
    yield ("line" if line.strip() else "blank line") + " dropped", []
    if line.startswith("#"):
        return
    request, header = _REQUEST_LINE.fullmatch(line), _HEADER.fullmatch(line)
    if in_body:
        yield "number changed", [_one_more(line)]
        yield "text changed", [_misspelt(line)]
    elif request:
        method, path, version = request.groups()
        if method in _OTHER_METHOD:
            yield "another method", [f"{_OTHER_METHOD[method]} {path}{version}"]
        for description, other in _other_paths(path):
            yield description, [f"{method} {other}{version}"]
    elif header:
        name, value = line[: header.start("value")], header["value"]
        yield "header's value changed", [name + _misspelt(value)]


def _other_paths(target: str) -> Iterator[tuple[str, str]]:
    path, mark, query = target.partition("?")
    whole = mark + query
    yield "number in the path changed", _one_more(path) + whole
    yield "path misspelt", _misspelt(path) + whole
    if path != "/":
        yield "last part of the path dropped", (path.rpartition("/")[0] or "/") + whole
    if query:
        yield "query dropped", path
        pairs = query.split("&")
        for number, pair in enumerate(pairs):
            rest = [*pairs[:number], *pairs[number + 1 :]]
            yield "parameter dropped", f"{path}{mark if rest else ''}{'&'.join(rest)}"
            name, _, value = pair.partition("=")
            for other in (_one_more(value), _misspelt(value)):
                changed = [*pairs[:number], f"{name}={other}", *pairs[number + 1 :]]
                yield "parameter changed", f"{path}?{'&'.join(changed)}"


def _one_more(text: str) -> str:
    """The last number of a text counted one on."""
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return text
    last = numbers[-1]
    return f"{text[: last.start()]}{int(last[0]) + 1}{text[last.end() :]}"


def _misspelt(text: str) -> str:
    """A text whose last word lacks its last letter."""
    return _LAST_LETTERS.sub("", text, count=1)
