"""Hostile students gain nothing, and nobody loses anything by them: through nbgrader's command and the course's."""

import pytest

from .runner import gains, harm, is_flagged
from .submission import submissions

HOSTILE = submissions()
CLASSES = sorted({(each.threat, each.phase) for each in HOSTILE})


@pytest.fixture(params=["course grade", "nbgrader autograde"])
def pipeline(request):
    return request.param


@pytest.mark.parametrize(("threat", "phase"), CLASSES)
def test_nobody_else_is_harmed(evidence, pipeline, threat, phase):
    found = evidence(pipeline, threat, phase)
    assert harm(found) == [], found.output[-5000:]


@pytest.mark.parametrize("submission", HOSTILE, ids=lambda each: f"{each.threat}/{each.name}")
def test_a_hostile_student_gains_nothing(evidence, pipeline, submission):
    assert gains(evidence(pipeline, submission.threat, submission.phase), submission) == []


@pytest.mark.parametrize(
    "submission", [each for each in HOSTILE if each.flagged], ids=lambda each: f"{each.threat}/{each.name}"
)
def test_what_needs_a_human_is_reported(evidence, submission):
    found = evidence("course grade", submission.threat, submission.phase)
    assert is_flagged(found, submission), found.output[-5000:]
