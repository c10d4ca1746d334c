"""Mutable containers that both ends share: each end has a real one, and what one end changes is put into the other's.

So aliasing, identity and changes in place (of arguments, of results, of what is kept in between) mean what they mean in
one process. All is done with the base type's own methods: a student's subclass of `list` has no say in what it holds.
"""

from __future__ import annotations

import collections
import io
import operator
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from course.examiner.values import Decode, Encode, Json, Value, exactly, read_bytes, write_bytes

_ALL = slice(None)


def _same_parts(now: list[Value], before: list[Value]) -> bool:
    return len(now) == len(before) and all(map(operator.is_, now, before))


@dataclass(frozen=True)
class SharedKind:
    """How one type of container is shared."""

    tag: str
    snapshot: Callable[[Value], Value]
    """What the container holds now, to compare with later."""
    fill: Callable[[Value, list[Json], Decode], None]
    """Make the container hold what was written, in place."""
    new: Callable[..., Value]
    """An empty container, from what `needs` gave."""
    needs: Callable[[Value], tuple[Value, ...]] = lambda container: ()
    write: Callable[[Value, Encode], list[Json]] = lambda snapshot, encode: [
        encode(part) for part in snapshot
    ]
    same: Callable[[Value, Value], bool] = _same_parts
    fits: Callable[[Value], bool] = lambda container: True
    """Whether this very container can be shared; one that cannot is an object."""
    frozen: Callable[[Value], bool] = lambda container: False
    """Whether nobody may change what the container holds."""


@dataclass(slots=True)
class Shared:
    """A container that both ends know under one number."""

    container: Value
    kind: SharedKind
    snapshot: Value = field(default=None)
    """What it held at the last message; None while it is being filled."""


def _fill_list(container: Value, parts: list[Json], decode: Decode) -> None:
    list.__setitem__(container, _ALL, [decode(part) for part in parts])


def _fill_deque(container: Value, parts: list[Json], decode: Decode) -> None:
    values = [decode(part) for part in parts]
    collections.deque.clear(container)
    collections.deque.extend(container, values)


def _fill_set(container: Value, parts: list[Json], decode: Decode) -> None:
    values = [decode(part) for part in parts]
    set.clear(container)
    set.update(container, values)


def _pairs(keys: Iterable[Value], values: Iterable[Value]) -> list[Value]:
    return [*keys, *values]


def _split(parts: list[Json], decode: Decode) -> Iterable[tuple[Value, Value]]:
    values = [decode(part) for part in parts]
    half, odd = divmod(len(values), 2)
    if odd:
        raise ValueError("a key without a value")
    return zip(values[:half], values[half:], strict=True)


def _fill_dict(container: Value, parts: list[Json], decode: Decode) -> None:
    pairs = _split(parts, decode)
    dict.clear(container)
    for key, value in pairs:
        dict.__setitem__(container, key, value)


def _fill_ordered(container: Value, parts: list[Json], decode: Decode) -> None:
    pairs = _split(parts, decode)
    collections.OrderedDict.clear(container)
    for key, value in pairs:
        collections.OrderedDict.__setitem__(container, key, value)


def _fill_namespace(container: types.SimpleNamespace, parts: list[Json], decode: Decode) -> None:
    pairs = {exactly(str, name): value for name, value in _split(parts, decode)}
    vars(container).clear()
    vars(container).update(pairs)


def _fill_bytes(container: Value, parts: list[Json], decode: Decode) -> None:
    bytearray.__setitem__(container, _ALL, read_bytes(parts[0]))


def _fill_text(container: io.StringIO, parts: list[Json], decode: Decode) -> None:
    text, position = exactly(str, parts[0]), exactly(int, parts[1])
    if not 0 <= position <= len(text):  # to write far beyond the end would fill the gap
        raise ValueError("a position outside of the text")
    container.seek(0)
    container.truncate()
    container.write(text)
    container.seek(position)


def _text_state(container: io.StringIO) -> list[Value]:
    """The text and the place in it; that of a closed file is empty."""
    if container.closed:
        return ["", 0]
    text = container.getvalue()
    return [text, min(container.tell(), len(text))]


def _dict_state(container: Value) -> list[Value]:
    return _pairs(dict.keys(container), dict.values(container))


def _dict_kind(tag: str, new: Callable[..., Value]) -> SharedKind:
    return SharedKind(tag, _dict_state, _fill_dict, new)


def _attributes_state(attributes: dict[str, Value]) -> list[Value]:
    known = [(name, value) for name, value in attributes.items() if not _is_pythons(name)]
    return [each for pair in known for each in pair]


def _fill_attributes(attributes: dict[str, Value], parts: list[Json], decode: Decode) -> None:
    values = [decode(part) for part in parts]
    names = [exactly(str, name) for name in values[::2]]
    if any(map(_is_pythons, names)):
        raise ValueError("an attribute that is Python's own")
    for name in [name for name in attributes if not _is_pythons(name)]:
        del attributes[name]
    attributes.update(zip(names, values[1::2], strict=True))


def _is_pythons(name: str) -> bool:
    """Whether an attribute says what a function is, as `__signature__` and `__wrapped__` do."""
    return name.startswith("__") and name.endswith("__")


ATTRIBUTES = SharedKind("attributes", _attributes_state, _fill_attributes, dict)
"""The attributes of a test's function, which a student's decorator may set, but for those that are Python's own."""

KINDS: dict[type, SharedKind] = {
    list: SharedKind("list", lambda it: list.__getitem__(it, _ALL), _fill_list, list),
    dict: _dict_kind("dict", dict),
    collections.Counter: _dict_kind("Counter", collections.Counter),
    collections.OrderedDict: SharedKind(
        "OrderedDict",
        lambda it: _pairs(collections.OrderedDict.keys(it), collections.OrderedDict.values(it)),
        _fill_ordered,
        collections.OrderedDict,
    ),
    collections.defaultdict: SharedKind(
        "defaultdict",
        _dict_state,
        _fill_dict,
        collections.defaultdict,
        lambda it: (vars(collections.defaultdict)["default_factory"].__get__(it),),
    ),
    set: SharedKind("set", lambda it: list(set.__iter__(it)), _fill_set, set),
    collections.deque: SharedKind(
        "deque",
        lambda it: list(collections.deque.__iter__(it)),
        _fill_deque,
        lambda most: collections.deque(maxlen=most),
        lambda it: (vars(collections.deque)["maxlen"].__get__(it),),
    ),
    bytearray: SharedKind(
        "bytearray",
        lambda it: bytearray.__getitem__(it, _ALL),
        _fill_bytes,
        bytearray,
        write=lambda snapshot, encode: [write_bytes(snapshot)],
        same=operator.eq,
    ),
    types.SimpleNamespace: SharedKind(
        "SimpleNamespace",
        lambda it: _pairs(vars(it).keys(), vars(it).values()),
        _fill_namespace,
        types.SimpleNamespace,
    ),
    io.StringIO: SharedKind(
        "StringIO",
        _text_state,
        _fill_text,
        io.StringIO,
        write=lambda snapshot, encode: list(snapshot),
        same=operator.eq,
    ),
}
"""The standard library's types. Those of other libraries stand in course.examiner.tables."""
