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


QUICK = ("feedback", "metadata", "outside", "stealing")


def pytest_collection_modifyitems(items):
    """All classes of threat under both commands take long: `make test` tries some of them under the course's own."""
    for item in items:
        if item.module.__name__.endswith("test_threats") and (
            "nbgrader autograde" in item.name or _threat(item) not in QUICK
        ):
            item.add_marker(pytest.mark.slow)


def _threat(item):
    """The class of threat that a test is about."""
    asked = item.callspec.params
    return asked["threat"] if "threat" in asked else asked["submission"].threat
