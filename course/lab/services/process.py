"""Start a server program as a child of the kernel, and make sure that it ends with the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from course.errors import CourseError

_PR_SET_PDEATHSIG = 1


class Process:
    """A running server program.

    It has a session of its own, so that interrupting the kernel does not stop it. It is stopped by `stop()`, when
    nothing refers to this object any more, when Python ends and, on Linux, when the kernel is killed. In a forked
    child this object is only a description: there nothing stops the parent's server.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        ready: Callable[[], bool],
        folder: Path,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        seconds: float = 30,
        patience: float = 5,
    ) -> None:
        """Start `command` in `folder` and return when `ready()` is true.

        Args:
            command: the program and its arguments.
            name: what messages call the server.
            ready: whether the server truly answers; asked again and again. An error of its own passes through.
            folder: the working directory; everything the program writes to stdout or stderr goes to `NAME.log` there.
            env: variables that are added to the environment.
            user: the user and group id to run as, where the kernel is root and the program refuses that.
            stop_signal: what makes the program end in good order.
            seconds: how long it may take until it is ready.
            patience: how long it may take to end when asked to, before it is killed.

        Raises CourseError, with the last lines of the log, where it does not become ready.
        """
        self.name, self.folder = name, folder
        self._log = folder / f"{name}.log"
        try:
            with self._log.open("wb") as log:
                self._child = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,
                    user=user,
                    group=user,
                    extra_groups=None if user is None else [],
                    preexec_fn=_die_with_parent(stop_signal),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise CourseError(f"{name} could not be started: {error}") from error
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _stop, self._child, stop_signal, patience, self._owner)
        try:
            self._wait(ready, seconds)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        if os.getpid() == self._owner:
            return self._child.poll() is None
        try:
            os.kill(self._child.pid, 0)  # a forked child may not wait for its parent's child
        except ProcessLookupError:
            return False
        return True

    def logs(self, lines: int = 20) -> str:
        """The last lines that the server wrote."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def stop(self) -> None:
        """End the server and wait until it is gone; twice is fine."""
        self._end()

    def _wait(self, ready: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise CourseError(
                    f"{self.name} ended while starting (exit status {self._child.returncode}).{self._last_words()}"
                )
            if time.monotonic() > end:
                raise CourseError(
                    f"{self.name} did not answer within {seconds:g} seconds.{self._last_words()}"
                )
            time.sleep(0.01)  # between two questions, not instead of one

    def _last_words(self) -> str:
        said = self.logs(12)
        return f" It last wrote:\n{said}" if said else ""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment; a start that finds it taken must ask for another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scratch_folder(prefix: str, user: int | None = None) -> Path:
    """A new private folder with a short path, owned by `user` (who must be able to reach it); the caller removes it."""
    parent = None
    if user is not None and not reachable(Path(tempfile.gettempdir())):
        parent = "/tmp" if reachable(Path("/tmp")) else "/var/tmp"  # noqa: S108 - mkdtemp makes names nobody can guess
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if user is not None:
        os.chown(folder, user, user)
    return folder


def reachable(path: Path) -> bool:
    """Whether any user can enter (or run) `path` and all folders above it."""
    return all(part.stat().st_mode & 0o001 for part in [path, *path.parents])


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """What a Linux child does first: ask to be told when its parent is gone.

    The request ends with the thread that made it, so only the main thread's children may make it.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:  # it went in between
            os._exit(1)

    return ask


def _stop(child: subprocess.Popen[bytes], stop_signal: signal.Signals, patience: float, owner: int) -> None:
    if os.getpid() != owner or child.poll() is not None:
        return
    child.send_signal(stop_signal)
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
