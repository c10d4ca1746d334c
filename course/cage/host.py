"""Build the cage, and order cells from the zygote in it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from course.cage import CageError, CellFailed, ZygoteDied, bwrap, cgroups, fallback, outer, seccomp
from course.cage.cell import Cell, Channel
from course.cage.inside.order import Order
from course.cage.level import Level
from course.cage.limits import Limits
from course.cage.owners import left_behind, own_mark
from course.cage.refusal import NOT_INSTALLED, Refused, explain
from course.cage.removal import remove

_PREFIX = "course-cage"
_FIRST_USER, _USERS = 1000, 60_000  # of the cage's own 65,536
_START_SECONDS = 120.0  # the imports are in there
_SPAWN_SECONDS = 60.0
_END_SECONDS = 60.0
_NO_FILES: Mapping[str, bytes] = {}
_NOTHING_SHARED: Mapping[str, Path] = {}
_USUAL_LIMITS = Limits()
_log = logging.getLogger(__name__)


class Zygote:
    """A process in a cage that has imported everything once, and forks cells; a context manager.

    It ends, with all its cells, at `close()` and when this process ends, in whatever way. Processes that are forked from
    this one may order cells too, which end with the process that ordered them.
    """

    def __init__(
        self,
        imports: Sequence[str] = (),
        *,
        shared: Mapping[str, Path] = _NOTHING_SHARED,
        level: Level | None = None,
    ) -> None:
        """Begin to build the cage, and to import what its cells will need; modules that cannot be imported are skipped.

        `ready()`, `spawn()` and entering the context wait until that is done. `shared` are folders that every cell may
        read, by the environment variable that tells the cells where.

        Raises CageError, saying what to install or to allow, where this machine does not let us build it.
        """
        self._level = level or Level("namespaces")
        self._shown = [*bwrap.shown(), *shared.values()]
        self._environment = bwrap.ENVIRONMENT | {name: str(path) for name, path in shared.items()}
        if self._level.name == "none":
            raise CageError(
                f"There is no cage here, because {self._level.reason}. What to do: {self._level.remedy}."
            )
        own_users = self._level.own_users if self._shares_machine else _rules_all_users()
        self._users = _Users() if own_users else None
        self._cells: set[Cell] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._program = seccomp.program()
        _sweep()
        self._folder = _new_folder(_disk() if self._shares_machine else _shared_memory())
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = os.memfd_create("complaints")
        with self._explained(), theirs:
            self._process = self._launch(imports, theirs.fileno(), self._complaints)

    def ready(self) -> Self:
        """Wait until cells can be had; returns itself.

        Raises CageError, saying what to install or to allow, where this machine does not let us build the cage.
        """
        if self._complaints >= 0:
            with self._explained():
                self._greet()
            self._hear_no_complaints()
        return self

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Where this fails there is no zygote, and a CageError says why."""
        try:
            yield
        except (OSError, EOFError) as error:
            refusal = _refusal(error, self._complaints)
            self.close()
            raise refusal from error
        except BaseException:
            self.close()
            raise

    def _hear_no_complaints(self) -> None:
        if self._complaints >= 0:
            os.close(self._complaints)
            self._complaints = -1

    def spawn(
        self,
        entry: str,
        options: Mapping[str, Any],
        *,
        files: Mapping[str, bytes] = _NO_FILES,
        limits: Limits = _USUAL_LIMITS,
        ipc: bool = False,
    ) -> Cell:
        """A new cell, as soon as its entry function says that it is ready.

        Args:
            entry: "package.module:function"; called in the cell with one argument, an `Inside`.
            options: what the function finds as `options`; JSON.
            files: what the cell finds in /home/student, its working directory: relative paths and contents.
            limits: how much the cell may use.
            ipc: whether the cell has a folder /ipc until it is ready, which we see as `Cell.ipc`.

        Raises ZygoteDied where a new Zygote may do it, CellFailed where this cell could not be made or the function
        fails, ValueError for a bad path.
        """
        if not self.ready().alive():
            raise ZygoteDied("The process that forks the cells has ended.")
        with contextlib.ExitStack() as on_failure:
            folder = self._ipc_folder(on_failure) if ipc or self._shares_machine else None
            user = None if self._users is None else self._users.next()
            if folder is not None and user is not None:
                os.chown(folder, outer.FIRST_USER + user, outer.FIRST_USER + user)
            order = Order(
                uid=outer.FIRST_USER + user if self._shares_machine and user is not None else user,
                entry=entry,
                options=options,
                files=tuple((_checked(name), len(content)) for name, content in files.items()),
                limits=limits,
                ipc="" if folder is None else folder.name,
            )
            cell = self._place(order, files, folder)
            on_failure.pop_all()
            return cell

    @property
    def _shares_machine(self) -> bool:
        """Whether our cells are processes like others: held, but not apart."""
        return self._level.name == "landlock"

    def alive(self) -> bool:
        """Whether it is ready, and cells can be had from it."""
        if self._pidfd < 0 or self._control.fileno() < 0:
            return False
        poll = select.poll()  # its sockets are closed before its cells die, and they before it is gone
        poll.register(self._control, 0)
        return not poll.poll(0)

    def close(self) -> None:
        """End all cells and the zygote, and remove what they had on this machine; twice is fine."""
        for cell in list(self._cells):
            cell.kill()
        self._control.close()
        if self._pidfd >= 0:
            if not _ended(self._pidfd, 0):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._process is not None:
            if self._complaints >= 0:  # it imports, and would hear of this only afterwards
                self._process.kill()
            self._process.wait(_END_SECONDS)
        self._hear_no_complaints()
        remove(self._folder)

    def __enter__(self) -> Self:
        return self.ready()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _launch(self, imports: Sequence[str], control: int, complaints: int) -> subprocess.Popen[bytes]:
        if self._shares_machine:
            own = fallback.environment(self._folder / "staged")
            return _start(bwrap.zygote(imports, control), control, complaints, own)
        program = shutil.which("bwrap")
        if program is None:
            raise FileNotFoundError("bubblewrap is not installed")
        places = {path: path for path in self._shown}
        before: list[str] = []
        if self._users is not None:
            if unreadable := bwrap.unreadable(self._shown):
                raise CageError(
                    f"A cell's user may not read {unreadable[0]}: run `chmod -R o+rX {unreadable[0]}` to allow it."
                )
            staged = self._stage(bwrap.closed_to_others(self._shown))
            places |= staged
            plan = json.dumps({str(place): str(path) for path, place in staged.items()})
            before = [sys.executable, "-I", "-S", outer.__file__, plan]
        command = bwrap.command(
            program, places, self._folder, own_user=self._users is None, imports=imports, control=control
        )
        return _start([*before, *command], control, complaints, {"PATH": "/usr/local/bin:/usr/bin:/bin"})

    def _stage(self, paths: Sequence[Path]) -> dict[Path, Path]:
        """Where `outer` is to bind what the cage's root may not reach."""
        staged = {}
        for number, path in enumerate(paths):
            staged[path] = self._folder / "staged" / str(number)
            if path.is_dir():
                staged[path].mkdir()
            else:
                staged[path].touch()
        return staged

    def _greet(self) -> None:
        """Give the zygote what it needs, and wait for its imports."""
        self._control.settimeout(_START_SECONDS)
        owner = os.pidfd_open(os.getpid())
        settings: dict[str, Any] = {
            "environment": self._environment,
            "kept": [str(path) for path in self._shown],
        }
        if self._shares_machine:
            machine = fallback.machine(self._folder, self._shown, own_users=self._users is not None)
            settings["machine"] = machine.as_json()
        socket.send_fds(self._control, [json.dumps(settings).encode()], [owner])
        os.close(owner)
        self._control.send(self._program)
        message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 1, socket.MSG_CMSG_CLOEXEC)
        if not message:
            raise EOFError("the zygote ended while it was starting")
        (self._pidfd,) = descriptors
        self._control.settimeout(_SPAWN_SECONDS)
        for name in json.loads(message):
            _log.warning("%s starts threads when it is imported: each cell has to import it for itself", name)

    def _ipc_folder(self, on_failure: contextlib.ExitStack) -> Path:
        folder = self._folder / "cells" / secrets.token_hex(4)
        folder.mkdir(mode=0o700)
        on_failure.callback(remove, folder)
        return folder

    def _place(self, order: Order, files: Mapping[str, bytes], folder: Path | None) -> Cell:
        """Send an order and wait until its cell is ready."""
        ours, theirs = zip(
            *(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)), strict=True
        )
        packed = order.pack(files.values())
        channel, door, porter = ours
        channel.settimeout(_SPAWN_SECONDS)
        cell = None
        try:
            try:
                socket.send_fds(self._control, [b"cell"], [*(end.fileno() for end in theirs), packed])
            finally:
                os.close(packed)
                for end in theirs:
                    end.close()
            reports = Channel(channel)
            cell = Cell(
                door=door,
                porter=porter,
                channel=reports,
                first=reports.wait_for("born"),
                cgroup=cgroups.Cgroup(order.limits),
                folder=folder,
                forget=self._cells.discard,
                ending=signal.SIGTERM if self._shares_machine else signal.SIGKILL,
            )
            self._cells.add(cell)
            cell.begin()
        except BaseException as error:
            if cell is not None:
                cell.kill()
            for end in ours:
                end.close()
            if isinstance(error, (OSError, EOFError)):
                raise self._spawn_error(order, error) from error
            raise
        return cell

    def _spawn_error(self, order: Order, error: Exception) -> CageError:
        if not self.alive():
            return ZygoteDied("The process that forks the cells has ended.")
        why = (
            f"it was not ready within {_SPAWN_SECONDS:g} seconds"
            if isinstance(error, TimeoutError)
            else error
        )
        return CellFailed(f"The cell for {order.entry} ended before it was ready: {why}")


def _start(
    command: Sequence[str], control: int, complaints: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(control,),
        cwd="/",
        env=environment,
        start_new_session=True,  # Ctrl-C in a terminal is for us, not for the cage
    )


class _Users:
    """Users of the cage, a different one for each cell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._choose()

    def _choose(self) -> None:
        self._chooser = os.getpid()
        self._last = secrets.randbelow(_USERS)  # graders at the same time will hardly use the same

    def next(self) -> int:
        with self._lock:
            if self._chooser != os.getpid():  # forked
                self._choose()
            self._last = (self._last + 1) % _USERS
            return _FIRST_USER + self._last


def _rules_all_users() -> bool:
    """Whether we are root, and of more than a few users: not in a container without those that the cage wants."""
    if os.geteuid() != 0:
        return False
    ranges = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    wanted = range(outer.FIRST_USER, outer.FIRST_USER + outer.USERS)
    return any(
        int(first) <= wanted.start and wanted.stop <= int(first) + int(count) for first, _, count in ranges
    )


def _new_folder(place: str) -> Path:
    """With a short path: the names of unix sockets may not be long."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{own_mark()}-", dir=place))
    folder.chmod(0o711)
    (folder / "cells").mkdir()
    (folder / "cells").chmod(0o711)
    (folder / "staged").mkdir()
    for name, text in bwrap.ETC.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return folder


def _shared_memory() -> str:
    folder = Path("/dev/shm")  # noqa: S108 - mkdtemp makes names nobody can guess
    return str(folder) if folder.is_dir() and os.access(folder, os.W_OK) else tempfile.gettempdir()


def _disk() -> str:
    """Where cells may fill a folder without filling the memory, and each user can reach its own."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _sweep() -> None:
    """Remove what graders left that were killed."""
    cgroups.sweep()
    for place in (_shared_memory(), _disk()):
        for folder in Path(place).glob(f"{_PREFIX}-*"):
            if left_behind(folder, _PREFIX):
                remove(folder)


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"{name!r} is no path below a folder")
    return name


def _refusal(error: Exception, complaints: int) -> CageError:
    """Why there is no cage, from what bubblewrap, or what runs before it and in it, wrote to stderr."""
    if isinstance(error, FileNotFoundError):
        return Refused(NOT_INSTALLED)
    if isinstance(error, TimeoutError):
        return CageError(f"The cage was not ready within {_START_SECONDS:g} seconds.")
    said = os.pread(complaints, 1 << 20, 0).decode(errors="replace").strip().splitlines()
    if "Traceback (most recent call last):" in said:  # namespaces were no obstacle to Python
        return CageError(f"The cage could not be built: {said[-1]}")
    return Refused(explain(said[-1] if said else str(error)))


def _ended(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
