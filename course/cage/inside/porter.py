"""The cell's first process after its start: reaps what others leave, and hands out sockets of the cell's network.

It ends, and all of the cell with it, when the process that ordered the cell is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket


def keep(porter: socket.socket, main: int) -> int:
    """Serve `porter` until the process `main` has ended, and return its wait status.

    For each message b"tcp" a fresh, unconnected TCP socket is sent back. Where the other side is gone, `main` has to
    end too, and the status is that of a killed process.
    """
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(porter, select.POLLIN)
    while True:
        status = _reap(main)  # before the first wait: it may have ended before the handler was there
        if status is not None:
            return status
        for descriptor, _ in poll.poll():
            if descriptor == woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
            elif not _answer(porter):
                return signal.SIGKILL


def _nothing(*_: object) -> None:
    """A handler, so that the signal wakes us."""


def _reap(main: int) -> int | None:
    """Bury the dead; the wait status of `main` if it is among them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == main:
                return status
            if not pid:
                break
    return None


def _answer(porter: socket.socket) -> bool:
    """Answer one message; False when nobody can send another."""
    try:
        asked = porter.recv(16, socket.MSG_DONTWAIT)
        if asked == b"tcp":
            with socket.socket() as fresh:
                socket.send_fds(porter, [b"tcp"], [fresh.fileno()], socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return bool(asked)
