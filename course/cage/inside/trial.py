"""Try what a cell needs, each thing for real, and print as JSON what this machine gave; nothing stays behind.

`cell` makes the namespaces and mounts of a cell, where the cage has room for one. `alone` tries what a process can
take from itself where there is no cage: Landlock, seccomp, and for root a user of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from course.cage.inside import landlock
from course.cage.inside.fallback import filter_all_threads
from course.cage.inside.lockdown import load_filter, set_dumpable

if TYPE_CHECKING:
    from course.cage.inside.cell import Inside

_ALL_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)  # one BPF instruction: return "allow"
_NOSUID_NODEV_NOEXEC, _RECURSIVE_PRIVATE = 2 | 4 | 8, 16384 | 1 << 18
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """`trial cell UID` or `trial alone UID PATH...`: UID is the user of a cell where we are root."""
    mode, uid, *paths = sys.argv[1:]
    found = _try_cell(int(uid)) if mode == "cell" else _try_alone(int(uid), paths)
    print(json.dumps(found))


def be_a_cell(here: Inside) -> None:
    """The entry function of a cell that was made to see whether it can be."""
    here.ready()


def _try_cell(uid: int) -> dict[str, str]:
    """What failed, and the kernel's word for it; both are empty where a cell can be made."""
    try:
        if os.geteuid() == 0:
            _become(uid)
            set_dumpable(True)  # or the maps below belong to root
        user, group = os.getuid(), os.getgid()
        _check(_libc.unshare(_ALL_NAMESPACES), "namespaces of its own")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"1000 {user} 1")
        Path("/proc/self/gid_map").write_text(f"1000 {group} 1")
    except OSError as error:
        return {"step": error.filename or "a user of its own", "error": os.strerror(error.errno or 0)}
    reader, writer = os.pipe()
    if os.fork() == 0:  # only a child is in the new pid namespace
        os.write(writer, json.dumps(_furnish()).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as report:  # noqa: PTH123 - a descriptor has no path
        return dict(json.loads(report.read() or b'{"step": "processes", "error": "it was killed"}'))


def _furnish() -> dict[str, str]:
    flags = _NOSUID_NODEV_NOEXEC
    try:
        _mount(None, "/", None, _RECURSIVE_PRIVATE, "private mounts")
        _mount("none", "/tmp", "tmpfs", flags, "a folder in memory")  # noqa: S108 - a mount point
        _mount("proc", "/proc", "proc", flags, "a /proc of its own")
        _switch_loopback_on()
    except OSError as error:
        return {"step": error.filename or "a network of its own", "error": os.strerror(error.errno or 0)}
    return {"step": "", "error": ""}


def _mount(source: str | None, place: str, kind: str | None, flags: int, what: str) -> None:
    words = (each.encode() if each else None for each in (source, place, kind))
    _check(_libc.mount(*words, ctypes.c_ulong(flags), None), what)


def _switch_loopback_on() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))


def _try_alone(uid: int, paths: list[str]) -> dict[str, bool | int]:
    """What holds without a cage; `own_user` needs `paths` to be open to a user with no rights of its own."""
    return {
        "abi": landlock.held().abi,
        "files": _holds(_list_root),
        "ports": _holds(_connect),
        "signals": _holds(_signal_parent),
        "seccomp": _works(lambda: _filter_with(load_filter)),
        "all_threads": _works(lambda: _filter_with(filter_all_threads)),
        "own_user": os.geteuid() == 0 and _works(lambda: _look_as(uid, paths)),
    }


def _holds(attempt: Callable[[], None]) -> bool:
    """Whether Landlock refuses something that works without it."""

    def restricted() -> None:
        with landlock.Ruleset() as rules:
            rules.enforce()
        try:
            attempt()
        except PermissionError:
            return
        raise OSError

    return _works(attempt) and _works(restricted)


def _list_root() -> None:
    list(Path("/").iterdir())


def _connect() -> None:
    with socket.socket() as client:
        try:
            client.connect(("127.0.0.1", 1))
        except ConnectionRefusedError:  # nobody listens there: we were let through
            return


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _filter_with(load: Callable[[bytes], None]) -> None:
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    load(_ALLOW_ALL)


def _look_as(uid: int, paths: list[str]) -> None:
    _become(uid)
    for path in map(Path, paths):
        path.stat()
        if path.is_dir():
            list(path.iterdir())


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _works(attempt: Callable[[], None]) -> bool:
    try:
        _in_a_child(attempt)
    except OSError:
        return False
    return True


def _in_a_child(attempt: Callable[[], None]) -> None:
    """Run `attempt` in a forked process; raises its OSError here."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code if code > 0 else 255, "refused")


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
