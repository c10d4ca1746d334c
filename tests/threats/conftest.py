"""One published course for the whole suite, and each class graded once."""

from __future__ import annotations

from functools import cache

import pytest

from .classroom import publish
from .runner import Pipeline, grade
from .submission import submissions


@pytest.fixture(scope="session")
def evidence(tmp_path_factory):
    """What came of grading the hostile students of one class of threat and phase: `evidence(pipeline, threat, phase)`."""
    published = publish(tmp_path_factory.mktemp("published") / "course")

    @cache
    def graded(pipeline: Pipeline, threat: str, phase: str):
        hostile = [each for each in submissions() if (each.threat, each.phase) == (threat, phase)]
        return grade(published, hostile, pipeline)

    return graded


def pytest_collection_modifyitems(items):
    """Both commands run in one cage: that nbgrader's own does is shown by one class of threat, all take too long."""
    for item in items:
        if "nbgrader autograde" in item.name and "outside" not in item.name:
            item.add_marker(pytest.mark.slow)
