"""Take the hints after the first out of an exercise's text, for its visible tests to give one by one."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from course.grade_ids import exercise_of
from course.lab.hints import METADATA
from course.publishing.exercises import exercises, grade_id
from course.publishing.text import LabError, TextCell

_FIRST = "<details><summary>Hint"
_FURTHER = re.compile(
    r"\s*<details><summary>Hint (?P<number>\d+)</summary>(?P<words>.*?)</details>", re.DOTALL
)


@dataclass(frozen=True)
class _Hint:
    number: int
    words: str
    line: int


def take_hints(notebook: NotebookNode, placed: list[TextCell], path: Path) -> None:
    """Move each `<details><summary>Hint 2</summary>` (3, ...) to the metadata of its exercise's visible tests, in place.

    Raises LabError for a hint out of turn, and for one that no visible test would give.
    """
    visible = {exercise.name: exercise.visible for exercise in exercises(notebook)}
    waiting: list[_Hint] = []
    for place in placed:
        name = grade_id(place.cell)
        if place.cell.cell_type == "markdown":
            waiting += _take(place, path)
        elif name and waiting:
            tests = visible.get(exercise_of(name))
            if not tests:
                break
            for test in tests:
                test.metadata[METADATA] = {"hints": [hint.words for hint in waiting]}
            waiting = []
    if waiting:
        raise LabError(
            path, waiting[0].line, "no visible test follows this hint; move it to an exercise with one"
        )


def _take(place: TextCell, path: Path) -> list[_Hint]:
    """Cut the further hints out of a text."""
    cell, source = place.cell, place.cell.source
    hints = [
        _Hint(
            number=int(found["number"]),
            words=html.unescape(found["words"]).strip(),
            line=place.first + source.count("\n", 0, found.start("number")),
        )
        for found in _FURTHER.finditer(source)
    ]
    cell.source = _FURTHER.sub("", source)
    for number, hint in enumerate(hints, start=2):
        if hint.number != number:
            raise LabError(path, hint.line, f"Hint {hint.number} is out of turn: here comes Hint {number}")
    if hints and _FIRST not in cell.source:
        raise LabError(path, hints[0].line, f"Hint 2 without a first: write {_FIRST}</summary> before it")
    return hints
