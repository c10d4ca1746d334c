"""A cell as its trusted side holds it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from course.cage import CellFailed
from course.cage.cgroups import Cgroup

_SECOND = 1_000_000_000  # in nanoseconds
_USER_TIME, _CHILDREN_SYSTEM_TIME = (
    11,
    15,
)  # fields 14 to 17 of /proc/PID/stat, counted from the one after the name
_PATIENCE = 60.0  # seconds for the kernel to take all processes of a killed cell away


class Channel:
    """What a cell's first process reports: how far it is, and how it ended."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def wait_for(self, stage: str) -> int:
        """The pidfd that comes with `stage`.

        Raises CellFailed where something else was reported, EOFError where the cell has ended without a word, and
        TimeoutError.
        """
        message, descriptors, _, _ = socket.recv_fds(self._connection, 1 << 16, 1, socket.MSG_CMSG_CLOEXEC)
        if not message:
            raise EOFError
        reached, detail = json.loads(message)
        if reached == stage:
            return descriptors[0]
        for descriptor in descriptors:
            os.close(descriptor)
        raise CellFailed(f"The cell ended before it was ready: {detail}")

    def go(self) -> None:
        """Let the cell go on, now that it is in its control group."""
        self._connection.send(b"go")

    def end(self) -> int | None:
        """The exit code of the cell's main process, negative for a signal; None while, or where, it is not known."""
        with contextlib.suppress(OSError, ValueError):
            stage, code = json.loads(self._connection.recv(1 << 16, socket.MSG_DONTWAIT))
            return int(code) if stage == "end" else None
        return None

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()


class Cell:
    """Processes that share nothing with this machine, and the sockets that lead to them.

    Made by `Zygote.spawn`. The process whose id is `pid` runs the entry function; when it ends, or when `kill()` is
    called, the kernel takes all the others along.
    """

    def __init__(
        self,
        *,
        door: socket.socket,
        porter: socket.socket,
        channel: Channel,
        first: int,
        cgroup: Cgroup,
        folder: Path | None,
        forget: Callable[[Cell], None],
        ending: signal.Signals = signal.SIGKILL,
    ) -> None:
        """`first` is a pidfd of the cell's first process, `ending` the signal that ends it and all others.

        `folder` is what the cell has as its folder for sockets.
        """
        self.door = door
        self.porter = porter
        self.ipc = folder
        self._channel = channel
        self._first = first
        self._main = -1
        self._schedule = -1  # the main thread's /proc/PID/schedstat
        self._cgroup = cgroup
        self._forget = forget
        self._ending = ending
        self._lock = threading.Lock()
        self._killed = False
        self._code: int | None = None
        self._out_of_memory = False
        self._used = 0.0
        self.pid = -1

    def begin(self) -> None:
        """Put the new cell into its control group and wait until it is ready; for `Zygote.spawn` alone."""
        self._cgroup.add(_pid(self._first))
        self._channel.go()
        self._main = self._channel.wait_for("ready")
        self.pid = _pid(self._main)
        with contextlib.suppress(OSError):  # there is none on some kernels
            self._schedule = os.open(f"/proc/{self.pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def interrupt(self) -> None:
        """Send SIGINT to the main process; what it has started is not touched."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if not self._killed:
                signal.pidfd_send_signal(self._main, signal.SIGINT)

    def alive(self) -> bool:
        """Whether the main process runs."""
        with self._lock:
            return not self._killed and not _ended(self._main, 0)

    def wait(self, seconds: float) -> bool:
        """Wait until all the cell's processes have gone, for so many seconds at most; whether they have."""
        with self._lock:
            if self._killed:
                return True
            first = os.dup(self._first)
        try:
            return _ended(first, seconds)
        finally:
            os.close(first)

    def kill(self) -> None:
        """End the cell, wait until all its processes have gone, and remove what it had on this machine; twice is fine."""
        with self._lock:
            if self._killed:
                return
            self._used = self._measure()
            for number in (self._ending, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._first, number)
                if _ended(self._first, _PATIENCE):
                    break
            self._learn_end()
            self._killed = True
            self._cgroup.remove()
            for descriptor in (self._first, self._main, self._schedule):
                if descriptor >= 0:
                    os.close(descriptor)
            self._channel.close()
            self.door.close()
            self.porter.close()
            if self.ipc is not None:
                with contextlib.suppress(RecursionError):  # very deep: it goes with the zygote's folder
                    shutil.rmtree(self.ipc, ignore_errors=True)
        self._forget(self)

    def starved(self) -> float:
        """Seconds that the main thread was ready to run and the machine did not run it; 0.0 where that is not known."""
        with self._lock:
            try:
                return 0.0 if self._killed else int(os.pread(self._schedule, 128, 0).split()[1]) / _SECOND
            except (OSError, IndexError):
                return 0.0

    def cpu_seconds(self) -> float:
        """Seconds of processor time that the cell's processes have used, as far as can be seen."""
        with self._lock:
            if not self._killed:
                self._used = max(self._used, self._measure())
            return self._used

    def why_dead(self) -> str:
        """Why the main process has ended: "memory", "signal N" or "exit N"; "" while it runs."""
        if self.alive():
            return ""
        with self._lock:
            if not self._killed:
                _ended(
                    self._first, _PATIENCE
                )  # the first process follows at once, and its report is the last thing
                self._learn_end()
        if self._out_of_memory and self._code in (None, -signal.SIGKILL):
            return "memory"
        code = -signal.SIGKILL if self._code is None else self._code
        return f"signal {-code}" if code < 0 else f"exit {code}"

    def _learn_end(self) -> None:
        self._out_of_memory = self._out_of_memory or self._cgroup.out_of_memory()
        if self._code is None:
            self._code = self._channel.end()

    def _measure(self) -> float:
        """Of all living processes, and of those they have waited for."""
        total, waiting, seen = 0, [_pid(self._first), self.pid], {-1}
        while waiting:
            pid = waiting.pop()
            if pid in seen:
                continue
            seen.add(pid)
            process = Path(f"/proc/{pid}")
            with contextlib.suppress(OSError, ValueError):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[_USER_TIME:_CHILDREN_SYSTEM_TIME]))
                for thread in (process / "task").iterdir():
                    waiting += map(int, (thread / "children").read_text().split())
        return total / os.sysconf("SC_CLK_TCK")


def _pid(pidfd: int) -> int:
    """The process id as this process sees it; -1 when the process is gone."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pid":
            return int(value)
    return -1


def _ended(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
