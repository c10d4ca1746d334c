"""Forms: cells in which the student only writes between quotes that are there already. Their cells have the tag `form`.

All their lines are comments or `name = "text"`; those of the solution are released as `name = ""`, without a stub to delete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nbformat import NotebookNode

_TAG = "form"
_FIELD = re.compile(r"(?P<name>[^\W\d]\w* = )\"[^\"]*\"(?P<comment>\s+#.*)?")
_MARKER = re.compile(r"\s*### (?:BEGIN|END) SOLUTION\s*")


def is_form(cell: NotebookNode) -> bool:
    """Whether a cell is a form."""
    return cell.cell_type == "code" and _TAG in cell.metadata.get("tags", [])


def odd_line(lines: Sequence[str]) -> int | None:
    """The place of the first line that a form may not have; None where there is none."""
    for place, line in enumerate(lines):
        comment = not line.strip() or line.startswith("#")
        if not (comment or _FIELD.fullmatch(line)):
            return place
    return None


def emptied(form: str) -> str:
    """A form as it is released: with nothing between its quotes."""
    kept = (line for line in form.split("\n") if not _MARKER.fullmatch(line))
    return "\n".join(_FIELD.sub(_empty, line) for line in kept)


def _empty(field: re.Match[str]) -> str:
    return f'{field["name"]}""{field["comment"] or ""}'
