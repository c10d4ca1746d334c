"""Say of what kind SQL values are, and when values of different engines are the same."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Any

# Sums of prices in SQLite are binary floating point; elsewhere they are exact decimals.
RELATIVE, ABSOLUTE = 1e-9, 1e-9

Row = tuple[Any, ...]


_KINDS: list[tuple[tuple[type, ...], str]] = [  # a bool is an int, and a datetime a date: the narrower first
    ((type(None),), "null"),
    ((bool,), "boolean"),
    ((int,), "integer"),
    ((float, Decimal), "number"),
    ((str,), "text"),
    ((dt.datetime,), "datetime"),
    ((dt.date,), "date"),
    ((bytes, bytearray, memoryview), "binary"),
]


def kind_of_column(values: Iterable[object]) -> str:
    """The kind that all values but NULL share: "null" where there is none, "mixed" where they differ."""
    kinds = {_kind_of(found) for found in set(map(type, values))} - {"null"}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else ("mixed" if kinds else "null")


def _kind_of(value_type: type) -> str:
    return next((kind for types, kind in _KINDS if issubclass(value_type, types)), "other")


def same_value(one: object, other: object) -> bool:
    """Whether two values are the same data: numbers within a tolerance, dates equal to their ISO text."""
    if isinstance(one, (int, float, Decimal)) and isinstance(other, (int, float, Decimal)):
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (one != one and other != other)
    return key(one) == key(other)


def same_row(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two rows are as long as each other and hold the same values."""
    return len(one) == len(other) and all(map(same_value, one, other))


def key(value: object) -> Hashable:
    """A hashable stand-in: equal for equal values, and nearly always for values that are the same (see same_value)."""
    match value:
        case bool() | int():
            return int(value)
        case float() | Decimal():
            return _number_key(value)
        case str() | None:
            return value
        case dt.datetime():
            return value.replace(tzinfo=None).isoformat(" ")
        case dt.date():
            return value.isoformat()
        case bytearray() | memoryview():
            return bytes(value)
    return value if isinstance(value, Hashable) else repr(value)


def _number_key(value: float | Decimal) -> Hashable:
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    return float(f"{number:.9g}") if abs(number) > ABSOLUTE else 0


def row_key(row: Iterable[object]) -> tuple[Hashable, ...]:
    """The keys of a row's values."""
    return tuple(key(value) for value in row)


def show(value: object) -> str:
    """A value as a reader of a result table expects it: NULL, true, 2024-01-31."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float():
            text = f"{value:.10g}"
            return text if re.search("[.einf]", text) else f"{text}.0"  # 3.0 is not the integer 3
        case dt.datetime():
            return value.isoformat(" ")
        case bytes() | bytearray() | memoryview():
            return f"0x{bytes(value).hex()}"
    return str(value)
