"""Remember what each lab imports, so that a process with these imports can be started before anything else is known.

What was learned of a lab is found by its notebook with solutions; an outdated memory costs time only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from course.files import write_atomically

_CACHE = Path(".cache") / "imports"


def remember(root: Path, source: Path, modules: Sequence[str]) -> None:
    """The lab whose notebook with solutions is `source` imports these; `root` is the course folder."""
    write_atomically(_record(root, source), json.dumps(list(modules)).encode())


def remembered(root: Path, phase: str) -> Iterator[list[str]]:
    """What the labs of a phase import together, as far as it is remembered; nothing where nothing is."""
    found: set[str] = set()
    for source in (root / "source" / phase).glob("*.ipynb"):
        with suppress(OSError, ValueError):
            found |= {*map(str, json.loads(_record(root, source).read_bytes()))}
    if found:
        yield sorted(found)


def _record(root: Path, source: Path) -> Path:
    return root / _CACHE / f"{hashlib.sha256(source.read_bytes()).hexdigest()}.json"
