"""Break a reference solution in small ways, to see whether its tests notice.

`python` breaks Python with libcst, `sql` breaks queries with sqlglot.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A broken solution: the source of its whole cell, what was done to it, and the lines that changed as a diff."""

    source: str
    description: str
    diff: str


def line_diff(before: str, after: str) -> str:
    """The lines that differ, as `- old` and `+ new`, without context; indentation is kept."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return "\n".join(line for line in lines if line.startswith(("- ", "+ ")))


def solution_lines(lines: Sequence[str]) -> range:
    """The places of a cell's lines that are its solution: between the markers, or all below a magic line."""
    first = 0 if lines and lines[0].startswith("%%") else -1
    begin = next((place for place, line in enumerate(lines) if "BEGIN SOLUTION" in line), first)
    end = next((place for place in reversed(range(len(lines))) if "END SOLUTION" in lines[place]), len(lines))
    return range(begin + 1, end)


def line_changes(diff: str) -> tuple[str, ...]:
    """What a diff takes away and adds, as `-old` and `+new` without indentation: a mutant is known by this."""
    return tuple(
        line[0] + line[1:].strip()
        for line in diff.splitlines()
        if line[:1] in ("-", "+") and not line.startswith(("---", "+++")) and line[1:].strip()
    )
