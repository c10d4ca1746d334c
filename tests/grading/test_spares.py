"""The next submission's cells are made while one is graded, and fit it in all ways or are not used."""

import itertools
import os
import signal
from contextlib import suppress

import pytest

from course.grading import spares
from course.grading.spares import Request

DESK = Request(["colorsys"], "course.examiner.desk:main", {"a.txt": b"a"})


@pytest.fixture(autouse=True)
def none_left():
    spares.discard()
    yield
    spares.discard()


@pytest.fixture
def numbers():
    """Options that differ from cell to cell."""
    count = itertools.count()
    return lambda: {"environment": {"NUMBER": str(next(count))}}


def kept():
    return spares._spares[DESK.entry][1].result().cell


def test_the_one_made_ahead_is_taken_with_the_options_it_got(numbers):
    first = spares.take(DESK, numbers)
    ahead = kept()
    second = spares.take(DESK, numbers)
    assert second.cell is ahead
    assert [made.options["environment"]["NUMBER"] for made in (first, second)] == ["0", "1"]
    assert kept() not in (first.cell, second.cell)
    for made in (first, second):
        made.cell.kill()


@pytest.mark.parametrize(
    "other",
    [
        Request(DESK.imports, DESK.entry, {"a.txt": b"b"}),
        Request(["decimal"], DESK.entry, DESK.files),
        Request(DESK.imports, DESK.entry, DESK.files, ipc=True),
    ],
    ids=["files", "imports", "sockets"],
)
def test_one_made_for_something_else_is_ended(numbers, other):
    spares.take(DESK, numbers).cell.kill()
    ahead = kept()
    made = spares.take(other, numbers)
    assert made.cell is not ahead
    assert not ahead.alive()
    made.cell.kill()


def test_one_that_has_died_is_not_taken(numbers):
    spares.take(DESK, numbers).cell.kill()
    ahead = kept()
    ahead.kill()
    made = spares.take(DESK, numbers)
    assert made.cell.alive()
    made.cell.kill()
    spares.discard()
    assert not spares._spares


def test_a_forked_process_makes_its_own(numbers):
    spares.take(DESK, numbers).cell.kill()
    forked = os.fork()
    if forked == 0:
        status = 1
        with suppress(BaseException):
            signal.alarm(30)
            spares.take(DESK, numbers).cell.kill()
            kept().kill()
            status = 0
        os._exit(status)
    assert os.waitpid(forked, 0)[1] == 0
    assert kept().alive()
