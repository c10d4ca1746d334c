"""What a grade_id says of its cell.

`<exercise>` and `<exercise>-solution-<word>` are solution cells, `<exercise>-visible` and `<exercise>-hidden-<word>` tests.
"""

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


def exercise_of(name: str) -> str:
    """The exercise that any cell of an exercise belongs to: `orders-hidden-ties`, `orders-solution-2` -> `orders`."""
    return exercise_tested(name) or name.split("-solution-")[0]
