"""How a cell is shut off: namespaces, mounts, capabilities, system calls, limits."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from course.cage.inside.order import Order
from course.cage.limits import Limits

HOME = Path("/home/student")
_TMP, _SHM = Path("/tmp"), Path("/dev/shm")  # noqa: S108 - the cell's own
USER = 1000  # what a cell's user is called inside; outside it is another one

_NEWNS, _NEWUTS, _NEWIPC = 0x20000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_DETACH = 2
_SET_DUMPABLE, _SET_SECCOMP, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT = 4, 22, 24, 38, 47
_CAPABILITIES_3 = 0x20080522
_SECCOMP_FILTER, _AMBIENT_CLEAR_ALL = 2, 4
_SIOCSIFFLAGS, _UP_RUNNING = 0x8914, 0x41

_libc = ctypes.CDLL(None, use_errno=True)


class Walls(Protocol):
    """One way of shutting cells off. The steps are taken in this order, and each raises OSError where it fails.

    `home` is the cell's working directory, `ipc` its folder for sockets; both are right from `furnish` on.
    """

    home: Path
    ipc: Path

    def enter(self, order: Order) -> None:
        """In the process that will fork the cell's first process and end: leave the zygote's namespaces."""

    def furnish(self, order: Order) -> None:
        """In the cell's first process: make all the cell sees, with an empty `HOME`."""

    def surroundings(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment for this cell, from the one for all."""

    def restrict(self, limits: Limits, program: bytes) -> None:
        """In the cell's main process, before any code of the cell: give up what could undo the walls."""

    def detach_ipc(self) -> None:
        """In the first process, when the cell is ready: take /ipc away."""

    def retire(self, program: bytes) -> None:
        """In the first process, after that: give up all privileges too."""

    def seal(self) -> None:
        """In the main process, then: the last wall, which its own start had to be before."""

    def end(self) -> None:
        """In the first process, when the main process has ended: end what the kernel does not end by itself."""


class Namespaces:
    """Namespaces of the cell's own, within those of the cage."""

    home = HOME
    ipc = Path("/ipc")

    def __init__(self, kept: Iterable[str]) -> None:
        """`kept` are paths that stay visible even if they lie where the cell has a disk of its own."""
        self._kept = [Path(path) for path in kept]

    def enter(self, order: Order) -> None:
        """Become the cell's user, alone in new namespaces."""
        if order.uid is not None:
            os.setgroups([])
            os.setresgid(order.uid, order.uid, order.uid)
            os.setresuid(order.uid, order.uid, order.uid)
            set_dumpable(True)  # changing the user has made our own /proc/self/uid_map unwritable
        user, group = os.getuid(), os.getgid()
        _checked("unshare", _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{USER} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{USER} {group} 1")

    def furnish(self, order: Order) -> None:
        """Mount /proc, a terminal device and the cell's disk; bring the loopback up."""
        _mount(None, "/", None, _REC | _PRIVATE)
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
        _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
        if order.ipc:
            _mount(f"/cells/{order.ipc}", "/ipc", None, _BIND)
        _mount("none", "/cells", "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k")
        self._mount_disk(order.limits)
        _bring_loopback_up()
        socket.sethostname("cell")

    def _mount_disk(self, limits: Limits) -> None:
        """One disk with three faces, so that its bounds hold for all of them together."""
        faces = {HOME: 0o755, _SHM: 0o1777, _TMP: 0o1777}
        covered = [path for path in self._kept if any(path.is_relative_to(face) for face in faces)]
        kept = {path: os.open(path, os.O_PATH) for path in covered}
        options = f"size={limits.disk},nr_inodes={limits.inodes},mode=0755"
        _mount("none", str(_TMP), "tmpfs", _NOSUID | _NODEV, options)
        for face, mode in faces.items():
            part = _TMP / face.name
            part.mkdir()
            part.chmod(mode)
        for face in faces:  # /tmp last: it covers the others
            _mount(str(_TMP / face.name), str(face), None, _BIND)
        for path, descriptor in kept.items():
            _make_mount_point(path, descriptor)
            _mount(f"/proc/self/fd/{descriptor}", str(path), None, _BIND | _REC)
            os.close(descriptor)

    def surroundings(self, environment: dict[str, str]) -> dict[str, str]:
        """The same names mean this cell's own folders in every cell."""
        return environment

    def restrict(self, limits: Limits, program: bytes) -> None:
        """Set limits, drop all capabilities, load the filter of system calls."""
        set_limits(limits)
        drop_capabilities()
        load_filter(program)
        set_dumpable(True)

    def detach_ipc(self) -> None:
        """Who holds a socket in /ipc keeps it; nobody in the cell can reach the folder any more."""
        _checked("umount2", b"/ipc", _DETACH)

    def retire(self, program: bytes) -> None:
        """The first process has nothing left to mount."""
        drop_capabilities()
        load_filter(program)

    def seal(self) -> None:
        """There is nothing in reach that would have to be closed."""

    def end(self) -> None:
        """The kernel ends all processes of a namespace with the first, and takes the mounts along."""


def set_limits(limits: Limits) -> None:
    """The limits that the kernel keeps for each process (and, for their number, for the cell's user)."""
    for kind, value in {
        resource.RLIMIT_AS: limits.address_space,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_CORE: 1,  # not 0: with that, a machine's program for crash reports is still started
    }.items():
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def drop_capabilities() -> None:
    """Give up every capability, and the ways to get one back."""
    for capability in range(64):
        if _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # the last one that this kernel knows was the one before
    _libc.prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    _checked("capset", struct.pack("Ii", _CAPABILITIES_3, 0), bytes(24))
    _checked("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def load_filter(program: bytes) -> None:
    """Load a seccomp program (see `course.cage.seccomp`) for this thread and all that it starts."""
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    _checked("prctl", _SET_SECCOMP, _SECCOMP_FILTER, described, 0, 0)


def set_dumpable(dumpable: bool) -> None:
    """Whether other processes of the same user may look into this one (/proc/PID/mem, fd, environ)."""
    _checked("prctl", _SET_DUMPABLE, int(dumpable), 0, 0, 0)


def _make_mount_point(path: Path, descriptor: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        path.mkdir()
    else:
        path.touch()


def _bring_loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_RUNNING))


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, place, kind, options)]
    _checked("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def _checked(call: str, *arguments: object) -> None:
    if getattr(_libc, call)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
