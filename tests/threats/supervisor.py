"""Run a command, and tell what it leaves running: `python supervisor.py REPORT SECONDS COMMAND...`.

Whatever the command's descendants become children of, it is in the end this process, so that none can hide. All are
killed at the end. The report is JSON: the exit status (null where the time was up), the seconds, the command lines of
the processes that were left, and the most memory that the command's own process took, in MiB.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_END_SECONDS = 5.0  # what killed processes may take to be gone
_POLL_SECONDS = 0.05


def main(report: str, seconds: str, *command: str) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    begin = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True)
    peak = 0.0
    status = None
    while status is None and time.monotonic() < begin + float(seconds):
        peak = max(peak, _peak(process.pid))
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(_POLL_SECONDS)
    taken = time.monotonic() - begin
    if status is None:
        process.kill()
    left = _left()
    until = time.monotonic() + _END_SECONDS
    while left and time.monotonic() < until:
        psutil.wait_procs(left, timeout=_POLL_SECONDS)
        left = _left()
    names = [_name(each) for each in left]
    while left:
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=_POLL_SECONDS)
        left = _left()
    Path(report).write_text(
        json.dumps({"status": status, "seconds": taken, "left": names, "memory": peak}), encoding="utf-8"
    )


def _left() -> list[psutil.Process]:
    """What still runs below this process: none only if the kernel says so.

    A list of processes is read one by one, so a process whose parent ends meanwhile can be missing from it.
    """
    while _has_children():
        if found := psutil.Process().children(recursive=True):
            return found
    return []


def _has_children() -> bool:
    """Whether this process has a child, those that have ended being put away first."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()) or process.name()
    return str(process.pid)


def _peak(pid: int) -> float:
    """The most memory that a process has taken so far, in MiB."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


if __name__ == "__main__":
    main(*sys.argv[1:])
