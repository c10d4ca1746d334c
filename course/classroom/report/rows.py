"""Read what a class scored in a phase out of nbgrader's gradebook, in a few queries however large the class is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from course.errors import CourseError
from course.grade_ids import exercise_of
from course.grading.engine import CourseFolder

UNTOUCHED = "No response."
"""What nbgrader's autograder comments on an answer that is as it was released."""


@dataclass(frozen=True, order=True)
class Key:
    """An exercise of a phase."""

    lab: str
    exercise: str


@dataclass(frozen=True)
class Result:
    """What one student scored in one exercise.

    `tried` is false where the answer is as it was released, or the lab was not handed in or not readable; `waiting` is
    true where a teacher has points to give yet.
    """

    score: float
    points: float
    tried: bool
    waiting: bool

    @property
    def share(self) -> float:
        """The share of the points, from 0 to 1; extra credit does not count."""
        return min(1.0, max(0.0, self.score / self.points))


@dataclass(frozen=True)
class ClassResults:
    """A class's results.

    `names` are all students of the gradebook, `handed_in` those whose work is graded, with the time they handed it in
    where that is known; these have a result for each exercise in `points`. `absent` are the labs of theirs that were not
    handed in, or could not be read or run.
    """

    phase: str
    names: Mapping[str, str]
    handed_in: Mapping[str, datetime | None]
    points: Mapping[Key, float]
    results: Mapping[tuple[str, Key], Result]
    absent: frozenset[tuple[str, str]] = frozenset()

    def of(self, key: Key) -> list[Result]:
        """The results of an exercise, in the order of `handed_in`."""
        return [self.results[student, key] for student in self.handed_in]


def read(folder: CourseFolder, phase: str) -> ClassResults:
    """What the gradebook says of a phase.

    Raises CourseError where there is no gradebook, or nobody's work in the phase is graded.
    """
    with _gradebook(folder, phase) as gradebook:
        found = _read(folder, gradebook, phase)
    if not found.handed_in:
        raise CourseError(f"Nobody's work on {phase} is graded yet. {_first(phase)}")
    return found


def graded_phases(folder: CourseFolder) -> list[str]:
    """The phases of the gradebook in which somebody's work is graded.

    Raises CourseError where there is no gradebook.
    """
    with _gradebook(folder, "<phase>") as gradebook:
        names = gradebook.db.query(Assignment.name).join(SubmittedAssignment).distinct()
        return sorted(name for (name,) in names)


@contextmanager
def _gradebook(folder: CourseFolder, phase: str) -> Iterator[Gradebook]:
    """The gradebook, which nbgrader would make where there is none."""
    url = make_url(folder.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CourseError(f"There is no gradebook yet: {url.database}. {_first(phase)}")
    try:
        with folder.gradebook() as gradebook:
            yield gradebook
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise CourseError(
            f"The gradebook cannot be read: {reason}. If another program holds it, let it finish, then run this again"
        ) from error


def _first(phase: str) -> str:
    return f"Collect and grade the class's work first: nbgrader collect {phase}, then course grade {phase}"


def _read(folder: CourseFolder, gradebook: Gradebook, phase: str) -> ClassResults:
    db = gradebook.db
    names = {
        student: " ".join(filter(None, (first, last)))
        for student, first, last in db.query(Student.id, Student.first_name, Student.last_name)
    }
    submissions = (
        db.query(SubmittedAssignment.student_id, SubmittedAssignment.timestamp)
        .join(Assignment)
        .filter(Assignment.name == phase)
        .order_by(SubmittedAssignment.student_id)
    )
    handed_in = dict(map(tuple, submissions))
    worth = {cell: (key, points) for cell, key, points in _graded_cells(gradebook, phase)}
    points: dict[Key, float] = defaultdict(float)
    for key, most in worth.values():
        points[key] += most
    points = {key: most for key, most in points.items() if most > 0}

    scores: dict[tuple[str, Key], float] = defaultdict(float)
    waiting = set()
    grades = _of_submissions(
        gradebook, phase, Grade, Grade.score, Grade.needs_manual_grade, Grade.manual_score
    )
    for student, cell, score, needs_teacher, given in grades:
        if cell in worth:
            scores[student, worth[cell][0]] += score or 0.0
            if needs_teacher and given is None:
                waiting.add((student, worth[cell][0]))
    present = {
        (student, key.lab)
        for (student, key), score in scores.items()
        if score > 0 or (student, key) in waiting
    }
    absent = frozenset(
        (student, lab)
        for student in handed_in
        for lab in {key.lab for key in points}
        if (student, lab) not in present
        and not (folder.autograded(student, phase) / f"{lab}.ipynb").is_file()
    )
    answered = _answered(gradebook, phase)
    results = {
        (student, key): Result(
            score=scores[student, key],
            points=most,
            tried=(student, key.lab) not in absent and answered.get((student, key), True),
            waiting=(student, key) in waiting,
        )
        for student in handed_in
        for key, most in points.items()
    }
    return ClassResults(phase, names, handed_in, points, results, absent)


def _graded_cells(gradebook: Gradebook, phase: str) -> Iterator[tuple[str, Key, float]]:
    for kind in (GradeCell, TaskCell):
        cells = gradebook.db.query(kind.id, Notebook.name, kind.name, kind.max_score)
        for cell, lab, name, points in _in_phase(cells, kind, phase):
            yield cell, Key(lab, exercise_of(name)), points or 0.0


def _answered(gradebook: Gradebook, phase: str) -> dict[tuple[str, Key], bool]:
    """Whether any answer of an exercise was changed, by student and exercise."""
    cells = gradebook.db.query(SolutionCell.id, Notebook.name, SolutionCell.name)
    known = {cell: Key(lab, exercise_of(name)) for cell, lab, name in _in_phase(cells, SolutionCell, phase)}
    answered: dict[tuple[str, Key], bool] = {}
    for student, cell, comment in _of_submissions(gradebook, phase, Comment, Comment.auto_comment):
        if cell in known:
            place = student, known[cell]
            answered[place] = answered.get(place, False) or comment != UNTOUCHED
    return answered


def _in_phase(query: object, kind: type, phase: str) -> Sequence[tuple]:  # type: ignore[type-arg]
    return (  # type: ignore[no-any-return]
        query.join(Notebook, kind.notebook_id == Notebook.id)  # type: ignore[attr-defined]
        .join(Assignment, Notebook.assignment_id == Assignment.id)
        .filter(Assignment.name == phase)
    )


def _of_submissions(gradebook: Gradebook, phase: str, kind: type, *columns: object) -> Sequence[tuple]:  # type: ignore[type-arg]
    """By student and cell some columns of all grades, or all comments, of a phase."""
    return (  # type: ignore[no-any-return]
        gradebook.db.query(SubmittedAssignment.student_id, kind.cell_id, *columns)  # type: ignore[attr-defined]
        .join(SubmittedNotebook, kind.notebook_id == SubmittedNotebook.id)  # type: ignore[attr-defined]
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .filter(Assignment.name == phase)
    )
