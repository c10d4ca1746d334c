"""Keep what a served app prints, logs and raises in the log of its server, out of the notebook's cells."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

_PIECES = 10_000  # about 5,000 lines: older output of a server is forgotten


class LogText(str):
    """Text that a notebook shows as it reads, not as a Python literal with `\\n` in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Log:
    """The output of one server; any thread may write to it."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=_PIECES)
        self._follower: Callable[[], None] | None = None

    def write(self, text: str) -> int:
        """Add text as it comes, like a file's `write`."""
        self._pieces.append(text)
        if self._follower:
            self._follower()
        return len(text)

    def follow(self, follower: Callable[[], None] | None) -> None:
        """Call this whenever something is written, from the thread that writes; None ends it."""
        self._follower = follower

    def tail(self, lines: int) -> LogText:
        """The last lines."""
        text = "".join(tuple(self._pieces))
        return LogText("\n".join(text.splitlines()[-lines:] if lines > 0 else []))

    def adopt(self) -> None:
        """Send here what the calling thread and the tasks started from it write to stdout and stderr from now on."""
        _log.set(self)
        route_streams()


# Follows a request through the event loop's tasks and into the worker threads of `def` endpoints.
_log: ContextVar[Log | None] = ContextVar("server_log", default=None)


def route_streams() -> None:
    """Make stdout and stderr ask on every write whether a server is writing.

    Their `write` is wrapped, `sys.stdout` is not replaced: logging handlers that hold on to a stream are covered too.
    Called again for each request, as a cell may have redirected its output.
    """
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        kind = type(stream)
        if stream is None or isinstance(kind.write, _RoutedWrite) or isinstance(stream.write, _Routed):
            continue
        try:
            kind.write = _RoutedWrite(kind.write)
        except TypeError:  # a built-in class, as of a terminal's streams
            stream.write = _Routed(stream.write)


class _Routed:
    """A stream's `write` that hands a server's output to its log."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self._write = write

    def __call__(self, text: str) -> int:
        log = _log.get()
        return self._write(text) if log is None else log.write(text)


class _RoutedWrite:
    """The `write` of a class of streams, such as a kernel's.

    While a cell runs, IPython puts a `write` of its own on the stream itself, and the former one back afterwards: that
    would undo any other wrapping. A data descriptor comes first, and wraps whatever is there.
    """

    def __init__(self, write: Callable[..., int]) -> None:
        self._write = write

    def __get__(self, stream: Any, kind: type) -> Any:  # noqa: ANN401
        if stream is None:
            return self
        write = vars(stream).get("write") or partial(self._write, stream)
        return write if isinstance(write, _Routed) else _Routed(write)

    def __set__(self, stream: Any, write: Callable[[str], int]) -> None:  # noqa: ANN401
        vars(stream)["write"] = write


class ServerLogHandler(logging.Handler):
    """Writes the records of the server that emits them to that server's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; stderr gets what comes from no server of ours."""
        (_log.get() or sys.stderr).write(self.format(record) + "\n")
