"""The line of a cell magic that works on something of the notebook: `%%sql DB [--name NAME]`, `%%http`, `%%terminal`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LINE = re.compile(r"\s*(?P<on>[^\W\d]\w*)(?:\s+--name[\s=]+(?P<name>[^\W\d]\w*))?\s*")


@dataclass(frozen=True)
class MagicLine:
    """What a magic's line says: the variable it works on, and the name the cell is kept under, None for no name."""

    on: str
    name: str | None


def read_line(line: str) -> MagicLine | None:
    """What stands after the magic's own name; None for a line that cannot be understood."""
    found = _LINE.fullmatch(line)
    return MagicLine(found["on"], found["name"]) if found else None


def variables_of(kind: type, names: Mapping[str, Any]) -> list[str]:
    """The notebook's variables that hold something of a kind, by their names."""
    return sorted(key for key, held in names.items() if isinstance(held, kind) and not key.startswith("_"))
