"""Values cross the line as what they are; what is malformed never does more than end the session."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import io
import json
import math
import pathlib
import random
import socket
import string
import sys
import time
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from course.examiner.session import Session
from course.examiner.wire import MOST_DEPTH, Broken, Wire
from course.lab.http import Request
from course.lab.sql.query import Query
from course.lab.sql.rows import Rows


class End(Wire):
    """An end that knows plain data only."""

    def encode_other(self, value: Any, depth: int) -> Any:
        raise TypeError(f"{type(value).__name__} is no plain data")

    def decode_other(self, part: Any, depth: int) -> Any:
        raise ValueError(part[0])


class Line:
    """Two ends, and what was sent last."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        self.sockets = here, there
        self.here, self.there = End(here, "e"), End(there, "s")

    def carry(self, *values: Any) -> list[Any]:
        self.here.put("take", *values)
        return self.there.take()[1]

    def back(self, *values: Any) -> list[Any]:
        self.there.put("take", *values)
        return self.here.take()[1]


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    for each in line.sockets:
        each.close()


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
PLAIN = [
    *(None, True, False, 0, -1, 2**53, -(2**53), 2**64, -(10**400), 0.0, -0.0, 0.1, 1e308, 5e-324, 2.0),
    *(math.inf, -math.inf, 1j, complex(-0.0, math.inf), "", "é😀\ud800\x00", b"", bytes(range(256)), ...),
    *(range(5), range(10**30, 0, -7), slice(None, 2**70, None), NotImplemented, int, type(None), ValueError, type),
    *((), (1, (2.5, ("x",))), frozenset(), frozenset({1, (2, 3)}), [1, [2, []]], {}, {1: "a", (2,): {"b": None}}),
    *({1, 2}, set(), bytearray(b"\x00ab"), collections.deque([1, 2], 5), collections.deque(), collections.Counter("aab")),
    *(collections.OrderedDict(b=1, a=2), types.SimpleNamespace(a=1, b=[2]), list[int], dict[str, list[float]], int | None),
    *(dt.date(2024, 2, 29), dt.time(1, 2, 3, 4), dt.datetime(2024, 2, 29, 12, 30), dt.timedelta(-1, 5, 7), dt.UTC),
    *(dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), dt.time(5, tzinfo=dt.timezone(dt.timedelta(hours=-3), "X")), BERLIN),
    *(dt.datetime.max, dt.datetime.min, dt.timedelta.max, dt.date.min, decimal.Decimal("-0.10"), decimal.Decimal("1E+30")),
    *(decimal.Decimal("-Infinity"), fractions.Fraction(-1, 3), uuid.UUID(int=5), pathlib.Path("a/../b"), pathlib.PurePosixPath("/x")),
    *(Query("q", "SELECT 1"), Request("r", "GET /"), pd.Timestamp("2024-01-01T10:00", tz="Europe/Berlin"), pd.Timestamp(0), pd.Timedelta("1D"), pd.NaT),
    *(np.int64(-5), np.float32(2.5), np.bool_(True), np.str_("é"), np.bytes_(b"x"), np.datetime64("2024-01-01T05"), np.complex128(1j)),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:60])
def test_plain_data_crosses(line: Line, value: Any) -> None:
    (found,) = line.carry(value)
    assert type(found) is type(value)
    if value is pd.NaT:
        assert found is value
    else:
        assert found == value
    assert repr(found) == repr(value)


def test_what_equals_nothing_crosses(line: Line) -> None:
    nan, signalling, missing, instant = line.carry(
        math.nan, decimal.Decimal("sNaN"), pd.NA, np.datetime64("NaT")
    )
    assert math.isnan(nan)
    assert signalling.is_snan()
    assert missing is pd.NA
    assert np.isnat(instant)


def test_markers_and_types_are_the_same_objects(line: Line) -> None:
    values = [..., NotImplemented, int, dict, object, KeyError, dt.UTC, None, True]
    assert all(map(lambda a, b: a is b, line.carry(*values), values))


FRAME = pd.DataFrame(
    {
        "text": ["a", None, "c"],
        "number": [1.5, math.nan, -0.0],
        "whole": [1, 2, 3],
        "maybe": pd.array([1, None, 3], dtype="Int64"),
        "yes": [True, False, True],
        "day": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        "zoned": pd.to_datetime(["2024-01-01", None, "2024-01-03"]).tz_localize("Europe/Berlin"),
        "length": pd.to_timedelta([1, 2, 3], unit="h"),
        "kind": pd.Categorical(["x", "y", "x"], categories=["y", "x"], ordered=True),
        "any": [1, "x", (2,)],
        "exact": [decimal.Decimal("1.10")] * 3,
    },
    index=pd.Index([5, 6, 7], name="id"),
)
FRAMES = [
    FRAME,
    FRAME.set_index(["text", "whole"]),
    FRAME.pivot_table(index="text", columns="kind", values="number", observed=False),
    pd.DataFrame(),
    pd.DataFrame(columns=["a", "b"]),
    pd.DataFrame(index=[1, 2]),
    pd.DataFrame([[1, 2]], columns=["a", "a"]),
    pd.DataFrame({("a", 1): [1], ("b", 2): [2]}),
    pd.DataFrame({"x": [1, 2]}, index=pd.date_range("2024-01-01", periods=2, freq="D")),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_frames_cross(line: Line, frame: pd.DataFrame) -> None:
    found, *columns = line.carry(frame, *(frame.iloc[:, i] for i in range(frame.shape[1])))
    pd.testing.assert_frame_equal(found, frame)
    for i, column in enumerate(columns):
        pd.testing.assert_series_equal(column, frame.iloc[:, i])


def test_a_frame_is_changed_in_place_at_the_other_end(line: Line) -> None:
    frame = FRAME.copy()
    (there,) = line.carry(frame)
    there.loc[5, "number"] = 9.0
    there["new"] = there["whole"] * 2
    line.back()
    assert frame["number"].iloc[0] == 9.0
    assert frame["new"].tolist() == [2, 4, 6]
    del frame["new"], frame["zoned"]
    line.carry()
    pd.testing.assert_frame_equal(there, frame)


ARRAYS = [
    np.arange(6).reshape(2, 3)[:, ::2],
    np.array(5.5),
    np.zeros((0, 3)),
    np.array(["a", "bcd"]),
    np.array([None, 1, "x"], dtype=object),
    np.array(["2024-01-01", "NaT"], dtype="M8[D]"),
    np.ones(3, dtype=">i2"),
    np.array([b"a"]),
    np.asfortranarray(np.eye(3, dtype=bool)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.dtype) for array in ARRAYS])
def test_arrays_cross(line: Line, array: np.ndarray[Any, Any]) -> None:
    (found,) = line.carry(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


def test_arrays_are_shared(line: Line) -> None:
    array, fixed = np.zeros(3), np.ones(2)
    fixed.flags.writeable = False
    there, fixed_there = line.carry(array, fixed)
    there[1] = 7
    line.back()
    assert array.tolist() == [0, 7, 0]
    assert not fixed_there.flags.writeable


def test_rows_cross(line: Line) -> None:
    rows = Rows(["day", "n"], [(dt.date(2024, 1, 1), decimal.Decimal("1.5")), (None, 2)], ["date", "number"])
    (found,) = line.carry(rows)
    assert (found.columns, found.kinds, list(found)) == (rows.columns, rows.kinds, list(rows))


# --- containers -----------------------------------------------------------------------------------------------------


def test_containers_keep_their_identity(line: Line) -> None:
    inner = [1]
    outer = {"a": inner, "b": inner, "text": io.StringIO("x")}
    there, same = line.carry(outer, inner)
    assert there["a"] is there["b"] is same
    there["b"].append(2)
    there["text"].write("yz")
    (again,) = line.back(there["a"])
    assert again is inner
    assert inner == [1, 2]
    assert outer["text"].getvalue() == "yz"


def test_a_container_in_itself(line: Line) -> None:
    loop: list[Any] = []
    loop.append({"loop": loop})
    (there,) = line.carry(loop)
    assert there[0]["loop"] is there


CHANGES: list[tuple[Any, Callable[[Any], object]]] = [
    ([3, 1, 2], lambda it: it.sort()),
    ([1, 2], lambda it: it.__setitem__(slice(0, 1), [7, 8, 9])),
    ({"a": 1, "b": 2}, lambda it: it.pop("a")),
    ({1, 2}, lambda it: it.symmetric_difference_update({2, 3})),
    (bytearray(b"abc"), lambda it: it.__setitem__(0, 120)),
    (collections.deque([1, 2, 3], 3), lambda it: it.append(4)),
    (collections.Counter("ab"), lambda it: it.update("bb")),
    (collections.OrderedDict(a=1, b=2), lambda it: it.move_to_end("a")),
    (collections.defaultdict(list, a=[1]), lambda it: it["b"].append(2)),
    (types.SimpleNamespace(a=1), lambda it: it.__dict__.update(b=2)),
]


@pytest.mark.parametrize(("container", "change"), CHANGES, ids=[type(each).__name__ for each, _ in CHANGES])
@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_changes_cross_both_ways(
    line: Line, container: Any, change: Callable[[Any], object], who: str
) -> None:
    import copy

    here = copy.deepcopy(container)
    (there,) = line.carry(here)
    change(here if who == "sender" else there)
    line.carry() if who == "sender" else line.back()
    assert type(there) is type(here)
    assert list(there) == list(here) if hasattr(here, "__iter__") else vars(there) == vars(here)
    assert there == here != container


def test_what_cannot_be_sent_leaves_no_trace(line: Line) -> None:
    good: list[Any] = [1]
    (there,) = line.carry(good)
    good.append(2)
    with pytest.raises(TypeError, match="no plain data"):
        line.carry([good, [5], object()])
    deep: Any = ()
    for _ in range(MOST_DEPTH + 5):
        deep = (deep,)
    with pytest.raises(ValueError, match="too deeply"):
        line.carry(deep)
    with pytest.raises(ValueError, match="too large"):
        line.carry("x" * (16 << 20))
    line.carry()
    assert there == [1, 2]
    (fresh,) = line.carry([[3]])
    assert fresh == [[3]]


def test_subclasses_are_not_plain_data(line: Line) -> None:
    class Text(str):
        __slots__ = ()

    for value in (Text("x"), type("Numbers", (list,), {})(), type("Point", (tuple,), {})()):
        with pytest.raises(TypeError, match="no plain data"):
            line.carry(value)


# --- random values and random frames --------------------------------------------------------------------------------


def any_value(chance: random.Random, depth: int = 0) -> Any:
    """Some plain value."""
    simple = [
        lambda: chance.choice([None, True, False, ..., int, ""]),
        lambda: chance.getrandbits(chance.choice([8, 60, 600])) * chance.choice([1, -1]),
        lambda: chance.uniform(-1e9, 1e9),
        lambda: "".join(chance.choices(string.printable + "é😀\ud812", k=chance.randrange(12))),
        lambda: chance.randbytes(chance.randrange(20)),
        lambda: dt.datetime.fromtimestamp(chance.randrange(2**31), BERLIN),
        lambda: decimal.Decimal(chance.randrange(10**12)).scaleb(-chance.randrange(12)),
    ]
    if depth > 4 or chance.random() < 0.4:
        return chance.choice(simple)()
    parts = [any_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    keys = [chance.choice(simple)() for _ in parts]
    makers: list[Callable[[], Any]] = [
        lambda: tuple(parts),
        lambda: parts,
        lambda: dict(zip(keys, parts, strict=True)),
        lambda: set(keys),
        lambda: frozenset(keys),
        lambda: collections.deque(parts),
        lambda: collections.OrderedDict(zip(keys, parts, strict=True)),
    ]
    return chance.choice(makers)()


@pytest.mark.parametrize("seed", range(60))
def test_random_values_cross_there_and_back(line: Line, seed: int) -> None:
    value = any_value(random.Random(seed))
    (there,) = line.carry(value)
    assert there == value
    assert anatomy(there) == anatomy(value)
    (again,) = line.back(there)
    assert anatomy(again) == anatomy(value)


def anatomy(value: Any) -> Any:
    """What a value is made of, types included; sets have no order."""
    if isinstance(value, dict):
        return type(value), [(anatomy(key), anatomy(each)) for key, each in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(map(repr, value))
    if isinstance(value, (tuple, list, collections.deque)):
        return type(value), list(map(anatomy, value))
    return type(value), repr(value)


VALID: list[Any] = [
    ["ok", [1, ["new", "s1", "dict", [], ["a", 1, ["tuple", 2], ["new", "s2", "list", [], [1, 2]]]]], [], ["x", "", []]],
    ["ok", [1, ["object", "h2", ["class", "h1", "X", "__main__", "X", None, [["name", "object"]], ["__eq__", "f"], True, []]]], [], None],
    ["raise", [1, ["failure", "h2", ["class", "h1", "E", "__main__", "E", None, [["name", "ValueError"]], ["code"], False, None],
                   ["tuple", "no"], None, ["error", ["KeyError"], ["tuple", "k"], None, None, False, [], []], False, ["note"]]], [], None],
    ["ok", [1, ["value", "h2", ["class", "h1", "N", "__main__", "N", None, [["name", "int"]], [], False, None], 5]], [], None],
    ["ok", [1, ["container", "h2", ["class", "h1", "L", "__main__", "L", None, [["name", "list"]], [], False, None], [], [1, 2]]], [], None],
    ["ok", [1, ["generator", "h2", ["class", "h1", "generator", "builtins", "generator", None, [["name", "object"]], [], False, None], "g"]], [], None],
    ["ok", [1, ["new", "s1", "ndarray", ["<i8", ["tuple", 2], True], ["<i8", ["()", 2], ["b", "AAAAAAAAAAAAAAAAAAAAAA=="]]]], [], None],
    ["ok", [1, ["tuple", ["int", "0xff"], ["float", "nan"], ["Decimal", "1.5"], ["datetime", "2024-01-01T00:00:00", 0, "Europe/Berlin"]]], [], None],
    ["ok", [1, ["new", "s1", "Series", [], [["()", "range", ["range", 0, 2, 1], None], ["()", "plain", "<i8", ["b", "AAAAAAAAAAAAAAAAAAAAAA=="]], None]]], [], None],
]  # fmt: skip


def broken_somewhere(message: Any, chance: random.Random) -> Any:
    """The message with something replaced, dropped, doubled or put in another place."""
    words = ["null", "true", "-1", "1099511627776", '""', '"h1"', '"__class__"', "0.5", '"\\ud800"']
    odd = [*words, "[]", '["tuple"]', "[[]]", "{}", '{"a":1}', '["same","s1"]', '["handle","h1"]']
    copy = json.loads(json.dumps(message))
    for _ in range(chance.randrange(1, 4)):
        place = copy
        while type(place) is list and place and chance.random() < 0.8:
            lists = [each for each in place if type(each) is list and each]
            if not lists:
                break
            place = chance.choice(lists)
        at = chance.randrange(len(place))
        action = chance.randrange(4)
        if action == 0:
            place[at] = json.loads(chance.choice(odd))
        elif action == 1:
            place.insert(at, json.loads(chance.choice(odd)))
        elif action == 2 and len(place) > 1:
            del place[at]
        else:
            other = chance.randrange(len(place))
            place[at], place[other] = place[other], place[at]
    return copy


@pytest.mark.parametrize("seed", range(120))
def test_broken_frames_do_no_more_than_end_the_session(seed: int) -> None:
    """Whatever comes, `ask` returns, raises what may be raised, or raises Broken; soon, and with nothing looked up."""
    chance = random.Random(seed)
    limit = sys.getrecursionlimit()
    for _ in range(10):
        frame = json.dumps(broken_somewhere(chance.choice(VALID), chance)).encode()
        if chance.random() < 0.3:
            at = chance.randrange(len(frame))
            frame = frame[:at] + bytes([chance.randrange(256)]) + frame[at + 1 :]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(len(frame).to_bytes(4, "big") + frame)
            theirs.shutdown(socket.SHUT_WR)
            session = Session(ours, None, record=False, until=time.monotonic() + 5)
            session.printed = session.warned = lambda text: None
            start = time.monotonic()
            try:
                session.ask("get", 1, "x")
            except Broken:
                assert isinstance(session.failed, Broken)
            except BaseException as error:
                assert frame.startswith(b'["raise"'), error  # noqa: PT017 - what the student's code raised
            assert time.monotonic() - start < 4
            session.close()
    sys.setrecursionlimit(limit)
