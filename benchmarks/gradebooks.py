"""Read the grades in an nbgrader gradebook, and say where two gradebooks differ."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_QUERY = """
SELECT submission.student_id, notebook.name, cell.name, grade.auto_score, grade.manual_score, grade.extra_credit,
       grade.needs_manual_grade, work.late_submission_penalty
FROM grade
JOIN base_cell AS cell ON cell.id = grade.cell_id
JOIN submitted_notebook AS work ON work.id = grade.notebook_id
JOIN notebook ON notebook.id = work.notebook_id
JOIN submitted_assignment AS submission ON submission.id = work.assignment_id
JOIN assignment ON assignment.id = submission.assignment_id
WHERE assignment.name = ?
"""


@dataclass(frozen=True, order=True)
class Cell:
    """Whose grade it is, and for what: the lab's name and the cell's grade_id."""

    student: str
    lab: str
    name: str

    def __str__(self) -> str:
        return f"{self.student} {self.lab} {self.name}"


@dataclass(frozen=True)
class Row:
    """What a gradebook holds of one graded cell; scores are points."""

    auto_score: float | None
    manual_score: float | None
    extra_credit: float | None
    needs_manual_grade: bool
    late_penalty: float | None


def read_rows(database: Path, phase: str) -> dict[Cell, Row]:
    """All grades of a phase."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return {
            Cell(student, lab, name): Row(auto, manual, extra, bool(needs), late)
            for student, lab, name, auto, manual, extra, needs, late in connection.execute(_QUERY, (phase,))
        }


def differences(one: Mapping[Cell, Row], other: Mapping[Cell, Row]) -> Iterator[str]:
    """A line for each row that the two do not share, by cell."""
    for cell in sorted(one.keys() | other.keys()):
        if one.get(cell) != other.get(cell):
            yield f"{cell}: {_show(one.get(cell))} | {_show(other.get(cell))}"


def broken_promises(rows: Mapping[Cell, Row], promised: Mapping[Cell, float]) -> Iterator[str]:
    """A line for each cell whose automatic score is not the one promised."""
    for cell, score in sorted(promised.items()):
        got = rows[cell].auto_score if cell in rows else None
        if got != score:
            yield f"{cell}: got {got}, promised {score:g}"


def _show(row: Row | None) -> str:
    if row is None:
        return "no row"
    extras = [f"{name}={value}" for name, value in vars(row).items() if name != "auto_score" and value]
    return " ".join([f"{row.auto_score}", *extras])
