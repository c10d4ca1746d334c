"""What a grade_id says of its cell: `<exercise>`, `<exercise>-visible`, `<exercise>-hidden-<word>`."""

from __future__ import annotations

import re

_TEST = re.compile(r"(?P<exercise>.+?)-(?P<kind>visible|hidden)(-.+)?")


def exercise_tested(name: str | None) -> str | None:
    """The exercise that a test cell belongs to: `orders-hidden-ties` -> `orders`; None for other cells."""
    found = _TEST.fullmatch(name or "")
    return found["exercise"] if found else None


def kind_of(name: str) -> str | None:
    """What kind of test cell it is, `visible` or `hidden`; None for other cells."""
    found = _TEST.fullmatch(name)
    return found["kind"] if found else None
