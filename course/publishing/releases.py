"""The cells of all releases of a lab that were built here: who fetched an earlier one has changed nothing.

A file for each lab, `.cache/released/<phase>/<lab>.json`, has the digests of its cells by grade_id. Where it is missing,
work on an earlier release is told to differ from the course's; no grade depends on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from course.files import write_atomically

CLAIMS = ("points", "grade", "solution", "task")
"""What a graded cell says of itself."""

_FOLDER = Path(".cache") / "released"

Releases = Mapping[str, Iterable[str]]
"""By grade_id the digests of a cell as it was released at any time."""


def lines(source: str) -> list[str]:
    """Lines of text, without what an editor changes by itself."""
    return [line.rstrip() for line in source.strip().splitlines()]


def digest(cell: Mapping[str, Any]) -> str:
    """Changes with whatever of a graded cell is the course's: its type, its text, and what it says of itself."""
    says = cell["metadata"]["nbgrader"]
    content = [cell["cell_type"], lines(cell["source"]), [float(says.get(name) or 0) for name in CLAIMS]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def remember(root: Path, phase: str, lab: str, cells: Iterable[Mapping[str, Any]]) -> None:
    """Note down the cells of a release."""
    known = {name: set(digests) for name, digests in released(root, phase, lab).items()}
    for cell in cells:
        if name := cell["metadata"].get("nbgrader", {}).get("grade_id"):
            known.setdefault(name, set()).add(digest(cell))
    content = json.dumps({name: sorted(digests) for name, digests in known.items()}, indent=1).encode()
    write_atomically(_path(root, phase, lab), content)


def released(root: Path, phase: str, lab: str) -> Releases:
    """What is noted down; nothing where that is missing or damaged."""
    try:
        noted = json.loads(_path(root, phase, lab).read_bytes())
        return {name: list(digests) for name, digests in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _path(root: Path, phase: str, lab: str) -> Path:
    return root / _FOLDER / phase / f"{lab}.json"
