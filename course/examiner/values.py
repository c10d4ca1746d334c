"""Plain data that travels by copy: how each type is written as JSON, and what is checked before anything is built from it.

JSON's own scalars stand for themselves; everything else is a list ["tag", ...]. Only exact types are plain data: what
derives from them is an object (see course.examiner.student). Reading never looks anything up by a name that the other
side chose, runs no code of its, and builds nothing much larger than what was sent.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import fractions
import functools
import math
import operator
import pathlib
import re
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Json = Any
"""What a JSON decoder gives."""

Value = Any
"""Any object of the test's or the student's."""

Encode = Callable[[Value], Json]
Decode = Callable[[Json], Value]

EXACT_INT = 2**53  # as large as every JSON library keeps an integer
MOST_INT_TEXT = 1 << 18  # hexadecimal digits
MOST_RATIO_TEXT = 1 << 12  # of a fraction's parts, which are brought to lowest terms: quadratic work
MOST_DECIMAL_TEXT = 1 << 14
MOST_EXPONENT = 100_000

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")


@dataclass(frozen=True)
class Codec:
    """How the values of one type travel by copy."""

    tag: str
    write: Callable[[Value, Encode], list[Json]]
    read: Callable[[list[Json], Decode], Value]
    fits: Callable[[Value], bool] = lambda value: True
    """Whether this very value can travel; one that cannot is an object."""


def exactly(kind: type, value: Value) -> Value:
    """The value, if it is of just this type. Raises ValueError."""
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}")
    return value


def read_text(part: Json, most: int) -> str:
    """A text of at most so many characters. Raises ValueError."""
    if type(part) is not str or len(part) > most:
        raise ValueError("expected a shorter text")
    return part


def write_bytes(value: bytes | bytearray | memoryview) -> str:
    """Bytes as base64."""
    return base64.b64encode(value).decode()


def read_bytes(part: Json) -> bytes:
    """Bytes from base64. Raises ValueError."""
    return base64.b64decode(exactly(str, part), validate=True)


def _read_int(part: Json) -> int:
    return int(read_text(part, MOST_INT_TEXT), 16)


def _read_float(part: Json) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[part]


def _read_range(parts: list[Json], decode: Decode) -> range:
    start, stop, step = (exactly(int, decode(part)) for part in parts)
    return range(start, stop, step)


def _read_complex(parts: list[Json], decode: Decode) -> complex:
    real, imaginary = (exactly(float, decode(part)) for part in parts)
    return complex(real, imaginary)


def _read_decimal(parts: list[Json], decode: Decode) -> decimal.Decimal:
    value = decimal.Decimal(read_text(parts[0], MOST_DECIMAL_TEXT))
    if value.is_finite() and abs(value.adjusted()) > MOST_EXPONENT:
        raise ValueError("the exponent is too large")
    return value


def _fits_decimal(value: decimal.Decimal) -> bool:
    return not value.is_finite() or abs(value.adjusted()) <= MOST_EXPONENT


def _read_fraction(parts: list[Json], decode: Decode) -> fractions.Fraction:
    above, below = (int(read_text(part, MOST_RATIO_TEXT), 16) for part in parts)
    return fractions.Fraction(above, below)


def _fits_fraction(value: fractions.Fraction) -> bool:
    return max(value.numerator.bit_length(), value.denominator.bit_length()) < 4 * (MOST_RATIO_TEXT - 4)


def write_zone(zone: dt.tzinfo | None) -> Json:
    """A time zone: None, the key of a zone of the tz database, or an offset in whole microseconds with its name."""
    if zone is None:
        return None
    if isinstance(zone, zoneinfo.ZoneInfo):
        return zone.key
    assert isinstance(zone, dt.timezone)
    offset, name = zone.utcoffset(None), zone.tzname(None)
    unnamed = dt.timezone(offset).tzname(None) == name
    return [offset // dt.timedelta(microseconds=1), None if unnamed else name]


def read_zone(part: Json) -> dt.tzinfo | None:
    """The time zone that `write_zone` wrote. Raises ValueError, and ZoneInfoNotFoundError (a KeyError)."""
    if part is None:
        return None
    if type(part) is str:
        if not _ZONE.fullmatch(part):
            raise ValueError("this is no time zone")
        return zoneinfo.ZoneInfo(part)
    microseconds, name = part
    offset = dt.timedelta(microseconds=exactly(int, microseconds))
    if name is not None:
        return dt.timezone(offset, read_text(name, 100))
    return dt.timezone(offset) if offset else dt.UTC


def fits_zone(zone: dt.tzinfo | None) -> bool:
    """Whether `write_zone` can write a time zone."""
    return zone is None or type(zone) is dt.timezone or (type(zone) is zoneinfo.ZoneInfo and bool(zone.key))


def _fits_time(value: dt.datetime | dt.time) -> bool:
    return fits_zone(value.tzinfo)


def _write_time(value: dt.datetime | dt.time, encode: Encode) -> list[Json]:
    return [value.replace(tzinfo=None).isoformat(), value.fold, write_zone(value.tzinfo)]


def _time_reader(kind: type[dt.datetime] | type[dt.time]) -> Callable[[list[Json], Decode], Value]:
    def read(parts: list[Json], decode: Decode) -> dt.datetime | dt.time:
        text, fold, zone = parts
        return kind.fromisoformat(read_text(text, 40)).replace(tzinfo=read_zone(zone), fold=fold)

    return read


def _is_type_like(value: Value) -> bool:
    return value is None or type(value) is type or type(value) in (types.GenericAlias, types.UnionType)


def _read_alias(parts: list[Json], decode: Decode) -> types.GenericAlias:
    origin, *arguments = (decode(part) for part in parts)
    return types.GenericAlias(exactly(type, origin), tuple(arguments))


def _read_union(parts: list[Json], decode: Decode) -> types.UnionType:
    members = [decode(part) for part in parts]
    if not all(map(_is_type_like, members)) or not 1 < len(members) < 100:
        raise ValueError("this is no union of types")
    return typing.cast("types.UnionType", functools.reduce(operator.or_, members))


def _group(
    tag: str, parts: Callable[[Value], Iterable[Value]], build: Callable[[list[Value]], Value]
) -> Codec:
    """A value that is nothing but its parts."""
    return Codec(
        tag,
        lambda value, encode: [encode(part) for part in parts(value)],
        lambda parts, decode: build([decode(part) for part in parts]),
    )


def _text(tag: str, build: Callable[[str], Value], most: int) -> Codec:
    """A value that is nothing but its text."""
    return Codec(
        tag, lambda value, encode: [str(value)], lambda parts, decode: build(read_text(parts[0], most))
    )


CODECS: dict[type, Codec] = {
    int: Codec("int", lambda value, encode: [hex(value)], lambda parts, decode: _read_int(parts[0])),
    float: Codec("float", lambda value, encode: [repr(value)], lambda parts, decode: _read_float(parts[0])),
    complex: Codec("complex", lambda value, encode: [encode(value.real), encode(value.imag)], _read_complex),
    bytes: Codec(
        "bytes", lambda value, encode: [write_bytes(value)], lambda parts, decode: read_bytes(parts[0])
    ),
    range: Codec(
        "range",
        lambda value, encode: [encode(part) for part in (value.start, value.stop, value.step)],
        _read_range,
    ),
    dt.datetime: Codec("datetime", _write_time, _time_reader(dt.datetime), _fits_time),
    dt.time: Codec("time", _write_time, _time_reader(dt.time), _fits_time),
    dt.date: _text("date", dt.date.fromisoformat, 40),
    dt.timedelta: Codec(
        "timedelta",
        lambda value, encode: [value.days, value.seconds, value.microseconds],
        lambda parts, decode: dt.timedelta(*(exactly(int, part) for part in parts)),
    ),
    dt.timezone: Codec(
        "timezone", lambda value, encode: [write_zone(value)], lambda parts, decode: read_zone(parts[0])
    ),
    zoneinfo.ZoneInfo: Codec(
        "zone",
        lambda value, encode: [write_zone(value)],
        lambda parts, decode: read_zone(parts[0]),
        lambda value: bool(value.key),
    ),
    decimal.Decimal: Codec("Decimal", lambda value, encode: [str(value)], _read_decimal, _fits_decimal),
    fractions.Fraction: Codec(
        "Fraction",
        lambda value, encode: [hex(value.numerator), hex(value.denominator)],
        _read_fraction,
        _fits_fraction,
    ),
    uuid.UUID: _text("UUID", uuid.UUID, 40),
    type(pathlib.Path()): _text("Path", pathlib.Path, 1 << 14),
    type(pathlib.PurePosixPath()): _text("PurePosixPath", pathlib.PurePosixPath, 1 << 14),
    tuple: _group("tuple", tuple, tuple),
    frozenset: _group("frozenset", tuple, frozenset),
    slice: _group("slice", lambda value: (value.start, value.stop, value.step), lambda parts: slice(*parts)),
    type({}.keys()): _group("keys", tuple, lambda parts: dict.fromkeys(parts).keys()),
    type({}.values()): _group("values", tuple, lambda parts: dict(enumerate(parts)).values()),
    type({}.items()): _group("items", tuple, lambda parts: dict(parts).items()),
    types.GenericAlias: Codec(
        "alias",
        lambda value, encode: [encode(value.__origin__), *map(encode, value.__args__)],
        _read_alias,
        lambda value: all(map(_is_type_like, value.__args__)),
    ),
    types.UnionType: Codec(
        "union",
        lambda value, encode: [encode(member) for member in value.__args__],
        _read_union,
        lambda value: all(map(_is_type_like, value.__args__)),
    ),
}
"""The standard library's types. Those of other libraries stand in course.examiner.tables."""
