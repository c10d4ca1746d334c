"""Both real labs, examined in real cells: the reference solution passes every test, the untouched lab none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from course.grading.results import is_hidden
from course.publishing.exercises import grade_id, is_solution, is_test
from course.publishing.notebook import read_lab
from tests.examiner.submission import Submission

_ROOT = Path(__file__).parents[2]
_LABS = ["04-databases/14b-joins-and-groups", "06-web-frameworks/18a-fastapi"]
_NEEDLESS = re.compile(r"\b(quiz|predict|parsons|show_progress|docs)\(")


def cells_of(notebook: NotebookNode, stubs: dict[str | None, str]) -> list[NotebookNode]:
    """The code cells that matter, solutions replaced by stubs where these are given."""
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and not _NEEDLESS.search(cell.source)
    ]
    for cell in cells:
        if is_solution(cell):
            cell.source = stubs.get(grade_id(cell), cell.source)
    return cells


def verdicts(
    submission: Submission, cells: list[NotebookNode], recordings: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Run a notebook; each test cell's verdict. What is not in `recordings` is recorded there."""
    found = {}
    for cell in cells:
        name = str(grade_id(cell))
        if not is_test(cell):
            submission.run(cell.source)
            continue
        asked = {"name": name, "hidden": is_hidden(cell), "seed": 1}
        if name not in recordings:
            recordings[name] = submission.recorded(cell.source, **asked)
        found[name] = submission.examine(cell.source, recording=recordings[name], **asked)
    return found


@pytest.mark.parametrize("lab", _LABS)
def test_the_reference_passes_and_the_stubs_fail(zygote, lab):
    reference = read_lab(_ROOT / "source" / f"{lab}.md")
    released = nbformat.read(_ROOT / "release" / f"{lab}.ipynb", as_version=4)
    stubs = {grade_id(cell): cell.source for cell in released.cells if is_solution(cell)}
    recordings: dict[str, Any] = {}

    with Submission(zygote) as submission:
        solved = verdicts(submission, cells_of(reference, {}), recordings)
    assert len(solved) > 15
    assert [name for name, verdict in solved.items() if not verdict["passed"] or verdict["outputs"]] == []

    with Submission(zygote) as submission:
        untouched = verdicts(
            submission, cells_of(read_lab(_ROOT / "source" / f"{lab}.md"), stubs), recordings
        )
    assert [name for name, verdict in untouched.items() if verdict["passed"] or verdict["stopped"]] == []
    assert set(untouched) == set(solved)
