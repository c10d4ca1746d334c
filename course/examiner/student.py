"""The student's side of a line: does in the student's kernel what a test asks of it.

It runs beside the student's code and nothing here is trusted. It serves from the kernel's main thread; one exchange is
under way at a time, and whoever holds the turn may speak. The student's code runs with the turn released, so that threads
which it starts can call what the test handed over.
"""

from __future__ import annotations

import asyncio
import builtins
import copy
import functools
import inspect
import operator
import socket
import sys
import threading
import types
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from course.examiner import seeds
from course.examiner.containers import ATTRIBUTES, KINDS
from course.examiner.leaving import exit_arguments
from course.examiner.lent import imported
from course.examiner.printed import Printed, would_show
from course.examiner.raised import Told, steps_told
from course.examiner.shared_names import DATA_BASES, NAMES, TRUE_BASES
from course.examiner.theirs import Theirs, their_class
from course.examiner.tools import TOOLS
from course.examiner.values import Json, Value
from course.examiner.wire import MOST_DEPTH, Broken, Wire

MOST_WARNINGS = 100  # between two messages
MOST_READ = 1 << 22  # characters of a file

_RECURSION = 10_000  # frames: calls that go back and forth take more of them than calls in one process

_EXACT: dict[type, Callable[[Value], Value]] = {
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    datetime: lambda value: datetime.combine(datetime.date(value), datetime.timetz(value)),
    date: lambda value: date.fromordinal(date.toordinal(value)),
    timedelta: timedelta.__pos__,
    Decimal: lambda value: Decimal(Decimal.__str__(value)),
}
"""What a value holds whose class derives from a plain data type, whatever that class makes of it."""


async def serve(line: socket.socket, namespace: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
    """Serve a test over a line until it says that it is done, or goes.

    `namespace` holds the notebook's names; `loop`, the running loop, is where coroutines of the student's code run.
    """
    await Student(line, namespace, loop).serve()


class Student(Wire):
    """The student's end of a line."""

    def __init__(
        self, line: socket.socket, namespace: dict[str, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(line, "s")
        self._namespace = namespace
        self._loop = loop
        self._kept: dict[str, Value] = {}  # the objects that the test has handles of
        self._handles: dict[int, str] = {}  # their handles, by id
        self._sizes: dict[str, int] = {}  # how many names each class defined when it was last described
        self._next_handle = 0
        self._theirs: dict[str, Value] = {}  # what the test lent, by number
        self._lent: dict[int, str] = {}  # their numbers, by id
        self._turn = threading.Condition()  # may be taken again: values call back while they are read
        self._over = False
        self._open: list[int] = []
        self._out, self._errors = Printed(), Printed()
        self._warnings: list[tuple[Warning, bool]] = []
        self._tasks: dict[int, asyncio.Task[tuple[bool, Value]]] = {}
        self._promises: dict[int, asyncio.Future[tuple[bool, Value]]] = {}
        self._news = asyncio.Event()
        self._last_raised: Told = ()

    # --- one exchange at a time -------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Do what is asked until "bye"."""
        with self._installed():
            self._turn.acquire()
            try:
                while True:
                    kind, said = self.take()
                    if kind == "bye":
                        return
                    if kind in ("start", "run"):
                        await self._answer_in_time(kind, said)
                    else:
                        self._answer(kind, said)
            except Broken:
                return
            finally:
                self._over = True
                self._turn.release()

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """Have what the student's code prints and reads go over the line."""
        out, errors, ask = sys.stdout, sys.stderr, builtins.input
        recursion = sys.getrecursionlimit()
        sys.stdout, sys.stderr, builtins.input = self._out, self._errors, self._input
        sys.setrecursionlimit(max(recursion, _RECURSION))
        try:
            with warnings.catch_warnings():
                usual = list(warnings.filters)
                warnings.simplefilter("always")  # the test decides
                warnings.showwarning = functools.partial(self._note_warning, usual)
                yield
        finally:
            sys.stdout, sys.stderr, builtins.input = out, errors, ask
            sys.setrecursionlimit(recursion)

    def _note_warning(
        self, usual: list[Any], message: Warning | str, category: type[Warning], *where: object
    ) -> None:
        if len(self._warnings) < MOST_WARNINGS:
            warning = message if isinstance(message, Warning) else category(message)
            self._warnings.append((warning, would_show(usual, warning)))

    def _input(self, prompt: object = "", /) -> str:
        return str(self.back("input", str(prompt)))

    def _answer(self, kind: str, said: list[Value]) -> None:
        number, *payload = said
        self._open.append(number)
        self._turn.release()
        try:
            answer = self._outcome(kind, payload)
        finally:
            self._turn.acquire()
        self._reply(number, *answer)

    async def _answer_in_time(self, kind: str, said: list[Value]) -> None:
        """As `_answer`, for what needs the event loop."""
        number, *payload = said
        self._open.append(number)
        self._turn.release()
        try:
            waiting = self._start(number, *payload) if kind == "start" else self._run(*payload)
            answer: tuple[str, Value] = "ok", await waiting
        except Exception as error:
            answer = "raise", error
        finally:
            self._turn.acquire()
        self._reply(number, *answer)

    def _outcome(self, kind: str, payload: list[Value]) -> tuple[str, Value]:
        try:
            return "ok", self._requests[kind](self, *payload)
        except BaseException as error:
            self._last_raised = steps_told(error)
            return "raise", error

    def _reply(self, number: int, kind: str, value: Value) -> None:
        self._turn.wait_for(lambda: self._open[-1] == number)  # replies leave in the order of the nesting
        try:
            self.put(kind, number, value)
        except (ValueError, TypeError, RecursionError) as error:
            self.put("raise", number, type(error)(*map(str, error.args)))
        self._open.pop()
        self._turn.notify_all()

    def back(self, kind: str, *payload: Value) -> Value:
        """Ask the test for something, from any thread, in the middle of what it asked."""
        with self._turn:
            if self._over:
                raise RuntimeError("the test that lent this has ended")
            self.put(kind, *payload)
            while True:
                answer, said = self.take()
                if answer == "returned":
                    return said[0]
                if answer == "raised":
                    raise said[0]
                if answer in ("start", "run"):
                    error = RuntimeError("a test cannot await from inside of a call")
                    self.put("raise", said[0], error)
                else:
                    self._answer(answer, said)

    def postscript(self) -> Json:
        """What was printed, and the warnings, each with whether the notebook would show it."""
        text = self._out.drain(), self._errors.drain()
        found, self._warnings = self._warnings, []
        if not found and not any(text):
            return None
        return [*text, [[self.encode(warning), shown] for warning, shown in found]]

    def after_payload(self, postscript: Json) -> None:
        """Forget what the test no longer has."""
        for number in postscript or ():
            if number in self._kept:
                self._handles.pop(id(self._kept[number]), None)
                self._forget_object(self._kept.pop(number))
            self.forget(number)

    @staticmethod
    def _forget_object(value: Value) -> None:
        if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            value.close()  # the test's own end says what is to be said of a coroutine that was never awaited

    # --- requests ---------------------------------------------------------------------------------------------------

    def _name(self, name: str) -> tuple[bool, Value]:
        return (True, self._namespace[name]) if name in self._namespace else (False, None)

    def _redefined(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, builtin in vars(builtins).items()
            if not name.startswith("_")
            and self._namespace.get(name, builtin) is not builtin
            and getattr(self._namespace[name], "__module__", "__main__") == "__main__"
        )

    def _module(self, module: types.ModuleType) -> tuple[str, bool]:
        """A module's name, and whether it is the student's own file."""
        return module.__name__, _is_students_module(module)

    def _bind(self, name: str, value: Value) -> None:
        self._namespace[name] = value

    def _call(
        self, function: Value, args: tuple[Value, ...], options: tuple[tuple[str, Value], ...]
    ) -> Value:
        return function(*args, **dict(options))

    def _get(self, value: Value, name: str) -> Value:
        return getattr(value, name)

    def _set(self, value: Value, name: str, new: Value) -> None:
        setattr(value, name, new)

    def _delete(self, value: Value, name: str) -> None:
        delattr(value, name)

    def _dir(self, value: Value) -> list[str]:
        return dir(value)

    def _vars(self, cls: type) -> tuple[tuple[str, Value], ...]:
        return tuple(
            (name, value) for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")
        )

    def _op(self, cls: type | None, name: str, value: Value, *operands: Value) -> Value:
        method = getattr(cls or type(value), name)
        if name in ("__exit__", "__aexit__"):
            operands = exit_arguments(*operands)
        return method(value, *operands)

    def _super(self, cls: type, name: str, value: Value) -> Value:
        found = vars(cls)[name]
        return found.__get__(value, type(value)) if hasattr(type(found), "__get__") else found

    def _meta(self, name: str, cls: type, *operands: Value) -> Value:
        return _OF_CLASSES[name](cls, *operands)

    def _isinstance(self, value: Value, cls: type) -> bool:
        return isinstance(value, cls)

    def _issubclass(self, value: type, cls: type) -> bool:
        return issubclass(value, cls)

    def _copy(self, value: Value, deep: bool) -> Value:
        return copy.deepcopy(value) if deep else copy.copy(value)

    def _signature(self, function: Value) -> Value:
        found = inspect.signature(function)
        parameters = tuple(
            (each.name, int(each.kind), each.default, each.annotation) for each in found.parameters.values()
        )
        return parameters, found.return_annotation

    def _subclass(
        self,
        name: str,
        bases: tuple[type, ...],
        body: tuple[tuple[str, str, Value], ...],
        options: tuple[Any, ...],
    ) -> str:
        def fill(namespace: dict[str, Any]) -> None:
            namespace["__module__"] = "__main__"
            namespace.update({key: _WRAPPERS[how](value) for key, how, value in body})

        return self._keep(types.new_class(name, bases, dict(options), fill))

    def _step(self, generator: Value, method: str, *operands: Value) -> Value:
        return getattr(generator, method)(*operands)

    def _rest(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def _read(self, path: str) -> str:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return file.read(MOST_READ)

    def _write(self, path: str, text: str) -> None:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            file.write(text)

    def _cancel(self, number: int) -> None:
        if number in self._tasks:
            self._tasks[number].cancel()

    def _raised(self) -> Told:
        return self._last_raised

    def _tool(self, name: str, *args: Value) -> Value:
        return TOOLS[name](*args)

    def _seed(self, library: str, args: tuple[Value, ...], options: tuple[tuple[str, Value], ...]) -> None:
        seeds.seed(library, args, options)

    _requests: ClassVar[dict[str, Callable[..., Value]]] = {
        "name": _name,
        "redefined": _redefined,
        "module": _module,
        "bind": _bind,
        "call": _call,
        "get": _get,
        "set": _set,
        "del": _delete,
        "dir": _dir,
        "vars": _vars,
        "op": _op,
        "super": _super,
        "meta": _meta,
        "isinstance": _isinstance,
        "issubclass": _issubclass,
        "copy": _copy,
        "signature": _signature,
        "subclass": _subclass,
        "step": _step,
        "rest": _rest,
        "read": _read,
        "write": _write,
        "cancel": _cancel,
        "seed": _seed,
        "raised": _raised,
        "tool": _tool,
    }

    # --- awaiting ---------------------------------------------------------------------------------------------------

    async def _outcome_later(self, awaitable: Awaitable[Value]) -> tuple[bool, Value]:
        """How an awaitable ends. As a value, so that the event loop does not take part in it."""
        try:
            return True, await awaitable
        except BaseException as error:
            self._last_raised = steps_told(error)
            return False, error

    async def _start(self, number: int, awaitable: Awaitable[Value]) -> tuple[int, bool, bool, Value]:
        """Start to await something; it takes its first step at once. Number, whether it is done, and how it ended."""
        task = self._tasks[number] = self._loop.create_task(self._outcome_later(awaitable))
        await asyncio.sleep(0)
        if not task.done():
            task.add_done_callback(lambda _: self._news.set())
            return number, False, False, None
        del self._tasks[number]
        return number, True, *task.result()

    async def _run(
        self, seconds: float, finished: tuple[tuple[int, bool, Value], ...]
    ) -> tuple[tuple[int, bool, Value], ...]:
        """Let the event loop run until something is new, or for so many seconds. What of `start` is done since."""
        for number, good, value in finished:
            promise = self._promises.pop(number, None)
            if promise is not None and not promise.done():
                promise.set_result((good, value))
        await asyncio.sleep(0)
        if seconds and not self._news.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        self._news.clear()
        done = [number for number, task in self._tasks.items() if task.done()]
        return tuple((number, *self._tasks.pop(number).result()) for number in done)

    async def _await_theirs(self, number: str) -> Value:
        begun = self.back("await", number)
        promise = self._promises[begun] = self._loop.create_future()
        self._news.set()
        good, value = await promise
        if good:
            return value
        raise value

    # --- what is not plain data -------------------------------------------------------------------------------------

    def _keep(self, value: Value) -> str:
        self._next_handle += 1
        handle = f"h{self._next_handle}"
        self._kept[handle], self._handles[id(value)] = value, handle
        self._undo.append(functools.partial(self._take_back, handle, id(value)))
        return handle

    def _take_back(self, handle: str, identity: int) -> None:
        self._kept.pop(handle, None)
        self._handles.pop(identity, None)

    def encode_other(self, value: Value, depth: int) -> Json:
        """An object, as course.examiner.standins describes it."""
        identity = id(value)
        if identity in self._lent:
            return ["yours", self._lent[identity]]
        if identity in self._handles:
            return self._mention(value, self._handles[identity])
        if isinstance(value, type):
            return self._encode_class(value, depth + 1)
        if isinstance(value, BaseException):
            return self._encode_error(value, depth + 1)
        return self._encode_object(value, depth + 1)

    def _encode_object(self, value: Value, depth: int) -> Json:
        kind = type(value)
        cls = self._class_of(kind, depth)
        base = next((each for each in kind.__mro__ if each in DATA_BASES), None)
        if base is not None and base is not kind:
            return self._encode_data(value, base, cls, depth)
        handle = self._keep(value)
        if kind is types.GeneratorType:
            return ["generator", handle, cls, value.__name__]
        if inspect.iscoroutine(value) or kind.__name__.startswith("async_generator_a"):
            return ["coroutine", handle, cls, getattr(value, "__name__", kind.__name__)]
        return ["object", handle, cls]

    def _class_of(self, cls: type, depth: int) -> Json:
        """The class of an object: always as a stand-in, also where both ends have it."""
        handle = self._handles.get(id(cls))
        return self._encode_class(cls, depth) if handle is None else self._mention(cls, handle)

    def _mention(self, value: Value, handle: str) -> Json:
        """What was described before; of a class also what it defines by now."""
        if not isinstance(value, type):
            return ["handle", handle]
        own, before = vars(value), self._sizes.get(handle, 0)
        if len(own) == before:
            return ["handle", handle]
        self._sizes[handle] = len(own)
        self._undo.append(lambda: self._sizes.update({handle: before}))
        return ["grown", handle, [name for name in own if type(name) is str]]

    def _encode_data(self, value: Value, base: type, cls: Json, depth: int) -> Json:
        handle = self._keep(value)
        kind = KINDS.get(base)
        if kind is None:
            return ["value", handle, cls, self.encode(_EXACT[base](value), depth)]
        shared = self.adopt(value, handle, kind)
        needs = [self.encode(need, depth) for need in kind.needs(value)]
        return ["container", handle, cls, needs, self.write_parts(shared, depth)]

    def _encode_class(self, cls: type, depth: int) -> Json:
        bases = [
            ["name", NAMES[id(base)]] if id(base) in TRUE_BASES else self.encode_other(base, depth)
            for base in cls.__bases__
        ]
        own = vars(cls)
        abstract = None if cls is type else getattr(cls, "__abstractmethods__", None)
        handle = self._keep(cls)
        self._sizes[handle] = len(own)
        return [
            "class",
            handle,
            str(cls.__name__),
            str(cls.__module__),
            str(cls.__qualname__),
            cls.__doc__ if type(cls.__doc__) is str else None,
            bases,
            [name for name in own if type(name) is str],
            own.get("__hash__", 0) is None,
            None if abstract is None else sorted(map(str, abstract)),
        ]

    def _encode_error(self, error: BaseException, depth: int) -> Json:
        kind = type(error)
        own = id(kind) not in self._lent and id(kind) not in NAMES and _is_students(kind)
        if own:
            cls = self._class_of(kind, depth)
            front: list[Json] = ["failure", self._keep(error), cls]
        elif id(kind) in self._lent:
            front = ["error", [["yours", self._lent[id(kind)]]]]
        else:
            front = ["error", [_full_name(each) for each in kind.__mro__[:-1]]]
        linked = [
            self.encode(each, depth) if each is not None and depth < MOST_DEPTH // 2 else None
            for each in (error.__cause__, error.__context__)
        ]
        notes = [str(note) for note in getattr(error, "__notes__", ())]
        about = [self.encode(error.args, depth), *linked, error.__suppress_context__, notes]
        if own:
            return [*front, *about]
        members = {name: value for name, value in vars(error).items() if name not in ("args", "__notes__")}
        if isinstance(error, OSError) and error.filename is not None:
            members["filename"] = error.filename
        return [*front, *about, [[name, self.encode(value, depth)] for name, value in members.items()]]

    def decode_other(self, part: list[Json], depth: int) -> Value:
        """An object of the student's that was handed out, or one of the test's."""
        tag, number = part[0], part[1]
        if tag == "handle":
            return self._kept[number]
        if number in self._theirs:
            return self._theirs[number]
        value = self._lent_kinds[part[2]](self, number, *part[3:])
        self._theirs[number], self._lent[id(value)] = value, number
        return value

    def _lent_import(self, number: str, module: str, qualname: str) -> Value:
        return imported(module, qualname)

    def _lent_function(
        self,
        number: str,
        name: str,
        qualname: str,
        doc: str | None,
        parameters: list[Json] | None,
        asynchronous: bool,
        attributes: list[Json],
    ) -> Value:
        def function(*args: Value, **options: Value) -> Value:
            return self.back("call", number, args, tuple(options.items()))

        async def later(*args: Value, **options: Value) -> Value:
            return await self.back("call", number, args, tuple(options.items()))

        made: Any = later if asynchronous else function
        made.__name__, made.__qualname__, made.__doc__, made.__module__ = name, qualname, doc, "__main__"
        made.__annotations__ = {}
        if parameters is not None:
            made.__signature__ = inspect.Signature(
                [
                    inspect.Parameter(each, kind, default=self.decode(default), annotation=self.decode(note))
                    for each, kind, default, note in parameters
                ]
            )
            for parameter in made.__signature__.parameters.values():
                if parameter.annotation is not inspect.Parameter.empty:
                    made.__annotations__[parameter.name] = parameter.annotation
        self.read_parts(self.adopt(vars(made), number, ATTRIBUTES), attributes, 1)
        return made

    def _lent_iterator(self, number: str, name: str) -> Iterator[Value]:
        def steps() -> Iterator[Value]:
            while True:
                more, value = self.back("next", number)
                if not more:
                    return
                yield value

        made: Any = steps()
        made.__name__ = name
        return made  # type: ignore[no-any-return]

    def _lent_awaitable(self, number: str, name: str) -> Theirs:
        def wait(awaitable: Theirs) -> Iterator[Any]:
            return self._await_theirs(number).__await__()

        cls: type[Theirs] = type(name, (Theirs,), {"__await__": wait})
        return cls(self, number, name)

    def _lent_error(self, number: str, kind: Json, args: Json, members: Json) -> BaseException:
        cls, found = self.decode(kind), self.decode(args)
        try:
            error = cls(*found)
        except Exception:
            error = cls.__new__(cls)
            error.args = found
        vars(error).update({name: self.decode(value) for name, value in members})
        made: BaseException = error
        return made

    def _lent_errors(self, number: str, name: str, bases: list[Json]) -> type:
        return type(name, tuple(map(self.decode, bases)), {"__module__": "__main__"})

    def _lent_object(self, number: str, name: str, operators: list[str]) -> Theirs:
        return their_class(name, tuple(operators))(self, number, name)

    _lent_kinds: ClassVar[dict[str, Callable[..., Value]]] = {
        "imported": _lent_import,
        "function": _lent_function,
        "iterator": _lent_iterator,
        "awaitable": _lent_awaitable,
        "error": _lent_error,
        "errors": _lent_errors,
        "object": _lent_object,
    }


def _is_students(cls: type) -> bool:
    """Whether a class is from the notebook or one of the student's own files."""
    module = sys.modules.get(cls.__module__)
    return cls.__module__ == "__main__" or module is None or _is_students_module(module)


def _is_students_module(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return getattr(module, "__spec__", None) is None
    return Path(file).resolve().is_relative_to(Path.cwd())


def _full_name(cls: type) -> str:
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


_OF_CLASSES: dict[str, Callable[..., Value]] = {
    "__iter__": iter,
    "__len__": len,
    "__getitem__": operator.getitem,
    "__contains__": operator.contains,
}
_WRAPPERS: dict[str, Callable[[Value], Value]] = {
    "plain": lambda value: value,
    "property": lambda parts: property(*parts),
    "staticmethod": staticmethod,
    "classmethod": classmethod,
}
