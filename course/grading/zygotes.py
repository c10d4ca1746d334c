"""The zygotes of this process: one for each set of imports, started when first needed, replaced when it has died.

A process that is forked uses those of the one it comes from. They are told apart by their imports.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from course.cage import CageError, ZygoteDied
from course.cage.cell import Cell
from course.cage.host import Zygote
from course.cage.level import require_cage
from course.examiner.preload import LAST, PRELOAD
from course.grading.caches import shared

_running: dict[tuple[str, ...], Zygote] = {}
_lent: dict[tuple[str, ...], Zygote] = {}  # those of the process that this one was forked from
_lock = threading.RLock()  # whoever finds one dead replaces it before another thread looks


def spawn(
    imports: Sequence[str],
    entry: str,
    options: Mapping[str, Any],
    *,
    files: Mapping[str, bytes] | None = None,
    ipc: bool = False,
) -> Cell:
    """A new cell from the zygote with these imports; one that died is replaced.

    Raises CageError.
    """
    key = _key(imports)
    arguments: dict[str, Any] = {"files": files or {}, "ipc": ipc}
    try:
        return _zygote(key).spawn(entry, options, **arguments)
    except ZygoteDied:
        return _zygote(key).spawn(entry, options, **arguments)


def lives(imports: Sequence[str]) -> bool:
    """Whether the zygote with these imports lives: where it has died, its cells are ending too."""
    key = _key(imports)
    zygote = _lent.get(key) or _running.get(key)
    return zygote is not None and zygote.alive()


def begin(sets: Iterable[Sequence[str]]) -> None:
    """Begin to start zygotes with these sets of imports, where there is a cage, so that they are ready sooner."""
    with _lock, suppress(CageError):
        for key in {_key(imports) for imports in sets} - _running.keys():
            if require_cage().name == "namespaces":
                _running[key] = Zygote(key, shared=shared(), level=require_cage())


@contextmanager
def lent(sets: Iterable[Sequence[str]]) -> Iterator[None]:
    """Have zygotes with these sets of imports that processes forked from this one use too.

    Raises CageError.
    """
    wanted = [*sets]
    try:
        begin(wanted)
        for imports in wanted:
            _zygote(_key(imports))
        yield
    finally:
        close()


def close() -> None:
    """End all zygotes of this process, and with them their cells."""
    with _lock:
        while _running:
            _, zygote = _running.popitem()
            zygote.close()


def _key(imports: Sequence[str]) -> tuple[str, ...]:
    return (*sorted({*imports, *PRELOAD} - {LAST}), LAST)


def _zygote(key: tuple[str, ...]) -> Zygote:
    """The one that is there and lives, or a new one."""
    with _lock:
        if key in _lent and not _lent[key].alive():
            del _lent[key]
        if key in _running and not _running[key].ready().alive():
            _running.pop(key).close()
        if key not in _lent and key not in _running:
            _running[key] = Zygote(key, shared=shared(), level=require_cage())
        return (_lent.get(key) or _running[key]).ready()


def _borrow() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that holds it was not forked
    _lent.update(_running)
    _running.clear()


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_borrow)
