"""Run a command and measure it: wall time, CPU of all its processes, and the memory that they hold.

CPU is counted in three ways, for none of them sees everything everywhere:

- `children`: what the command and the processes that it waited for have used, as the system reports it at its end.
  A process that another one reaped (PID 1 of a cage, or of the machine) is missing.
- `machine`: what the whole machine has used meanwhile (`/proc/stat`). Right on a quiet machine only.
- `group`: what a control group made for the command has used. Exact, where one can be made (as root, or delegated).
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

_TICK = os.sysconf("SC_CLK_TCK")
_MIB = 2**20
_LOOK_SECONDS = 0.25
_V1, _V2 = Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Measure:
    """What a command took: seconds of wall time and of CPU, and its exit status. `group` is None where unknown."""

    wall: float
    children: float
    machine: float
    group: float | None
    status: int

    @property
    def cpu(self) -> float:
        """The best figure there is for the CPU of the command itself, in seconds."""
        return self.group if self.group is not None else max(self.children, 0.0)


@dataclass
class Memory:
    """What a command and its descendants held, in MiB: the command's own process, and the sum of all.

    Pages shared by several processes are counted once in the sum (PSS). `marks` holds the first process's memory when
    `milestone` came to a number, by that number. `wall` is how long it took in seconds, looked at as it was.
    """

    wall: float = 0.0
    coordinator: float = 0.0
    all_processes: float = 0.0
    processes: int = 0
    marks: dict[int, float] = field(default_factory=dict)


def run(command: Sequence[str], folder: Path, log: Path) -> Measure:
    """Run a command in `folder`, what it says goes to `log`."""
    with _cpu_group() as (join, group_seconds):
        machine = machine_seconds()
        begin = perf_counter()
        process = _start(command, folder, log, join)
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        return Measure(
            wall=wall,
            children=usage.ru_utime + usage.ru_stime,
            machine=machine_seconds() - machine,
            group=group_seconds(),
            status=process.returncode,
        )


def run_for_memory(
    command: Sequence[str], folder: Path, log: Path, milestone: Callable[[], int] | None = None
) -> tuple[Memory, int]:
    """Run a command and look at its memory all the time; looking takes CPU, so it is not timed. Also its exit status.

    `milestone` says how far it has come, from 0.
    """
    process = _start(command, folder, log, lambda: None)
    begin = perf_counter()
    memory = Memory()
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            _look(process.pid, memory, milestone)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        status = process.wait()
        memory.wall = perf_counter() - begin
        return memory, status
    finally:
        done.set()
        watcher.join()


def machine_seconds() -> float:
    """CPU seconds that the machine has used since it was started, in all processes and in the system."""
    user, nice, system, _idle, _waiting, irq, soft_irq = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    )
    return (user + nice + system + irq + soft_irq) / _TICK


def _start(
    command: Sequence[str], folder: Path, log: Path, before: Callable[[], None]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=before
        )


@contextmanager
def _cpu_group() -> Iterator[tuple[Callable[[], None], Callable[[], float | None]]]:
    """A control group: what a new process calls to join it, and what asks for its CPU seconds so far."""
    root = _V1 if _V1.is_dir() else _V2
    try:
        group = Path(mkdtemp(prefix="benchmark-", dir=root))
    except OSError:
        yield lambda: None, lambda: None
        return

    def join() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    def seconds() -> float | None:
        if root == _V1:
            return int((group / "cpuacct.usage").read_text()) / 1e9
        return int((group / "cpu.stat").read_text().split()[1]) / 1e6

    try:
        yield join, seconds
    finally:
        with suppress(OSError):  # what a command leaves running keeps it
            group.rmdir()


def _look(pid: int, memory: Memory, milestone: Callable[[], int] | None) -> None:
    held = {each: _held(each) for each in _family(pid)}
    memory.coordinator = max(memory.coordinator, _resident(pid))
    memory.all_processes = max(memory.all_processes, sum(held.values()))
    memory.processes = max(memory.processes, len(held))
    if milestone is not None:
        memory.marks.setdefault(milestone(), _resident(pid))


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    family = [pid]
    for each in family:
        family += parents.get(each, [])
    return family


def _held(pid: int) -> float:
    """The memory of a process in MiB, its part of what it shares; 0 for one that has gone."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _resident(pid: int) -> float:
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def _field(path: Path, name: str) -> float:
    """A field in kB, as MiB."""
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024 / _MIB
    return 0.0
