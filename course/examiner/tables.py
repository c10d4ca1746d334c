"""Arrays, frames and query results on the wire: written as plain columns and rebuilt field by field, never unpickled.

The libraries are imported only where a value of theirs comes along.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from course.examiner.containers import SharedKind
from course.examiner.values import (
    Codec,
    Decode,
    Encode,
    Json,
    Value,
    exactly,
    fits_zone,
    read_bytes,
    read_text,
    read_zone,
    write_bytes,
    write_zone,
)

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 12 << 20  # of an array; as base64, that is what a frame holds
MOST_DIMENSION = 1 << 32

_DTYPE = re.compile(r"[<>|=]([biufcSU]\d{1,5}|[mM]8(\[\d{0,6}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)")
_UNITS = ("s", "ms", "us", "ns")
_MASKED = frozenset(
    ["boolean", "Float32", "Float64", *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))]
)

Tables = tuple[dict[type, Codec], dict[type, SharedKind]]

State = tuple[Any, ...]
"""What an array, an index or a frame holds: text, numbers, bytes, lists of values and other states."""


def codec_of(kind: type) -> Codec | None:
    """How values of a library's type travel by copy, if they do."""
    return _tables_of(kind)[0].get(kind)


def kind_of(kind: type) -> SharedKind | None:
    """How values of a library's type are shared, if they are."""
    return _tables_of(kind)[1].get(kind)


def codec_tagged(tag: str) -> Codec | None:
    """The codec of a tag."""
    maker = _CODEC_TAGS.get(tag)
    return next(codec for codec in maker()[0].values() if codec.tag == tag) if maker else None


def kind_tagged(tag: str) -> SharedKind | None:
    """The shared kind of a tag."""
    maker = _KIND_TAGS.get(tag)
    return next(kind for kind in maker()[1].values() if kind.tag == tag) if maker else None


def _tables_of(kind: type) -> Tables:
    module = kind.__module__
    if type(module) is not str:
        return {}, {}
    if module.startswith("course.lab.sql."):
        return _of_queries()
    if module.startswith("course.lab.http."):
        return _of_requests()
    if module.startswith("course.lab.terminal."):
        return _of_terminals()
    maker = {"numpy": _of_numpy, "pandas": _of_pandas}.get(module.partition(".")[0])
    return maker() if maker else ({}, {})


# --- numpy ----------------------------------------------------------------------------------------------------------


@functools.cache
def _of_numpy() -> Tables:
    import numpy as np

    scalar = Codec("scalar", _write_scalar, _read_scalar)
    names = (
        "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longlong ulonglong"
    )
    more = "complex64 complex128 datetime64 timedelta64 str_ bytes_"
    kinds = {getattr(np, name) for name in f"{names} {more}".split()}
    array = SharedKind(
        "ndarray",
        _array_state,
        _fill_array,
        _new_array,
        lambda array: (array.dtype.str, array.shape, array.flags.writeable),
        write=_write_state,
        same=_same_state,
        fits=lambda array: array.dtype.kind == "O" or bool(_DTYPE.fullmatch(array.dtype.str)),
        frozen=lambda array: not array.flags.writeable,
    )
    return dict.fromkeys(kinds, scalar), {np.ndarray: array}


def _dtype(text: Json) -> np.dtype[Any]:
    import numpy as np

    if text == "|O":
        return np.dtype(object)
    if not _DTYPE.fullmatch(read_text(text, 30)):
        raise ValueError("this is no type of an array's elements")
    return np.dtype(text)


def _write_scalar(value: Value, encode: Encode) -> list[Json]:
    return [value.dtype.str, write_bytes(value.tobytes())]


def _read_scalar(parts: list[Json], decode: Decode) -> Value:
    array = _elements(parts[0], read_bytes(parts[1]))
    if array.shape != (1,):
        raise ValueError("this is not one scalar")
    return array[0]


def _elements(dtype: Json, data: bytes) -> Value:
    """An array of one dimension, with memory of its own."""
    import numpy as np

    kind = _dtype(dtype)
    if kind.hasobject or (not kind.itemsize and data):
        raise ValueError("these are no plain elements")
    return np.frombuffer(data, kind).copy() if data else np.empty(0, kind)


def _new_array(dtype: Json, shape: Value, writeable: Value) -> Value:
    import numpy as np

    kind = _dtype(dtype)
    sizes = exactly(tuple, shape)
    if len(sizes) > 32 or not all(type(size) is int and 0 <= size < MOST_DIMENSION for size in sizes):
        raise ValueError("this is no shape")
    if math.prod(sizes) * max(kind.itemsize, 1) > MOST_BYTES:
        raise ValueError("the array is too large")
    array = np.zeros(sizes, kind)
    array.flags.writeable = bool(writeable)
    return array


def _array_state(array: Value) -> State:
    if array.dtype.kind == "O":
        return array.dtype.str, array.shape, array.ravel().tolist()
    return array.dtype.str, array.shape, array.tobytes()


def _fill_array(container: Value, parts: list[Json], decode: Decode) -> None:
    dtype, shape, elements = _read_state(parts, decode)
    if dtype != container.dtype.str or shape != container.shape:
        raise ValueError("an array has changed its shape or type")
    flags = container.flags
    writeable, flags.writeable = flags.writeable, True
    if dtype == "|O":
        container[...] = _objects(exactly(list, elements)).reshape(shape)
    elif container.size:
        container[...] = _elements(dtype, exactly(bytes, elements)).reshape(shape)
    flags.writeable = writeable


def _objects(values: list[Value]) -> Value:
    import numpy as np

    array = np.empty(len(values), object)
    for position, value in enumerate(values):
        array[position] = value
    return array


# --- states as JSON -------------------------------------------------------------------------------------------------


def _same_state(now: Value, before: Value) -> bool:
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if type(now) in (tuple, list):
        return len(now) == len(before) and all(map(_same_state, now, before))
    return type(now) in (str, bytes, int, bool) and bool(now == before)


def _write_state(state: State, encode: Encode) -> list[Json]:
    """Tuples as ["()", ...], lists of values as ["[]", ...], bytes as ["b", base64], and values in their own way."""
    return [_write_part(part, encode) for part in state]


def _write_part(part: Value, encode: Encode) -> Json:
    if type(part) is tuple:
        return ["()", *(_write_part(each, encode) for each in part)]
    if type(part) is list:
        return ["[]", *map(encode, part)]
    if type(part) is bytes:
        return ["b", write_bytes(part)]
    return encode(part)


def _read_state(parts: list[Json], decode: Decode, depth: int = 0) -> State:
    if depth > 8:
        raise ValueError("a table is nested too deeply")
    return tuple(_read_part(part, decode, depth) for part in parts)


def _read_part(part: Json, decode: Decode, depth: int) -> Value:
    if type(part) is list and part:
        if part[0] == "()":
            return _read_state(part[1:], decode, depth + 1)
        if part[0] == "[]":
            return [decode(each) for each in part[1:]]
        if part[0] == "b":
            return read_bytes(part[1])
    return decode(part)


# --- pandas ---------------------------------------------------------------------------------------------------------


@functools.cache
def _of_pandas() -> Tables:
    import pandas as pd  # type: ignore[import-untyped]

    index = Codec(
        "Index",
        lambda index, encode: _write_state(_index_state(index), encode),
        lambda parts, decode: _build_index(_read_state(parts, decode)),
        _fits_index,
    )
    indexes = (
        pd.Index,
        pd.RangeIndex,
        pd.DatetimeIndex,
        pd.TimedeltaIndex,
        pd.CategoricalIndex,
        pd.MultiIndex,
    )
    codecs = dict.fromkeys(indexes, index) | {
        pd.Timestamp: Codec("Timestamp", _write_stamp, _read_stamp, lambda value: fits_zone(value.tzinfo)),
        pd.Timedelta: Codec(
            "Timedelta",
            lambda value, encode: [encode(int(value.asm8.view("i8"))), value.unit],
            lambda parts, decode: pd.Timedelta(_moment("timedelta64", parts, decode)),
        ),
        type(pd.NaT): Codec("NaT", lambda value, encode: [], lambda parts, decode: pd.NaT),
        type(pd.NA): Codec("NA", lambda value, encode: [], lambda parts, decode: pd.NA),
    }
    kinds = {
        pd.DataFrame: SharedKind(
            "DataFrame",
            _frame_state,
            lambda frame, parts, decode: frame._update_inplace(_build_frame(_read_state(parts, decode))),
            pd.DataFrame,
            write=_write_state,
            same=_same_state,
            fits=lambda frame: (
                all(map(_fits_array, _columns(frame)))
                and _fits_index(frame.columns)
                and _fits_index(frame.index)
            ),
        ),
        pd.Series: SharedKind(
            "Series",
            lambda series: (_index_state(series.index), _values_state(series.array), series.name),
            _fill_series,
            lambda: pd.Series(dtype=object),
            write=_write_state,
            same=_same_state,
            fits=lambda series: _fits_array(series.array) and _fits_index(series.index),
        ),
    }
    return codecs, kinds


def _moment(kind: str, parts: list[Json], decode: Decode) -> Value:
    import numpy as np

    if parts[1] not in _UNITS:
        raise ValueError("this is no unit of time")
    return np.array(exactly(int, decode(parts[0])), "i8").view(f"{kind}[{parts[1]}]")[()]


def _write_stamp(value: Value, encode: Encode) -> list[Json]:
    return [encode(int(value.asm8.view("i8"))), value.unit, write_zone(value.tzinfo)]


def _read_stamp(parts: list[Json], decode: Decode) -> Value:
    import pandas as pd

    stamp, zone = pd.Timestamp(_moment("datetime64", parts, decode)), read_zone(parts[2])
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone)


def _columns(frame: Value) -> list[Value]:
    return [series.array for _, series in frame.items()]


def _fits_array(array: Value) -> bool:
    dtype = array.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        return _fits_index(dtype.categories)
    if type(dtype).__name__ == "DatetimeTZDtype":
        return fits_zone(dtype.tz)
    if type(dtype).__name__ == "NumpyEADtype":
        dtype = dtype.numpy_dtype
    return bool(_DTYPE.fullmatch(getattr(dtype, "str", ""))) or dtype.name in (
        "object",
        "str",
        "string",
        *_MASKED,
    )


def _fits_index(index: Value) -> bool:
    levels = getattr(index, "levels", None)
    return _fits_array(index.array) if levels is None else all(map(_fits_index, levels))


def _values_state(array: Value) -> State:
    """What a column or an index holds, with a word in front that says how it is to be read."""
    dtype = array.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        return (
            "category",
            _index_state(dtype.categories),
            array.codes.tobytes(),
            array.codes.dtype.str,
            array.ordered,
        )
    if type(dtype).__name__ == "DatetimeTZDtype":
        return "zoned", array.asi8.tobytes(), dtype.unit, dtype.tz
    if dtype.name in ("str", "string"):
        return dtype.name, array.astype(object).tolist() if dtype.name == "str" else _with_none(array)
    if dtype.name in _MASKED:
        return "masked", dtype.name, _with_none(array)
    elements = array.to_numpy()
    if dtype.name == "object":
        return "object", elements.tolist()
    return "plain", elements.dtype.str, elements.tobytes()


def _with_none(array: Value) -> list[Value]:
    return list(array.to_numpy(object, na_value=None).tolist())


def _build_values(state: State) -> Value:
    import numpy as np
    import pandas as pd

    match state:
        case "category", index, bytes(codes), dtype, bool(ordered):
            return pd.Categorical.from_codes(_elements(dtype, codes), _build_index(index), ordered=ordered)
        case "zoned", bytes(data), unit, zone if unit in _UNITS:
            moments = np.frombuffer(data, f"M8[{unit}]").copy()
            return pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone).array
        case ("str" | "string") as name, list(values) if all(
            v is None or type(v) in (str, float) for v in values
        ):
            return pd.array(values, dtype=name)
        case "masked", str(name), list(values) if name in _MASKED:
            return pd.array([_scalar(value) for value in values], dtype=name)
        case "object", list(values):
            return pd.array(_objects(values), dtype=np.dtype(object))
        case "plain", str(dtype), bytes(data):
            return pd.array(_elements(dtype, data), dtype=_dtype(dtype))
    raise ValueError("this is no column")


def _scalar(value: Value) -> Value:
    if value is not None and type(value) not in (bool, int, float):
        raise ValueError("this is no number")
    return value


def _index_state(index: Value) -> State:
    kind = type(index).__name__
    if kind == "RangeIndex":
        return "range", range(index.start, index.stop, index.step), index.name
    if kind == "MultiIndex":
        levels = [index.get_level_values(number) for number in range(index.nlevels)]
        return "levels", tuple(_values_state(level.array) for level in levels), list(index.names)
    return "index", _values_state(index.array), index.name, getattr(index, "freqstr", None)


def _build_index(state: State) -> Value:
    import pandas as pd

    match state:
        case "range", range() as numbers, name:
            return pd.RangeIndex(numbers, name=name)
        case "levels", tuple(levels), list(names):
            return pd.MultiIndex.from_arrays([_build_values(level) for level in levels], names=names)
        case "index", tuple(values), name, frequency:
            index = pd.Index(_build_values(values), name=name)
            if frequency is not None:
                index.freq = read_text(frequency, 12)
            return index
    raise ValueError("this is no index")


def _frame_state(frame: Value) -> State:
    columns = tuple(map(_values_state, _columns(frame)))
    return _index_state(frame.index), _index_state(frame.columns), columns


def _build_frame(state: State) -> Value:
    import pandas as pd

    index, labels, columns = _build_index(state[0]), _build_index(state[1]), state[2]
    if not len(labels) == len(columns):
        raise ValueError("as many columns as labels are needed")
    arrays = map(_build_values, columns)
    frame = pd.DataFrame({number: pd.Series(array, index) for number, array in enumerate(arrays)}, index)
    frame.columns = labels
    return frame


def _fill_series(container: Value, parts: list[Json], decode: Decode) -> None:
    series = _build_series(_read_state(parts, decode))
    container._update_inplace(series)
    container.name = series.name


def _build_series(state: State) -> Value:
    import pandas as pd

    index, values, name = state
    return pd.Series(_build_values(values), _build_index(index), name=name)


# --- query results --------------------------------------------------------------------------------------------------


@functools.cache
def _of_queries() -> Tables:
    from course.lab.sql.query import Query
    from course.lab.sql.rows import Rows

    rows = Codec(
        "Rows",
        lambda rows, encode: [encode(tuple(part)) for part in (rows.columns, rows.kinds, rows)],
        lambda parts, decode: Rows(*_rows(*(exactly(tuple, decode(part)) for part in parts))),
    )
    return {Rows: rows, Query: _of_a_cells_text(Query)}, {}


def _of_a_cells_text(kind: type) -> Codec:
    """For what a cell magic keeps under a name: that name, and the cell's text."""
    return Codec(
        kind.__name__,
        lambda kept, encode: [kept.name, kept.text],
        lambda parts, decode: kind(*(exactly(str, part) for part in parts)),
        lambda kept: type(kept.name) is str and type(kept.text) is str,
    )


def _rows(
    columns: Iterable[str], kinds: Iterable[str], rows: Iterable[Value]
) -> tuple[Iterable[str], Iterable[Value], Iterable[str]]:
    """What Rows is made from, checked. Raises ValueError."""
    names = [exactly(str, name) for name in columns]
    whole = [exactly(tuple, row) for row in rows]
    if any(len(row) != len(names) for row in whole):
        raise ValueError("a row that does not fit the columns")
    return names, whole, [exactly(str, kind) for kind in kinds]


# --- requests written by hand ---------------------------------------------------------------------------------------


@functools.cache
def _of_requests() -> Tables:
    from course.lab.http.request import Request

    return {Request: _of_a_cells_text(Request)}, {}


# --- terminals ------------------------------------------------------------------------------------------------------


@functools.cache
def _of_terminals() -> Tables:
    from course.lab.terminal import Commands, PracticeFolder

    folder = Codec(
        "PracticeFolder",
        lambda folder, encode: [folder.name, folder.start, encode(tuple(folder.contents.items()))],
        lambda parts, decode: _folder(parts[0], parts[1], decode(parts[2])),
        lambda folder: type(folder.contents) is dict,
    )
    return {Commands: _of_a_cells_text(Commands), PracticeFolder: folder}, {}


def _folder(name: Json, start: Json, contents: Value) -> Value:
    """A practice folder from its description: on disk there is nothing of it. Raises ValueError."""
    from course.lab.terminal import TerminalError, practice_folder

    texts = dict(exactly(tuple, contents))
    try:
        for text in (name, start, *texts.keys(), *texts.values()):
            exactly(str, text)
        return practice_folder(texts, name=name, start=start)
    except TerminalError as error:
        raise ValueError(str(error)) from None


_CODEC_TAGS: dict[str, Callable[[], Tables]] = {
    "scalar": _of_numpy,
    **dict.fromkeys(("Index", "Timestamp", "Timedelta", "NaT", "NA"), _of_pandas),
    **dict.fromkeys(("Rows", "Query"), _of_queries),
    "Request": _of_requests,
    **dict.fromkeys(("Commands", "PracticeFolder"), _of_terminals),
}
_KIND_TAGS: dict[str, Callable[[], Tables]] = {
    "ndarray": _of_numpy,
    **dict.fromkeys(("DataFrame", "Series"), _of_pandas),
}
