"""Whether a lab keeps to what AUTHORING allows it: words, exercises, and seconds to run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from course.proof.trials import LabRun
from course.publishing.exercises import exercises

MAX_WORDS = 2000
EXERCISES = range(6, 10)
MAX_SECONDS = 60.0

_FENCE = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_LINK_TARGET = re.compile(r"\]\([^)]*\)")
_WORD = re.compile(r"\w[\w'\u2019-]*")


def words(lab: NotebookNode) -> int:
    """The words of prose in a lab: its Markdown without fences, tags and addresses."""
    prose = "\n\n".join(cell.source for cell in lab.cells if cell.cell_type == "markdown")
    for aside in (_FENCE, _TAG, _LINK_TARGET):
        prose = aside.sub(" ", prose)
    return len(_WORD.findall(prose))


def budget_faults(lab: NotebookNode, run: LabRun, *, project: bool) -> Iterator[str]:
    """What a lab has too much or too little of. A project may have any number of exercises."""
    if (count := words(lab)) > MAX_WORDS:
        yield f"it has {count} words of prose, but a lab has at most {MAX_WORDS}"
    graded = sum(bool(exercise.tests) for exercise in exercises(lab))
    if graded not in EXERCISES and not project:
        yield f"it has {graded} graded exercises, but a lab has {EXERCISES[0]} to {EXERCISES[-1]}"
    seconds = sum(cell.seconds for cell in run.cells)
    if seconds > MAX_SECONDS:
        yield f"it runs for {seconds:.0f} s, but a lab runs top to bottom in {MAX_SECONDS:.0f} s"
