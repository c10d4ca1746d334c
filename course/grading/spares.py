"""Cells made ahead: while one submission is graded, the cells of the next are made, so that it need not wait for them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from course.cage import CageError
from course.cage.cell import Cell
from course.cage.level import require_cage
from course.grading import zygotes


@dataclass(frozen=True)
class Request:
    """What a cell is to be: its imports, its entry function, its files, and whether it has a folder for sockets."""

    imports: Sequence[str]
    entry: str
    files: Mapping[str, bytes]
    ipc: bool = False


@dataclass(frozen=True)
class Made:
    """A cell, and the options that its entry function got."""

    cell: Cell
    options: dict[str, Any]


_spares: dict[
    str, tuple[Request, Future[Made]]
] = {}  # by entry function: the last request, and one more for it


def take(request: Request, options: Callable[[], dict[str, Any]]) -> Made:
    """A cell whose entry function gets fresh `options`; another one like it is made while this one is used.

    Raises CageError.
    """
    made = _spare(request) or _make(request, options)
    if require_cage().name == "namespaces":  # else there is room for one submission at a time
        _spares[request.entry] = request, _maker().submit(_make, request, options)
    return made


def discard() -> None:
    """End those that nobody has taken."""
    while _spares:
        _, (_, future) = _spares.popitem()
        with suppress(CageError):
            future.result().cell.kill()


def _spare(request: Request) -> Made | None:
    """The one that was made for such a request, if it lives."""
    asked, future = _spares.pop(request.entry, (None, None))
    if future is None:
        return None
    with suppress(CageError):
        made = future.result()
        if asked == request and zygotes.lives(request.imports) and made.cell.alive():
            return made
        made.cell.kill()
    return None


def _make(request: Request, options: Callable[[], dict[str, Any]]) -> Made:
    given = options()
    cell = zygotes.spawn(request.imports, request.entry, given, files=request.files, ipc=request.ipc)
    return Made(cell, given)


@cache
def _maker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def _forget() -> None:
    """In a forked process: they are the parent's, and the thread that makes them stayed there."""
    _spares.clear()
    _maker.cache_clear()


atexit.register(discard)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
