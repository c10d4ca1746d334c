"""Say in a database's own words, and where in the text, why a statement failed."""

from __future__ import annotations

from html import escape
from typing import Any

from course.errors import CourseError
from course.lab.sql import tables


class SQLError(CourseError):
    """A statement failed: `str(error)` is one short line, `_failure_details_()` the whole story."""

    def __init__(
        self, title: str, message: str, *, sql: str = "", position: int | None = None, hint: str = ""
    ) -> None:
        """`position` is the character of `sql` that the message is about."""
        self.title, self.message, self.hint = title, message, hint
        self.line: int | None = None
        self._excerpt = ""
        if position is not None:
            self.line, self._excerpt = _excerpt(sql, position)
        super().__init__(f"{title}: {message.splitlines()[0]}" if message else title)

    def _failure_details_(self) -> dict[str, Any]:
        html = [f'<div class="title">{escape(self.title)}</div>']
        html += [f"<pre>{escape(self.message)}</pre>"] if self.message else []
        html += [f"<pre>{escape(self._excerpt)}</pre>"] if self._excerpt else []
        html += [f'<div class="note"><strong>Hint:</strong> {escape(self.hint)}</div>'] if self.hint else []
        hint = f"Hint: {self.hint}" if self.hint else ""
        return {
            "kind": "sql",
            "html": tables.block("".join(html)),
            "text": "\n\n".join(filter(None, [self.title, self.message, self._excerpt, hint])),
            "summary": {"title": self.title, "message": self.message, "line": self.line, "hint": self.hint},
        }

    def _render_traceback_(self) -> list[str]:
        """IPython's protocol: where no panel is shown, this stands in place of a traceback into the course's code."""
        return [f"SQLError: {self._failure_details_()['text']}"]


class EmptyQuery(AssertionError):
    """A test ran a query that has not been written yet."""

    def __init__(self) -> None:
        super().__init__("The query is empty: write your SQL in the cell above and run it first.")

    def _render_traceback_(self) -> list[str]:
        """As SQLError's."""
        return [f"EmptyQuery: {self}"]


def _excerpt(sql: str, position: int) -> tuple[int, str]:
    """The number (from 1) of the line at `position`, and that line with the one before it and a caret below."""
    position = min(position, len(sql.rstrip()))
    number = sql.count("\n", 0, position) + 1
    start = sql.rfind("\n", 0, position) + 1
    lines = sql.expandtabs(1).splitlines() or [""]
    shown = [f"{n:>3} | {lines[n - 1]}" for n in range(max(number - 1, 1), number + 1)]
    return number, "\n".join([*shown, " " * (6 + position - start) + "^"])
