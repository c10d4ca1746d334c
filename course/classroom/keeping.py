"""All of a student's work and progress as one zip file, and back into a working copy.

The zip holds what the student made or changed in `work/`, the released version each changed lab was made from, and the
progress; not what the release or a program can make again. Restoring overwrites nothing of the student's.
"""

from __future__ import annotations

import io
import itertools
import json
import secrets
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath

from course.classroom.working_copy import refresh
from course.errors import CourseError
from course.files import write_atomically

COURSE = "backend-course"

LARGEST_FILE = 20_000_000
LARGEST_WORK = 100_000_000
MOST_FILES = 5_000

_MARK = ".course/saved.json"
"""The entry by which a zip is known to hold work of this course; it is not restored."""

_MADE_BY_PROGRAMS = {".ipynb_checkpoints", "__pycache__", "node_modules", ".git", ".cache", "__MACOSX"}
_MADE_BY_PROGRAMS |= {".pytest_cache", ".mypy_cache", ".ruff_cache", ".virtual_documents", ".DS_Store"}
_HALF_SAVED = ".~"  # how the name of the copy begins that a Jupyter server keeps while it saves a file


@dataclass(frozen=True)
class Work:
    """What a zip of a working copy holds. `left_out` names the files that are too large or cannot be kept."""

    files: tuple[Path, ...]
    left_out: tuple[Path, ...]


@dataclass(frozen=True)
class Restored:
    """What came back: how many files, and a line for the student on each one that needs their attention."""

    files: int
    messages: tuple[str, ...]


def zip_name(day: date) -> str:
    """The name of a download."""
    return f"{COURSE}-{day.isoformat()}.zip"


def copy_id(root: Path) -> str:
    """What tells this working copy from another one, such as that of an earlier Binder session; made when first asked."""
    file = root / "work" / ".course" / "copy"
    if not file.is_file():
        write_atomically(file, secrets.token_hex(8).encode())
    return file.read_text()


# --- saving -----------------------------------------------------------------------------------------------------------


def students_work(root: Path) -> Work:
    """The files in `root/work` that only the student has, relative to it; progress first, then notebooks."""
    work = root / "work"
    found = [file for file in _files(work) if _is_students(root, file.relative_to(work))]
    found.sort(key=lambda file: (".course" not in file.parts, file.suffix != ".ipynb", file))
    files: list[Path] = []
    left_out: list[Path] = []
    total = 0
    for file in found:
        try:
            name, size = file.relative_to(work), file.lstat().st_size
        except FileNotFoundError:  # gone since it was found
            continue
        fits = size <= LARGEST_FILE and total + size <= LARGEST_WORK and len(files) < MOST_FILES
        if fits and not file.is_symlink() and _is_safe(name.as_posix()):
            files.append(name)
            total += size
        else:
            left_out.append(name)
    return Work(tuple(files), tuple(left_out))


def save(root: Path, work: Work) -> bytes:
    """The zip of this work."""
    folder = root / "work"
    bases = [base for file in work.files if (folder / (base := Path(".course", "base", file))).is_file()]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        archive.writestr(zipfile.ZipInfo(_MARK), json.dumps({"course": COURSE}))
        for name in sorted({*work.files, *bases}):
            with suppress(FileNotFoundError):  # gone since it was found
                archive.write(folder / name, name.as_posix())
    return content.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    """All files below the folder that people make, links among them (not followed)."""
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        if entry.name in _MADE_BY_PROGRAMS or entry.name.startswith(_HALF_SAVED):
            continue
        if (entry / "pyvenv.cfg").is_file():
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _files(entry)
        elif entry.is_file() or entry.is_symlink():
            yield entry


def _is_students(root: Path, name: Path) -> bool:
    if name.parts[0] == ".course":
        return _is_progress(name)
    mine = root / "work" / name
    base = root / "work" / ".course" / "base" / name
    return not any(_same(mine, released) for released in (base, root / "release" / name))


def _is_progress(name: Path) -> bool:
    return name.parts[:2] == (".course", "progress") and name.suffix == ".jsonl"


def _same(mine: Path, other: Path) -> bool:
    """Whether two files say the same: for notebooks, whether their cells do."""
    if not other.is_file() or not mine.is_file():
        return False
    one, two = mine.read_bytes(), other.read_bytes()
    return one == two or (
        mine.suffix == ".ipynb" and (cells := _cells(one)) is not None and cells == _cells(two)
    )


def _cells(notebook: bytes) -> list[object] | None:
    """What a student sees of a notebook: JupyterLab changes its metadata by opening it."""
    try:
        cells = json.loads(notebook)["cells"]
        return [(cell["cell_type"], "".join(cell["source"]), cell.get("outputs")) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return None


# --- restoring --------------------------------------------------------------------------------------------------------


def restore(root: Path, content: bytes) -> Restored:
    """Bring the work in a zip into `root/work`, and from there into the newest version of the labs.

    A file of the student's that differs stays beside the restored one; progress of both is kept. Raises CourseError for
    a zip that is broken, unsafe or holds something else, before anything is changed.
    """
    work = root / "work"
    files = _read(content)
    for name in files:
        _must_have_room(work, name)
    messages, restored = [], 0
    for name, new in files.items():
        if _is_progress(name):
            restored += _merge_progress(work / name, new)
        elif name.parts[0] != ".course":
            base = files.get(Path(".course", "base", name))
            came, message = _restore_file(root, name, new, base)
            restored += came
            messages += [message] if message else []
    changes = refresh(root)
    return Restored(restored, (*messages, *(f"{change.lab} {change.message}" for change in changes)))


def _restore_file(root: Path, name: Path, new: bytes, base: bytes | None) -> tuple[bool, str | None]:
    mine = root / "work" / name
    if any(there.read_bytes() == new for there in [mine, *_kept_beside(mine)] if there.is_file()):
        return False, None
    message = None
    if mine.exists() and _is_students(root, name):
        kept = _free_name(mine)
        shutil.copy2(mine, kept)
        message = f"{name.as_posix()} is restored; the file that was there is kept as {kept.name}"
    write_atomically(mine, new)
    if base is not None:  # tells the coming refresh what the student wrote
        write_atomically(root / "work" / ".course" / "base" / name, base)
    return True, message


def _free_name(mine: Path) -> Path:
    stem = f"{mine.stem} (before {date.today().isoformat()}"
    numbers = itertools.chain([""], (f", {number}" for number in itertools.count(2)))
    names = (mine.with_name(f"{stem}{number}){mine.suffix}") for number in numbers)
    return next(name for name in names if not name.exists())


def _kept_beside(mine: Path) -> list[Path]:
    start = f"{mine.stem} ("
    return [file for file in mine.parent.glob(f"*{mine.suffix}") if file.name.startswith(start)]


def _merge_progress(file: Path, new: bytes) -> bool:
    """Both files' lines, each as often as the one that has it more often, in the order of time."""
    mine = file.read_bytes().splitlines() if file.exists() else []
    missing = Counter(new.splitlines()) - Counter(mine)
    if not missing:
        return False
    lines = [*mine, *missing.elements()]
    write_atomically(file, b"".join(line + b"\n" for line in sorted(lines, key=_time)))
    return True


def _time(line: bytes) -> str:
    try:
        return str(json.loads(line)["at"])
    except (ValueError, KeyError, TypeError):
        return ""


# --- reading a zip that may be anything -------------------------------------------------------------------------------


def _read(content: bytes) -> dict[Path, bytes]:
    """The files of a zip by their names in the working copy."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            top = _top_folder([entry.filename for entry in entries])
            wanted = [entry for entry in entries if entry.filename.startswith(top)]
            _must_be_reasonable(wanted, top)
            return _contents(archive, wanted, top)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise CourseError(
            "This file is not a whole zip file, so nothing was restored. Download your work again, or choose another file."
        ) from error


def _top_folder(names: list[str]) -> str:
    """What stands before our own names: a folder where somebody has unpacked and packed the work again."""
    marks = [name for name in names if f"/{name}".endswith(f"/{_MARK}")]
    if not marks:
        raise CourseError(
            "This zip file holds no work of this course, so nothing was restored. "
            f"Choose a file that this course gave you: its name is like {zip_name(date(2026, 1, 31))}."
        )
    return min(marks, key=len).removesuffix(_MARK)


def _must_be_reasonable(entries: list[zipfile.ZipInfo], top: str) -> None:
    names = [entry.filename.removeprefix(top) for entry in entries]
    if len(names) > MOST_FILES or sum(entry.file_size for entry in entries) > 2 * LARGEST_WORK:
        raise CourseError("This zip file is too large to be work of this course, so nothing was restored.")
    links = [entry for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)]
    if links or len(set(names)) < len(names) or not all(map(_is_safe, names)):
        raise CourseError(
            "This zip file has names in it that lead out of the course, or twice to the same place. "
            "This course did not make it, so nothing was restored."
        )


def _contents(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], top: str) -> dict[Path, bytes]:
    """The wanted files; of each no more is unpacked than its entry says, and its checksum is tested."""
    named = ((Path(entry.filename.removeprefix(top)), entry) for entry in entries)
    return {name: archive.read(entry) for name, entry in named if _is_kept(name)}


def _is_kept(name: Path) -> bool:
    if name.parts[0] == ".course":
        return _is_progress(name) or (name.parts[1:2] == ("base",) and name.suffix == ".ipynb")
    return not _MADE_BY_PROGRAMS.intersection(name.parts)


def _is_safe(name: str) -> bool:
    """Whether a name stays inside the folder it is put in, on every system."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or "\\" in name
    return bool(path.parts) and not outside and name.isprintable()


def _must_have_room(work: Path, name: Path) -> None:
    """Refuse where a link leads elsewhere, or a folder stands where a file must, before anything is written."""
    target = work / name
    blocked = target.is_dir() or any((work / parent).is_file() for parent in name.parents)
    if blocked or not target.resolve().is_relative_to(work.resolve()):
        raise CourseError(
            f"{name.as_posix()} cannot be restored, as something else has its name here. Rename that, and try again."
        )
