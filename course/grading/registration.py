"""Make the gradebook know a phase's labs, and remember what it was told, so that it is told again only what is new.

nbgrader's step takes a quarter of a second for each lab, which everybody who grades would wait for each time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import nbgrader
from nbgrader.api import MissingEntry
from sqlalchemy.exc import SQLAlchemyError

import course
from course.files import write_atomically
from course.grading import engine
from course.grading.engine import CourseFolder
from course.grading.gradebook import make_tables
from course.grading.jobs import Lab

_CACHE = Path(".cache") / "registered"
_JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite leaves beside a file where it was stopped, and would bring into another file of that name."""


def registered(folder: CourseFolder, phase: str) -> dict[str, Lab]:
    """The labs of a phase by name, as a gradebook knows them that was told of the built sources as they are now.

    Raises CourseError as `engine.register`.
    """
    fingerprint = _fingerprint(folder, phase)
    memory = folder.project / _CACHE / f"{fingerprint}.txt"
    with suppress(OSError, ValueError, MissingEntry, SQLAlchemyError):  # `register` says what there is to say
        labs = engine.labs(folder, phase)
        if memory.read_text() == _digest(folder, phase, labs):
            return labs
    engine.register(folder, phase)
    labs = engine.labs(folder, phase)
    if _fingerprint(folder, phase) == fingerprint:  # else it was told of something else
        with suppress(OSError):  # it only takes longer
            write_atomically(memory, _digest(folder, phase, labs).encode())
    return labs


def make_gradebook(folder: CourseFolder, phase: str, path: Path) -> None:
    """Make the file `path` a new gradebook of a course folder: one that knows the phase, and nobody's work.

    Raises CourseError as `registered`.
    """
    fingerprint = _fingerprint(folder, phase)
    kept = folder.project / _CACHE / f"{fingerprint}.db"
    for ending in ("", *_JOURNALS):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    with suppress(OSError):
        write_atomically(path, kept.read_bytes())
        if _is_whole(path):
            return
        path.unlink()
    make_tables(folder.database)
    registered(folder, phase)
    if _fingerprint(folder, phase) == fingerprint:
        with suppress(OSError):
            write_atomically(kept, path.read_bytes())


def _is_whole(gradebook: Path) -> bool:
    try:
        with closing(sqlite3.connect(gradebook)) as database:
            (phases,) = database.execute("SELECT count(*) FROM assignment").fetchone()
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            return bool(phases == 1 and verdict == "ok")
    except sqlite3.Error:
        return False


def _fingerprint(folder: CourseFolder, phase: str) -> str:
    """Changes with the phase's sources, the settings, and the steps that make a release of them."""
    settings = json.dumps(folder.config, default=repr, sort_keys=True)
    digest = hashlib.sha256(f"{nbgrader.__version__}\n{phase}\n{settings}".encode())
    for path in _read(folder, phase):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _read(folder: CourseFolder, phase: str) -> Iterator[Path]:
    """The files from which a gradebook learns of a phase: what lies in its folder, and what nbgrader's steps are told."""
    yield from sorted(path for path in (folder.source / phase).rglob("*") if path.is_file())
    yield from sorted(Path(course.__file__).parent.rglob("*.py"))
    around = folder.config.get("IncludeHeaderFooter", {})
    named = (around.get(name) for name in ("header", "footer"))
    more = [folder.project / "autotests.yml", *(folder.root / name for name in named if name)]
    yield from (path for path in more if path.is_file())


def _digest(folder: CourseFolder, phase: str, labs: Mapping[str, Lab]) -> str:
    """What a gradebook knows of labs, in short."""
    with folder.gradebook() as gradebook:
        known = {
            notebook.name: [
                [lab.kernelspec, lab.cells] if (lab := labs.get(notebook.name)) else None,
                sorted((cell.name, cell.cell_type, cell.max_score) for cell in notebook.grade_cells),
                sorted((cell.name, cell.cell_type, cell.max_score) for cell in notebook.task_cells),
                sorted(cell.name for cell in notebook.solution_cells),
            ]
            for notebook in gradebook.find_assignment(phase).notebooks
        }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
