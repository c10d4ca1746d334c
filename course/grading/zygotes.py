"""The zygotes of this process: one for each set of imports, started when first needed, replaced when it has died."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from course.cage import ZygoteDied
from course.cage.cell import Cell
from course.cage.host import Zygote
from course.cage.level import Level, require_cage
from course.cage.limits import Limits
from course.examiner.kernel import PRELOAD
from course.grading.caches import shared

_running: dict[tuple[str, ...], Zygote] = {}
_owner = os.getpid()


def spawn(
    imports: Sequence[str],
    entry: str,
    options: Mapping[str, Any],
    *,
    files: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    ipc: bool = False,
) -> tuple[Zygote, Cell]:
    """A new cell from the zygote with these imports, and that zygote; one that died is replaced.

    Raises CageError.
    """
    key = tuple(sorted({*imports, *PRELOAD}))
    arguments: dict[str, Any] = {"files": files or {}, "limits": limits or Limits(), "ipc": ipc}
    zygote = _zygote(key)
    try:
        return zygote, zygote.spawn(entry, options, **arguments)
    except ZygoteDied:
        _running.pop(key, None)
        zygote = _zygote(key)
        return zygote, zygote.spawn(entry, options, **arguments)


@cache
def level() -> Level:
    """How well this machine holds what is graded; found out once. Raises CageError where it cannot at all."""
    return require_cage()


def close() -> None:
    """End all zygotes of this process, and with them their cells."""
    while _running:
        _, zygote = _running.popitem()
        zygote.close()


def _zygote(key: tuple[str, ...]) -> Zygote:
    global _owner
    if os.getpid() != _owner:  # forked: they are the parent's
        _running.clear()
        _owner = os.getpid()
    if key in _running and not _running[key].alive():
        _running.pop(key).close()
    if key not in _running:
        _running[key] = Zygote(key, shared=shared(), level=level())
    return _running[key]


atexit.register(close)
