"""Keep on disk which tests of a lab pass, and show it.

A working copy is a folder with a marker folder `.course` in it. Each lab has one file there,
`.course/progress/<phase>/<lab>.jsonl`, to which every run of a test cell adds one line; nothing is ever rewritten, so two
kernels cannot undo each other, and a damaged line costs that line only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from course.grade_ids import exercise_tested

MIME = "application/vnd.course.progress+json"
"""The mime type that marks a view of the progress in a notebook's outputs, beside its text."""


@dataclass(frozen=True)
class TestProgress:
    """How one test cell has fared: `passed` is its last run, `first_passed` stays once it has passed.

    `tries` leaves out the runs before there was an answer to test.
    """

    __test__ = False  # the name is ours, not pytest's

    tries: int
    passed: bool
    last_run: datetime
    first_passed: datetime | None


@dataclass(frozen=True)
class Try:
    """One run of a test cell on an answer of the student's."""

    passed: bool
    at: datetime


@dataclass
class LabProgress:
    """A lab's tests by grade_id. `unreadable` counts the lines of its file that say nothing."""

    lab: str
    tests: dict[str, TestProgress] = field(default_factory=dict)
    unreadable: int = 0

    def passes(self, exercise: str) -> bool:
        """Whether every test of the exercise that was run passed the last time."""
        runs = [test.passed for name, test in self.tests.items() if exercise_tested(name) == exercise]
        return bool(runs) and all(runs)


def record(test: str, passed: bool, tried: bool = True) -> None:
    """Add one run of a test cell to the progress of the running lab.

    `tried` is False for a run that found no answer yet: the stub, or a cell that has not been run.
    Nothing is written outside a working copy, as when a notebook is graded. Raises OSError where the disk refuses.
    """
    file = _file_of(running_notebook(test))
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    run = {"test": test, "passed": passed, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    if not tried:
        run["tried"] = False
    with file.open("a+b") as lines:
        torn = lines.tell() > 0 and _last_byte(file) != b"\n"
        lines.write(b"\n" * torn + json.dumps(run).encode() + b"\n")


def tries_of(test: str) -> list[Try] | None:
    """All tries of a test cell of the running lab, oldest first; None outside a working copy."""
    file = _file_of(running_notebook(test))
    if file is None:
        return None
    runs = (run for run in _runs(file) if run and run.get("test") == test and _is_try(run))
    return [Try(bool(run.get("passed")), run["at"]) for run in runs]


def read(work: Path) -> dict[str, LabProgress]:
    """The progress of every lab begun in a working copy, by `<phase>/<lab>`."""
    folder = _folder(work)
    labs = (
        _read(file, file.relative_to(folder).with_suffix("").as_posix())
        for file in sorted(folder.rglob("*.jsonl"))
    )
    return {lab.lab: lab for lab in labs}


def show_progress() -> ProgressView:
    """The running lab's exercises, and which of them pass. Shown when it is the last line of a cell."""
    notebook = running_notebook(None)
    file = _file_of(notebook)
    if notebook is None or file is None:
        return ProgressView(
            [], "Progress is kept for notebooks in your own copy of the course: this is not one."
        )
    progress = _read(file, notebook.stem)
    names = dict.fromkeys(filter(None, map(exercise_tested, [*_cell_ids(notebook), *progress.tests])))
    lines = "1 line" if progress.unreadable == 1 else f"{progress.unreadable} lines"
    note = f"{lines} of the progress file could not be read." if progress.unreadable else ""
    return ProgressView([_standing(name, progress) for name in names], note)


@dataclass(frozen=True)
class Standing:
    """Where a student stands with one exercise. `passed` is None before the first try."""

    exercise: str
    passed: bool | None
    tries: int
    passed_before: bool


@dataclass(frozen=True)
class ProgressView:
    """A lab's exercises as a table, in a notebook or a terminal."""

    standings: list[Standing]
    note: str = ""

    def __repr__(self) -> str:
        from course.lab.panels import progress_text

        return progress_text(self.standings, self.note)

    def _repr_html_(self) -> str:
        from course.lab.panels import progress_html

        return progress_html(self.standings, self.note)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {MIME: [asdict(each) for each in self.standings]}


def _standing(exercise: str, progress: LabProgress) -> Standing:
    runs = [test for name, test in progress.tests.items() if exercise_tested(name) == exercise]
    tries = max((run.tries for run in runs), default=0)
    return Standing(
        exercise=exercise,
        passed=progress.passes(exercise) if tries else None,
        tries=tries,
        passed_before=bool(runs) and all(run.first_passed for run in runs),
    )


def _folder(work: Path) -> Path:
    return work / ".course" / "progress"


def _file_of(notebook: Path | None) -> Path | None:
    """Where the progress of a notebook is kept; None outside a working copy."""
    work = None if notebook is None else _work_around(notebook)
    if notebook is None or work is None:
        return None
    return _folder(work) / notebook.relative_to(work).with_suffix(".jsonl")


def _work_around(notebook: Path) -> Path | None:
    """The working copy that a notebook is in; None for the copies that are graded inside the marker folder itself."""
    if ".course" in notebook.parts:
        return None
    return next((folder for folder in notebook.parents if (folder / ".course").is_dir()), None)


def running_notebook(test: str | None) -> Path | None:
    """The notebook whose kernel this is: Jupyter's server names it; else the only one here that has the test cell."""
    named = os.environ.get("JPY_SESSION_NAME")
    if named:
        here = [Path(named), Path.cwd() / Path(named).name]
        found = next((path.resolve() for path in here if path.is_file()), None)
        if found:
            return found
    candidates = [path for path in Path.cwd().glob("*.ipynb") if test is None or test in _cell_ids(path)]
    return candidates[0].resolve() if len(candidates) == 1 else None


def _cell_ids(notebook: Path) -> list[str]:
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [str(cell.get("id", "")) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as lines:
        lines.seek(-1, os.SEEK_END)
        return lines.read(1)


def _read(file: Path, lab: str) -> LabProgress:
    progress = LabProgress(lab)
    for run in _runs(file):
        match run:
            case {"test": str(test), "passed": bool(passed), "at": datetime() as at, **more}:
                before = progress.tests.get(test)
                first = before.first_passed if before else None
                progress.tests[test] = TestProgress(
                    tries=(before.tries if before else 0) + _is_try(more),
                    passed=passed,
                    last_run=at,
                    first_passed=first or (at if passed else None),
                )
            case _:
                progress.unreadable += 1
    return progress


def _is_try(run: Mapping[Any, Any]) -> bool:
    return run.get("tried") is not False


def _runs(file: Path) -> Iterator[dict[str, Any] | None]:
    """Each line of the file, None for one that is damaged."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in filter(None, lines):  # a line is empty where two kernels wrote at the same moment
        try:
            run = json.loads(line)
            yield {**run, "at": datetime.fromisoformat(run["at"])}
        except (ValueError, KeyError, TypeError):
            yield None
