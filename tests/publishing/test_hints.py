"""Hints after the first: from the text of an exercise to its visible tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from course.publishing.build import build, check
from course.publishing.checks import LeakError
from course.publishing.notebook import read_lab
from course.publishing.text import LabError

HEADING = "### Exercise 2: total\n"
FIRST = "<details><summary>Hint</summary>Add.</details>"
SECOND = "<details><summary>Hint 2</summary>\nUse `sum`,\nif x &lt; 1.\n</details>"
THIRD = "<details><summary>Hint 3</summary>It starts at 0.</details>"


@pytest.fixture
def lab(root: Path) -> Path:
    return root / "source" / "04-databases" / "14b-orders.md"


def with_hints(lab: Path, *hints: str) -> str:
    text = lab.read_text().replace(HEADING, "\n\n".join([HEADING.strip(), *hints, ""]))
    lab.write_text(text)
    return text


def test_further_hints_move_to_the_visible_test(lab: Path) -> None:
    with_hints(lab, FIRST, SECOND, THIRD, "The end.")
    cells = {cell.id: cell for cell in read_lab(lab).cells}
    assert cells["total-visible"].metadata["course"] == {
        "hints": ["Use `sum`,\nif x < 1.", "It starts at 0."]
    }
    assert [name for name, cell in cells.items() if "course" in cell.metadata] == ["total-visible"]
    texts = [cell.source.rstrip() for cell in cells.values() if FIRST in cell.source]
    assert texts == [f"{HEADING}\n{FIRST}\n\nThe end."]
    assert not any("Hint 2" in cell.source for cell in cells.values())


@pytest.mark.parametrize(
    ("hints", "at", "message"),
    [
        ([FIRST, THIRD], THIRD, "Hint 3 is out of turn: here comes Hint 2"),
        ([FIRST, SECOND, SECOND], SECOND, "Hint 2 is out of turn: here comes Hint 3"),
        ([SECOND], SECOND, "Hint 2 without a first"),
    ],
)
def test_a_hint_out_of_turn_is_told_with_its_line(lab: Path, hints: list[str], at: str, message: str) -> None:
    text = with_hints(lab, *hints)
    with pytest.raises(LabError, match=message) as told:
        read_lab(lab)
    assert told.value.line == text[: text.rindex(at)].count("\n") + 1


def test_a_hint_that_no_test_gives_is_told(lab: Path) -> None:
    text = lab.read_text() + f"\n## Summary\n\n{FIRST}\n\n{THIRD.replace('3', '2', 1)}\n"
    lab.write_text(text)
    with pytest.raises(LabError, match="no visible test follows this hint") as told:
        read_lab(lab)
    assert told.value.line == text[: text.index("Hint 2")].count("\n") + 1


def test_students_get_the_hints_in_the_released_test(root: Path, lab: Path) -> None:
    with_hints(lab, FIRST, SECOND)
    build(root)
    released = (root / "release" / "04-databases" / "14b-orders.ipynb").read_text()
    assert "Use `sum`" in released
    assert "Hint 2" not in released
    check(root)  # made afresh, it is the same


def test_a_hint_that_is_the_solution_is_refused(root: Path, lab: Path) -> None:
    with_hints(lab, FIRST, SECOND.replace("Use", "return sum(prices, start=0.0)"))
    with pytest.raises(LeakError, match="total"):
        build(root)
