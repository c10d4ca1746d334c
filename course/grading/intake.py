"""Look at what a student handed in: which file is which lab, what is wrong with it, and what to do about it.

Nothing here changes a submission, and nothing follows a link in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from course.grading.clean import (
    NO_TIME,
    RECORD,
    RECORDS,
    has_timestamp,
    shown,
    stubs_fault,
    survey,
    timestamp,
)
from course.grading.reading import Plain, Unreadable, read
from course.grading.rebuild import differences
from course.publishing.exercises import grade_id, is_solution
from course.publishing.releases import Releases

_MOST_NOTES = 30

Severity = Literal["note", "mended", "human"]


@dataclass(frozen=True)
class Problem:
    """Something about one file of a submission that its student or teacher should know.

    `severity` is "note" where nothing is lost, "mended" where the notebook is graded all the same, and "human" where it
    scores 0 until somebody has looked at it. `file` is the path within the submission; `reason` and `remedy` go on from
    there: "<file> is missing: hand it in".
    """

    file: str
    reason: str
    remedy: str
    severity: Severity

    def __str__(self) -> str:
        return f"{self.file} {self.reason}: {self.remedy}."


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a phase.

    `files` is the notebook found for each lab, `others` are the files that go with them, `timestamp` is when it was
    handed in, as nbgrader wrote it down.
    """

    student: str
    phase: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    others: tuple[Path, ...] = ()
    timestamp: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Notebook:
    path: Path
    content: Plain

    @property
    def ids(self) -> set[str]:
        """The grade_ids of its cells."""
        cells = self.content.notebook["cells"]
        return {cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell["metadata"]}

    def is_begun(self, lab: Sequence[NotebookNode]) -> bool:
        """Whether an answer in it is not as it was released."""
        released = {str(grade_id(cell)): cell.source.strip() for cell in lab if is_solution(cell)}
        return any(
            cell["source"].strip()
            != released.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"]).strip()
            for cell in self.content.notebook["cells"]
            if "nbgrader" in cell["metadata"]
        )


def inspect(
    student: str,
    phase: str,
    folder: Path,
    labs: Mapping[str, Sequence[NotebookNode]],
    course_files: Collection[str] = (),
    earlier: Mapping[str, Releases] | None = None,
) -> Submission:
    """Look through a submission's folder; raises nothing for what a student did to it.

    `labs` maps the name of each lab of the phase to its cells as the gradebook knows them (`known_cells`);
    `course_files` are the other files that the phase comes with, as paths relative to the folder; `earlier` has by lab
    what was released of it.
    """
    found = survey(folder)
    notebooks: list[_Notebook] = []
    others: list[Path] = []
    rejected = {shown(path, folder): fault for path, fault in found.faults.items()}
    problems: list[Problem] = []
    own: list[str] = []
    taken = {RECORD, *(f"{lab}.ipynb" for lab in labs)}
    for path in found.files:
        name = shown(path, folder)
        if path.suffix == ".ipynb":
            try:
                notebooks.append(_read(path))
            except Unreadable as error:
                rejected[name] = error.reason, error.remedy
        elif name.partition("/")[0] in taken:
            rejected[name] = "has a name that grading needs itself", "give it, or its folder, another name"
        elif path.suffix != ".pyc" and name not in RECORDS:
            others.append(path)
            if name not in course_files:
                own.append(name)
    if own:
        problems.append(_of_their_own(own))
    files, renamed = _match(notebooks, folder, labs)
    problems += renamed
    for name, (reason, remedy) in rejected.items():
        lab = name.removesuffix(".ipynb")
        problems.append(
            Problem(name, reason, remedy, "human" if lab in labs and lab not in files else "note")
        )
    for lab, cells in labs.items():
        if lab in files:
            graded = next(each for each in notebooks if each.path == files[lab])
            problems += [
                Problem(shown(graded.path, folder), each.reason, each.remedy, "mended")
                for each in differences(graded.content, cells, (earlier or {}).get(lab))
            ]
        elif f"{lab}.ipynb" not in rejected:
            problems.append(
                Problem(f"{lab}.ipynb", "is missing", "hand in the notebook under this name", "human")
            )
    when = timestamp(folder)
    if when is None and has_timestamp(folder):
        problems.append(Problem("timestamp.txt", *NO_TIME, "mended"))
    return Submission(student, phase, folder, files, tuple(others), when, tuple(_few(problems)))


def notebook_content(path: Path) -> bytes:
    """A student's notebook as a file of nbformat 4.5 that holds its cells and nothing else (see `reading`).

    Raises OSError where it has been changed since it was inspected.
    """
    return json.dumps(read(path).notebook).encode()


def _read(path: Path) -> _Notebook:
    try:
        content = read(path)
    except FileNotFoundError:
        raise Unreadable("has gone while it was looked at", "grade again") from None
    if fault := stubs_fault(content.notebook):
        raise Unreadable(*fault)
    return _Notebook(path, content)


def _of_their_own(names: Sequence[str]) -> Problem:
    """One note for all files that the phase did not come with: many labs have their students write some."""
    first, *more = names
    file = f"{first} and {len(more):,} more files" if len(more) > 1 else " and ".join(names)
    lay = "they lay" if more else "it lay"
    return Problem(
        file, "did not come with this phase", f"{lay} beside the notebooks while these were graded", "note"
    )


def _few(problems: Sequence[Problem]) -> list[Problem]:
    """All that matters, and no more notes than somebody would read."""
    notes = [problem for problem in problems if problem.severity == "note"]
    left_out = set(map(id, notes[_MOST_NOTES:]))
    kept = [problem for problem in problems if id(problem) not in left_out]
    if left_out:
        count = f"has {len(left_out):,} more files that are not graded"
        kept.append(Problem("The folder", count, "hand in only what the lab needs", "note"))
    return kept


def _match(
    notebooks: list[_Notebook], folder: Path, labs: Mapping[str, Sequence[NotebookNode]]
) -> tuple[dict[str, Path], list[Problem]]:
    """Which notebook is which lab: the one of that name, else the one with most of the lab's cells.

    One in which nothing is answered comes last, whatever its name: JupyterLab's "Duplicate" leaves such behind.
    """
    ids = {lab: [str(grade_id(cell)) for cell in cells] for lab, cells in labs.items()}
    candidates: dict[str, list[_Notebook]] = {}
    problems = []
    for notebook in notebooks:
        lab = _lab_of(notebook, ids)
        if lab:
            candidates.setdefault(lab, []).append(notebook)
        else:
            name = shown(notebook.path, folder)
            problems.append(Problem(name, "is no lab of this phase", "it was not graded", "note"))
    files = {}
    for lab, found in candidates.items():
        right = folder / f"{lab}.ipynb"
        found.sort(
            key=lambda each: (
                not each.is_begun(labs[lab]),
                each.path != right,
                -_shared(each, ids[lab]),
                each.path,
            )
        )
        chosen, *rest = (each.path for each in found)
        files[lab] = chosen
        name = shown(chosen, folder)
        if chosen != right:
            why = f"has answers, and {right.name} none" if right in rest else f"is {lab} under another name"
            problems.append(Problem(name, why, f"it was graded as {right.name}", "mended"))
        problems += [
            Problem(
                shown(path, folder),
                f"is another copy of {lab}",
                f"only {name} was graded; hand in the right one alone if that is not it",
                "note",
            )
            for path in rest
        ]
    return files, problems


def _lab_of(notebook: _Notebook, labs: Mapping[str, Collection[str]]) -> str | None:
    """The lab that a notebook holds, whatever its name; its name decides where its cells do not tell."""
    if not labs:
        return None
    named = notebook.path.stem
    best = max(labs, key=lambda lab: (_shared(notebook, labs[lab]), lab == named))
    if named in labs and (_shared(notebook, labs[named]) or not _shared(notebook, labs[best])):
        return named
    most_of_it = 2 * _shared(notebook, labs[best]) >= len(labs[best]) > 0
    return best if most_of_it else None


def _shared(notebook: _Notebook, ids: Collection[str]) -> int:
    return len(notebook.ids & set(ids))
