"""Look at what a student handed in: which file is which lab, what is wrong with it, and what to do about it.

Nothing here changes a submission. `stage` writes a copy for grading, under the names that the labs really have.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode
from nbformat.reader import NotJSONError
from nbgrader.utils import parse_utc

from course.publishing.exercises import grade_id

MAX_BYTES = 50_000_000

RECORDS = ("timestamp.txt", "submission_secret.txt")
"""nbgrader's own files in a submission."""

# What editors, Python and this course leave behind.
_LITTER = {".ipynb_checkpoints", "__pycache__", ".DS_Store", ".git", ".course"}

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
    ids: tuple[str, ...]  # the grade_ids of its cells, in their order


def inspect(
    student: str,
    phase: str,
    folder: Path,
    labs: Mapping[str, Collection[str]],
    course_files: Collection[str] = (),
) -> Submission:
    """Look through a submission's folder; raises nothing for what a student did to it.

    `labs` maps the name of each lab of the phase to the grade_ids of its cells; `course_files` are the other files that
    the phase comes with, as paths relative to the folder.
    """
    notebooks: list[_Notebook] = []
    others: list[Path] = []
    rejected: dict[str, tuple[str, str]] = {}
    problems: list[Problem] = []
    for path in _files(folder):
        name = _name(path, folder)
        fault = _unusable(path)
        if fault:
            rejected[name] = fault
        elif path.suffix == ".ipynb":
            notebook = _read(path)
            if isinstance(notebook, _Notebook):
                notebooks.append(notebook)
            else:
                rejected[name] = notebook
        else:
            others.append(path)
            if name not in course_files:
                problems.append(
                    Problem(name, "does not belong to this phase", "it was left as it is", "note")
                )

    files, renamed = _match(notebooks, folder, labs)
    problems += renamed
    for name, (reason, remedy) in rejected.items():
        lab = name.removesuffix(".ipynb")
        problems.append(
            Problem(name, reason, remedy, "human" if lab in labs and lab not in files else "note")
        )
    for lab, ids in labs.items():
        if lab in files:
            notebook = next(each for each in notebooks if each.path == files[lab])
            problems += _cell_problems(notebook, folder, ids)
        elif f"{lab}.ipynb" not in rejected:
            problems.append(
                Problem(f"{lab}.ipynb", "is missing", "hand in the notebook under this name", "human")
            )
    return Submission(student, phase, folder, files, tuple(others), _timestamp(folder), tuple(problems))


def stage(submission: Submission, folder: Path) -> None:
    """Copy what can be graded into `folder`, which must not exist yet, each notebook under its lab's name."""
    folder.mkdir(parents=True)
    for lab, path in submission.files.items():
        shutil.copyfile(path, folder / f"{lab}.ipynb")
    for path in submission.others:
        target = folder / path.relative_to(submission.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in RECORDS:
        record = submission.folder / name
        readable = record.is_file() and not record.is_symlink()
        if readable and (submission.timestamp or name != "timestamp.txt"):
            shutil.copyfile(record, folder / name)


def _timestamp(folder: Path) -> str | None:
    """When it was handed in; None where nbgrader wrote nothing, or somebody something that is no time."""
    try:
        text = (folder / "timestamp.txt").read_text(encoding="utf-8").strip()
        return text if parse_utc(text) else None
    except (OSError, ValueError, OverflowError):
        return None


def _files(folder: Path) -> list[Path]:
    """Every file of a submission, by name, and folders that cannot be looked into; links are not followed."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return [folder]
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name in RECORDS or path.name in _LITTER or path.suffix == ".pyc":
            continue
        if path.is_dir() and not path.is_symlink():
            found += _files(path)
        else:
            found.append(path)
    return found


def _name(path: Path, folder: Path) -> str:
    """A file's path within the submission, fit to be shown whatever bytes its name is made of."""
    return path.relative_to(folder).as_posix().encode(errors="replace").decode()


def _unusable(path: Path) -> tuple[str, str] | None:
    """Why a file is not even opened, and what to do; None for an ordinary one."""
    if not os.access(path, os.R_OK):
        return "cannot be read", "give the instructor the right to read it"
    if path.is_symlink() or not path.is_file():
        return "is a link or a device", "hand in the file itself"
    size = path.stat().st_size
    if size > MAX_BYTES:
        return (
            f"is too big with its {size // 1_000_000} MB, at most {MAX_BYTES // 1_000_000} are graded",
            "clear its outputs (Edit > Clear Outputs of All Cells), save, and hand it in again",
        )
    return None


def _read(path: Path) -> _Notebook | tuple[str, str]:
    """The notebook in a file, or why there is none and what to do."""
    again = "open it in JupyterLab; if that fails too, copy the answers into a fresh copy and hand that in"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cannot be read, because it is not text in UTF-8", again
    if not text.strip():
        return "is empty", again
    try:
        with warnings.catch_warnings(action="ignore"):  # cell ids, which are made anew for grading
            notebook = nbformat.reads(text, as_version=4)
    except NotJSONError:
        return "cannot be read, because it is not JSON (cut off, or changed in a text editor)", again
    except Exception:  # whatever a reader of notebooks makes of any other JSON
        return "is not a notebook", again
    if not _is_notebook(notebook):
        return "is not a notebook", again
    return _Notebook(path, tuple(name for cell in notebook.cells if (name := grade_id(cell))))


def _is_notebook(notebook: NotebookNode) -> bool:
    """Whether it has what grading needs; a mere unknown field does no harm."""
    cells = notebook.get("cells")
    return isinstance(cells, list) and all(
        isinstance(cell, dict)
        and cell.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(cell.get("source"), str)
        and isinstance(cell.get("metadata"), dict)
        and isinstance(cell["metadata"].get("nbgrader", {}), dict)
        for cell in cells
    )


def _match(
    notebooks: list[_Notebook], folder: Path, labs: Mapping[str, Collection[str]]
) -> tuple[dict[str, Path], list[Problem]]:
    """Which notebook is which lab: the one of that name, else the one with most of the lab's cells."""
    candidates: dict[str, list[_Notebook]] = {}
    problems = []
    for notebook in notebooks:
        lab = _lab_of(notebook, labs)
        if lab:
            candidates.setdefault(lab, []).append(notebook)
        else:
            name = _name(notebook.path, folder)
            problems.append(Problem(name, "is no lab of this phase", "it was not graded", "note"))
    files = {}
    for lab, found in candidates.items():
        right = folder / f"{lab}.ipynb"
        found.sort(key=lambda each: (each.path != right, -_shared(each, labs[lab]), each.path))
        chosen, *rest = (each.path for each in found)
        files[lab] = chosen
        name = _name(chosen, folder)
        if chosen != right:
            problems.append(
                Problem(name, f"is {lab} under another name", f"it was graded as {lab}.ipynb", "mended")
            )
        problems += [
            Problem(
                _name(path, folder),
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
    return len(set(notebook.ids) & set(ids))


def _cell_problems(notebook: _Notebook, folder: Path, ids: Collection[str]) -> list[Problem]:
    """What is wrong with the graded cells of a notebook that is graded."""
    name = _name(notebook.path, folder)
    problems = []
    twice = [each for each, times in Counter(notebook.ids).items() if times > 1 and each in ids]
    if twice:
        problems.append(
            Problem(
                name,
                f"has copies of the graded cell {_listed(twice)}",
                "the first one was graded, the copies ran as ordinary cells; delete them",
                "mended",
            )
        )
    missing = [each for each in ids if each not in notebook.ids]
    if missing:
        problems.append(
            Problem(
                name,
                f"lacks the graded cell {_listed(missing)}",
                "a test was put back, and an answer counts where it stands in another cell",
                "mended",
            )
        )
    return problems


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
