"""The process that runs a lab with its reference solution, and forks a child before each exercise for every trial.

Started by `course.proof.trials`: `python -m course.proof.template FD`. It speaks over that file descriptor:
receives a Task, sends a CellRun for each cell of the lab, (number, TrialRun) for each trial, and None at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import NoReturn

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course.proof.trials import CellRun, Task, Trial, TrialRun

# A trial may take this many times as long as the reference solution did,
SLOWER = 10
# which may take as long as a whole lab (seconds).
REFERENCE_LIMIT = 60.0


class Interpreter:
    """An IPython shell that runs cells as a kernel does, inside a running event loop, and watches stderr."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False  # its thread and its database would not survive a fork
        config.InteractiveShell.colors = "nocolor"
        self._shell = InteractiveShell.instance(config=config)
        self.renew()

    def renew(self) -> None:
        """Take an event loop and a stderr of one's own: after a fork both are still shared with the parent."""
        self._loop = asyncio.Runner()
        self._errors = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open for as long as the process
        sys.stderr.flush()
        os.dup2(self._errors.fileno(), 2)

    def run(self, name: str, source: str) -> CellRun:
        """Run a cell; whatever it raises is in the result."""
        before = os.fstat(2).st_size
        began = time.perf_counter()
        error = self._loop.run(self._run(name, source))
        seconds = time.perf_counter() - began
        sys.stderr.flush()
        written = os.pread(self._errors.fileno(), 10_000, before).decode(errors="replace")
        return CellRun(
            name, f"{type(error).__name__}: {error}" if error is not None else "", written, seconds
        )

    async def _run(self, name: str, source: str) -> BaseException | None:
        shell = self._shell
        plain = shell.transform_cell(source)  # type: ignore[no-untyped-call]
        result = await shell.run_cell_async(source, transformed_cell=plain, cell_id=name)
        shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
        return result.error_before_exec or result.error_in_exec


@dataclass
class Child:
    """A forked process, and what it has said so far."""

    number: int
    trial: Trial
    slot: Path
    folder: Path
    pid: int
    says: Connection
    limit: float
    started: float | None = None
    ended: bool = False
    runs: list[CellRun] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it has been running: its time begins when it has got its slot."""
        return time.monotonic() - self.started if self.started is not None else 0.0

    def listen(self) -> None:
        """Take one message: that it has started, a CellRun, or None at the end."""
        try:
            message = self.says.recv()
        except EOFError:
            message = None
        if message is None:
            self.ended = True
        elif self.started is None:
            self.started = time.monotonic()
        else:
            self.runs.append(message)

    def finish(self) -> TrialRun:
        """Kill what is left of it, and tell what came of the trial."""
        seconds = self.seconds
        for kill in (os.killpg, os.kill):  # what it started, and itself wherever it has gone
            with contextlib.suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.says.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        solution = tuple(run for run in self.runs if run.name in self.trial.cells)
        tests = tuple(run for run in self.runs if run.name in self.trial.all_tests)
        if len(tests) == len(self.trial.all_tests) or _enough(self.trial, tests):
            stopped = ""
        elif self.ended:
            stopped = "ended the interpreter"
        else:
            stopped = f"took longer than {self.limit:.0f} s"
        return TrialRun(self.trial, solution, tests, stopped, seconds)


class Template:
    """One lab, run once, its trials branching off before each exercise."""

    def __init__(self, task: Task, line: Connection) -> None:
        self._task = task
        self._line = line
        self._cells = task.cells
        self._interpreter = Interpreter()

    def run(self) -> None:
        """Run the lab's cells and, before each exercise, its trials."""
        self._seed()
        begun = {""}
        for position, cell in enumerate(self._cells):
            if cell.exercise not in begun:
                begun.add(cell.exercise)
                self._try_answers(cell.exercise, position)
            self._line.send(self._interpreter.run(cell.name, cell.source))
        self._line.send(None)

    def _seed(self) -> None:
        random.seed(self._task.seed)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(self._task.seed)

    def _try_answers(self, exercise: str, position: int) -> None:
        """Make an exercise's trials; the reference solution's first, for it must pass and tells how long they take."""
        trials = [(n, trial) for n, trial in enumerate(self._task.trials) if trial.exercise == exercise]
        if not trials:
            return
        own = [cell for cell in self._cells if cell.exercise == exercise]
        solution = {cell.name: cell.source for cell in own if not cell.is_test}
        tests = tuple(cell.name for cell in own if cell.is_test)
        reference = Trial(exercise, solution, tests, REFERENCE_LIMIT)
        gc.collect()
        gc.freeze()  # a child leaves the parent's objects alone
        [(_, run)] = self._fork_each([(0, reference)], position, 0)
        self._line.send(run)
        if run.passed:
            for number, other in self._fork_each(trials, position, SLOWER * run.seconds):
                self._line.send((number, other))

    def _fork_each(
        self, trials: list[tuple[int, Trial]], position: int, limit: float
    ) -> Iterator[tuple[int, TrialRun]]:
        """Run trials from the state before the cell at `position`, as many at once as there are slots."""
        waiting = deque(trials)
        free = list(self._task.slots)
        running: list[Child] = []
        while waiting or running:
            while waiting and free:
                number, trial = waiting.popleft()
                running.append(self._fork(number, trial, position, free.pop(), limit))
            ready = wait(
                [child.says for child in running], min(child.limit - child.seconds for child in running)
            )
            for child in list(running):
                if child.says in ready:
                    child.listen()
                if child.ended or child.seconds > child.limit:
                    running.remove(child)
                    free.append(child.slot)
                    yield child.number, child.finish()

    def _fork(self, number: int, trial: Trial, position: int, slot: Path, limit: float) -> Child:
        limit = max(limit, trial.patience)
        hears, says = Pipe(duplex=False)
        folder = Path(tempfile.mkdtemp(prefix="trial-"))
        with warnings.catch_warnings():
            # A lab's servers are threads here; they are not in the child, which is told to serve afresh.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._be_child(trial, position, slot, folder, limit, says)
        says.close()
        return Child(number, trial, slot, folder, pid, hears, limit)

    def _be_child(
        self, trial: Trial, position: int, slot: Path, folder: Path, limit: float, says: Connection
    ) -> NoReturn:
        """Run a trial and leave, without the parent's clean-up: what it holds is the parent's to close."""
        try:
            os.setsid()
            self._line.close()
            with slot.open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                says.send("started")
                signal.alarm(int(limit) + 2)  # should the parent be gone by then
                _move_to(folder)
                self._interpreter.renew()
                self._seed()
                for run in self._trial_cells(trial, position):
                    says.send(run)
                says.send(None)
        finally:
            os._exit(0)

    def _trial_cells(self, trial: Trial, position: int) -> Iterator[CellRun]:
        """Run the cells from `position` to the trial's last test, the tests of other exercises left out.

        Then once more for the tests that come after: with the cells between that have not run yet.
        """
        ran: list[CellRun] = []
        for tests in (trial.tests, trial.then):
            left = set(tests)
            for cell in self._cells[position:]:
                if not left:
                    break
                if (cell.is_test and cell.name not in left) or any(run.name == cell.name for run in ran):
                    continue
                ran.append(self._interpreter.run(cell.name, trial.cells.get(cell.name, cell.source)))
                yield ran[-1]
                left.discard(cell.name)
                if _enough(trial, ran):
                    return


def _enough(trial: Trial, ran: Sequence[CellRun]) -> bool:
    """Whether a trial may end here: one that ends at the first test that fails has met it."""
    return trial.until_failure and any(not run.passed for run in ran if run.name in trial.tests)


def _move_to(folder: Path) -> None:
    """Go to a copy of the working folder, where files can be written and changed; temporary files go there too."""
    folder.chmod(0o711)  # a database server started by root is another user
    shutil.copytree(Path.cwd(), folder / "lab")
    os.chdir(folder / "lab")
    tempfile.tempdir = str(folder)


def main() -> None:
    """Do the one task that arrives over the file descriptor given."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the proof, not a cell
    line = Connection(int(sys.argv[1]))
    Template(line.recv(), line).run()


if __name__ == "__main__":
    main()
