"""What holds for the whole suite."""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips for want of a program fails where all must be there, as in continuous integration.

    `skipif` is for what a system cannot have, `pytest.skip()` for what is not installed.
    """
    report = yield
    wanted = not hasattr(report, "wasxfail") and item.get_closest_marker("skipif") is None
    if report.skipped and wanted and os.environ.get("COURSE_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and COURSE_REQUIRE_ALL is set: {report.longrepr}"
    return report
