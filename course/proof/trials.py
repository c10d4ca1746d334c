"""Try answers to a lab's exercises: each in a process forked from the state before its exercise."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

from course.errors import CourseError

# A lab runs top to bottom in a minute; one that has nothing to tell for longer will not end.
STALLED = 120.0
_LOOK = 0.2  # seconds between looks at whether a run is given up
# What the files of a lab's trials may take, in bytes.
ROOM = 2 * 1024**3


@dataclass(frozen=True)
class Cell:
    """A code cell, by its id (a graded cell's id is its grade_id), with the exercise it belongs to, "" where none."""

    name: str
    source: str
    exercise: str
    is_test: bool


@dataclass(frozen=True)
class Trial:
    """Code to try in place of an exercise's solution.

    `cells` are the full sources of its solution cells by grade_id, `tests` the grade_ids of the test cells to run, in
    notebook order, and `then` of others to run after all of these; `until_failure` leaves out the tests after the first
    that fails. It is killed after `patience` seconds, or ten times what the reference solution took, whichever is longer.
    """

    exercise: str
    cells: dict[str, str]
    tests: tuple[str, ...]
    patience: float
    then: tuple[str, ...] = ()
    until_failure: bool = False

    @property
    def all_tests(self) -> tuple[str, ...]:
        """The grade_ids of the test cells to run, in the order in which they are run."""
        return self.tests + self.then


@dataclass(frozen=True)
class CellRun:
    """What came of one cell, by its id: `error` as "Type: message" ("" if none), its stderr, and its seconds."""

    name: str
    error: str
    stderr: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nbgrader would give this cell its points: it gives none to a cell that writes to stderr."""
        return not self.error and not self.stderr

    @property
    def complaint(self) -> str:
        """Why it did not pass; empty if it did."""
        return self.error or (f"wrote to stderr: {self.stderr.strip()}" if self.stderr else "")


@dataclass(frozen=True)
class TrialRun:
    """What came of a trial: its solution cells, its tests as far as they ran, and why it was stopped (or "")."""

    trial: Trial
    solution: tuple[CellRun, ...]
    tests: tuple[CellRun, ...]
    stopped: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every test of the trial ran and passed."""
        return (
            not self.stopped
            and len(self.tests) == len(self.trial.all_tests)
            and all(run.passed for run in self.tests)
        )

    def complaint(self, test: str) -> str:
        """Why a test of the trial did not pass; empty if it did."""
        for run in self.tests:
            if run.name == test:
                return run.complaint
        return self.stopped or "was not run"

    def verdicts(self) -> dict[str, str]:
        """By test what it said, "" where it passed: of those that ran, and of the one at which the trial was stopped."""
        ran = len(self.tests) + bool(self.stopped)
        return {test: self.complaint(test) for test in self.trial.all_tests[:ran]}


@dataclass(frozen=True)
class LabRun:
    """A lab run top to bottom with the reference solution, cell by cell, and the trials made on the way.

    `references` holds the reference solution's own trial for each exercise tried, `trials` the others in the order
    they were given: None where the reference does not pass, so that nothing can be learned from another answer.
    """

    cells: tuple[CellRun, ...]
    references: dict[str, TrialRun]
    trials: tuple[TrialRun | None, ...]


@dataclass(frozen=True)
class Task:
    """What a template process is asked to do: plain data, so that it need not import what reads notebooks.

    `cells` are the lab's code cells in order. A trial runs while it holds the lock on one of the `slots`, which are files, so that several templates at once
    share the machine's cores.
    """

    cells: tuple[Cell, ...]
    trials: tuple[Trial, ...]
    seed: int
    slots: tuple[Path, ...]


def run_lab(task: Task, files: Path | None = None, given_up: Event | None = None) -> LabRun:
    """Run a lab and its trials in a template process of its own, in a temporary folder.

    `files` is the folder the lab stands in: what it needs beside the notebook is copied. PYTHONHASHSEED and the seeds
    of `random` and numpy are the task's seed. Raises CourseError where processes cannot be forked, where the template
    process dies or stalls, and when the run is `given_up`.
    """
    if not hasattr(os, "fork"):
        raise CourseError(
            "course verify forks processes, which this system cannot; run it on Linux, macOS or in WSL"
        )
    cells: list[CellRun] = []
    references: dict[str, TrialRun] = {}
    trials: list[TrialRun | None] = [None] * len(task.trials)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=_in_memory(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # a database server started by root is another user
        _copy_files(files, folder / "lab")
        with contextlib.closing(_messages(task, folder, given_up or Event())) as messages:
            for message in messages:
                match message:
                    case CellRun():
                        cells.append(message)
                    case TrialRun():
                        references[message.trial.exercise] = message
                    case int(number), TrialRun() as run:
                        trials[number] = run
    return LabRun(tuple(cells), references, tuple(trials))


def _in_memory() -> str | None:
    """A folder in memory, where the machine has one with room: every trial makes files and removes them again.

    A trial that starts a database server copies a thousand, which costs a disk more than the test does.
    """
    memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes names nobody can guess
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return str(memory)
    return None


def _copy_files(source: Path | None, target: Path) -> None:
    target.mkdir()
    if source is not None:
        ignored = shutil.ignore_patterns("*.md", "*.ipynb", ".*", "__pycache__")
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)


def _messages(task: Task, folder: Path, given_up: Event) -> Generator[object, None, None]:
    """What the template process says, until it ends."""
    ours, theirs = socket.socketpair()
    log = folder / "template.log"
    with Connection(ours.detach()) as line, theirs, log.open("wb") as errors:
        template = subprocess.Popen(
            [sys.executable, "-P", "-m", "course.proof.template", str(theirs.fileno())],
            cwd=folder / "lab",
            env=os.environ
            | {
                "PYTHONHASHSEED": str(task.seed),
                "IPYTHONDIR": str(folder / "ipython"),
                "TMPDIR": str(folder),
            },
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        theirs.close()
        try:
            line.send(task)
            while _speaks(line, given_up):
                message = line.recv()
                if message is None:
                    template.wait(STALLED)  # it stops the services that the lab started
                    return
                yield message
            problem = f"a cell said nothing for {STALLED:.0f} seconds"
        except (EOFError, ConnectionError):
            problem = "its process ended before its last cell"
        finally:
            template.kill()
            template.wait()
    raise CourseError(f"The lab cannot be run: {problem}.\n{log.read_text(errors='replace')}".rstrip())


def _speaks(line: Connection, given_up: Event) -> bool:
    """Whether the template process says something before it counts as stalled, or its run is given up."""
    until = time.monotonic() + STALLED
    while not given_up.is_set() and time.monotonic() < until:
        if line.poll(_LOOK):
            return True
    return False
