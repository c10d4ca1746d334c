"""Say why terminal commands could not be run, and what to do about it."""

from __future__ import annotations

from html import escape
from typing import Any

from course.errors import CourseError


class TerminalError(CourseError):
    """A `%%terminal` cell or a practice folder cannot be used as it is written: `str(error)` says what to do."""

    def _failure_details_(self) -> dict[str, Any]:
        return {"kind": "terminal", "html": f"<p>{escape(str(self))}</p>", "text": str(self), "summary": {}}

    def _render_traceback_(self) -> list[str]:
        """IPython's protocol: where no panel is shown, this stands in place of a traceback into the course's code."""
        return [f"TerminalError: {self}"]


class NoCommands(AssertionError):
    """A test ran commands that have not been written yet."""

    def __init__(self) -> None:
        super().__init__(
            "There are no commands yet: write them in the %%terminal cell above, one on each line, and run it first."
        )

    def _render_traceback_(self) -> list[str]:
        """As TerminalError's."""
        return [f"NoCommands: {self}"]
