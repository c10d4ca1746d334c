"""Mend the graded cells of a submitted notebook before nbgrader sees them.

A preprocessor for `Autograde.sanitize_preprocessors`, in place of nbgrader's own DeduplicateIds, whose result nbgrader
itself refuses, and with it the whole class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from course.publishing.exercises import grade_id, is_solution


class MendCells(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Make a submission's graded cells the gradebook's own, but for what the student wrote in them."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Mend `nb` in place."""
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            mend(nb, known_cells(gradebook, where["assignment"], where["notebook"]))
        return nb, resources


def known_cells(gradebook: Gradebook, phase: str, lab: str) -> list[NotebookNode]:
    """The graded cells of a lab as the gradebook knows them, in the lab's order."""
    notebook = gradebook.find_notebook(lab, phase)
    points = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
    graded = {cell.name for cell in notebook.grade_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    cells = []
    for known in notebook.source_cells:
        if known.cell_type == "code":
            cell = new_code_cell(known.source, id=known.name)
        else:
            cell = new_markdown_cell(known.source, id=known.name)
        cell.metadata["nbgrader"] = {
            "schema_version": 3,
            "grade_id": known.name,
            "grade": known.name in graded,
            "solution": known.name in solutions,
            "locked": known.locked,
            "task": known.name in tasks,
            "cell_type": known.cell_type,
        }
        if known.name in points:
            cell.metadata["nbgrader"]["points"] = points[known.name]
        cells.append(cell)
    return cells


def mend(notebook: NotebookNode, known: Sequence[NotebookNode]) -> None:
    """Make the graded cells of `notebook` fit those of the gradebook, in place.

    - The first cell of each grade_id is the graded one. Copies of it, and cells that the gradebook does not know, stay
      where they are as ordinary cells: they still run.
    - A deleted test comes back before the next of the lab's cells that is still there, after all that the student wrote
      for it. A deleted answer does not: its empty stub could hide an answer in another cell.
    - All metadata of a graded cell is the gradebook's: a student's tag cannot keep a test from running.
    - The id of a graded cell is its grade_id, and no other cell has it.
    """
    by_name = {str(grade_id(cell)): cell for cell in known}
    present: set[str] = set()
    for cell in notebook.cells:
        name = grade_id(cell)
        if name in by_name and name not in present:
            present.add(name)
            cell.metadata = by_name[name].metadata
            cell.id = name
        else:
            cell.metadata.pop("nbgrader", None)
            if cell.get("id", "") in by_name:
                cell.pop("id")
    _put_back([cell for cell in known if not is_solution(cell)], known, present, notebook)
    _give_ids(notebook)


def _put_back(
    wanted: list[NotebookNode], known: Sequence[NotebookNode], present: set[str], notebook: NotebookNode
) -> None:
    order = [str(grade_id(cell)) for cell in known]
    for cell in reversed(wanted):  # so that each finds the ones after it in their place
        name = str(grade_id(cell))
        if name in present:
            continue
        later = set(order[order.index(name) + 1 :])
        positions = [i for i, each in enumerate(notebook.cells) if grade_id(each) in later]
        notebook.cells.insert(positions[0] if positions else len(notebook.cells), cell)


def _give_ids(notebook: NotebookNode) -> None:
    """Give every cell an id of its own, which notebooks have had since format 4.5."""
    notebook.nbformat_minor = max(notebook.get("nbformat_minor", 0), 5)
    taken = {cell.id for cell in notebook.cells if grade_id(cell)}
    for position, cell in enumerate(notebook.cells):
        if grade_id(cell):
            continue
        if not cell.get("id") or cell.id in taken:
            cell.id = f"cell-{position}"
            while cell.id in taken:
                cell.id += "-x"
        taken.add(cell.id)
