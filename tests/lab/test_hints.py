from __future__ import annotations

import json
from datetime import UTC, datetime

import nbformat
import pytest

from course.lab.hints import Hints, hints_due, hints_in
from course.lab.progress import Try

NOW = datetime(2026, 11, 5, tzinfo=UTC)
TWO = ("Look at ON", "Add a condition to ON")


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ("✗", Hints((), newest_is_new=False, left=2)),
        ("✗✗", Hints(TWO[:1], newest_is_new=True, left=1)),
        ("✗✗✗", Hints(TWO, newest_is_new=True, left=0)),
        ("✗✗✗✗", Hints(TWO, newest_is_new=False, left=0)),
        ("✗✗✗✓✗", Hints((), newest_is_new=False, left=2)),
        ("✗✓", Hints((), newest_is_new=False, left=0)),
        ("", Hints((), newest_is_new=False, left=0)),
    ],
)
def test_a_hint_comes_with_each_further_failed_try_since_the_last_pass(tries, expected):
    assert hints_due(TWO, [Try(sign == "✓", NOW) for sign in tries]) == expected


def test_an_exercise_without_hints_says_nothing():
    assert hints_due([], [Try(False, NOW)] * 5) == Hints()


def test_hints_are_read_by_the_cells_id(tmp_path):
    path = tmp_path / "lab.ipynb"
    cells = [nbformat.v4.new_code_cell(id=name) for name in ("orders-visible", "sums-visible")]
    cells[0].metadata["course"] = {"hints": list(TWO)}
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert hints_in(path, "orders-visible") == list(TWO)
    assert hints_in(path, "sums-visible") == []
    assert hints_in(path, "gone-visible") == []


@pytest.mark.parametrize("cell", [None, {"id": "a"}, {"id": "a", "metadata": {"course": 3}}])
def test_a_damaged_notebook_has_no_hints(tmp_path, cell):
    path = tmp_path / "lab.ipynb"
    assert hints_in(path, "a") == []
    path.write_text(json.dumps({"cells": [cell]}))
    assert hints_in(path, "a") == []
    path.write_text("not JSON")
    assert hints_in(path, "a") == []
