"""Join the loopback of the student's cage to a test's own: ordinary Python clients and servers of a test reach it."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from course.examiner import loan

_ANSWER_SECONDS = 10.0  # the porter makes a socket at once, but the machine may be busy
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"  # the state of a socket in these tables
_KEPT_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
)

_Act = Callable[[socket.socket, Any], Any]


class Network:
    """The loopback of the student's cage, as a test meets it.

    A socket that the test binds to an IPv4 loopback address is bound there, so that the student's code reaches the
    test's servers. A client that connects to such an address is connected there too, unless a program that the test has
    started (a database server) listens on the port here. Any thread may bind and connect.
    """

    def __init__(self, porter: socket.socket) -> None:
        """`porter` hands out fresh TCP sockets that live in the student's network."""
        self._porter = porter
        self._turn = threading.Lock()
        self._moved: WeakSet[socket.socket] = WeakSet()
        self._students: set[int] = set()

    def add(self, port: int) -> None:
        """From now on a port is the student's, even where one of the same number listens here."""
        self._students.add(port)

    def lend(self, port: int) -> None:
        """Let the student's code reach a program that listens on a port here, under the same number there."""
        there = self._socket_there()
        if there is not None:
            self._moved.add(there)
            with suppress(OSError):  # the port is taken there
                loan.lend(there, port)

    @staticmethod
    def places() -> list[tuple[type[socket.socket], str]]:
        """What `join` replaces."""
        return [(socket.socket, name) for name in ("connect", "connect_ex", "bind")]

    def join(self) -> None:
        """Join the two loopbacks, for all of this process."""
        for place, name in self.places():
            setattr(place, name, self._reaching(getattr(place, name), binds=name == "bind"))

    def _reaching(self, act: _Act, *, binds: bool) -> _Act:
        def reach(own: socket.socket, address: Any) -> Any:  # noqa: ANN401 - as the method it stands for
            port = _loopback_port(own, address)
            if port is not None and (binds or self._is_students(port)):
                self._move(own)
            return act(own, address)

        return reach

    def _is_students(self, port: int) -> bool:
        return port in self._students or port not in _listening()

    def _move(self, own: socket.socket) -> None:
        """Put a socket of the student's network in the place of this one, which keeps its number and manners."""
        if own in self._moved:
            return
        there = self._socket_there()
        if there is None:
            return  # then the test finds nobody, here
        with there:
            for level, option in _KEPT_OPTIONS:
                with suppress(OSError):
                    there.setsockopt(level, option, own.getsockopt(level, option))
            os.set_blocking(there.fileno(), os.get_blocking(own.fileno()))
            os.dup2(there.fileno(), own.fileno(), inheritable=os.get_inheritable(own.fileno()))
        self._moved.add(own)

    def _socket_there(self) -> socket.socket | None:
        """A fresh socket in the student's network; None where their cage is gone."""
        with self._turn:
            try:
                self._porter.settimeout(_ANSWER_SECONDS)
                self._porter.send(b"tcp")
                _, fds, _, _ = socket.recv_fds(self._porter, 64, 1)
            except OSError:
                return None
        return socket.socket(fileno=fds[0]) if fds else None


def _loopback_port(own: socket.socket, address: object) -> int | None:
    """The port of an address on this machine that a TCP socket is bound or connected to; None for any other."""
    if own.family == socket.AF_INET and own.type == socket.SOCK_STREAM:
        match address:
            case (str(host), int(port)) if _is_loopback(host):
                return port
    return None


def _is_loopback(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _listening() -> set[int]:
    """The ports on which something listens in this process's own network."""
    ports = set()
    for table in _TABLES:
        with suppress(OSError):  # no IPv6
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state == _LISTENING:
                    ports.add(int(local.rpartition(":")[2], 16))
    return ports
