"""The process in the cage that has imported everything once, and forks a cell for each order.

    zygote -> a passing process (own user, new namespaces) -> the cell's first process (mounts, then porter)
           -> the cell's main process (no privileges; runs the entry function)

It talks to the trusted side over SOCK_SEQPACKET sockets: `control` brings orders; for each cell a channel of its own
carries "born", "ready" and "end" outwards and "go" inwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from course.cage.inside import porter
from course.cage.inside.cell import Inside
from course.cage.inside.fallback import Landlocked, Machine
from course.cage.inside.lockdown import Namespaces, Walls, set_dumpable
from course.cage.inside.order import Order, unpack

_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class _Zygote:
    control: socket.socket
    owner: int  # a pidfd of the grader: the cage must not outlive it
    walls: Walls
    program: bytes  # the filter of system calls
    environment: dict[str, str]


@dataclass(frozen=True)
class _Request:
    """What arrives with an order."""

    channel: socket.socket
    door: socket.socket
    porter: socket.socket
    file: BinaryIO


def main(number: str, wanted: str, threaded: str = "[]") -> None:
    """Import the modules `wanted` (JSON), then serve the socket with the file descriptor `number`."""
    modules: list[str] = json.loads(wanted)
    culprits = _import(modules)
    if culprits:
        _start_again(
            number, [name for name in modules if name not in culprits], json.loads(threaded) + culprits
        )
    control = socket.socket(fileno=int(number))
    control.set_inheritable(False)
    message, descriptors = receive(control)
    settings = json.loads(message)
    program = control.recv(1 << 16)
    zygote = _Zygote(control, descriptors[0], _walls(settings), program, settings["environment"])
    _become_reaper()
    set_dumpable(True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # PID 1 of each cell keeps that
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    self = os.pidfd_open(os.getpid())
    socket.send_fds(control, [threaded.encode()], [self])
    os.close(self)
    _serve(zygote)
    os._exit(0)


def _walls(settings: dict[str, Any]) -> Walls:
    if "machine" in settings:
        return Landlocked(Machine.from_json(settings["machine"]))
    return Namespaces(settings["kept"])


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One message and the file descriptors that came with it, which no program started from here inherits."""
    message, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 8, socket.MSG_CMSG_CLOEXEC)
    return message, list(descriptors)


def _import(modules: Sequence[str]) -> list[str]:
    """Import all that can be imported; the names of the modules that started a thread."""
    culprits, threads = [], _threads()
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - missing, or broken: the cell that wants it will say so
            continue
        if _threads() > threads:
            culprits.append(name)
            threads = _threads()
    return culprits


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - a number is all we want


def _start_again(number: str, modules: list[str], threaded: list[str]) -> NoReturn:
    """Only a process with one thread can be forked safely, and a thread cannot be taken back."""
    command = [*sys.orig_argv[: -len(sys.argv[1:])], number, json.dumps(modules), json.dumps(threaded)]
    os.execv(sys.executable, command)


def _become_reaper() -> None:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _serve(zygote: _Zygote) -> None:
    poll = select.poll()
    poll.register(zygote.control, select.POLLIN)
    poll.register(zygote.owner, select.POLLIN)
    while True:
        if any(descriptor == zygote.owner for descriptor, _ in poll.poll()):
            return
        message, descriptors = receive(zygote.control)
        if not message:
            return
        try:
            child = os.fork()
        except OSError:
            child = -1  # too many processes; closing what came with the order says that there is no cell
        if child == 0:
            _leave_zygote(zygote, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _leave_zygote(zygote: _Zygote, descriptors: list[int]) -> NoReturn:
    """Be a cell, whatever happens."""
    try:
        channel, door, porter_socket = (socket.socket(fileno=descriptor) for descriptor in descriptors[:3])
        try:
            zygote.control.close()
            os.close(zygote.owner)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            file = open(descriptors[3], "rb")  # noqa: PTH123, SIM115 - a descriptor; the cell closes it
            order = unpack(file)
            zygote.walls.enter(order)
            if os.fork() == 0:
                _be_first(zygote, order, _Request(channel, door, porter_socket, file))
        except BaseException:
            _tell(channel, "error", traceback.format_exc()[-4000:])
    finally:
        os._exit(1)


def _be_first(zygote: _Zygote, order: Order, request: _Request) -> NoReturn:
    """The cell's first process: when it ends, the kernel ends all the others."""
    channel = request.channel
    _tell(channel, "born", pid=os.getpid())
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    if channel.recv(16) != b"go":  # we are in our control group now
        os._exit(1)
    zygote.walls.furnish(order)
    with request.file:
        _write_files(zygote.walls.home, order, request.file)
    set_dumpable(False)
    gate, main_gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    main = os.fork()
    if not main:
        channel.close()
        request.porter.close()
        gate.close()
        _be_main(zygote, order, request.door, main_gate)
    main_gate.close()
    request.door.close()
    _open_gate(zygote, order, gate, channel, main)
    status = porter.keep(request.porter, main)
    zygote.walls.end()
    _tell(channel, "end", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _write_files(home: Path, order: Order, source: BinaryIO) -> None:
    for name, size in order.files:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read(size))


def _open_gate(zygote: _Zygote, order: Order, gate: socket.socket, channel: socket.socket, main: int) -> None:
    """Wait until the main process says that it is ready, or what went wrong; if it just ends, leave that to others."""
    ended = os.pidfd_open(main)
    poll = select.poll()
    poll.register(gate, select.POLLIN)
    poll.register(ended, select.POLLIN)
    poll.poll()
    try:
        said = gate.recv(1 << 14, socket.MSG_DONTWAIT)
    except BlockingIOError:
        said = b""
    if said == b"ready":
        if order.ipc:
            zygote.walls.detach_ipc()
        zygote.walls.retire(zygote.program)
        _tell(channel, "ready", pid=main)
        gate.send(b"go")
    elif said:
        _tell(channel, "error", said.decode(errors="replace"))
    gate.close()
    os.close(ended)


def _tell(channel: socket.socket, stage: str, detail: str | int = "", *, pid: int | None = None) -> None:
    """Tell the trusted side how far the cell is; with `pid`, give it a hold on that process."""
    message = json.dumps([stage, detail]).encode()
    descriptors = [] if pid is None else [os.pidfd_open(pid)]
    try:
        socket.send_fds(channel, [message], descriptors)
    except OSError:
        os._exit(1)  # nobody is waiting for this cell any more
    for descriptor in descriptors:
        os.close(descriptor)


def _be_main(zygote: _Zygote, order: Order, door: socket.socket, gate: socket.socket) -> NoReturn:
    """The cell's main process: whatever it does from the entry function on, nobody trusts it."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(zygote.walls.surroundings(zygote.environment))
        os.chdir(zygote.walls.home)
        sys.path.append(str(zygote.walls.home))  # last: nothing handed in can stand in for a module
        sys.argv = [order.entry]
        zygote.walls.restrict(order.limits, zygote.program)
        _forget_shared_state()
        module, _, function = order.entry.partition(":")
        here = Inside(door, dict(order.options), ipc=zygote.walls.ipc, gate=gate, seal=zygote.walls.seal)
        getattr(importlib.import_module(module), function)(here)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        with contextlib.suppress(OSError):  # the gate is closed where it was ready before
            gate.send(traceback.format_exc()[-4000:].encode())
    finally:
        os._exit(code & 0xFF)


def _forget_shared_state() -> None:
    """What a fork copies though each process should have its own."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # Python's own generator sees to that itself
    asyncio.set_event_loop_policy(None)  # with it goes a loop that an imported module may have made
