"""The student's own copy of the labs: filled from release/, never overwritten.

`work/<phase>/<lab>.ipynb` is the student's. `work/.course/base/` keeps the released version each one was made from, which
tells what the student wrote and which cells they added when a newer version arrives.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.files import write_atomically
from course.publishing.exercises import grade_id, is_solution
from course.publishing.notebook import notebook_bytes


@dataclass(frozen=True)
class Change:
    """What happened to one lab of the working copy, in a line for the student."""

    lab: str
    message: str


def refresh(root: Path) -> list[Change]:
    """Bring every released lab into `work/` and say what changed there.

    A lab that the student does not have is copied. One whose release has changed is renewed with the student's answers
    and extra cells in it, and the old file stays beside it.
    """
    work = root / "work"
    (work / ".course").mkdir(parents=True, exist_ok=True)
    changes = []
    for released in sorted((root / "release").glob("*/*.ipynb")):
        lab = released.relative_to(root / "release")
        message = _refresh_lab(released, work / lab, work / ".course" / "base" / lab)
        if message:
            changes.append(Change(str(lab.with_suffix("")), message))
    _copy_data_files(root / "release", work)
    return changes


def _refresh_lab(released: Path, mine: Path, base: Path) -> str | None:
    if not mine.exists():
        _copy(released, mine)
        _copy(released, base)
        return None
    if base.exists() and base.read_bytes() == released.read_bytes():
        return None
    before = mine.read_bytes()
    student = _read(mine)
    kept = _keep_beside(mine)
    if student is None:
        _copy(released, mine)
        message = f"could not be read as a notebook; it is kept as {kept.name}, and you have a fresh copy"
    else:
        new = nbformat.read(released, as_version=4)
        if carry_over(new, student, _read(base) if base.exists() else None):
            write_atomically(mine, notebook_bytes(new))
            message = f"has a new version with your answers in it; your old file is kept as {kept.name}"
        else:
            _copy(released, mine)
            message = f"has a new version; your old file is kept as {kept.name}"
    assert kept.read_bytes() == before
    _copy(released, base)
    return message


def carry_over(new: NotebookNode, student: NotebookNode, base: NotebookNode | None) -> bool:
    """Put the student's answers and extra cells into `new`, in place; tell whether there were any.

    An answer goes by its grade_id. One whose exercise is gone, and every cell the student added, follows the cell that
    it followed before.
    """
    origin = base or new
    stubs = {grade_id(cell): cell.source for cell in origin.cells if is_solution(cell)}
    known = {cell.id for cell in origin.cells} | {cell.id for cell in new.cells}
    homes = {grade_id(cell): cell for cell in new.cells if is_solution(cell)}
    carried = False
    previous: str | None = None  # the nearest cell before that the new version has too
    for cell in student.cells:
        name = grade_id(cell)
        answered = is_solution(cell) and cell.source.strip() != str(stubs.get(name, "")).strip()
        if answered and name in homes:
            homes[name].source = cell.source
            carried = True
        elif answered or (cell.id not in known and name is None):
            extra = _retired_answer(cell) if answered else cell
            _insert_after(new, previous, extra)
            carried = True
        if any(cell.id == other.id for other in new.cells):
            previous = cell.id
    return carried


def _insert_after(notebook: NotebookNode, previous: str | None, cell: NotebookNode) -> None:
    ids = [other.id for other in notebook.cells]
    notebook.cells.insert(0 if previous is None else ids.index(previous) + 1, cell)


def _retired_answer(cell: NotebookNode) -> NotebookNode:
    """An answer to an exercise that the new version no longer has, kept as text."""
    source = (
        f"Your answer to `{grade_id(cell)}`, which this version no longer asks:\n\n```\n{cell.source}\n```"
    )
    kept: NotebookNode = nbformat.v4.new_markdown_cell(source, id=cell.id)
    return kept


def _keep_beside(path: Path) -> Path:
    """Copy a student's file to a free name beside it."""
    stem = f"{path.stem} (before {date.today().isoformat()}"
    kept, number = path.with_name(f"{stem}).ipynb"), 2
    while kept.exists():
        kept, number = path.with_name(f"{stem}, {number}).ipynb"), number + 1
    shutil.copy2(path, kept)
    return kept


def _copy_data_files(release: Path, work: Path) -> None:
    """Other files of an assignment (data a lab reads) go along, where the student has none of that name."""
    for file in release.glob("*/**/*"):
        target = work / file.relative_to(release)
        if file.is_file() and file.suffix != ".ipynb" and not target.exists():
            _copy(file, target)


def _read(path: Path) -> NotebookNode | None:
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # nbformat raises many kinds for a broken file, and all mean the same here
        return None
    return notebook


def _copy(source: Path, target: Path) -> None:
    write_atomically(target, source.read_bytes())
