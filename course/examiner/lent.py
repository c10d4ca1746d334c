"""What of the test's own objects the student's code may touch: only what was handed to it, and of that only what is open.

Functions and iterators can be called and stepped. Of other objects the operators can be used, and of instances of classes
that the test itself defines (and a few of the standard library's) the public attributes. An object is named by a number
that it got when it was handed over; nothing is looked up by a name but a public attribute of such an object.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import importlib
import inspect
import itertools
import random
import sys
import threading
import types
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from course.examiner.containers import ATTRIBUTES
from course.examiner.leaving import exit_arguments
from course.examiner.shared_names import NAMES, OWN_PACKAGE
from course.examiner.values import Json, Value
from course.examiner.wire import MOST_OBJECTS, Broken

if TYPE_CHECKING:
    from course.examiner.session import Session

TEST_MODULE = "__main__"
"""The module of a test's own classes, as in a notebook."""

_OPERATORS = frozenset(
    f"__{name}__"
    for name in [
        "call",
        "enter",
        "exit",
        "aenter",
        "aexit",
        "iter",
        "next",
        "len",
        "getitem",
        "setitem",
        "delitem",
        "contains",
        "bool",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "hash",
        "str",
        "repr",
        "format",
        "int",
        "float",
        "index",
        "add",
        "radd",
        "iadd",
        "sub",
        "rsub",
        "mul",
        "rmul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "neg",
        "abs",
        "and",
        "or",
        "xor",
        "aiter",
        "anext",
        "reversed",
        "fspath",
    ]
)

_OPEN: dict[type, frozenset[str]] = {
    enum.Enum: frozenset(["name", "value"]),
    random.Random: frozenset(
        [
            "random",
            "randint",
            "randrange",
            "choice",
            "choices",
            "shuffle",
            "sample",
            "uniform",
            "gauss",
            "normalvariate",
            "triangular",
            "expovariate",
            "betavariate",
            "getrandbits",
            "randbytes",
            "seed",
        ]
    ),
    threading.Event: frozenset(["set", "clear", "is_set"]),
    asyncio.Event: frozenset(["set", "clear", "is_set", "wait"]),
    asyncio.Lock: frozenset(["acquire", "release", "locked"]),
    asyncio.Semaphore: frozenset(["acquire", "release", "locked"]),
    asyncio.Queue: frozenset(
        ["put", "get", "put_nowait", "get_nowait", "task_done", "join", "qsize", "empty", "full", "maxsize"]
    ),
}
"""The attributes that are open of objects of the standard library."""

_FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    functools.partial,
)
_SIMPLE = (type(None), bool, int, float, str)


class Lent:
    """The test's objects that were handed to the student's code."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._objects: dict[
            str, tuple[str, Value]
        ] = {}  # by number: what kind of thing it is, and the object
        self._numbers: dict[Hashable, str] = {}  # by identity; the objects are kept above
        self._count = itertools.count()
        self._operators: dict[str, frozenset[str]] = {}

    def write(self, value: Value, depth: int) -> Json:
        """The object as JSON: its number, and at its first time what the student's kernel needs to know.

        lent NUMBER                                             one that was described before
        lent NUMBER imported  module qualname                   what both ends can import
        lent NUMBER function  name qualname doc parameters asynchronous attributes
        lent NUMBER iterator  name
        lent NUMBER awaitable name
        lent NUMBER error     class args members
        lent NUMBER errors    name bases                        a class of exceptions
        lent NUMBER object    class-name operators
        """
        identity = _identity(value)
        number = self._numbers.get(identity)
        if number is not None:
            return ["lent", number]
        if len(self._objects) >= MOST_OBJECTS:
            raise ValueError("too many objects were handed to the submission")
        kind, describe = self._kind(value)
        number = f"o{next(self._count)}"  # never again, also where this message is not sent
        self._objects[number], self._numbers[identity] = (kind, value), number
        self._session.undo_with(functools.partial(self._take_back, number, identity))
        return ["lent", number, kind, *describe(number, value, depth + 1)]

    def find(self, number: Json) -> Value:
        """The object of a number. Raises KeyError where none was lent under it."""
        return self._objects[number][1]

    def _take_back(self, number: str, identity: Hashable) -> None:
        self._objects.pop(number, None)
        self._numbers.pop(identity, None)

    def _kind(self, value: Value) -> tuple[str, Callable[[str, Value, int], list[Json]]]:
        if isinstance(value, BaseException):
            return "error", self._describe_error
        if _importable(value):
            return "imported", lambda number, value, depth: list(_place(value))
        if isinstance(value, type):
            if issubclass(value, BaseException):
                return "errors", self._describe_errors
            return "function", self._describe_function
        if isinstance(value, _FUNCTIONS):
            return "function", self._describe_function
        if _is_mock(value):
            return "object", self._describe_object
        if hasattr(type(value), "__await__"):
            return "awaitable", lambda number, value, depth: [
                getattr(value, "__name__", type(value).__name__)
            ]
        if hasattr(type(value), "__next__"):
            return "iterator", lambda number, value, depth: [type(value).__name__]
        return "object", self._describe_object

    def _describe_error(self, number: str, error: BaseException, depth: int) -> list[Json]:
        encode = self._session.encode
        members = [[name, encode(value, depth)] for name, value in vars(error).items() if _is_public(name)]
        return [encode(type(error), depth), encode(error.args, depth), members]

    def _describe_errors(self, number: str, kind: type, depth: int) -> list[Json]:
        return [kind.__name__, [self._session.encode(base, depth) for base in kind.__bases__]]

    def _describe_function(self, number: str, function: Value, depth: int) -> list[Json]:
        encode = self._session.encode
        name = getattr(function, "__name__", type(function).__name__)
        try:
            parameters = [
                [each.name, int(each.kind), encode(each.default, depth), encode(_plain(each.annotation))]
                for each in inspect.signature(function).parameters.values()
            ]
        except (ValueError, TypeError):
            parameters = None
        attributes = vars(function) if type(function) is types.FunctionType else {}
        shared = self._session.adopt(attributes, number, ATTRIBUTES)
        doc = function.__doc__ if type(function.__doc__) is str else None
        return [
            str(name),
            str(getattr(function, "__qualname__", name)),
            doc,
            parameters,
            inspect.iscoroutinefunction(function),
            self._session.write_parts(shared, depth),
        ]

    def _describe_object(self, number: str, value: Value, depth: int) -> list[Json]:
        kinds = type(value).__mro__[:-1]
        found = _OPERATORS.intersection(*[set().union(*map(vars, kinds))])
        self._operators[number] = found
        return [type(value).__name__, sorted(found)]

    # --- what the student's code asks -------------------------------------------------------------------------------

    def answer(self, kind: str, payload: list[Value]) -> Value:
        """Do what the student's code asks of an object that was lent. Raises Broken for anything else."""
        action = self._actions.get(kind)
        if action is None or not payload or type(payload[0]) is not str or payload[0] not in self._objects:
            raise Broken("the submission asked for something that was not handed to it")
        return action(self, payload[0], *payload[1:])

    def _call(self, number: str, args: tuple[Value, ...], options: tuple[tuple[str, Value], ...]) -> Value:
        kind, function = self._objects[number]
        if kind != "function" and "__call__" not in self._operators.get(number, ()):
            raise Broken("the submission called something that is no function")
        return function(*args, **{str(name): value for name, value in options})

    def _next(self, number: str) -> Value:
        kind, iterator = self._objects[number]
        if kind != "iterator":
            raise Broken("the submission stepped something that is no iterator")
        try:
            return True, next(iterator)
        except StopIteration:
            return False, None

    def _operate(self, number: str, name: str, *operands: Value) -> Value:
        if name not in self._operators.get(number, ()):
            raise Broken("the submission used an operator that was not handed to it")
        value = self._objects[number][1]
        if name in ("__exit__", "__aexit__"):
            operands = exit_arguments(*operands)
        return getattr(type(value), name)(value, *operands)

    def _get(self, number: str, name: str) -> Value:
        value = self._objects[number][1]
        if not _is_open(value, name):
            raise AttributeError(
                f"{type(value).__name__!r} object of a test has no attribute {name!r} to use here"
            )
        return getattr(value, name)

    def _set(self, number: str, name: str, new: Value) -> None:
        value = self._objects[number][1]
        if (
            type(value).__module__ != TEST_MODULE
            or not _is_public(name)
            or callable(getattr(type(value), name, None))
        ):
            raise AttributeError(
                f"{type(value).__name__!r} object of a test has no attribute {name!r} to set here"
            )
        setattr(value, name, new)

    def _await(self, number: str) -> int:
        kind, awaitable = self._objects[number]
        if kind != "awaitable":
            raise Broken("the submission awaited something that cannot be")
        return self._session.waits.begin(awaitable)

    _actions: ClassVar[dict[str, Callable[..., Value]]] = {
        "call": _call,
        "next": _next,
        "operate": _operate,
        "get": _get,
        "set": _set,
        "await": _await,
    }


def _identity(value: Value) -> Hashable:
    """What makes an object that very one: methods are made anew each time that they are looked up."""
    if type(value) is types.MethodType:
        return id(value.__self__), id(value.__func__)
    if type(value) is types.BuiltinFunctionType:
        return id(value.__self__), value.__name__
    return id(value)


def _is_public(name: Value) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_")


def _is_mock(value: Value) -> bool:
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)


def _is_open(value: Value, name: Value) -> bool:
    """Whether an attribute of a lent object may be read."""
    if not _is_public(name):
        return False
    if _is_mock(value):
        return name not in dir(sys.modules["unittest.mock"].NonCallableMock)
    kinds = type(value).__mro__
    if any(name in _OPEN.get(kind, ()) for kind in kinds):
        return True
    if any(name in vars(kind) for kind in kinds if kind.__module__ == TEST_MODULE):
        return True
    return type(value).__module__ == TEST_MODULE and name in getattr(value, "__dict__", ())


def _plain(value: Value) -> Value:
    """A function's annotation, where it is plain enough to be shown; else a mark that there is one."""
    if type(value) in _SIMPLE or id(value) in NAMES or type(value) in (types.GenericAlias, types.UnionType):
        return value
    return ...


def _place(value: Value) -> tuple[str, str]:
    """The module and the name in it where a value may be found."""
    if isinstance(value, types.ModuleType):
        return value.__name__, ""
    return str(getattr(value, "__module__", None)), str(getattr(value, "__qualname__", ""))


def _importable(value: Value) -> bool:
    """Whether the student's kernel can import the value itself: a library's function, class or module."""
    kinds = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
    if not isinstance(value, kinds):
        return False
    module, qualname = _place(value)
    if module == TEST_MODULE or module.partition(".")[0] in (OWN_PACKAGE.partition(".")[0], "None"):
        return False
    found: Any = sys.modules.get(module)
    for name in filter(None, qualname.split(".")):
        found = getattr(found, name, None)
    return found is value


def imported(module: str, qualname: str) -> Value:
    """What `_place` says, in the student's kernel."""
    found: Any = importlib.import_module(module)
    for name in filter(None, qualname.split(".")):
        found = getattr(found, name)
    return found
