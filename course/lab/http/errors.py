"""Say what is wrong with a request written by hand, and what to do."""

from __future__ import annotations

from html import escape
from typing import Any

from course.errors import CourseError


class HttpError(CourseError):
    """A request could not be sent, or got no answer: `str(error)` is one line, `_failure_details_()` the whole story."""

    def __init__(self, title: str, hint: str, *, line: str = "", untried: bool = False) -> None:
        """`line` is the line of the cell that this is about; `untried` says that the student has written nothing yet."""
        self.title, self.hint, self.line, self.untried = title, hint, line, untried
        super().__init__(f"{title} {hint}".strip())

    def _failure_details_(self) -> dict[str, Any]:
        excerpt = f"<pre>{escape(self.line)}</pre>" if self.line else ""
        hint = f"<p><strong>Hint:</strong> {escape(self.hint)}</p>" if self.hint else ""
        shown = [self.title, f"  {self.line}" if self.line else "", f"Hint: {self.hint}" if self.hint else ""]
        return {
            "kind": "http",
            "html": f"<p><strong>{escape(self.title)}</strong></p>{excerpt}{hint}",
            "text": "\n\n".join(filter(None, shown)),
            "summary": {"title": self.title, "line": self.line, "hint": self.hint, "untried": self.untried},
        }

    def _render_traceback_(self) -> list[str]:
        """IPython's protocol: where no panel is shown, this stands in place of a traceback into the course's code."""
        return [f"HttpError: {self._failure_details_()['text']}"]


class EmptyRequest(AssertionError):
    """A test sent a request that has not been written yet."""

    def __init__(self) -> None:
        super().__init__("The request is empty: write it in the cell above and run it first.")

    def _render_traceback_(self) -> list[str]:
        """As HttpError's."""
        return [f"EmptyRequest: {self}"]
