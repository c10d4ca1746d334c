"""Make the gradebook know a phase's labs, and remember what it was told, so that it is told again only what is new.

nbgrader's step takes a quarter of a second for each lab, which everybody who grades would wait for each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbgrader
from nbgrader.api import MissingEntry

import course.publishing
from course.files import write_atomically
from course.grading import engine
from course.grading.engine import CourseFolder
from course.grading.gradebook import make_tables
from course.grading.jobs import Lab

_CACHE = Path(".cache") / "registered"


def registered(folder: CourseFolder, phase: str) -> dict[str, Lab]:
    """The labs of a phase by name, as a gradebook knows them that was told of the built sources as they are now.

    Raises CourseError as `engine.register`.
    """
    memory = folder.project / _CACHE / f"{_fingerprint(folder, phase)}.txt"
    try:
        if memory.read_text() == _digest(labs := engine.labs(folder, phase)):
            return labs
    except (OSError, MissingEntry):
        pass
    engine.register(folder, phase)
    labs = engine.labs(folder, phase)
    write_atomically(memory, _digest(labs).encode())
    return labs


def make_gradebook(folder: CourseFolder, phase: str, path: Path) -> None:
    """Make the file `path` a new gradebook of a course folder: one that knows the phase, and nobody's work.

    Raises CourseError as `registered`.
    """
    kept = folder.project / _CACHE / f"{_fingerprint(folder, phase)}.db"
    if not kept.is_file():
        path.unlink(missing_ok=True)
        make_tables(folder.database)
        registered(folder, phase)
        write_atomically(kept, path.read_bytes())
    write_atomically(path, kept.read_bytes())


def _fingerprint(folder: CourseFolder, phase: str) -> str:
    """Changes with the phase's sources, the settings, and the steps that make a release of them."""
    settings = json.dumps(folder.config, default=repr, sort_keys=True)
    digest = hashlib.sha256(f"{nbgrader.__version__}\n{phase}\n{settings}".encode())
    for path in _read(folder, phase):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _read(folder: CourseFolder, phase: str) -> Iterator[Path]:
    """The files from which a gradebook learns of a phase."""
    sources = folder.source / phase
    yield from sorted(path for path in sources.glob("*.*") if path.suffix in (".ipynb", ".md"))
    yield from sorted(Path(course.publishing.__file__).parent.glob("*.py"))
    around = folder.config.get("IncludeHeaderFooter", {})
    yield from (folder.root / around[name] for name in ("header", "footer") if around.get(name))


def _digest(labs: Mapping[str, Lab]) -> str:
    """What a gradebook knows of labs, in short."""
    known = {name: [lab.kernelspec, lab.cells] for name, lab in labs.items()}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
