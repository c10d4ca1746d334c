"""Read a graded notebook: what each exercise scored, and what its student should be told first.

Of a hidden test a student learns the author's message and nothing else: no source, no traceback, no data.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from course.publishing.exercises import Exercise, exercises, grade_id, points

FAILURE = "application/vnd.course.failure+json"
TIMEOUT = "CellTimeoutError"

_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*#*$", re.MULTILINE)
_HIDDEN = "BEGIN HIDDEN TESTS"
_FIELD = ".{0,60}"  # what an author's f-string may put into a message
_LEAST_WORDS = 4  # that tell a message from a piece of data
_LEAST_TEXT = 10  # characters of its own that an f-string needs, to be told from any other text

_TOO_LONG = "it ran too long and was stopped; look for a loop that never ends."
_EXPLAINED = {
    "NotImplementedError": "this exercise is not written yet.",
    "NameError": "a name that the exercise asks for does not exist; check its spelling, and run your cell first.",
    TIMEOUT: _TOO_LONG,
    "KeyboardInterrupt": _TOO_LONG,
}


@dataclass(frozen=True)
class Outcome:
    """What one test cell came to; `message` is for its student, and empty where the test passed."""

    name: str
    hidden: bool
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
    results = []
    for exercise in exercises(notebook):
        cells = [cell for cell in _graded(exercise) if grade_id(cell) in grades]
        scored = [grades[str(grade_id(cell))] for cell in cells]
        results.append(
            ExerciseResult(
                name=exercise.name,
                title=titles.get(exercise.name, exercise.name),
                score=sum(grade.score for grade in scored),
                points=sum(points(cell) for cell in cells),
                waiting=any(grade.waiting for grade in scored),
                tests=tuple(
                    _outcome(cell, grades[str(grade_id(cell))].score)
                    for cell in exercise.tests
                    if grade_id(cell) in grades
                ),
            )
        )
    return results


def is_hidden(cell: NotebookNode) -> bool:
    """Whether a test cell is, or has, a hidden test."""
    name = grade_id(cell) or ""
    return bool(points(cell)) and ("-hidden" in name or _HIDDEN in cell.source)


def message_for(cell: NotebookNode) -> str:
    """What the student is told about a test cell that did not get all of its points."""
    failure = failure_of(cell) or {}
    errors = [output for output in _outputs(cell) if output.output_type == "error"]
    error: Mapping[str, Any] = errors[0] if errors else {}
    name = str(failure.get("error") or error.get("ename", ""))
    message = str(failure.get("message") or error.get("evalue", "")).strip()
    if is_hidden(cell):
        return message if _is_authors(message, cell.source) else _guarded(name, failure)
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


def _outcome(cell: NotebookNode, score: float) -> Outcome:
    return Outcome(
        name=str(grade_id(cell)),
        hidden=is_hidden(cell),
        score=score,
        points=points(cell),
        message="" if score >= points(cell) else message_for(cell),
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
        if cell.cell_type == "markdown" and (found := _HEADING.findall(cell.source)):
            heading = found[-1]
        if id(cell) in first_cells and heading:
            titles.setdefault(first_cells[id(cell)], heading)
    return titles


def _outputs(cell: NotebookNode) -> list[NotebookNode]:
    return list(cell.get("outputs", []))


def _guarded(error: str, failure: Mapping[str, Any]) -> str:
    """What can be told of a failed hidden test without its author's help: the kind of error, if it is Python's own."""
    if error in _EXPLAINED:
        return f"A hidden test failed: {_EXPLAINED[error]}"
    kind = getattr(builtins, error, None)
    own = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, AssertionError)
    if not own:  # a class of the student's can be named after the test's data
        return "A hidden test failed."
    if failure.get("raised_line"):
        return f"Your code raised {error} while a hidden test ran."
    return f"A hidden test stopped with {error}: it could not use what your code gave back."


def _is_authors(text: str, source: str) -> bool:
    """Whether the author of a test wrote this text as a message.

    An exception raised by the student's code carries whatever they want, the test's data included. So a message counts
    where the source has it: after an assert's comma, as an argument `message=...`, or, where these name a variable, as
    any text of some words.
    """
    try:
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    messages: list[ast.AST] = list(_messages(tree))
    if not all(isinstance(node, ast.Constant | ast.JoinedStr) for node in messages):
        messages += [node for node in ast.walk(tree) if _is_prose(node)]
    return bool(text) and any(_fits(text, node) for node in messages)


def _messages(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are messages by where they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg:
            yield node.msg
        elif isinstance(node, ast.keyword) and node.arg == "message":
            yield node.value


def _is_prose(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value.split()) >= _LEAST_WORDS
    )


def _fits(text: str, node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.strip() == text
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        if sum(len(str(part).strip()) for part in parts if part is not None) < _LEAST_TEXT:
            return False
        pattern = "".join(_FIELD if part is None else re.escape(str(part)) for part in parts)
        return re.fullmatch(pattern.strip(), text) is not None
    return False
