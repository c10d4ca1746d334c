"""A folder to practise in: described as data, made on disk when it is first used, gone when Python ends."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from course.lab.terminal import drawing
from course.lab.terminal.errors import TerminalError

_NOT_IN_NAMES = re.compile(r'[\\:*?"<>|\0-\37]')  # Windows allows none of these
_HIDDEN = 0x2  # FILE_ATTRIBUTE_HIDDEN


class PracticeFolder:
    """A folder with files in it, and the place in it where its terminal stands now.

    Where it is home to a terminal, the folder itself is the home folder: `cd ~` leads to its top.
    """

    def __init__(self, contents: Mapping[str, str], name: str, start: str) -> None:
        self.contents = dict(contents)
        self.name = name
        self.start = start
        self._path: Path | None = None
        self._current: Path | None = None

    @property
    def path(self) -> Path:
        """Where the folder is on disk."""
        if self._path is None:
            holder = Path(tempfile.mkdtemp(prefix="terminal-")).resolve()
            weakref.finalize(self, _remove, holder, os.getpid())
            self._path = holder / self.name
            _write(self._path, self.contents)
        return self._path

    @property
    def current(self) -> Path:
        """The folder in which its terminal stands; its start where that folder is gone."""
        if self._current is None or not self._current.is_dir():
            self._current = self.path / self.start
        return self._current if self._current.is_dir() else self.path

    @current.setter
    def current(self, folder: Path) -> None:
        self._current = folder

    def copy(self) -> PracticeFolder:
        """A fresh folder with the same contents as this one had when it was made."""
        return PracticeFolder(self.contents, self.name, self.start)

    def remove(self) -> None:
        """Delete the folder; it is made anew at its next use."""
        if self._path is not None:
            _remove(self._path.parent, os.getpid())
        self._path = self._current = None

    def entries(self) -> list[str]:
        """The paths of all files and folders in it now, sorted; a folder's ends in a slash."""
        return sorted(_entries(self.path, ""))

    def __repr__(self) -> str:
        return drawing.tree_text(self.name, self._shown())

    def _repr_html_(self) -> str:
        return drawing.tree_html(self.name, self._shown())

    def _shown(self) -> list[str]:
        """What a picture of it shows; looking at it makes nothing on disk."""
        made = self._path is not None
        return (
            self.entries()
            if made
            else sorted({*self.contents, *(f"{each}/" for each in _folders(self.contents))})
        )


def practice_folder(
    contents: Mapping[str, str], *, name: str = "practice", start: str = ""
) -> PracticeFolder:
    """A fresh folder for `%%terminal`, with these files in it.

    Args:
        contents: the text of each file under its path, as in `{"orders/2026.txt": "..."}`; a path that ends in a slash
            is an empty folder.
        name: what the folder itself is called.
        start: the folder in it where its terminal opens; the top where it is left out.

    Raises:
        TerminalError: a path that cannot be made on every computer, or a start that is no folder in it.
    """
    for path in (*contents, name):
        _check(path.removesuffix("/") if path is not name else path)
    _check_clashes(contents)
    if start and start not in _folders(contents):
        raise TerminalError(f"The practice folder has no folder {start!r} to start in.")
    return PracticeFolder(contents, name, start)


def required(value: object) -> PracticeFolder:
    """The value, if it is a practice folder. Raises TerminalError."""
    if not isinstance(value, PracticeFolder):
        raise TerminalError(
            "A test found something else under the name of a practice folder: run the cell again that makes it."
        )
    return value


def _check(path: str) -> None:
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts) or _NOT_IN_NAMES.search(path):
        raise TerminalError(
            f"{path!r} cannot be made on every computer: write a relative path with / between its names."
        )


def _check_clashes(contents: Mapping[str, str]) -> None:
    clash = {path for path in contents if not path.endswith("/")} & _folders(contents)
    if clash:
        raise TerminalError(f"{min(clash)!r} is a file and a folder at once.")


def _folders(contents: Mapping[str, str]) -> set[str]:
    above = {str(parent) for path in contents for parent in PurePosixPath(path).parents}
    return (above | {path.rstrip("/") for path in contents if path.endswith("/")}) - {"."}


def _write(top: Path, contents: Mapping[str, str]) -> None:
    top.mkdir()
    for name, text in contents.items():
        path = top / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    for entry in _entries(top, ""):
        _hide(top / entry)


def _hide(path: Path) -> None:
    """On Windows a dot at the beginning of a name hides nothing: there it is an attribute."""
    if sys.platform == "win32" and path.name.startswith("."):
        import ctypes

        ctypes.windll.kernel32.SetFileAttributesW(str(path), _HIDDEN)


def _entries(folder: Path, prefix: str) -> Iterator[str]:
    try:
        found = list(os.scandir(folder))
    except OSError:  # gone, or closed to us: a terminal can do both
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield f"{prefix}{entry.name}/"
            yield from _entries(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}"


def _remove(holder: Path, owner: int) -> None:
    """Delete a folder, but not in a process that was forked from the one that made it."""
    if os.getpid() == owner:
        shutil.rmtree(holder, ignore_errors=True)
