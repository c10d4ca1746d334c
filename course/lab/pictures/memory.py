"""Draw names, the objects they point to, and what has changed since the last picture."""

from __future__ import annotations

import sys
import sysconfig
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from course.lab.pictures.drawing import CHARACTER, LINE, arrow, box, drawing, framed, line, shortened, words

_MOST_ITEMS = 8
_MOST_OBJECTS = 30
_DEEPEST = 8  # objects from a name to the last one drawn
_LONGEST = 26  # characters of one value
_GAP = 70  # pixels between columns: room for arrows

_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range)
_NAMED = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type)


@dataclass(frozen=True)
class Row:
    """One item of an object, or one name: its key, and the text of its value or the number of its object."""

    key: str
    value: str | int

    @property
    def text(self) -> str:
        """The value in words: `3`, or `→ #2`."""
        return f"→ #{self.value}" if isinstance(self.value, int) else self.value


@dataclass
class Thing:
    """An object of the picture; `note` says what has happened to it since the last picture."""

    number: int
    kind: str
    rows: list[Row] = field(default_factory=list)
    more: int = 0
    note: str = ""
    notes: dict[str, str] = field(default_factory=dict)  # a row's key: what has happened to it


class NamesPicture:
    """Names and objects as they were at one moment; shows itself as a drawing and as text."""

    def __init__(self, names: dict[str, Any], before: NamesPicture | None) -> None:
        self._known: dict[int, int] = dict(before._known) if before else {}  # id of an object: its number
        self._kept: list[Any] = []  # while they live, no other object gets their id
        self._next = max(self._known.values(), default=0)
        self.left_out = False
        self.things: dict[int, Thing] = {}
        self.names = [Row(name, self._value(value, 0)) for name, value in names.items()]
        self.name_notes: dict[str, str] = {}
        self._known = {key: number for key, number in self._known.items() if number in self.things}
        if before:
            self._compare(before)

    def _value(self, value: Any, depth: int) -> str | int:  # noqa: ANN401 - any value of a student
        kind = type(value)
        if kind in _PLAIN:
            return shortened(repr(value), _LONGEST)
        if issubclass(kind, _NAMED):
            return shortened(_named(value), _LONGEST)
        if id(value) in self._known and self._known[id(value)] in self.things:
            return self._known[id(value)]
        if len(self.things) >= _MOST_OBJECTS or depth >= _DEEPEST:
            self.left_out = True
            return f"({kind.__name__}, not drawn)"
        return self._add(value, depth)

    def _add(self, value: Any, depth: int) -> int:  # noqa: ANN401
        if id(value) not in self._known:
            self._next += 1
            self._known[id(value)] = self._next
        number = self._known[id(value)]
        thing = self.things[number] = Thing(number, type(value).__name__)
        self._kept.append(value)
        if (items := _items(value)) is None:
            thing.rows = [Row("", shortened(" ".join(repr(value)[:400].split()), _LONGEST))]
        else:
            pairs, thing.more = items
            thing.rows = [Row(key, self._value(item, depth + 1)) for key, item in pairs]
        return number

    def _compare(self, before: NamesPicture) -> None:
        old_names = {row.key: row.text for row in before.names}
        for name in self.names:
            if name.key not in old_names:
                self.name_notes[name.key] = "new name"
            elif old_names[name.key] != name.text:
                self.name_notes[name.key] = f"was {old_names[name.key]}"
        for thing in self.things.values():
            if old := before.things.get(thing.number):
                _compare_things(thing, old)
            else:
                thing.note = "new"

    def let_go(self) -> None:
        """Keep the student's objects alive no longer: the next picture does."""
        self._kept.clear()

    def sentences(self) -> list[str]:
        """What can be seen: shared objects, and what has changed."""
        said = []
        names = {name.key for name in self.names}
        for number, places in self._leading_to().items():
            if len(places) > 1:
                are = "are names of" if names.issuperset(places) else "lead to"
                said.append(f"{_listed(places)} {are} the same object, #{number}.")
        said += [f"{name}: {note}." for name, note in self.name_notes.items()]
        for thing in self.things.values():
            if thing.note:
                details = [
                    f"{'item ' if key.isdecimal() else ''}{key} {note}".strip()
                    for key, note in thing.notes.items()
                ]
                said.append(
                    f"#{thing.number} ({thing.kind}) is {thing.note}{': ' if details else ''}{', '.join(details)}."
                )
        if self.left_out:
            said.append("There are more objects than fit in the picture: the rest is not drawn.")
        return said

    def _leading_to(self) -> dict[int, list[str]]:
        """The names and the places in objects that lead to each object, by its number."""
        places: dict[int, list[str]] = {}
        for name in self.names:
            if isinstance(name.value, int):
                places.setdefault(name.value, []).append(name.key)
        for thing in self.things.values():
            for row in thing.rows:
                if isinstance(row.value, int):
                    place = f"item {row.key}".strip() if row.key.isdecimal() or not row.key else row.key
                    places.setdefault(row.value, []).append(f"{place} of #{thing.number}")
        return places

    def __repr__(self) -> str:
        lines = [f"{row.key} {_pointing(row)}{_bracket(self.name_notes.get(row.key))}" for row in self.names]
        for thing in self.things.values():
            lines += ["", f"#{thing.number} {thing.kind}{_bracket(thing.note)}"]
            lines += [
                f"    {f'{row.key}: ' if row.key else ''}{row.text}{_bracket(thing.notes.get(row.key))}"
                for row in thing.rows
            ]
            lines += [f"    ... {thing.more} more"] if thing.more else []
            lines += ["    (empty)"] if not thing.rows else []
        return "\n".join([*lines, "", *self.sentences()]).rstrip()

    def _repr_html_(self) -> str:
        return framed("Names and objects", self.sentences(), _draw(self))


_last: NamesPicture | None = None


def show_names(**names: Any) -> NamesPicture:  # noqa: ANN401 - any value of a student
    """Draw names and the objects they point to: `show_names(a=a, b=b)`.

    A second call with one of the same names also says what has changed since the picture before.
    """
    global _last
    before = _last if _last and names.keys() & {row.key for row in _last.names} else None
    picture = NamesPicture(names, before)
    if _last:
        _last.let_go()
    _last = picture
    return picture


def _items(value: Any) -> tuple[list[tuple[str, Any]], int] | None:  # noqa: ANN401
    """The first items of a container or attributes of an instance, and how many more there are; `None` where only `repr` says more.

    Reads through the built-in types, so that no method of a student's class is called.
    """
    kind = type(value)
    pairs: Iterator[tuple[str, Any]]
    if issubclass(kind, (list, tuple)):
        base = list if issubclass(kind, list) else tuple
        fields = getattr(kind, "_fields", ())
        pairs = (
            (str(fields[i] if i < len(fields) else i), item) for i, item in enumerate(base.__iter__(value))
        )
        size = base.__len__(value)
    elif issubclass(kind, dict):
        pairs = ((shortened(_key(key), _LONGEST), item) for key, item in dict.items(value))
        size = dict.__len__(value)
    elif issubclass(kind, (set, frozenset)):
        base_set = set if issubclass(kind, set) else frozenset
        pairs = (("", item) for item in base_set.__iter__(value))
        size = base_set.__len__(value)
    elif _written_by_student(kind):
        attributes = _attributes(value)
        pairs, size = iter(attributes.items()), len(attributes)
    else:
        return None
    shown = list(islice(pairs, _MOST_ITEMS))
    return shown, size - len(shown)


def _attributes(value: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {}
    for slots in (vars(cls).get("__slots__", ()) for cls in reversed(type(value).__mro__)):
        for slot in (slots,) if isinstance(slots, str) else slots:
            try:
                found[slot] = object.__getattribute__(value, slot)
            except AttributeError:  # a slot that has no value yet
                continue
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    return found | {str(key): item for key, item in dict.items(own)}


def _written_by_student(kind: type) -> bool:
    """Whether the class is no library's: a DataFrame's inside would explain nothing."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if kind.__module__ == "builtins" or kind.__module__.partition(".")[0] in sys.stdlib_module_names - {
        "__main__"
    }:
        return False
    return not file or not file.startswith(_LIBRARIES)


_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _named(value: Any) -> str:  # noqa: ANN401
    kind = {type: "class", types.ModuleType: "module"}.get(type(value), "function")
    kind = "class" if isinstance(value, type) else kind
    return f"{kind} {value.__name__}"


def _key(key: Any) -> str:  # noqa: ANN401
    return repr(key) if type(key) in (*_PLAIN, tuple) else type(key).__name__


def _pointing(row: Row) -> str:
    return row.text if isinstance(row.value, int) else f"= {row.value}"


def _bracket(note: str | None) -> str:
    return f"   [{note}]" if note else ""


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _compare_things(thing: Thing, old: Thing) -> None:
    """Note what is different in an object that was in the picture before."""
    if all(not row.key for row in [*thing.rows, *old.rows]):  # a set, or only words
        came = [row.text for row in thing.rows if row not in old.rows]
        gone = [row.text for row in old.rows if row not in thing.rows]
        thing.notes = {"": ", ".join([f"{text} added" for text in came] + [f"{text} gone" for text in gone])}
        thing.notes = {} if not thing.notes[""] else thing.notes
    else:
        now, then = ({row.key: row.text for row in each.rows} for each in (thing, old))
        thing.notes = {key: f"was {then[key]}" for key in now if key in then and then[key] != now[key]}
        thing.notes |= {key: "added" for key in now if key not in then}
        thing.notes |= {key: "gone" for key in then if key not in now}
    if thing.notes or thing.more != old.more:
        thing.note = "changed"


def _draw(picture: NamesPicture) -> str:
    canvas = _Canvas(picture)
    return drawing(
        "Names and the objects they point to", repr(picture), canvas.size, [*canvas.boxes(), *canvas.arrows()]
    )


class _Canvas:
    """Where everything stands: names on the left, then objects in columns, with room above for long arrows."""

    def __init__(self, picture: NamesPicture) -> None:
        self.picture = picture
        self.sizes = {number: _size(thing) for number, thing in picture.things.items()}
        self.names_width = max((_name_width(picture, row) for row in picture.names), default=0.0)
        columns = _columns(picture)
        self.column = {number: index for index, column in enumerate(columns) for number in column}
        self.edges: list[tuple[float, float]] = []  # of each column: left and right
        self.places: dict[int, tuple[float, float]] = {}
        ends = self._ends()
        self.lanes = {end: index for index, end in enumerate(end for end in ends if self._skips(*end))}
        left, bottom = 10 + self.names_width + _GAP, 10.0 + (LINE + 10) * len(picture.names)
        for index, column in enumerate(columns):
            crossed = [
                lane for (start, number), lane in self.lanes.items() if start < index < self.column[number]
            ]
            top = 10.0 + (12 * (max(crossed) + 1) if crossed else 0)
            for number in column:
                self.places[number] = (left, top)
                top += self.sizes[number][1] + 18
            self.edges.append((left, left + max(self.sizes[number][0] for number in column)))
            left = self.edges[-1][1] + _GAP
            bottom = max(bottom, top)
        self.size = (left, bottom)

    def _ends(self) -> list[tuple[int, int]]:
        """Column of the start (-1: a name) and object of the end, once for each of the arrows that differ so."""
        ends = [(-1, row.value) for row in self.picture.names if isinstance(row.value, int)]
        for thing in self.picture.things.values():
            ends += [(self.column[thing.number], r.value) for r in thing.rows if isinstance(r.value, int)]
        return list(dict.fromkeys(ends))

    def _skips(self, start: int, number: int) -> bool:
        return self.column[number] > start + 1

    def _arrow(self, start: tuple[float, float], column: int, number: int) -> str:
        x, y = self.places[number]
        if self.column[number] <= column:
            return arrow(start, (x + self.sizes[number][0], y + LINE / 2), back=True)
        over = None
        if (column, number) in self.lanes:
            left, right = self.edges[column + 1][0], self.edges[self.column[number] - 1][1]
            over = (left, right, 6.0 + 12 * self.lanes[column, number])
        return arrow(start, (x, y + LINE / 2), over=over)

    def boxes(self) -> list[str]:
        """The names and the objects."""
        parts = []
        for index, row in enumerate(self.picture.names):
            y = 10 + (LINE + 10) * index
            look = "head changed" if row.key in self.picture.name_notes else "head"
            parts += [box(10, y, self.names_width, LINE, look, 11)]
            parts += [words(20, y + LINE / 2, _name_text(self.picture, row))]
        for number, place in self.places.items():
            parts += _thing(self.picture.things[number], place, self.sizes[number])
        return parts

    def arrows(self) -> list[str]:
        """From each name and each item to its object."""
        parts = []
        for index, row in enumerate(self.picture.names):
            if isinstance(row.value, int):
                y = 10 + (LINE + 10) * index + LINE / 2
                parts.append(self._arrow((10 + self.names_width - 12, y), -1, row.value))
        for number, (x, y) in self.places.items():
            for index, row in enumerate(self.picture.things[number].rows):
                if isinstance(row.value, int):
                    start = (x + self.sizes[number][0] - 14, y + LINE * (index + 1.5))
                    parts.append(self._arrow(start, self.column[number], row.value))
        return parts


def _columns(picture: NamesPicture) -> list[list[int]]:
    """The objects by how far they are from a name (the longest way), so that arrows run from left to right."""
    column: dict[int, int] = {}

    def visit(number: int, depth: int, way: frozenset[int]) -> None:
        if number in way or depth <= column.get(number, -1):
            return
        column[number] = depth
        for row in picture.things[number].rows:
            if isinstance(row.value, int):
                visit(row.value, depth + 1, way | {number})

    for name in picture.names:
        if isinstance(name.value, int):
            visit(name.value, 0, frozenset())
    used = sorted(set(column.values()))
    return [[number for number in picture.things if column.get(number) == depth] for depth in used]


def _name_text(picture: NamesPicture, row: Row) -> str:
    value = "" if isinstance(row.value, int) else f" = {row.value}"
    note = picture.name_notes.get(row.key)
    return f"{row.key}{value}{f' ({note})' if note else ''}"


def _name_width(picture: NamesPicture, row: Row) -> float:
    return len(_name_text(picture, row)) * CHARACTER + (42 if isinstance(row.value, int) else 22)


def _head(thing: Thing) -> str:
    return f"#{thing.number} {shortened(thing.kind, _LONGEST)}"


def _lines(thing: Thing) -> list[tuple[str, str, str]]:
    """Each line of an object's box: key, value, and note."""
    lines = [
        (
            row.key,
            "" if isinstance(row.value, int) else row.value,
            thing.notes.get(row.key, "") if row.key else "",
        )
        for row in thing.rows
    ]
    lines += [("", f"... {thing.more} more", "")] if thing.more else []
    gone = [key for key in thing.notes if key and key not in {row.key for row in thing.rows}]
    lines += [(key, "", thing.notes[key]) for key in gone]
    return lines or [("", "(empty)", "")]


def _key_width(thing: Thing) -> float:
    return max(len(key) for key, _, _ in _lines(thing)) * CHARACTER


def _size(thing: Thing) -> tuple[float, float]:
    lines = _lines(thing)
    head = (len(_head(thing)) + len(thing.note) + 2) * CHARACTER + 20
    values = max(len(value) + (len(note) + 2 if note else 0) for _, value, note in lines) * CHARACTER
    pointing = 24 if any(isinstance(row.value, int) for row in thing.rows) else 0
    return max(head, _key_width(thing) + values + 40 + pointing, 96), LINE * (len(lines) + 1)


def _thing(thing: Thing, place: tuple[float, float], size: tuple[float, float]) -> list[str]:
    (x, y), (width, height) = place, size
    changed = " changed" if thing.note else ""
    split = x + 10 + _key_width(thing) + 8
    parts = [box(x, y, width, height, f"box{changed}"), box(x, y, width, LINE, f"head{changed}")]
    parts += [words(x + 10, y + LINE / 2, _head(thing), "strong")]
    parts += [words(x + width - 10, y + LINE / 2, thing.note, "mark", "end")] if thing.note else []
    for index, (key, value, note) in enumerate(_lines(thing)):
        middle = y + LINE * (index + 1.5)
        parts += (
            [line(x, y + LINE * (index + 1), x + width, y + LINE * (index + 1), "rule faint")]
            if index
            else []
        )
        parts += [words(x + 10, middle, key, "quiet")] if key else []
        start = split if _key_width(thing) else x + 10
        parts += [words(start, middle, value)] if value else []
        parts += (
            [words(start + (len(value) + 1) * CHARACTER if value else start, middle, note, "mark")]
            if note
            else []
        )
    return parts
