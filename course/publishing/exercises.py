"""Find the exercises of a lab by the grade_ids of its cells."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbformat import NotebookNode

from course.grade_ids import exercise_of, kind_of


@dataclass
class Exercise:
    """One exercise: the cells a student fills in, and the cells that test them.

    Cells are the notebook's own (shared, not copied), in notebook order. A test cell's grade_id is the exercise's name
    followed by `-visible` or `-hidden`, and a further word where points are split: `slug-hidden-ties`. A second
    solution cell is `<exercise>-solution-<word>`.
    """

    name: str
    solutions: list[NotebookNode] = field(default_factory=list)
    visible: list[NotebookNode] = field(default_factory=list)
    hidden: list[NotebookNode] = field(default_factory=list)

    @property
    def tests(self) -> list[NotebookNode]:
        """The visible test cells, then the hidden ones."""
        return self.visible + self.hidden

    @property
    def points(self) -> float:
        """What the exercise is worth."""
        return float(sum(points(cell) for cell in self.tests))


def grade_id(cell: NotebookNode) -> str | None:
    """The nbgrader grade_id of a cell, or None where nbgrader does not know the cell."""
    name = cell.metadata.get("nbgrader", {}).get("grade_id")
    return str(name) if name else None


def is_solution(cell: NotebookNode) -> bool:
    """Whether a student writes in this cell."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_test(cell: NotebookNode) -> bool:
    """Whether this cell tests an exercise and is worth points."""
    meta = cell.metadata.get("nbgrader", {})
    return bool(meta.get("grade")) and not meta.get("solution")


def points(cell: NotebookNode) -> float:
    """The points of a test cell, 0 for any other."""
    return float(cell.metadata.get("nbgrader", {}).get("points", 0) or 0)


def owner(cell: NotebookNode) -> str:
    """The exercise that a cell belongs to, to be solved or to be tested; "" for any other cell."""
    name = grade_id(cell)
    return exercise_of(name) if name and (is_solution(cell) or is_test(cell)) else ""


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a lab, in the order of their first cell."""
    found: dict[str, Exercise] = {}
    for cell in notebook.cells:
        name = owner(cell)
        if not name:
            continue
        exercise = found.setdefault(name, Exercise(name))
        if is_solution(cell):
            exercise.solutions.append(cell)
        elif kind_of(str(grade_id(cell))) == "hidden":
            exercise.hidden.append(cell)
        else:
            exercise.visible.append(cell)
    return list(found.values())
