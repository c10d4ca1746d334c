"""Say where two values differ: which element, which key, which character."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import pprint
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

_PLAIN = {
    *(bool, int, float, complex, str, bytes, type(None)),
    *(decimal.Decimal, datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
}
_NOTHING = object()
_MOST = 10


@dataclass(frozen=True)
class Difference:
    """One place where two values differ; `got` or `expected` is "nothing" where one side has no such place."""

    at: str
    got: str
    expected: str


def differences(got: object, expected: object) -> list[Difference]:
    """The first places where two containers, texts or dataclass objects differ.

    An empty list means that there is nothing to add to the two values themselves. Only plain data is compared with
    `==`; other objects by their `repr`, because their own `==` may do anything.
    """
    found: list[Difference] = []
    for difference in _walk(got, expected, ""):
        found.append(difference)
        if len(found) == _MOST:
            break
    return [] if [each.at for each in found] == [""] else found


def show(value: object, limit: int = 1200) -> str:
    """The value's `repr`: over several lines where that helps, shortened to about `limit` characters, never raising."""
    text = _Short(limit).repr(value)
    complete = "..." not in text
    if len(text) > 72 and complete and type(value) in (list, tuple, dict, set):
        return pprint.pformat(value, width=72, sort_dicts=False)
    return text


def type_name(value: object) -> str:
    """The type's name as a beginner meets it: `str`, `Order`, `NoneType`."""
    return type(value).__name__


def _walk(got: object, expected: object, at: str) -> Iterator[Difference]:
    if type(got) is not type(expected):
        if not _same(got, expected):
            yield Difference(at, _cell(got), _cell(expected))
    elif isinstance(got, str) and isinstance(expected, str):
        yield from _texts(got, expected, at)
    elif (
        type(got) in (list, tuple) and isinstance(got, (list, tuple)) and isinstance(expected, (list, tuple))
    ):
        for index, pair in enumerate(zip_longest(got, expected, fillvalue=_NOTHING)):
            yield from _walk(*pair, f"{at}[{index}]")
    elif type(got) is dict and isinstance(expected, dict):
        for key in [*got, *(key for key in expected if key not in got)]:
            yield from _walk(got.get(key, _NOTHING), expected.get(key, _NOTHING), f"{at}[{show(key, 60)}]")
    elif isinstance(got, (set, frozenset)) and isinstance(expected, (set, frozenset)):
        mine, theirs = set(map(_cell, got)), set(map(_cell, expected))
        for extra in sorted(mine - theirs):
            yield Difference(at or "in the set", extra, "nothing")
        for lacking in sorted(theirs - mine):
            yield Difference(at or "in the set", "nothing", lacking)
    elif dataclasses.is_dataclass(got):
        for field in dataclasses.fields(got):
            yield from _walk(getattr(got, field.name), getattr(expected, field.name), f"{at}.{field.name}")
    elif not _same(got, expected):
        yield Difference(at, _cell(got), _cell(expected))


def _texts(got: str, expected: str, at: str) -> Iterator[Difference]:
    if got == expected:
        return
    if "\n" in got.rstrip("\n") or "\n" in expected.rstrip("\n"):
        for number, (mine, theirs) in enumerate(
            zip_longest(
                got.splitlines(keepends=True), expected.splitlines(keepends=True), fillvalue=_NOTHING
            ),
            start=1,
        ):
            if mine != theirs:
                yield Difference(f"{at} line {number}".strip(), _cell(mine), _cell(theirs))
    elif not at and max(len(got), len(expected)) > 12:
        place = next(i for i, (a, b) in enumerate(zip_longest(got, expected)) if a != b)
        window = slice(max(0, place - 8), place + 16)
        yield Difference(f"around character {place + 1}", _cell(got[window]), _cell(expected[window]))
    else:
        yield Difference(at, _cell(got), _cell(expected))


def _same(got: object, expected: object) -> bool:
    if type(got) in _PLAIN and type(expected) in _PLAIN:
        return bool(got == expected)
    return got is expected or show(got) == show(expected)


def _cell(value: object) -> str:
    return "nothing" if value is _NOTHING else show(value, 160)


class _Short(reprlib.Repr):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel = 8
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = 40
        self.maxstring = self.maxlong = limit
        self._limit = limit

    def repr(self, x: object) -> str:
        return self._cut(super().repr(x))

    def repr1(self, x: object, level: int) -> str:
        try:
            return super().repr1(x, level)
        except Exception as error:  # a student's own __repr__ may raise anything
            return f"<{type_name(x)} object whose repr raised {type_name(error)}>"

    def repr_instance(self, x: object, level: int) -> str:
        return self._cut(repr(x))

    def _cut(self, text: str) -> str:
        return text if len(text) <= self._limit else f"{text[: self._limit]} ..."

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        # reprlib sorts the keys; students put them in an order
        if level <= 0 and x:
            return "{...}"
        shown = [
            f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}"
            for k, v in list(x.items())[: self.maxdict]
        ]
        return "{" + ", ".join(shown + ["..."] * (len(x) > self.maxdict)) + "}"
