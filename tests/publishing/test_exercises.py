"""The exercises of a lab are found by the grade_ids of its cells."""

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from course.grade_ids import kind_of
from course.publishing.exercises import exercise_of, exercises, grade_id


def graded(name: str, points: float | None = None) -> NotebookNode:
    nbgrader = {"grade_id": name, "solution": points is None, "grade": points is not None, "points": points}
    return new_code_cell(metadata={"nbgrader": nbgrader})


@pytest.mark.parametrize(
    ("name", "exercise", "kind"),
    [
        ("orders", "orders", None),
        ("orders-solution-two", "orders", None),
        ("orders-visible", "orders", "visible"),
        ("orders-by-day-hidden", "orders-by-day", "hidden"),
        ("orders-hidden-ties", "orders", "hidden"),
        ("orders-hiddenness", "orders-hiddenness", None),
    ],
)
def test_a_grade_id_names_its_exercise_and_its_kind(name: str, exercise: str, kind: str | None) -> None:
    assert (exercise_of(name), kind_of(name)) == (exercise, kind)


def test_cells_are_grouped_by_exercise_in_their_order() -> None:
    cells = [graded("b"), graded("b-visible", 1), new_code_cell("1 + 1"), graded("a"), graded("b-hidden", 2),
             graded("a-hidden-ties", 0.5), graded("a-solution-more")]  # fmt: skip
    second, first = exercises(new_notebook(cells=cells))
    assert (second.name, second.points, [grade_id(cell) for cell in second.tests]) == (
        "b",
        3,
        ["b-visible", "b-hidden"],
    )
    assert (first.name, first.points) == ("a", 0.5)
    assert first.solutions == [cells[3], cells[6]]
    assert first.hidden == [cells[5]]
