"""The cells of a lab's notebook as trials need them: apart, so that who only runs trials need not read code trees."""

from __future__ import annotations

from nbformat import NotebookNode

from course.proof.trials import Cell
from course.publishing.exercises import is_test, owner


def cells(lab: NotebookNode) -> tuple[Cell, ...]:
    """The code cells of a lab, as trials need them."""
    return tuple(
        Cell(cell.id, cell.source, owner(cell), is_test(cell))
        for cell in lab.cells
        if cell.cell_type == "code"
    )
