"""Cells on a machine that refuses them namespaces: held by Landlock, seccomp, limits and, for root, users of their own.

What the kernel does for a namespace when it ends, the cell's first process does here: it finds every process of the
cell, kills it, and removes what the cell wrote.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from course.cage.inside import landlock
from course.cage.inside.lockdown import HOME, drop_capabilities, load_filter, set_dumpable, set_limits
from course.cage.inside.order import Order
from course.cage.limits import Limits
from course.cage.removal import remove

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_IPC_RMID = 0
_SOONER_THAN_OTHERS = "500"  # where memory runs out, the cell goes, and not the process that can end it
# Links into /usr, or folders on older systems.
_TOP = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SHOWN = (
    *("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf"),
    *("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_TERMINALS = ("/dev/ptmx", "/dev/pts")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - what is in there has owners

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Machine:
    """What the cells share, as the trusted side describes it.

    `shown` is what its cells may read, `cells` the folder that has a folder for each; `more` and `last` are filters of
    system calls in addition to the usual one, the second for when a cell is ready.
    """

    shown: list[str]
    cells: str
    more: bytes
    last: bytes

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Machine:
        """The reverse of `as_json`."""
        filters = {name: bytes.fromhex(fields[name]) for name in ("more", "last")}
        return cls(**{**fields, **filters})

    def as_json(self) -> dict[str, Any]:
        """For a message to the zygote."""
        return {**vars(self), "more": self.more.hex(), "last": self.last.hex()}


class Landlocked:
    """Walls for a cell that shares the machine's namespaces."""

    def __init__(self, machine: Machine) -> None:
        """Raises OSError where the kernel has no Landlock."""
        self._machine = machine
        self._ports = landlock.Ruleset(files=False, scopes=False)  # once: it has thousands of rules
        self._ports.allow_ports([0, *landlock.ephemeral_ports()])
        self._zygote = os.getpid()
        self._uid: int | None = None
        self._parent = -1
        self._older: set[int] = set()
        self.ipc = Path(machine.cells)
        self.home = Path(machine.cells)

    def enter(self, order: Order) -> None:
        """Nothing can be left here; the cell's first process must know whose end to wait for."""
        self._parent = os.getpid()
        self._uid = order.uid
        self.ipc = Path(self._machine.cells, order.ipc)
        self.home = self.ipc / "home"

    def furnish(self, order: Order) -> None:
        """Make the cell's folders, as its user, and become the one that all its processes fall to."""
        self._older = {segment.number for segment in _segments()}
        _wait_for_end(self._parent)
        _prctl(_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, self._ended)
        if self._uid is not None:
            _libc.setfsgid(self._uid)
            _libc.setfsuid(self._uid)
        _prctl(_SET_PDEATHSIG, signal.SIGTERM)  # the zygote's end; a change of user would forget that
        if os.getppid() != self._zygote:
            os._exit(1)
        for folder in (self.home, self._scratch):
            folder.mkdir(mode=0o700)

    @property
    def _scratch(self) -> Path:
        return self.ipc / "tmp"

    def surroundings(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment, with the cell's own folders for those that every cell calls the same elsewhere."""
        return moved(environment, self.home, self._scratch)

    def restrict(self, limits: Limits, program: bytes) -> None:
        """Be the cell's user, and give up files, ports, signals and system calls."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self._uid is not None:
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
            os.setresuid(self._uid, self._uid, self._uid)
        set_dumpable(True)  # or our own files in /proc would be root's
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)  # the first process's end
        Path("/proc/self/oom_score_adj").write_text(_SOONER_THAN_OTHERS)
        others = 0 if self._uid is not None else _tasks_of(os.getuid())
        set_limits(replace(limits, processes=limits.processes + others))
        drop_capabilities()
        self._hold()
        load_filter(self._machine.more)
        load_filter(program)

    def _hold(self) -> None:
        with landlock.Ruleset(ports=False) as rules:
            for path in (*self._machine.shown, *_SHOWN, *(top for top in _TOP if not Path(top).is_symlink())):
                with suppress(FileNotFoundError):
                    rules.allow(path, landlock.READ)
            for device in _DEVICES:
                rules.allow(device, landlock.DEVICE)
            rules.allow(self.ipc, landlock.WRITE)
            if self._uid is not None:  # others' are closed to it by their owners
                for terminal in _TERMINALS:
                    rules.allow(terminal, landlock.DEVICE)
                with suppress(FileNotFoundError):
                    rules.allow(_SHARED_MEMORY, landlock.WRITE)
            rules.enforce()
        with self._ports:
            self._ports.enforce()

    def seal(self) -> None:
        """In the main process, when it is ready: no more unix sockets, or it could talk to the machine's services."""
        filter_all_threads(self._machine.last)

    def detach_ipc(self) -> None:
        """It is the cell's own folder; sealed, the cell cannot listen there again."""

    def retire(self, program: bytes) -> None:
        """The first process keeps what it needs to end the cell."""

    def end(self) -> None:
        """In the first process: kill all processes of the cell, and remove what it has left on the machine."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._uid is not None:
            _as_user(self._uid, lambda: os.kill(-1, signal.SIGKILL))
        _kill_descendants()
        self._remove_shared_memory()
        left = [self.ipc]
        if self._uid is not None and _SHARED_MEMORY.is_dir():
            left += [path for path in _SHARED_MEMORY.iterdir() if _owner(path) == self._uid]
        remove(*left)

    def _remove_shared_memory(self) -> None:
        owner = os.getuid() if self._uid is None else self._uid
        segments = [each for each in _segments() if each.uid == owner and each.number not in self._older]
        _as_user(owner, lambda: _remove_segments(each.number for each in segments if each.forgotten))

    def _ended(self, number: int, frame: FrameType | None) -> None:
        """What SIGTERM makes of the first process."""
        try:
            self.end()
        finally:
            os._exit(0)


def filter_all_threads(program: bytes) -> None:
    """Load a seccomp program for all threads of this process; raises OSError where that cannot be done."""
    call = _SECCOMP_CALL.get(os.uname().machine)
    if call is None:
        raise OSError(errno.ENOSYS, f"seccomp for all threads on {os.uname().machine}")
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    if _libc.syscall(call, _SET_MODE_FILTER, _ALL_THREADS, described) != 0:
        raise OSError(ctypes.get_errno(), "seccomp for all threads")


def moved(environment: Mapping[str, str], home: Path, scratch: Path) -> dict[str, str]:
    """The environment of a cell with other folders in place of its home and /tmp."""
    places = {str(HOME): str(home), "/tmp": str(scratch)}  # noqa: S108 - the cell's own
    changed = {}
    for name, value in environment.items():
        known = next((place for place in places if value == place or value.startswith(f"{place}/")), "")
        changed[name] = places.get(known, "") + value.removeprefix(known)
    return changed


def _wait_for_end(pid: int) -> None:
    """Until the process that forked us has ended, and we are the zygote's child."""
    try:
        parent = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(parent, select.POLLIN)
    poll.poll()
    os.close(parent)


def _kill_descendants() -> None:
    """Kill all that descends from this process until nothing does.

    What is killed cannot fork any more, and who loses its parent becomes our child: so none can slip away.
    """
    killed: set[int] = set()
    while True:
        living = set(_descendants(os.getpid()))
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            if living <= killed:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # all are dying: until the next is dead
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        killed |= living


def _descendants(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _as_user(uid: int, action: Callable[[], None]) -> None:
    """Do something in a process that is this user in every way."""
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(uid, uid, uid)
            action()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _tasks_of(uid: int) -> int:
    """How many processes and threads a user has on this machine, as the kernel counts them for its limit."""
    count = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and process.stat().st_uid == uid:
                count += sum(1 for _ in (process / "task").iterdir())
    return count


@dataclass(frozen=True)
class _Segment:
    """System V shared memory, which outlives the processes that made it."""

    number: int
    maker: int
    attached: int
    uid: int

    @property
    def forgotten(self) -> bool:
        """Whether nobody uses it, and its maker has gone."""
        return self.attached == 0 and not Path(f"/proc/{self.maker}").exists()


def _segments() -> Iterator[_Segment]:
    with suppress(FileNotFoundError):
        for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
            _, number, _, _, maker, _, attached, uid, *_ = map(int, line.split())
            yield _Segment(number, maker, attached, uid)


def _remove_segments(numbers: Iterable[int]) -> None:
    for number in numbers:
        _libc.shmctl(number, _IPC_RMID, None)


def _owner(path: Path) -> int:
    try:
        return path.lstat().st_uid
    except FileNotFoundError:
        return -1


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
