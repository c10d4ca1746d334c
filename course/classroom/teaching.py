"""Make a clone ready for its instructor: what nbgrader's pages expect to find, whatever was built before."""

from __future__ import annotations

from pathlib import Path

from course.classroom import exchange
from course.publishing.build import build

_FOLDERS = ("release", "submitted", "autograded", "feedback")


def make_ready(root: Path) -> None:
    """Build the labs' notebooks, and make the folders that grading fills and the exchange.

    Raises CourseError where a lab cannot be built, or the exchange not be opened.
    """
    build(root)
    for name in _FOLDERS:
        (root / name).mkdir(exist_ok=True)
    exchange.make_ready(exchange.named() or root / "exchange")
