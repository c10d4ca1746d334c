"""A test cell judges a solution alike in the notebook's own process and through the examiner."""

from __future__ import annotations

import functools

import pytest

from course.examiner.recording import Recording
from tests.examiner.natural_cells import CASES, Case, pairs
from tests.examiner.worlds import alone, examined, record


@functools.cache
def recording_of(name: str) -> Recording:
    case = next(each for each in CASES if each.name == name)
    return record(case.right[0], case.test)


@pytest.mark.parametrize(("case", "solution", "expected"), pairs())
def test_both_worlds_agree(case: Case, solution: str, expected: bool) -> None:
    here = alone(solution, case.test)
    assert here.passed is expected, f"in one process: {here.why}"
    there = examined(solution, case.test, recording_of(case.name))
    assert there.passed is expected, f"examined: {there.why}"
