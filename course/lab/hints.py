"""Give an exercise's further hints one by one, as its test goes on failing.

The first hint stands open in the exercise's text. `course.publishing` puts the others into the metadata of the visible
test cells, where this module finds them. The notebook is the student's own file: that is kindness, not secrecy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from course.lab.progress import Try

METADATA = "course"
"""The key of a cell's metadata under which the course keeps what is its own; the hints are in `hints`."""


@dataclass(frozen=True)
class Hints:
    """The further hints that a student may see by now; `left` more are to come."""

    shown: tuple[str, ...] = ()
    newest_is_new: bool = False
    left: int = 0


def hints_due(hints: Sequence[str], tries: Sequence[Try]) -> Hints:
    """What to show after the last of the tries: one further hint for each failed one in a row, but the first."""
    failed = sum(1 for _ in takewhile(lambda each: not each.passed, reversed(tries)))
    due = max(0, failed - 1)
    shown = tuple(hints[:due])
    return Hints(shown, newest_is_new=0 < due <= len(hints), left=len(hints) - len(shown) if failed else 0)


def hints_in(notebook: Path, test: str) -> list[str]:
    """The further hints that a notebook's file holds for a test cell; none where the file does not say."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        (hints,) = (cell["metadata"][METADATA]["hints"] for cell in cells if cell.get("id") == test)
        return [str(hint) for hint in hints]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
