"""Read a graded notebook: what each exercise scored, and what its student should be told first.

Of a hidden test a student learns the author's message and nothing else: no source, no traceback, no data. From the first
hidden test on, the student's code has seen hidden data, and could print it, give it to a later test, or raise it: of the
visible tests that come after, too, nothing is told but what their author wrote.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbgrader.utils import compute_checksum

from course.grade_ids import kind_of
from course.grading.messages import authors_words
from course.publishing.exercises import Exercise, exercises, grade_id, is_solution, points

FAILURE = "application/vnd.course.failure+json"
TIMEOUT = "CellTimeoutError"

_HIDDEN = "BEGIN HIDDEN TESTS"
_LONGEST = 500  # characters of a message or heading
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!-])")  # a character of Markdown that is to be read as itself
_RUN_IT = "Run this test in your notebook to see what came."
_UNWRITTEN = "This exercise is not written yet: its cell is as you got it."
_TOO_LONG = "it ran too long and was stopped; look for a loop that never ends."
_EXPLAINED = {
    "NotImplementedError": "this exercise is not written yet.",
    "NameError": "a name that the exercise asks for does not exist; check its spelling, and run your cell first.",
    TIMEOUT: _TOO_LONG,
    "KeyboardInterrupt": _TOO_LONG,
}
_HIDDEN_TEST = "A hidden test"
# These are named: with all that there are, code that has seen hidden data could spell it, an error for each letter.
_USUAL = frozenset(
    [
        "AttributeError",
        "IndexError",
        "KeyError",
        "RecursionError",
        "TypeError",
        "ValueError",
        "ZeroDivisionError",
    ]
)


@dataclass(frozen=True)
class Outcome:
    """What one test cell came to; `message` is for its student, and empty where the test passed.

    `guarded` says that its outputs may hold the data of hidden tests, and are not for the student.
    """

    name: str
    hidden: bool
    guarded: bool
    score: float
    points: float
    message: str


@dataclass(frozen=True)
class ExerciseResult:
    """What an exercise scored. `waiting` says that a teacher has not given all of its points yet."""

    name: str
    title: str
    score: float
    points: float
    waiting: bool
    tests: tuple[Outcome, ...]

    @property
    def message(self) -> str:
        """The first thing to mend, or an empty text."""
        return next((test.message for test in self.tests if test.message), "")


@dataclass(frozen=True)
class Grade:
    """The points that a graded cell got, and whether a teacher has yet to look at it."""

    score: float
    waiting: bool = False


def exercise_results(notebook: NotebookNode, grades: Mapping[str, Grade]) -> list[ExerciseResult]:
    """The exercises of an executed notebook with their tests still in it, in their order; `grades` by grade_id."""
    titles = _titles(notebook)
    guarded = {id(cell) for cell in notebook.cells[first_hidden(notebook) :]}
    results = []
    for exercise in exercises(notebook):
        cells = [cell for cell in _graded(exercise) if grade_id(cell) in grades]
        scored = [grades[str(grade_id(cell))] for cell in cells]
        unwritten = bool(exercise.solutions) and all(map(is_untouched, exercise.solutions))
        known = _UNWRITTEN if unwritten else ""
        results.append(
            ExerciseResult(
                name=exercise.name,
                title=titles.get(exercise.name, exercise.name),
                score=sum(grade.score for grade in scored),
                points=sum(points(cell) for cell in cells),
                waiting=any(grade.waiting for grade in scored),
                tests=tuple(
                    _outcome(cell, grades[str(grade_id(cell))].score, id(cell) in guarded, known)
                    for cell in exercise.tests
                    if grade_id(cell) in grades
                ),
            )
        )
    return results


def is_untouched(cell: NotebookNode) -> bool:
    """Whether an answer is as it was released."""
    return bool(cell.metadata.nbgrader.get("checksum") == compute_checksum(cell))


def is_hidden(cell: NotebookNode) -> bool:
    """Whether a cell of the course's own is, or has, a hidden test."""
    name = grade_id(cell)
    if name is None or is_solution(cell):
        return False
    return kind_of(name) == "hidden" or _HIDDEN in cell.source


def first_hidden(notebook: NotebookNode) -> int:
    """The position of the first hidden test, counted from 0; the number of cells where there is none."""
    hidden = (position for position, cell in enumerate(notebook.cells) if is_hidden(cell))
    return next(hidden, len(notebook.cells))


def message_for(cell: NotebookNode, *, guarded: bool = False) -> str:
    """What the student is told about a test cell that did not get all of its points.

    `guarded` is for a visible test that ran after a hidden one.
    """
    failure = failure_of(cell) or {}
    errors = [output for output in _outputs(cell) if output.output_type == "error"]
    error: Mapping[str, Any] = errors[0] if errors else {}
    name = str(failure.get("error") or error.get("ename", ""))
    message = str(failure.get("message") or error.get("evalue", "")).strip()
    if is_hidden(cell):
        return authors_words(message, cell.source) or _guarded(_HIDDEN_TEST, name, failure)
    if guarded:
        words = authors_words(message, cell.source) or _guarded("This test", name, failure)
        return words if name in _EXPLAINED else f"{words}{'' if words[-1] in '.!?' else '.'} {_RUN_IT}"
    if failure.get("message"):
        return message
    if name in _EXPLAINED:
        return f"The test failed: {_EXPLAINED[name]}"
    if failure.get("call") and failure.get("expected"):
        return f"{failure['call']} gave {failure.get('got')}, expected {failure['expected']}"
    if failure.get("details"):  # the error's own first line says more than the headline
        hint = (failure["details"].get("summary") or {}).get("hint")
        said = str(error.get("evalue", "")).strip().partition("\n")[0]
        return f"{said.removesuffix('.')}. Hint: {hint}" if hint else said
    if failure.get("headline"):
        return str(failure["headline"])
    return f"{name}: {message}".strip(": ").partition("\n")[0] or "The test failed."


def failure_of(cell: NotebookNode) -> dict[str, Any] | None:
    """What the course's extension recorded of a failing test, if it was there to see it."""
    for output in _outputs(cell):
        found = output.get("data", {}).get(FAILURE)
        if isinstance(found, dict):
            return found
    return None


def timed_out(notebook: NotebookNode) -> list[str]:
    """The cells that were stopped because they ran too long, by grade_id or position (counted from 1)."""
    return [
        grade_id(cell) or f"cell {position}"
        for position, cell in enumerate(notebook.cells, 1)
        if any(output.get("ename") == TIMEOUT for output in _outputs(cell))
    ]


def _outcome(cell: NotebookNode, score: float, guarded: bool, message: str) -> Outcome:
    """`message` is what to say where the test fails, if that does not depend on how."""
    return Outcome(
        name=str(grade_id(cell)),
        hidden=is_hidden(cell),
        guarded=guarded,
        score=score,
        points=points(cell),
        message="" if score >= points(cell) else message or message_for(cell, guarded=guarded)[:_LONGEST],
    )


def _graded(exercise: Exercise) -> Iterator[NotebookNode]:
    """The cells of an exercise that carry points: its tests, and answers that a teacher grades."""
    yield from (cell for cell in exercise.solutions if points(cell))
    yield from exercise.tests


def _titles(notebook: NotebookNode) -> dict[str, str]:
    """The heading over each exercise's first cell."""
    titles: dict[str, str] = {}
    heading = ""
    first_cells = {
        id(cell): exercise.name
        for exercise in exercises(notebook)
        for cell in exercise.solutions + exercise.tests
    }
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = _last_heading(cell.source) or heading
        if id(cell) in first_cells and heading:
            titles.setdefault(first_cells[id(cell)], heading)
    return titles


def _last_heading(source: str) -> str:
    """The last heading in a Markdown text as it is read, or an empty text."""
    lines = [line for line in source.splitlines() if line.startswith("#") and len(line) <= _LONGEST]
    titles = (line.lstrip("#").strip().rstrip("#").rstrip() for line in reversed(lines))
    return _ESCAPED.sub(r"\1", next(filter(None, titles), ""))


def _outputs(cell: NotebookNode) -> list[NotebookNode]:
    return list(cell.get("outputs", []))


def _guarded(test: str, error: str, failure: Mapping[str, Any]) -> str:
    """What can be told of a failed test without its author's help.

    Of a hidden test the kind of error, if it is one of the usual; of another nothing, as its student can run it.
    """
    if error in _EXPLAINED:
        return f"{test} failed: {_EXPLAINED[error]}"
    kind = getattr(builtins, error, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, AssertionError):
        return f"{test} failed."  # a class of the student's can be named after the test's data
    named = error if error in _USUAL and test == _HIDDEN_TEST else "an error"
    if failure.get("raised_line"):
        return f"Your code raised {named} while {test[0].lower()}{test[1:]} ran."
    return f"{test} stopped with {named}: it could not use what your code gave back."
