"""Decide what of a submission's folder may be graded, and keep the rest away from nbgrader.

Links, devices and what is too big, too deep or too many is never opened, copied or followed. Archives are files as any
other: nothing here or behind it opens one, so a small one that would unpack to gigabytes is just copied.

`course grade` copies what `survey` finds usable. nbgrader's own commands copy whatever lies in the folder; for them
`clean_submission` and `clean_output`, which `nbgrader_config.py` names as hooks, move the rest into
`set_aside/<student>/<phase>/` in the course folder. No file of a student's is ever deleted.
"""

from __future__ import annotations

import copy
import json
import os
import stat
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import parse_utc
from traitlets.log import get_logger

from course.grading.reading import MAX_BYTES, Unreadable, read, read_bytes
from course.publishing.layout import is_held_back

MAX_FILES = 10_000
MAX_FOLDERS = 10_000
MAX_DEPTH = 20
MAX_PATH = 2_000
"""Of a path, in bytes: somewhat more than that is the most that a system takes, and work is copied into other folders."""

MAX_TOTAL = 200_000_000
"""Of a submission, in bytes."""

RECORDS = ("timestamp.txt", "submission_secret.txt")
"""nbgrader's own files in a submission."""

LITTER = frozenset(
    {".ipynb_checkpoints", "__pycache__", ".DS_Store", ".git", ".course", ".venv", "node_modules"}
)
"""What editors, tools, Python and this course leave behind."""

RECORD = ".graded.json"
"""What a submission was graded from, kept with its notebooks; whoever removes these removes it too."""

SET_ASIDE = "set_aside"
"""The folder for what nbgrader must not see, in the course folder."""

NO_TIME = "does not say a time", "collect the work again; until then it counts as handed in on time"

_LONGEST_TIMESTAMP = 200  # characters
_LONGEST_RECORD = 10_000  # bytes
# What nbgrader, which decodes a notebook several times over, can be left to read: about so many values.
_FEW = 300_000
_MOST_NAMES = 1_000_000

Fault = tuple[str, str]
"""Why something is not graded, and what to do about it; words as in a Problem."""


@dataclass(frozen=True)
class Survey:
    """What is in a submission's folder: `files` are ordinary ones, `faults` says of all else why it is not graded.

    A folder that is at fault stands for all that is in it.
    """

    files: tuple[Path, ...]
    faults: Mapping[Path, Fault]


def survey(folder: Path, skip: Collection[str] = LITTER) -> Survey:
    """Look through a folder without following a link or opening a file; entries named in `skip` are passed over.

    Where there are too many files, those nearest to the top come first, and what is left over is not looked at.
    """
    files: list[Path] = []
    faults: dict[Path, Fault] = {}
    total = 0
    for seen, (path, status) in enumerate(_entries(folder, skip, faults), 1):
        if seen > MAX_FILES:
            faults[path] = f"is one of more than {MAX_FILES:,} files", _ONLY_NEEDED
            break
        fault = _fault(path, status)
        if fault is None and total + status.st_size > MAX_TOTAL:
            limit = f"{MAX_TOTAL // 1_000_000} MB"
            fault = f"does not fit: all files together may have at most {limit}", _ONLY_NEEDED
        if fault is None:
            files.append(path)
            total += status.st_size
        else:
            faults[path] = fault
    return Survey(tuple(sorted(files)), faults)


def folder_files(folder: str | Path | None) -> dict[str, bytes]:
    """What lies beside a notebook and goes into the cage with it: contents by path in the folder.

    Notebooks, which hold the hidden tests, and what is not released stay outside.
    """
    if not folder:
        return {}
    root = Path(folder)
    found = {}
    for path in survey(root).files:
        name = path.relative_to(root)
        if path.suffix == ".ipynb" or path.name in RECORDS or is_held_back(name):
            continue
        try:
            found[name.as_posix()] = read_bytes(path)
        except OSError:  # it has been changed since
            continue
    return found


def has_timestamp(folder: Path) -> bool:
    """Whether there is a file that should say when the work in a folder was handed in."""
    when = folder / "timestamp.txt"
    return when.exists() and when.stat().st_size > 0


def timestamp(folder: Path) -> str | None:
    """When it was handed in; None where nbgrader wrote nothing, or somebody something that is no time."""
    try:
        text = records(folder)["timestamp.txt"].decode("utf-8").strip()
        return text if len(text) <= _LONGEST_TIMESTAMP and parse_utc(text) else None
    except Exception:  # whatever a reader of times makes of any text
        return None


def records(folder: Path) -> dict[str, bytes]:
    """nbgrader's own files in a submission's folder, as far as they are such files: no links, and not large."""
    found = {}
    for name in RECORDS:
        with suppress(OSError):
            status = (folder / name).lstat()
            if _fault(folder / name, status) is None and status.st_size <= _LONGEST_RECORD:
                found[name] = read_bytes(folder / name)
    return found


def shown(path: Path, folder: Path) -> str:
    """A file's path within a folder, fit to be shown whatever its name is made of."""
    name = "." if path == folder else path.relative_to(folder).as_posix()
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


# --- looking --------------------------------------------------------------------------------------------------------

_ONLY_NEEDED = "hand in only what the lab needs"
_LINK = "is a link", "hand in the folder itself"
_DEVICE = "is a link or a device", "hand in the file itself"
_HARD_LINK = "is a hard link, another name of a file that may be elsewhere", "hand in a copy of the file"
_NO_RIGHT = "cannot be read", "give the instructor the right to read it"
_NO_NAME = "has a name that cannot be written down", "give it a name of letters and digits"
_TOO_LONG = "lies behind too many long names", "give it, and the folders that it is in, shorter names"


def _entries(
    folder: Path, skip: Collection[str], faults: dict[Path, Fault]
) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in a folder but its folders, those nearer to its top first; folders at fault go into `faults`."""
    level, folders = [folder], 0
    for depth in range(MAX_DEPTH + 2):
        deeper: list[Path] = []
        for each in level:
            folders += 1
            if folders > MAX_FOLDERS:
                faults[each] = f"is one of more than {MAX_FOLDERS:,} folders", _ONLY_NEEDED
                return
            if fault := _folder_fault(each, depth):
                faults[each] = fault
                continue
            for path in _children(each):
                status = path.lstat()
                if path.name in skip:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    deeper.append(path)
                else:
                    yield path, status
        level = deeper


def _children(folder: Path) -> list[Path]:
    """A folder's entries, notebooks first, then by name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, _MOST_NAMES)]
    return [folder / name for name in sorted(names, key=lambda name: (not name.endswith(".ipynb"), name))]


def _folder_fault(path: Path, depth: int) -> Fault | None:
    if len(os.fsencode(path)) > MAX_PATH:
        return _TOO_LONG
    if path.is_symlink():
        return _LINK
    if not os.access(path, os.R_OK | os.X_OK):
        return _NO_RIGHT
    if depth > MAX_DEPTH:
        return f"is a folder more than {MAX_DEPTH} levels deep", _ONLY_NEEDED
    return _NO_NAME if depth and not path.name.isprintable() else None


def _fault(path: Path, status: os.stat_result) -> Fault | None:
    """Why something that is no folder is not graded."""
    if leads := _leads_elsewhere(status):
        return leads
    if status.st_size > MAX_BYTES:
        size, limit = status.st_size // 1_000_000, MAX_BYTES // 1_000_000
        return (
            f"is too big with its {size} MB, at most {limit} are graded",
            "clear its outputs (Edit > Clear Outputs of All Cells), save, and hand it in again",
        )
    if not os.access(path, os.R_OK):
        return _NO_RIGHT
    return None if path.name.isprintable() else _NO_NAME  # bytes that are no UTF-8 are not, either


def _leads_elsewhere(status: os.stat_result) -> Fault | None:
    if not stat.S_ISREG(status.st_mode):
        return _DEVICE
    return _HARD_LINK if status.st_nlink > 1 else None


# --- nbgrader's hooks -----------------------------------------------------------------------------------------------

_STUB, _IT, _TO_DO = "This notebook could not be graded.", "It ", "What to do: "


def stubs_fault(notebook: Mapping[str, Any]) -> Fault | None:
    """Why the notebook was set aside for which this one stands; None for any that `clean_submission` has not left."""
    (first, *more) = notebook["cells"] or [{"source": ""}]
    parts = str(first["source"]).split("\n\n")
    if more or parts[0] != _STUB or len(parts) != 3:
        return None
    return parts[1].removeprefix(_IT).removesuffix("."), parts[2].removeprefix(_TO_DO).removesuffix(".")


def clean_submission(*, notebooks: list[str], **_: object) -> None:
    """Before autograding: make a submission's folder one that nbgrader can copy and read; see this module.

    nbgrader calls this in the course folder with the paths of a student's notebooks, and goes on with those that are
    in this list afterwards. A notebook that cannot be graded leaves a stub that says why, and scores 0; one that
    nbgrader might choke on leaves a plain copy of itself.
    """
    for folder in {Path(notebook).parent for notebook in notebooks}:
        submission = _Folder(folder)
        submission.clean()
        _Folder(Path("autograded", submission.student, submission.phase)).cut_links()
    for notebook in list(notebooks):
        if not _Folder(Path(notebook).parent).clean_notebook(Path(notebook)):
            notebooks.remove(notebook)


def clean_output(*, notebooks: list[str], **_: object) -> None:
    """Before feedback is made: leave no link where nbgrader reads executed notebooks and writes pages."""
    for folder in {Path(notebook).parent for notebook in notebooks}:
        for step in ("autograded", "feedback"):
            _Folder(Path(step, folder.parent.name, folder.name)).cut_links()


@dataclass(frozen=True)
class _Folder:
    """A student's folder of a phase, where nbgrader collects work or keeps what it made of it."""

    path: Path

    @property
    def student(self) -> str:
        return self.path.parent.name

    @property
    def phase(self) -> str:
        return self.path.name

    def clean(self) -> None:
        """Move everything out of the way that is not usable."""
        if self.path.is_symlink():
            self.set_aside(self.path, _LINK)
            self.path.mkdir()
        found = survey(self.path, skip=())
        for path in list(_rest(self.path, found)):
            self.set_aside(path, found.faults.get(path, ("is more than is graded", _ONLY_NEEDED)))
        if has_timestamp(self.path) and timestamp(self.path) is None:
            self.set_aside(self.path / "timestamp.txt", NO_TIME)

    def clean_notebook(self, path: Path) -> bool:
        """Leave a notebook that nbgrader can read whatever the student's was; whether that could be done."""
        try:
            found = read(path).notebook
        except FileNotFoundError:  # it has just been set aside
            found = _stub("is no ordinary file", _ONLY_NEEDED)
        except Unreadable as error:
            found = _stub(error.reason, error.remedy)
            self.set_aside(path, (error.reason, error.remedy))
        else:
            if _is_simple(path):
                return True
            self.set_aside(path, ("is more than nbgrader can read", "its cells alone are graded"))
        with suppress(OSError), path.open("x", encoding="utf-8") as file:
            json.dump(found, file)
            return True
        return False

    def cut_links(self) -> None:
        """Leave nothing that leads elsewhere where nbgrader writes."""
        for path in (self.path.parent, self.path):
            if path.is_symlink():
                self.set_aside(path, _LINK)
        if not self.path.is_dir():
            return
        faults: dict[Path, Fault] = {}
        for path, status in _entries(self.path, (), faults):
            if leads := _leads_elsewhere(status):
                faults[path] = leads
        for path, fault in faults.items():
            if fault in (_LINK, _DEVICE, _HARD_LINK):
                self.set_aside(path, fault)

    def set_aside(self, path: Path, fault: Fault) -> None:
        """Move something into the folder for such things, and say so; what cannot be moved stays."""
        name = path.relative_to(self.path) if self.path in path.parents else Path(path.name)
        # a second place, where the course folder is on another disk
        places = (Path(SET_ASIDE, self.student, self.phase), self.path.parent / f".{SET_ASIDE}" / self.phase)
        told = f"{self.student}: {shown(name, Path())} {fault[0]}"
        try:
            target = _moved(path, name, places)
        except OSError as error:
            get_logger().error("%s, and cannot be moved: %s", told, error.strerror)
        else:
            get_logger().warning("%s: %s; it is in %s now", told, fault[1], shown(target.parent, Path()))


def _rest(folder: Path, found: Survey) -> Iterator[Path]:
    """Everything in a folder that is not usable, or was not even looked at."""
    looked_into = {parent for path in (*found.files, *found.faults) for parent in path.parents}
    usable = set(found.files)
    todo = [folder]
    while todo:
        with suppress(OSError), os.scandir(todo.pop()) as entries:  # nbgrader cannot look into it either
            for path in map(Path, entries):
                if path in looked_into and path not in found.faults:
                    todo.append(path)
                elif path not in usable and not _is_empty(path):
                    yield path


def _is_empty(path: Path) -> bool:
    """Whether it is a folder with nothing in it."""
    with suppress(OSError):
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    return False


def _moved(path: Path, name: Path, places: Iterable[Path]) -> Path:
    """Move a file, a folder or a link itself into the first of `places` that takes it; raises OSError if none does."""
    failure = OSError()
    for place in places:
        for number in range(1, _MOST_NAMES):
            base = place if number == 1 else place.with_name(f"{place.name}-{number}")
            target = base / name
            if target.parent.resolve() != base.resolve() / name.parent:  # a link that was set aside
                continue
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                continue
            if not os.path.lexists(target):
                break
        try:
            path.rename(target)
        except OSError as error:
            failure = error
        else:
            return target
    raise failure


def _stub(reason: str, remedy: str) -> dict[str, Any]:
    """A notebook that stands for one that cannot be graded."""
    source = f"{_STUB}\n\n{_IT}{reason}.\n\n{_TO_DO}{remedy}."
    cell = {"id": "stub", "cell_type": "markdown", "metadata": {}, "source": source}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _is_simple(path: Path) -> bool:
    """Whether nbgrader can be left to read a notebook, which it decodes, copies and checks several times over."""
    try:
        data = read_bytes(path)
        if sum(map(data.count, (b"[", b"{", b","))) > _FEW:
            return False
        with warnings.catch_warnings(action="ignore"):  # cell ids, which are made anew for grading
            notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
            nbformat.validate(copy.deepcopy(notebook))
    except Exception:  # whatever a reader of notebooks makes of any JSON
        return False
    return True
