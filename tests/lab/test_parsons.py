"""Parsons problems: how they are shuffled, what a page without a kernel shows, and as they should not be written."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course.errors import CourseError
from course.lab.parsons import parsons

PROGRAM = """
    total = 0

    for price in prices:
        if price < 10:
            total += price
    print(total)
"""
LINES = ["total = 0", "for price in prices:", "if price < 10:", "total += price", "print(total)"]


def still_of(*arguments: Any, **named: Any) -> dict[str, str]:
    InteractiveShell.instance()
    with capture_output() as shown:
        parsons(*arguments, **named)
    assert (shown.stdout, shown.stderr) == ("", "")
    still, live = shown.outputs
    assert "application/vnd.jupyter.widget-view+json" in live.data
    return still.data


def shuffled(*arguments: Any, **named: Any) -> list[str]:
    lines = still_of(*arguments, **named)["text/plain"].splitlines()
    return [line.removeprefix("  - ") for line in lines[1:]]


def test_the_right_order_waits_behind_a_fold() -> None:
    html = still_of("Add up `prices`.", PROGRAM)["text/html"]
    before, after = html.split("</summary>")
    assert "Add up <code>prices</code>." in before
    assert all(f"<li><code>{line.replace('<', '&lt;')}</code></li>" in before for line in LINES)
    assert (
        "for price in prices:\n    if price &lt; 10:\n        total += price\nprint(total)</code></pre>"
        in after
    )


def test_lines_are_shuffled_by_the_key_alone_and_never_right() -> None:
    first = shuffled("Add up.", PROGRAM, key="sum")
    assert first == shuffled("Add up, please.", PROGRAM, key="sum")
    assert sorted(first) == sorted(LINES)
    orders = [shuffled("Order.", "a = 1\nb = 2", distractors=["c = 3"], key=str(key)) for key in range(20)]
    assert len({tuple(order) for order in orders}) > 1
    for order in orders:
        assert [line for line in order if line != "c = 3"] == ["b = 2", "a = 1"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"task": " "}, "no task"),
        ({"program": "x = 1"}, "at least two different lines"),
        ({"program": "x = 1\nx = 1"}, "at least two different lines"),
        ({"program": "if x:\n  y = 1"}, "not indented by four spaces: 'y = 1'"),
        ({"program": "if x:\n\ty = 1"}, "not indented by four spaces"),
        ({"distractors": "c = 3"}, "distractors= .* is a list"),
        ({"also": "b = 2\na = 1"}, "also= .* is a list"),
        ({"distractors": ["a = 1"]}, "is empty or a line of the program: 'a = 1'"),
        ({"also": ["b = 2"]}, "has the lines of the program, all of them"),
        ({"also": ["b = 2\na = 1"]}, "Nearly every order"),
    ],
)
def test_a_problem_that_cannot_be_solved_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(CourseError, match=says):
        parsons(**{"task": "Order.", "program": "a = 1\nb = 2"} | arguments)
