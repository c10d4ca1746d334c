"""Grade a class in a course folder of its own: with stock nbgrader or with this project's engine, timed or watched."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from benchmarks.classes import LabKit, Submission, hand_in, make_class, read_kit
from benchmarks.gradebooks import Cell, Row, read_rows
from benchmarks.measure import Measure, Memory, run, run_for_memory
from course.publishing.build import build
from course.publishing.exercises import grade_id, is_test, points
from course.publishing.layout import labs

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ROOT / "benchmarks" / "heavy"
CONFIG = "nbgrader_config.py"

STOCK_SETTINGS = """
# --- the benchmark: nbgrader's own steps, and kernels started as it starts them
for setting in ("pre_convert_hook", "sanitize_preprocessors", "autograde_preprocessors"):
    c.Autograde.pop(setting, None)
del c.GenerateFeedback
os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = "local-provisioner"
"""

_MADE_BY_GRADING = ("submitted", "autograded", "feedback")
_SHOWN = 10


@dataclass(frozen=True)
class Runner:
    """A way to grade: its name, what its course folder's settings end with, and its command for a phase."""

    name: str
    settings: str
    command: Callable[[str, int | None], list[str]]


def _stock_command(phase: str, workers: int | None) -> list[str]:
    return [sys.executable, "-m", "nbgrader", "autograde", phase]


def _stock_with_feedback(phase: str, workers: int | None) -> list[str]:
    steps = (_stock_command(phase, workers), [sys.executable, "-m", "nbgrader", "generate_feedback", phase])
    return ["sh", "-c", " && ".join(shlex.join(step) for step in steps)]


def _engine_command(phase: str, workers: int | None) -> list[str]:
    return [sys.executable, "-m", "benchmarks.grade_only", phase, *([str(workers)] if workers else [])]


def _engine_with_feedback(phase: str, workers: int | None) -> list[str]:
    return [sys.executable, "-m", "course", "grade", phase, *(["--workers", str(workers)] if workers else [])]


STOCK = Runner("stock", STOCK_SETTINGS, _stock_command)
ENGINE = Runner("engine", "", _engine_command)
STOCK_WITH_FEEDBACK = Runner("stock with feedback", STOCK_SETTINGS, _stock_with_feedback)
ENGINE_WITH_FEEDBACK = Runner("engine with feedback", "", _engine_with_feedback)


class Bench:
    """The course folder that all runs begin as a copy of, in a temporary place."""

    def __init__(
        self, place: Path, phases: Sequence[str], console: Console, homes: Sequence[Path] = (ROOT, HEAVY)
    ) -> None:
        """Make it from the course folders `homes`, with the phases built and registered in its gradebook."""
        self._place = place
        self._console = console
        self._runs = 0
        self.failed: list[str] = []  # the runs that did not end well, and how
        self.template = place / "template"
        self.logs = place / "logs"
        self.logs.mkdir(parents=True)
        _lay_out(self.template, phases, homes)
        build(self.template)
        self.kits = {phase: [read_kit(lab) for lab in labs(self.template, phase)] for phase in phases}
        for phase in phases:
            self._call([sys.executable, "-m", "nbgrader", "generate_assignment", phase])

    def warm_up(self, phase: str, runner: Runner) -> None:
        """Grade one submission, so that what is done once for a lab, and not for each class, is done."""
        gradebook = (self.template / "gradebook.db").read_bytes()
        hand_in(make_class(self.kits[phase], 1, 0), self.template, phase)
        self._call(runner.command(phase, None))
        for name in _MADE_BY_GRADING:
            shutil.rmtree(self.template / name, ignore_errors=True)
        (self.template / "gradebook.db").write_bytes(gradebook)

    def folder(self, runner: Runner, phase: str, submissions: Sequence[Submission]) -> Path:
        """A fresh course folder in which the class has handed in."""
        self._runs += 1
        folder = self._place / f"{self._runs:03}-{runner.name.replace(' ', '-')}-{len(submissions)}"
        shutil.copytree(self.template, folder)
        with (folder / CONFIG).open("a", encoding="utf-8") as settings:
            settings.write(runner.settings)
        hand_in(submissions, folder, phase)
        return folder

    def time(
        self, runner: Runner, phase: str, submissions: Sequence[Submission], workers: int | None = None
    ) -> tuple[Measure, dict[Cell, Row]]:
        """Grade a class, and the gradebook's rows after it."""
        folder = self.folder(runner, phase, submissions)
        log = self.log(folder)
        measure = run(runner.command(phase, workers), folder, log)
        self._complain(runner.name, measure.status, log)
        rows = read_rows(folder / "gradebook.db", phase)
        shutil.rmtree(folder)
        return measure, rows

    def hold(
        self, runner: Runner, phase: str, submissions: Sequence[Submission]
    ) -> tuple[Memory, dict[Cell, Row], int]:
        """Grade a class and look at the memory taken; with the gradebook's rows and the exit status."""
        folder = self.folder(runner, phase, submissions)
        log = self.log(folder)
        graded = folder / "autograded"
        memory, status = run_for_memory(
            runner.command(phase, None), folder, log, lambda: len([*graded.glob(f"*/{phase}")])
        )
        self._complain(runner.name, status, log)
        rows = read_rows(folder / "gradebook.db", phase)
        shutil.rmtree(folder)
        return memory, rows, status

    def floor(self, phase: str, submissions: Sequence[Submission]) -> dict[tuple[str, str], dict[str, Any]]:
        """What the cells of each submission need by themselves, by student and lab; see `benchmarks/floor.py`."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for kit in self.kits[phase]:
            folder = Path(tempfile.mkdtemp(dir=self._place, prefix="floor-"))
            tasks = [("reference", kit.source)]
            tasks += [
                (each.student, with_tests(each.work[kit.lab.name].notebook, kit)) for each in submissions
            ]
            for name, notebook in tasks:
                nbformat.write(notebook, folder / f"{name}.ipynb")
            named = [(name, str(folder / f"{name}.ipynb")) for name, _ in tasks]
            (folder / "tasks.json").write_text(json.dumps(named))
            self._call([sys.executable, "-m", "benchmarks.floor", str(folder)], ROOT)
            results = json.loads((folder / "floor.json").read_text())
            found |= {(each.student, kit.lab.name): results[each.student] for each in submissions}
        return found

    def log(self, folder: Path) -> Path:
        """Where the command run in a folder says what it has to say."""
        return self.logs / f"{folder.name}.log"

    def _call(self, command: list[str], folder: Path | None = None) -> None:
        """Run a command that must succeed."""
        log = self.logs / "setup.log"
        with log.open("ab") as output:
            done = subprocess.run(command, cwd=folder or self.template, stdout=output, stderr=output)
        if done.returncode:
            self._complain(shlex.join(command[1:]), done.returncode, log)
            done.check_returncode()

    def _complain(self, name: str, status: int, log: Path) -> None:
        if status:
            self.failed.append(f"{name} ended with status {status}")
            tail = log.read_text(errors="replace").splitlines()[-_SHOWN:]
            self._console.print(f"{name} ended with status {status}:", style="bold red")
            self._console.print("\n".join(tail), markup=False, highlight=False)


def _lay_out(folder: Path, phases: Sequence[str], homes: Sequence[Path]) -> None:
    folder.mkdir()
    shutil.copyfile(ROOT / CONFIG, folder / CONFIG)
    for phase in phases:
        home = next(home for home in homes if (home / "source" / phase).is_dir())
        for part in ("source", "tests/answers"):
            shutil.copytree(
                home / part / phase, folder / part / phase, ignore=shutil.ignore_patterns("*.ipynb")
            )


def with_tests(submitted: NotebookNode, kit: LabKit) -> NotebookNode:
    """A submitted notebook with the tests' own text in its test cells, the hidden ones included."""
    tests = {grade_id(cell): cell.source for cell in kit.source.cells if is_test(cell)}
    notebook: NotebookNode = nbformat.from_dict(submitted)
    for cell in notebook.cells:
        cell.source = tests.get(grade_id(cell), cell.source)
    return notebook


def promises(submissions: Sequence[Submission]) -> dict[Cell, float]:
    """The scores that the answer banks promise to a class."""
    return {
        Cell(each.student, lab, test): score
        for each in submissions
        for lab, work in each.work.items()
        for test, score in work.promised.items()
    }


def floor_disagreements(
    floor: Mapping[tuple[str, str], Mapping[str, Any]], rows: Mapping[Cell, Row], kits: Sequence[LabKit]
) -> Iterator[str]:
    """A line for each test whose verdict in the floor's plain run is not the gradebook's."""
    for (student, lab), run_alone in sorted(floor.items()):
        kit = next(kit for kit in kits if kit.lab.name == lab)
        for test in (cell for cell in kit.source.cells if is_test(cell)):
            cell = Cell(student, lab, str(grade_id(test)))
            alone = points(test) if cell.name in run_alone["passed"] else 0.0
            graded = rows[cell].auto_score if cell in rows else None
            if alone != graded:
                yield f"{cell}: {alone:g} when run alone, {graded} in the gradebook"
