"""Bounds for all processes of a cell together: control groups, of version 1 or 2, wherever we may make them.

A controller that is missing, or that we may not use, is not used.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course.cage.limits import Limits
from course.cage.owners import left_behind, own_mark

_PROCESS = Path("/proc/self")
_PREFIX = "course-cell"
_SPARE_PROCESSES = 8  # the cell's first process, and threads that are just ending
_numbers = itertools.count()


@dataclass(frozen=True)
class _Parent:
    """A control group in which we may make others, and the controllers that those will have."""

    folder: Path
    controllers: frozenset[str]
    version: int


class Cgroup:
    """The control groups of one cell, one for each hierarchy; none on a machine that gives us none."""

    def __init__(self, limits: Limits) -> None:
        self._folders: list[Path] = []
        name = f"{_PREFIX}-{own_mark()}-{next(_numbers)}"
        for parent in _parents():
            folder = parent.folder / name
            try:
                folder.mkdir()
            except OSError:
                continue
            self._folders.append(folder)
            _set_limits(folder, parent, limits)

    def add(self, pid: int) -> None:
        """Move a process here; what it forks from now on is born here."""
        for folder in list(self._folders):
            try:
                (folder / "cgroup.procs").write_text(str(pid))
            except OSError:  # not delegated to us after all
                self._folders.remove(folder)
                _remove(folder)

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed one of the processes for want of memory."""
        for folder in self._folders:
            for report in ("memory.oom_control", "memory.events"):
                with contextlib.suppress(OSError):
                    counts = dict(line.split() for line in (folder / report).read_text().splitlines())
                    if int(counts.get("oom_kill", 0)):
                        return True
        return False

    def remove(self) -> None:
        """Remove the groups; their processes must be gone."""
        while self._folders:
            _remove(self._folders.pop())


def controllers() -> frozenset[str]:
    """What we can bound for all processes of a cell together: "memory", "pids", both or nothing."""
    return frozenset().union(*(parent.controllers for parent in _parents()))


def sweep() -> None:
    """Remove the groups that dead graders left; those of living ones are not touched."""
    for parent in _parents():
        for folder in parent.folder.glob(f"{_PREFIX}-*"):
            if left_behind(folder, _PREFIX):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _set_limits(folder: Path, parent: _Parent, limits: Limits) -> None:
    version_1 = parent.version == 1
    wanted = {}
    if "pids" in parent.controllers:
        wanted["pids.max"] = limits.processes + _SPARE_PROCESSES
    if "memory" in parent.controllers:
        wanted["memory.limit_in_bytes" if version_1 else "memory.max"] = limits.memory
        # no swap on top: version 1 counts memory and swap together
        wanted["memory.memsw.limit_in_bytes" if version_1 else "memory.swap.max"] = (
            limits.memory if version_1 else 0
        )
    for file, value in wanted.items():
        with contextlib.suppress(OSError):  # the swap files are there only where the kernel counts swap
            (folder / file).write_text(str(value))


def _remove(folder: Path) -> None:
    """The kernel calls a group busy for a moment after its last process is gone."""
    for _ in range(200):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return


def _parents() -> Iterator[_Parent]:
    groups = [line.split(":", 2) for line in (_PROCESS / "cgroup").read_text().splitlines()]
    for place, root, version, attached in _hierarchies():
        for _, named, path in groups:
            belongs = named == "" if version == 2 else bool(attached & set(named.split(",")))
            if belongs and Path(path).is_relative_to(root):
                yield from _usable(place / Path(path).relative_to(root), place, version, attached)


def _usable(own: Path, place: Path, version: int, attached: frozenset[str]) -> Iterator[_Parent]:
    """Version 2 allows groups with controllers only where no process is: then beside ours, not below it."""
    candidates = [own] if version == 1 or own == place else [own, own.parent]
    for folder in candidates:
        given = attached if version == 1 else _delegated(folder)
        if given and os.access(folder, os.W_OK):
            yield _Parent(folder, given, version)
            return


def _delegated(folder: Path) -> frozenset[str]:
    try:
        return frozenset((folder / "cgroup.subtree_control").read_text().split()) & {"memory", "pids"}
    except OSError:
        return frozenset()


def _hierarchies() -> Iterator[tuple[Path, str, int, frozenset[str]]]:
    """Where the control groups are: mount point, which group it shows at its top, version, controllers."""
    for line in (_PROCESS / "mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        root, place = fields.split(" ")[3:5]
        if kind == "cgroup2":
            yield Path(place), root, 2, frozenset()
        elif kind == "cgroup" and (attached := frozenset(options.split(",")) & {"memory", "pids"}):
            yield Path(place), root, 1, attached
