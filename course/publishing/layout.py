"""Where labs live in the course folder: `source/<phase>/<lab>.md`, `release/<phase>/<lab>.ipynb`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from course.errors import CourseError

NOT_RELEASED = (
    "*.md",
    "*.edited*",
    "*.pyc",
    "__pycache__",
    ".*_cache",
    ".ipynb_checkpoints",
    ".DS_Store",
)
"""Names of files and folders that stay with the authors; labs' texts hold the solutions."""


@dataclass(frozen=True, order=True)
class Lab:
    """One lab of a course folder: `root`, and the names of the phase and of the lab."""

    root: Path
    phase: str
    name: str

    def __str__(self) -> str:
        return f"{self.phase}/{self.name}"

    @property
    def text(self) -> Path:
        """The lab as its author writes it."""
        return self.root / "source" / self.phase / f"{self.name}.md"

    @property
    def source(self) -> Path:
        """The notebook made from the text, with solutions."""
        return self.text.with_suffix(".ipynb")

    @property
    def release(self) -> Path:
        """The notebook that students get."""
        return self.root / "release" / self.phase / f"{self.name}.ipynb"


def labs(root: Path, only: str | None = None) -> list[Lab]:
    """The labs of a course folder, all or those of one `PHASE` or `PHASE/LAB`, in order.

    Raises CourseError where `only` names none.
    """
    texts = (root / "source").glob("*/*.md")
    every = sorted(Lab(root, text.parent.name, text.stem) for text in texts)
    if only is None:
        return every
    found = [lab for lab in every if only in (lab.phase, str(lab))]
    if not found:
        names = sorted({name for lab in every for name in (lab.phase, str(lab))})
        close = difflib.get_close_matches(only, names, n=1, cutoff=0.3)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CourseError(f"There is no phase or lab {only!r} in {root / 'source'}{hint}")
    return found


def other_files(folder: Path) -> dict[Path, Path]:
    """The files of a phase that go with its notebooks (data, programs): path in the folder -> path on disk."""
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if path.suffix != ".ipynb" and not is_held_back(name)}


def is_held_back(path: Path) -> bool:
    """Whether a file, by its path in the course folder, is one of those that are not released."""
    return any(fnmatch(name, pattern) for name in path.parts for pattern in NOT_RELEASED)
