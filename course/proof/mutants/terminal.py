"""Mutants of terminal commands: the slips that students make, put into a correct solution one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from course.proof.mutants import Mutant, line_diff, solution_lines

_OPTION = re.compile(r"\s--?\w+")
_LEVEL = re.compile(r"\.\.[/\\](?=\.\.)")
_LAST = re.compile(r"(?<=[\w.~])[/\\][\w.-]+(?=\s|\Z)")


def terminal_mutants(source: str) -> list[Mutant]:
    """The mutants of a `%%terminal` cell.

    A line is dropped, or changes places with the next one; a line loses an option, one of several `..`, or the last
    part of a path.
    """
    lines = source.splitlines()
    found: dict[str, Mutant] = {}
    for description, changed in _changes(lines, [n for n in solution_lines(lines) if lines[n].strip()]):
        text = "\n".join(changed)
        if text != "\n".join(lines) and text not in found:
            found[text] = Mutant(text, description, line_diff(source, text))
    return list(found.values())


def _changes(lines: list[str], commands: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Each mutant's description and lines; `commands` are the places of the command lines."""
    for number in commands:
        yield "line dropped", [*lines[:number], *lines[number + 1 :]]
        for description, pattern in (
            ("option dropped", _OPTION),
            ("one .. dropped", _LEVEL),
            ("last part of a path dropped", _LAST),
        ):
            for match in pattern.finditer(lines[number]):
                left = lines[number][: match.start()] + lines[number][match.end() :]
                yield description, [*lines[:number], left, *lines[number + 1 :]]
    for first, second in pairwise(commands):
        swapped = list(lines)
        swapped[first], swapped[second] = lines[second], lines[first]
        yield "two lines swapped", swapped
