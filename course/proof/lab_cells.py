"""The cells of a lab's notebook as trials need them: apart, so that who only runs trials need not read code trees."""

from __future__ import annotations

from nbformat import NotebookNode

from course.proof.trials import Cell
from course.publishing.exercises import exercise_of, is_solution, is_test


def cells(lab: NotebookNode) -> tuple[Cell, ...]:
    """The code cells of a lab, as trials need them."""
    return tuple(
        Cell(
            cell.id,
            cell.source,
            exercise_of(cell.id) if is_solution(cell) or is_test(cell) else "",
            is_test(cell),
        )
        for cell in lab.cells
        if cell.cell_type == "code"
    )
