"""Types and markers that both ends have: they travel by name. Never a function, never anything looked up by a name sent.

Errors of libraries are known too where the examiner has them loaded: a closed table again, of exception classes only.
"""

from __future__ import annotations

import abc
import asyncio
import builtins
import collections
import collections.abc
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import io
import json
import numbers
import os
import queue
import sqlite3
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

from course.examiner import containers, values

OWN_PACKAGE = __name__.rpartition(".")[0]

DATA_BASES: tuple[type, ...] = (
    *(int, float, complex, str, bytes, tuple, frozenset),
    *(dt.datetime, dt.date, dt.timedelta, decimal.Decimal),
    *(list, dict, set, bytearray, collections.deque),
    *(collections.OrderedDict, collections.defaultdict, collections.Counter),
)
"""Plain data types that a student's class may derive from."""

VIRTUAL_BASES: dict[tuple[str, str], type] = {
    ("abc", "ABC"): abc.ABC,
    ("os", "PathLike"): os.PathLike,
    ("contextlib", "AbstractContextManager"): contextlib.AbstractContextManager,
    ("contextlib", "AbstractAsyncContextManager"): contextlib.AbstractAsyncContextManager,
    **{("numbers", name): getattr(numbers, name) for name in numbers.__all__},
    **{("collections.abc", name): getattr(collections.abc, name) for name in collections.abc.__all__},
}
"""Abstract classes of the standard library; a class that stands in for one is registered with it."""
del VIRTUAL_BASES["collections.abc", "Callable"]  # these two are known by what a class can do
del VIRTUAL_BASES["collections.abc", "Hashable"]

EXCEPTIONS: dict[str, type[BaseException]] = {
    **{
        name: kind
        for name, kind in vars(builtins).items()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    },
    **{
        f"{kind.__module__}.{kind.__qualname__}": kind
        for kind in (
            *(asyncio.CancelledError, asyncio.InvalidStateError, asyncio.QueueEmpty, asyncio.QueueFull),
            *(dataclasses.FrozenInstanceError, json.JSONDecodeError, queue.Empty, queue.Full),
            *(decimal.InvalidOperation, decimal.DivisionByZero, io.UnsupportedOperation),
            *(sqlite3.Error, sqlite3.DatabaseError, sqlite3.IntegrityError, sqlite3.OperationalError),
        )
    },
}

_PLAIN: tuple[type, ...] = (object, type, type(None), bool, str, *values.CODECS, *containers.KINDS)

NAMED: dict[str, Any] = {
    **{kind.__name__: kind for kind in _PLAIN},
    **EXCEPTIONS,
    **{f"{module}.{name}": kind for (module, name), kind in VIRTUAL_BASES.items()},
    **{kind.__name__: kind for kind in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag)},
    "...": ...,
    "NotImplemented": NotImplemented,
    "MISSING": dataclasses.MISSING,
    "FIELD": dataclasses._FIELD,  # type: ignore[attr-defined] # what `dataclasses.fields` looks for
    "KW_ONLY": dataclasses.KW_ONLY,
    "empty": inspect.Parameter.empty,
    "auto": enum.auto,
    "typing.Any": typing.Any,
}
NAMES: dict[int, str] = {id(thing): name for name, thing in NAMED.items()}
"""The name of each named thing, by the thing's id."""

TRUE_BASES: frozenset[int] = frozenset(map(id, (object, *EXCEPTIONS.values(), *DATA_BASES)))
"""The ids of the classes that a stand-in's class may truly derive from."""

_FUNCTION_LIKE: tuple[type, ...] = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, types.CodeType),
    *(property, staticmethod, classmethod, map, filter, zip, enumerate, reversed),
)
FUNCTION_LIKE: dict[tuple[str, str], type] = {
    (kind.__module__, kind.__name__): kind for kind in _FUNCTION_LIKE
}
"""Builtin types whose stand-ins `isinstance` takes for the real thing."""


def known_exception(name: str) -> type[BaseException] | None:
    """The exception class with this full name that this process has loaded: a builtin one, or one of a library.

    Those of libraries derive from Exception, so that none can pass for a failure of the examiner itself.
    """
    found = EXCEPTIONS.get(name)
    if found is None and name not in _unknown:
        _learn()
        found = EXCEPTIONS.get(name)
        if found is None and len(_unknown) < 1000:
            _unknown.add(name)
    return found


_unknown: set[str] = set()
_modules_seen = 0


def _learn() -> None:
    global _modules_seen
    if len(sys.modules) == _modules_seen:
        return
    _modules_seen = len(sys.modules)
    _unknown.clear()
    for kind in _below(Exception):
        module = kind.__module__
        if (
            type(module) is str
            and module not in ("__main__", "builtins")
            and not module.startswith(OWN_PACKAGE)
        ):
            EXCEPTIONS.setdefault(f"{module}.{kind.__qualname__}", kind)


def _below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    seen = {kind}
    waiting = [kind]
    while waiting:
        for below in type.__subclasses__(waiting.pop()):
            if below not in seen and type(below).__module__ != f"{OWN_PACKAGE}.mirrors":
                seen.add(below)
                waiting.append(below)
                yield below
