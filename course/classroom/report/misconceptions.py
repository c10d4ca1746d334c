"""Find out which misconceptions of the answer banks a class has met.

Each wrong answer of a bank is run once against the tests of its exercise, and how it fails is kept in `.cache/`. A
student's answer that fails the same tests in the same way counts as that misconception; where several wrong answers
fail in one way they are named together, for the tests cannot tell them apart either.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course.classroom.report.rows import ClassResults, Key
from course.errors import CourseError
from course.files import write_atomically
from course.grade_ids import exercise_of
from course.grading.engine import CourseFolder
from course.grading.messages import authors_words
from course.proof.answers import bank_path, fill, load_bank
from course.proof.lab_cells import cells
from course.proof.trials import Task, Trial, TrialRun, run_lab
from course.publishing.exercises import exercises, grade_id, is_test
from course.publishing.layout import Lab

Failing = tuple[tuple[str, str], ...]
"""How an answer fails: each test that it fails, by grade_id, and in short what that test says."""

_PATIENCE = 2.0  # seconds for a wrong answer; it gets ten times what the right one takes, if that is longer
_LONGEST = 300  # characters of what a test says
_NUMBER = re.compile(r"\d+(\.\d+)?")
_VERSION = "1"  # of what is kept


@dataclass(frozen=True)
class Met:
    """A way of failing that students have met: the misconceptions that fail so, none where the bank has no such answer.

    `says` is what the first failing test says.
    """

    key: Key
    titles: tuple[str, ...]
    says: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What was met, most often first, and the labs that could not be looked into, with the reason."""

    met: tuple[Met, ...]
    unknown: Mapping[str, str]


def misconceptions(
    folder: CourseFolder, results: ClassResults, labs: Iterable[Lab], notebooks: Mapping[str, NotebookNode]
) -> Found:
    """What a class has met in these labs, whose notebooks are given by name."""
    found: list[Met] = []
    unknown: dict[str, str] = {}
    for lab in labs:
        failing = _failing_students(folder, results, lab.name)
        if not failing:
            continue
        try:
            known = _ways_to_fail(lab, notebooks[lab.name])
        except CourseError as error:
            unknown[lab.name] = str(error).partition("\n")[0]
            continue
        for (key, ways), students in failing.items():
            titles = known.get((key.exercise, ways), ())
            found.append(Met(key, titles, ways[0][1], tuple(students)))
    return Found(tuple(sorted(found, key=lambda met: (-len(met.students), met.key, met.titles))), unknown)


# --- how students fail ----------------------------------------------------------------------------------------------


def _failing_students(
    folder: CourseFolder, results: ClassResults, lab: str
) -> dict[tuple[Key, Failing], list[str]]:
    """The students by the exercise they tried and how their answer fails."""
    found: dict[tuple[Key, Failing], list[str]] = defaultdict(list)
    keys = [key for key in results.points if key.lab == lab]
    for student in results.handed_in:
        own = {key: results.results[student, key] for key in keys}
        wanted = {key.exercise for key, result in own.items() if result.tried and result.share < 1}
        path = folder.autograded(student, results.phase) / f"{lab}.ipynb"
        for exercise, ways in _failing(path, wanted).items():
            found[Key(lab, exercise), ways].append(student)
    return found


def _failing(path: Path, wanted: set[str]) -> dict[str, Failing]:
    """How the answers in a graded notebook fail, by exercise; none where there is no such notebook."""
    if not wanted or not path.is_file():
        return {}
    try:  # nbformat would check all of the notebook, which takes a hundred times as long
        cells = json.loads(path.read_bytes())["cells"]
    except (ValueError, LookupError, TypeError):
        return {}
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for raw in cells:
        name = str(raw["metadata"].get("nbgrader", {}).get("grade_id", ""))
        if not name or exercise_of(name) not in wanted:
            continue
        cell = nbformat.from_dict(raw | {"source": "".join(raw["source"])})  # a text, or its lines
        if is_test(cell) and (said := _said_of(cell)):
            found[exercise_of(name)].append((name, said))
    return {exercise: tuple(ways) for exercise, ways in found.items()}


def _said_of(cell: NotebookNode) -> str:
    """What a test in a graded notebook says of the answer; empty where it passed."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return said(str(output.get("ename", "")), str(output.get("evalue", "")), cell.source)
    return ""


@cache
def said(error: str, text: str, source: str) -> str:
    """In short what the test `source` says by an error: its author's words, else the error's name.

    Of the difference between two results its kind stays, without its numbers: these depend on the data.
    """
    whole = authors_words(text, source)
    if whole:
        return whole[:_LONGEST]
    first, _, rest = text.strip().partition("\n")
    words = authors_words(first, source)
    if not words:
        return error[:_LONGEST]
    difference = _NUMBER.sub("#", rest.strip().partition("\n")[0]).partition(". ")[0]
    return f"{words} ({difference})"[:_LONGEST] if difference else words[:_LONGEST]


# --- how the bank's wrong answers fail ------------------------------------------------------------------------------


def _ways_to_fail(lab: Lab, notebook: NotebookNode) -> dict[tuple[str, Failing], tuple[str, ...]]:
    """The titles of the bank's wrong answers, by exercise and the way they fail.

    Raises CourseError where there is no bank, or the lab cannot be run.
    """
    bank = bank_path(lab.root, lab.phase, lab.name)
    if not bank.is_file():
        raise CourseError("it has no answer bank")
    kept = lab.root / ".cache" / "misconceptions" / lab.phase / f"{lab.name}.json"
    fingerprint = hashlib.sha256(
        b"\0".join([_VERSION.encode(), lab.text.read_bytes(), bank.read_bytes()])
    ).hexdigest()
    rows = _kept(kept, fingerprint)
    if rows is None:
        rows = list(_try_bank(lab, bank, notebook))
        write_atomically(kept, json.dumps({"fingerprint": fingerprint, "answers": rows}, indent=1).encode())
    found: dict[tuple[str, Failing], tuple[str, ...]] = {}
    for exercise, title, failing in rows:
        way = exercise, tuple((str(test), str(words)) for test, words in failing)
        found[way] = (*found.get(way, ()), title)
    return found


def _kept(path: Path, fingerprint: str) -> list[Any] | None:
    try:
        content = json.loads(path.read_bytes())
        return list(content["answers"]) if content["fingerprint"] == fingerprint else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _try_bank(
    lab: Lab, bank: Path, notebook: NotebookNode
) -> Iterator[tuple[str, str, Sequence[tuple[str, str]]]]:
    """Each wrong answer's exercise and title, and how it fails."""
    answers = load_bank(bank)
    tried = [
        (
            answer.title,
            Trial(
                exercise.name,
                fill(exercise, answer.cells),
                tuple(str(grade_id(cell)) for cell in exercise.tests),
                _PATIENCE,
            ),
        )
        for exercise in exercises(notebook)
        for answer in answers.wrong(exercise.name)
        if len(answer.cells) == len(exercise.solutions)
    ]
    sources = {str(grade_id(cell)): cell.source for cell in notebook.cells if is_test(cell)}
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        slots = tuple(Path(name) / f"slot-{number}" for number in range(2 * (os.cpu_count() or 1)))
        trials = tuple(trial for _, trial in tried)
        runs = run_lab(Task(cells(notebook), trials, 0, slots), lab.text.parent).trials
    for (title, trial), run in zip(tried, runs, strict=True):
        failing = _failing_tests(run, sources) if run else []
        if failing:
            yield trial.exercise, title, failing


def _failing_tests(run: TrialRun, sources: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for test in run.tests:
        error, _, text = test.error.partition(": ")
        if error:
            found.append((test.name, said(error, text, sources[test.name])))
    return found
