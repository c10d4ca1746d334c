"""The student's objects as a test sees them: made from what the student's kernel says of them, and forgotten in time.

What may come is described at `StandIns.read`. Nothing else exists: no code, no names to look up.
"""

from __future__ import annotations

import collections
import datetime as dt
import re
import types
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar

from course.examiner.containers import KINDS
from course.examiner.mirrors import (
    Mirror,
    Ref,
    about,
    grow,
    handle_of,
    mirror_class,
    mro,
    set_handle,
    stands_in,
)
from course.examiner.shared_names import EXCEPTIONS, NAMES, known_exception
from course.examiner.values import CODECS, Json, Value, exactly, read_text
from course.examiner.wire import MOST_OBJECTS, Broken

if TYPE_CHECKING:
    from course.examiner.session import Session

MOST_NAMES = 5000  # that a class defines
MOST_BASES = 50
MOST_NAME = 1000  # characters

_HANDLE = re.compile(r"h[1-9][0-9]{0,18}")
_BUILTIN_ERRORS = frozenset(map(id, EXCEPTIONS.values()))  # before any of a library is known


class StandIns:
    """All stand-ins of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._described: dict[
            str, list[Json]
        ] = {}  # what was said of each object that the student's kernel keeps
        self._live: weakref.WeakValueDictionary[str, Value] = weakref.WeakValueDictionary()
        self._kept: dict[str, Value] = {}  # classes, and data that cannot be weakly referenced
        self._real: dict[int, str] = {}  # handles of classes that both ends have, by id
        self._local: weakref.WeakKeyDictionary[Value, str] = (
            weakref.WeakKeyDictionary()
        )  # generators, coroutines
        self._gone: list[str] = []

    def handle(self, value: Value) -> str | None:
        """The handle of a stand-in; None for anything else."""
        if stands_in(value):
            return handle_of(value)
        if type(value) in (types.GeneratorType, types.CoroutineType):
            return self._local.get(value)
        return self._real.get(id(value))

    def gone(self) -> list[str]:
        """The handles of stand-ins that have gone since the last call: the student's kernel need not keep their objects."""
        gone = {handle for handle in self._gone if handle not in self._live}
        self._gone.clear()
        for handle in gone:
            self._described.pop(handle, None)
        return list(gone)

    def keep_class(self, handle: Value, cls: type) -> None:
        """Know a class of the test's under the handle that the student's kernel gave it. Raises Broken."""
        if not _is_handle(handle) or handle in self._kept or handle in self._described:
            raise self._session.fail(Broken("malformed handle"))
        self._kept[handle] = cls

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(self, part: list[Json], depth: int) -> Value:
        """The stand-in for an object.

        handle     HANDLE                                                 one that was described before
        class      HANDLE name module qualname doc bases names unhashable abstract
        grown      HANDLE names                                           a class that defines more names by now
        object     HANDLE class
        generator  HANDLE class name                                      also: coroutine
        value      HANDLE class data                                      its class derives from plain data
        container  HANDLE class needs parts                               its class derives from a container
        failure    HANDLE class args cause context suppress notes         an exception of a class of the student's
        error      class-names args cause context suppress notes members  any other exception, by value
        """
        kind = part[0]
        if kind == "error":
            return self._error(part, depth)
        handle = part[1]
        if not _is_handle(handle):  # containers and what is lent go by numbers of other forms
            raise Broken(f"malformed object: a {str(kind)[:20]} without a handle")
        if kind == "grown":
            return self._grow(handle, part[2])
        if kind == "handle" or self._described.get(handle) is part:  # it is in what is read once more
            return self._mentioned(handle, depth)
        if kind not in self._makers:
            raise Broken(f"malformed object: a {str(kind)[:20]}")
        if handle in self._described or handle in self._kept:
            raise Broken(f"malformed object: a {kind} described before")
        if len(self._described) + len(self._kept) > MOST_OBJECTS:
            raise Broken("too many objects")
        self._described[handle] = part
        return self._make(handle, part, depth)

    def _mentioned(self, handle: str, depth: int) -> Value:
        """What was described before: its stand-in, or a new one where that has gone and the other side does not know it yet."""
        value = self._kept.get(handle)
        if value is None:
            value = self._live.get(handle)
        return self._make(handle, self._described[handle], depth) if value is None else value

    def _make(self, handle: str, description: list[Json], depth: int) -> Value:
        kind, _, *parts = description
        return self._makers[kind](self, handle, parts, depth + 1)

    def _class_of(self, part: Json, depth: int) -> Mirror:
        cls = self._session.decode(part, depth)
        if type(cls) is not Mirror:
            raise ValueError("an object without a class of its own")
        return cls

    def _watch(self, handle: str, value: Value) -> Value:
        """Keep a stand-in until the test forgets it."""
        try:
            self._live[handle] = value
            weakref.finalize(value, self._gone.append, handle).atexit = False
        except TypeError:  # numbers, tuples and bytes
            self._kept[handle] = value
        return value

    def _make_class(self, handle: str, parts: list[Json], depth: int) -> type:
        name, module, qualname, doc, bases, names, unhashable, abstract = parts
        name, module, qualname = (read_text(text, MOST_NAME) for text in (name, module, qualname))
        real = known_exception(f"{module}.{qualname}") if module != "__main__" else None
        made = [self._session.decode(base, depth) for base in exactly(list, bases)]
        if real is not None and any(issubclass(base, BaseException) for base in made):
            self._real[id(real)] = handle
            self._kept[handle] = real
            return real
        for base in made:
            if type(base) is not Mirror and not (
                isinstance(base, type) and (id(base) in NAMES or id(base) in self._real)
            ):
                raise ValueError("a class with bases that are none")
        if len(exactly(list, names)) > MOST_NAMES or len(made) > MOST_BASES:
            raise ValueError("a class with too many names or bases")
        cls = mirror_class(
            self._session,
            handle,
            _without_object(made),
            [read_text(each, MOST_NAME) for each in names],
            name=name,
            module=module,
            qualname=qualname,
            doc=None if doc is None else exactly(str, doc),
            unhashable=bool(unhashable),
        )
        if abstract is not None:
            cls.__abstractmethods__ = frozenset(read_text(each, MOST_NAME) for each in abstract)
        self._kept[handle] = cls
        return cls

    def _grow(self, handle: str, names: Json) -> type:
        cls: type = self._kept[handle]
        if type(cls) is not Mirror or len(exactly(list, names)) > MOST_NAMES:
            raise ValueError("this is no class")
        grow(cls, [read_text(each, MOST_NAME) for each in names])
        return cls

    def _make_object(self, handle: str, parts: list[Json], depth: int) -> Value:
        value = _new(object, self._class_of(parts[0], depth))
        set_handle(value, handle)
        return self._watch(handle, value)

    def _make_value(self, handle: str, parts: list[Json], depth: int) -> Value:
        cls, data = self._class_of(parts[0], depth), self._session.decode(parts[1], depth)
        base = about(cls).base
        if base is None or type(data) is not base or base not in (*CODECS, str):
            raise ValueError("data that does not fit its class")
        value = _instance(base, cls, data)
        set_handle(value, handle)
        return self._watch(handle, value)

    def _make_container(self, handle: str, parts: list[Json], depth: int) -> Value:
        cls, session = self._class_of(parts[0], depth), self._session
        base = about(cls).base
        kind = KINDS.get(base) if base else None
        if kind is None or base is None:
            raise ValueError("a container that is none")
        value = _new(base, cls)
        needs = [session.decode(need, depth) for need in parts[1]]
        if base is collections.deque:
            collections.deque.__init__(value, (), *needs)
        elif base is collections.defaultdict:
            collections.defaultdict.__init__(value, *needs)
        set_handle(value, handle)
        session.read_parts(session.adopt(value, handle, kind), parts[2], depth)
        return self._watch(handle, value)

    def _make_generator(self, handle: str, parts: list[Json], depth: int) -> Value:
        return self._run_locally(handle, parts, self._steps(handle))

    def _make_coroutine(self, handle: str, parts: list[Json], depth: int) -> Value:
        return self._run_locally(handle, parts, self._session.waits.awaited(Ref(handle)))

    def _run_locally(self, handle: str, parts: list[Json], value: Value) -> Value:
        value.__name__ = value.__qualname__ = read_text(parts[1], MOST_NAME)
        self._local[value] = handle
        return self._watch(handle, value)

    def _steps(self, handle: str) -> Generator[Value, Value, Value]:
        """A generator that takes the steps of a student's generator."""
        session, there = self._session, Ref(handle)
        step: tuple[Value, ...] = ("__next__",)
        while True:
            try:
                value = session.ask("step", there, *step)
            except StopIteration as end:
                return end.value
            try:
                sent = yield value
                step = ("__next__",) if sent is None else ("send", sent)
            except GeneratorExit:
                if session.can_ask:  # else it ends when the student's kernel drops it
                    session.ask("step", there, "close")
                raise
            except BaseException as error:
                step = ("throw", error)

    # --- exceptions -------------------------------------------------------------------------------------------------

    def _make_failure(self, handle: str, parts: list[Json], depth: int) -> Value:
        cls = self._class_of(parts[0], depth)
        real = next(each for each in mro(cls) if id(each) in _BUILTIN_ERRORS)
        if issubclass(real, BaseExceptionGroup):
            args = self._args(parts[1], depth)
            value = _new(real, cls, *args)
            set_handle(value, handle)
            self._watch(handle, value)
        else:
            value = _new(real, cls)
            set_handle(value, handle)
            self._watch(handle, value)  # before its args, of which it can be one
            args = self._args(parts[1], depth)
        return self._chain(value, args, parts[2:], depth)

    def _error(self, part: list[Json], depth: int) -> BaseException:
        names, args, *chain, members = part[1:]
        depth += 1
        found = self._args(args, depth)
        kind = next(
            each for each in map(self._known_class, exactly(list, names)[:MOST_BASES]) if each is not None
        )
        more = {read_text(name, MOST_NAME): self._session.decode(value, depth) for name, value in members}
        error = _build_error(kind, found, more)
        return self._chain(error, found, chain, depth)

    def _known_class(self, name: Json) -> type[BaseException] | None:
        """A class of exceptions by its full name, or one of the test's that was lent."""
        if type(name) is str:
            return known_exception(read_text(name, MOST_NAME))
        lent = self._session.decode(name)
        if not isinstance(lent, type) or type(lent) is Mirror or not issubclass(lent, BaseException):
            raise ValueError("no class of exceptions")
        return lent

    def _args(self, part: Json, depth: int) -> tuple[Value, ...]:
        return tuple(exactly(tuple, self._session.decode(part, depth)))

    def _chain(self, error: Value, args: tuple[Value, ...], parts: list[Json], depth: int) -> BaseException:
        cause, context, suppress, notes = parts
        if not error.args:
            BaseException.args.__set__(error, args)  # type: ignore[attr-defined] # not by way of its class
        for name, found in (("__cause__", cause), ("__context__", context)):
            linked = self._session.decode(found, depth)
            if linked is not None and not isinstance(linked, BaseException):
                raise ValueError("an error that follows from what is none")
            object.__setattr__(error, name, linked)
        object.__setattr__(error, "__suppress_context__", bool(suppress))
        for note in notes:
            BaseException.add_note(error, exactly(str, note))
        made: BaseException = error
        return made

    _makers: ClassVar[dict[str, Callable[[StandIns, str, list[Json], int], Value]]] = {
        "class": _make_class,
        "object": _make_object,
        "value": _make_value,
        "container": _make_container,
        "generator": _make_generator,
        "coroutine": _make_coroutine,
        "failure": _make_failure,
    }


def _is_handle(text: Value) -> bool:
    """Whether a text has the form of the student's kernel's handles."""
    return type(text) is str and _HANDLE.fullmatch(text) is not None


def _without_object(bases: list[type]) -> list[type]:
    return [base for base in bases if base is not object] or [object]


def _new(base: Any, cls: Any, *args: Value) -> Value:  # noqa: ANN401 - classes
    return base.__new__(cls, *args)


def _instance(base: type, cls: type, data: Value) -> Value:
    """An instance of a class that derives from a plain data type, with this data."""
    make: Callable[..., Value] = base.__new__
    if base is dt.datetime:
        date = (
            data.year,
            data.month,
            data.day,
            data.hour,
            data.minute,
            data.second,
            data.microsecond,
            data.tzinfo,
        )
        return make(cls, *date, fold=data.fold)
    if base is dt.date:
        return make(cls, data.year, data.month, data.day)
    if base is dt.timedelta:
        return make(cls, data.days, data.seconds, data.microseconds)
    return make(cls, data)


def _build_error(
    kind: type[BaseException], args: tuple[Value, ...], members: dict[str, Any]
) -> BaseException:
    """An exception by value. Of a library's class no code is run."""
    filename = members.pop("filename", None)
    if kind.__module__ == "builtins":
        try:
            error = kind(*args, filename) if filename is not None and len(args) == 2 else kind(*args)
        except TypeError:
            error = _new(kind, kind)
    else:
        base = next(each for each in kind.__mro__ if each.__module__ == "builtins")
        error = _new(base, kind, *(args if issubclass(base, (OSError, BaseExceptionGroup)) else ()))
    vars(error).update(members)
    return error
