"""Marks what a grader puts on the machine, so that the next one can tell what a dead one left there."""

from __future__ import annotations

import os
from pathlib import Path

_START_TIME = 19  # field 22 of /proc/PID/stat, counted from the one after the name


def own_mark() -> str:
    """A part of a file name that says which process made it, and that no other process will ever have."""
    return f"{_namespace()}-{os.getpid()}-{_start_time(os.getpid())}"


def left_behind(path: Path, prefix: str) -> bool:
    """Whether `path`, named `PREFIX-MARK-anything`, was made by one of this user's processes that has ended.

    What another user or a process of another container made is never called left behind: it cannot be seen whether
    its maker lives.
    """
    namespace, _, rest = path.name.removeprefix(f"{prefix}-").partition("-")
    pid, _, rest = rest.partition("-")
    start, _, _ = rest.partition("-")
    if not path.name.startswith(f"{prefix}-") or namespace != _namespace() or not pid.isdigit():
        return False
    try:
        return path.stat().st_uid == os.geteuid() and _start_time(int(pid)) != start
    except OSError:
        return False


def _namespace() -> str:
    """The pid namespace: process ids mean something only within it."""
    return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since the machine did; "" where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[_START_TIME]
