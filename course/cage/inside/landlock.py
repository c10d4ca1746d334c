"""Landlock: what the kernel lets a process take from itself, and from all that it starts, without any privilege.

It holds files, TCP ports, signals and abstract unix sockets. It does not hold: UDP and other protocols, the address
that a TCP connection goes to (only its port), unix sockets with a path, System V and POSIX message queues, and what
changes a file without opening it (mode, owner, times); a lockdown that relies on it has to close these by seccomp.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_GET_ABI = 1
_RULE_PATH, _RULE_PORT = 1, 2
_LOG_NOTHING = 1  # or a hostile program could fill the machine's audit log
_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 14, 1 << 15
_ALL_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_FOR_ONE_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1

READ = _EXECUTE | _READ_FILE | _READ_DIR
"""To read, list and run."""

WRITE = _ALL_FILE_RIGHTS[4] & ~(_MAKE_CHAR | _MAKE_BLOCK)
"""To read and to change everything below, but for making devices."""

DEVICE = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
"""To use a device."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Held:
    """What this kernel's Landlock holds: each field says whether it stands between a process and what is outside."""

    abi: int

    @property
    def files(self) -> bool:
        """Whether every way to change a file's content is held: truncating one is only from ABI 3."""
        return self.abi >= 3

    @property
    def ports(self) -> bool:
        """TCP ports, to listen on and to connect to."""
        return self.abi >= 4

    @property
    def signals(self) -> bool:
        """Signals to processes that are not restricted alike; abstract unix sockets come with them."""
        return self.abi >= 6


def held() -> Held:
    """What a ruleset of this kernel would hold; `abi` is 0 where there is no Landlock, or it is switched off."""
    return Held(max(0, _libc.syscall(_CREATE_RULESET, None, 0, _GET_ABI)))


class Ruleset:
    """Everything that Landlock can forbid is forbidden, but for what is allowed here; a context manager.

    Two of them can be enforced one after the other: then only what both allow is left. Raises OSError where the
    kernel has no Landlock, or refuses.
    """

    def __init__(self, *, files: bool = True, ports: bool = True, scopes: bool = True) -> None:
        """Choose what is forbidden: `scopes` are signals and abstract unix sockets."""
        self.held = held()
        newest = min(self.held.abi, max(_ALL_FILE_RIGHTS))
        self._files = _ALL_FILE_RIGHTS.get(newest, 0) if files else 0
        self._ports = (_BIND_TCP | _CONNECT_TCP) if ports and self.held.ports else 0
        scoped = (_ABSTRACT_SOCKETS | _SIGNALS) if scopes and self.held.signals else 0
        wanted = struct.pack("QQQ", self._files, self._ports, scoped)
        known = 24 if self.held.abi >= 6 else 16 if self.held.abi >= 4 else 8  # bytes that the kernel knows
        self._fd = _call("landlock_create_ruleset", _CREATE_RULESET, wanted, known, 0)

    def allow(self, path: str | os.PathLike[str], rights: int) -> None:
        """Allow READ, WRITE or DEVICE for a file, or a folder with all below it; raises OSError where it is missing."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _FOR_ONE_FILE
            rule = struct.pack("=Qi", rights & self._files, fd)
            _call(f"landlock_add_rule for {path}", _ADD_RULE, self._fd, _RULE_PATH, rule, 0)
        finally:
            os.close(fd)

    def allow_ports(self, ports: Iterable[int]) -> None:
        """Allow to listen on and to connect to these TCP ports, on any address; 0 is "one that the kernel picks".

        Does nothing where the kernel does not hold ports: see `held`.
        """
        if not self._ports:
            return
        for port in ports:
            rights = _CONNECT_TCP | _BIND_TCP if port else _BIND_TCP
            rule = struct.pack("QQ", rights, port)
            _call(f"landlock_add_rule for port {port}", _ADD_RULE, self._fd, _RULE_PORT, rule, 0)

    def enforce(self) -> None:
        """Restrict the calling thread, and all that it starts, for good; the process should have no other thread."""
        if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        flags = _LOG_NOTHING if self.held.abi >= 7 else 0
        _call("landlock_restrict_self", _RESTRICT_SELF, self._fd, flags)

    def close(self) -> None:
        """Forget the ruleset; what was enforced stays."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ephemeral_ports() -> range:
    """The ports that the kernel picks where a program asks for any: a server in a cell may listen on these."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(first), int(last) + 1)


def _call(what: str, number: int, *arguments: int | bytes | None) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result
