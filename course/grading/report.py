"""Show in the terminal what a class, or one person, scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from course.grading.intake import Problem
from course.grading.pages import number
from course.grading.results import ExerciseResult

_SEVERITY = {"note": "note", "mended": "mended", "human": "needs a human"}
_ORDER = ("human", "mended", "note")


@dataclass(frozen=True)
class StudentGrades:
    """One student's score for each lab handed in, and what was wrong with the files.

    `fresh` is whether this run graded them, and not an earlier one.
    """

    student: str
    scores: dict[str, float]
    problems: tuple[Problem, ...]
    fresh: bool


@dataclass(frozen=True)
class ClassGrades:
    """A class's scores for a phase; `max_scores` is what each lab is worth."""

    phase: str
    max_scores: dict[str, float]
    students: tuple[StudentGrades, ...]

    @property
    def out_of(self) -> float:
        """What the whole phase is worth."""
        return sum(self.max_scores.values())


def class_table(grades: ClassGrades) -> RenderableType:
    """The class in the terminal: a line for each student, then what needs a human's eye, and a line for each note."""
    table = Table(title=f"{grades.phase}: {len(grades.students)} students", title_justify="left")
    table.add_column("Student")
    for lab, points in grades.max_scores.items():
        table.add_column(f"{lab}\n/ {points:g}", justify="right")
    table.add_column(f"Total\n/ {grades.out_of:g}", justify="right")
    table.add_column("Problems")
    for student in grades.students:
        table.add_row(
            Text(student.student),  # a name in brackets is no markup
            *(number(student.scores.get(lab, 0)) for lab in grades.max_scores),
            number(sum(student.scores.values())),
            _problem_count(student.problems),
        )
    found = [(student.student, problem) for student in grades.students for problem in student.problems]
    serious = sorted(found, key=lambda each: _ORDER.index(each[1].severity))
    notes = [each for each in found if each[1].severity == "note"]
    return Group(table, *_eye_table(serious[: len(found) - len(notes)]), *starmap(_note_line, notes))


def own_table(lab: str, results: Sequence[ExerciseResult]) -> RenderableType:
    """One person's lab in the terminal: a line for each exercise, with the first thing to mend."""
    total = sum(result.score for result in results)
    out_of = sum(result.points for result in results)
    table = Table(title=f"{lab}: {number(total)} of {number(out_of)} points", title_justify="left")
    table.add_column("Exercise")
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("What to mend first")
    for result in results:
        message = "a teacher has to grade this" if result.waiting else result.message
        table.add_row(
            Text(result.title), f"{number(result.score)} / {number(result.points)}", Text(message or "✓ done")
        )
    return table


def _problem_count(problems: Sequence[Problem]) -> Text:
    serious = sum(problem.severity == "human" for problem in problems)
    if serious:
        return Text(f"{serious} need{'s' if serious == 1 else ''} a human", style="bold red")
    return Text(str(len(problems)) if problems else "")


def _eye_table(found: Sequence[tuple[str, Problem]]) -> list[RenderableType]:
    """What somebody should look at: first what scores 0 until they have, then what was graded all the same."""
    if not found:
        return []
    table = Table(title="What needs a human's eye", title_justify="left")
    for heading in ("", "Student", "File", "What happened", "What to do"):
        table.add_column(heading)
    for student, problem in found:
        style = "bold red" if problem.severity == "human" else "dim"
        table.add_row(
            Text(_SEVERITY[problem.severity], style=style),
            Text(student, style="bold"),
            Text(problem.file),
            Text(problem.reason),
            Text(problem.remedy),
        )
    return ["", table]


def _note_line(student: str, problem: Problem) -> Text:
    return Text.assemble(("note: ", "dim"), (f"{student} ", "bold"), str(problem))
