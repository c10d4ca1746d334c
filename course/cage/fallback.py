"""The trusted side of cells that share the machine: which system calls they lack, and what is shown to them."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from course.cage import bwrap, seccomp
from course.cage.inside.fallback import Machine, moved

_UNIX, _INET, _INET6 = 1, 2, 10
_STREAM, _SEQPACKET, _KINDS, _KIND_BITS = 1, 5, range(1, 11), 0xF
_TCP = 6
_FAST_OPEN = 0x20000000  # a flag that connects while it sends, past the wall that is asked when connecting
_SENDS = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}  # and which argument holds the flags

# Another process may be named here, and how it runs would suffer: done only for oneself, called 0. But threads name
# themselves by a number too, and libraries take success for granted: so for others only pretended.
_FOR_ONESELF = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
_DENIED = ("ioprio_set", "migrate_pages", "move_pages", "msgget", "semget", "mq_open", "mq_unlink")
# What changes a file that is only named. Programs take success for granted, so they are told of it.
_PRETENDED = (
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
)
_PRETENDED_BY_NUMBER = (452, 463, 466)  # fchmodat2, setxattrat, removexattrat
_FILE_SETATTR = 469


def machine(folder: Path, shown: Iterable[Path], *, own_users: bool) -> Machine:
    """What cells share here; `folder` holds the zygote's folder "cells", `shown` is what cells may read.

    Raises CageError where libseccomp is missing.
    """
    return Machine([str(path) for path in shown], str(folder / "cells"), more=_more(own_users), last=_last())


def environment(folder: Path) -> dict[str, str]:
    """What the zygote itself starts with: whatever it writes is to go to `folder`."""
    return moved(bwrap.ENVIRONMENT, folder, folder)


def _more(own_users: bool) -> bytes:
    library = seccomp.library()
    rules = library.SyscallFilter(library.ALLOW)
    refused, unsupported = library.ERRNO(errno.EPERM), library.ERRNO(errno.EAFNOSUPPORT)
    pretended = library.ERRNO(0)
    for call in (*_DENIED, _FILE_SETATTR):
        rules.add_rule(refused, call)
    rules.add_rule(refused, "prlimit64", library.Arg(0, library.NE, 0))
    for call in _FOR_ONESELF:
        rules.add_rule(pretended, call, library.Arg(0, library.NE, 0))
    for argument in (0, 1):  # setpriority(a process, myself, ...)
        rules.add_rule(pretended, "setpriority", library.Arg(argument, library.NE, 0))
    for family, *others in _not_tcp(library):
        rules.add_rule(unsupported, "socket", _is(library, 0, family), *others)
    for kind in set(_KINDS) - {_STREAM, _SEQPACKET}:  # a pair of any other kind can be turned elsewhere
        rules.add_rule(unsupported, "socketpair", library.Arg(1, library.MASKED_EQ, _KIND_BITS, kind))
    for call, position in _SENDS.items():
        rules.add_rule(refused, call, library.Arg(position, library.MASKED_EQ, _FAST_OPEN, _FAST_OPEN))
    if not own_users:
        for call in (*_PRETENDED, *_PRETENDED_BY_NUMBER):
            rules.add_rule(pretended, call)
    return seccomp.compiled(rules)


def _not_tcp(library: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - a module without types
    """Internet sockets that are no TCP: Landlock knows only that."""
    for family in (_INET, _INET6):
        for kind in set(_KINDS) - {_STREAM}:
            yield family, library.Arg(1, library.MASKED_EQ, _KIND_BITS, kind)
        for protocol in range(1, _TCP):
            yield family, _is(library, 2, protocol)
        yield family, library.Arg(2, library.GT, _TCP)


def _last() -> bytes:
    """For a cell that is ready: no new unix sockets. The machine's services listen on those, at any path."""
    library = seccomp.library()
    rules = library.SyscallFilter(library.ALLOW)
    rules.add_rule(library.ERRNO(errno.EAFNOSUPPORT), "socket", _is(library, 0, _UNIX))
    return seccomp.compiled(rules)


def _is(library: Any, position: int, value: int) -> Any:  # noqa: ANN401 - a module without types
    """An argument that the kernel takes for this 32-bit number, whatever stands in the upper half."""
    return library.Arg(position, library.MASKED_EQ, 0xFFFFFFFF, value)
