"""What is noted of a test's own checks, and that nothing else of them changes."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any

import pytest

from course.examiner.checks import FAILED, CheckNoter
from course.lab.assertions import AssertNamer


class Claim:
    """Counts how often it is asked whether it is true."""

    def __init__(self, true: bool) -> None:
        self.true, self.asked = true, 0

    def __bool__(self) -> bool:
        self.asked += 1
        return self.true


def noted(source: str, **names: Any) -> int:
    """How often a failing check is noted while a source runs."""
    notes: list[None] = []
    tree = CheckNoter().visit(AssertNamer().visit(ast.parse(source)))
    names[FAILED] = lambda: notes.append(None)
    with suppress(AssertionError):
        exec(compile(ast.fix_missing_locations(tree), "<cell>", "exec"), names)
    return len(notes)


@pytest.mark.parametrize(
    "source", ["assert {}, 'why'", "assert yes and {}, 'why'", "assert not no and {}, 'why'"]
)
@pytest.mark.parametrize("true", [True, False])
def test_a_check_asks_once_and_is_noted_where_it_fails(source: str, true: bool) -> None:
    claim = Claim(true)
    assert noted(source.format("claim"), claim=claim, yes=True, no=False) == (not true)
    assert claim.asked == 1


@pytest.mark.parametrize(
    "source",
    [
        "raise AssertionError('why')",
        "def check():\n    if 1: raise AssertionError('why')\ncheck()",
        "try:\n    raise AssertionError\nexcept AssertionError: pass",
    ],
)
def test_an_error_of_a_check_is_noted_where_it_is_raised(source: str) -> None:
    assert noted(source) == 1


@pytest.mark.parametrize(
    "source", ["raise ValueError('why')", "raise", "raise error", "assert (claim, 'message')", "x = 1"]
)
def test_nothing_else_is_changed(source: str) -> None:
    assert ast.unparse(CheckNoter().visit(ast.parse(source))) == source
