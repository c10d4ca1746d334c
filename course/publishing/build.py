"""Make `release/` from `source/` with nbgrader's own steps, and only what has changed."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from course.errors import CourseError
from course.publishing import releases
from course.publishing.layout import Lab, is_held_back, labs, other_files
from course.publishing.outputs import Outputs

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Jupytext, nbformat and nbgrader are imported in functions: they take seconds, and mostly there is nothing to do.

_TOOLS = ("jupytext", "nbconvert", "nbformat", "nbgrader")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """What a build did: labs as `04-databases/14b-joins`, files by their path in the course folder."""

    built: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"built     {lab}" for lab in self.built]
        lines += [f"removed   {path} (it has no source any more)" for path in self.removed]
        lines += [f"kept      {path} (edited by hand; the new file stands beside it)" for path in self.kept]
        if self.unchanged:
            lines.append(f"unchanged {len(self.unchanged)} labs")
        return "\n".join(lines) or "There are no labs in source/."


@dataclass(frozen=True)
class _Published:
    """The two notebooks made from a lab's text, as the bytes of their files, and the cells of what is released."""

    source: bytes
    release: bytes
    cells: list[NotebookNode]


def build(root: Path, only: str | None = None) -> Built:
    """Publish the labs that have changed: all, or those of one `PHASE` or `PHASE/LAB`.

    Makes `source/<phase>/<lab>.ipynb` and `release/<phase>/<lab>.ipynb`, copies the other files of a phase, and
    removes from `release/` what has no source any more. A file that somebody has edited is set aside as `*.edited`.
    The gradebook is not touched: students build too, and it is the instructor's `nbgrader generate_assignment` that
    fills it.

    Raises LabError or LeakError for a lab that cannot be published; then nothing is written.
    """
    outputs = Outputs(root)
    wanted = labs(root, only)
    tools = _tools(root)
    inputs = {lab: _inputs(lab, tools) for lab in wanted}
    stale = [lab for lab in wanted if not outputs.are_fresh(str(lab), inputs[lab], lab.source, lab.release)]
    published = _publish(root, stale)

    for lab, notebooks in published.items():
        outputs.put(lab.source, notebooks.source)
        outputs.put(lab.release, notebooks.release)
        releases.remember(root, lab.phase, lab.name, notebooks.cells)
        outputs.note(str(lab), inputs[lab])
    phases = {lab.phase for lab in wanted}
    for path, content in _other_contents(root, phases).items():
        outputs.put(path, content)
    for path in _orphans(root, None if only is None else phases):
        outputs.remove(path)
    outputs.save()
    return Built(
        built=tuple(map(str, stale)),
        unchanged=tuple(str(lab) for lab in wanted if lab not in published),
        removed=tuple(str(path.relative_to(root)) for path in outputs.removed),
        kept=tuple(str(path.relative_to(root)) for path in outputs.kept),
    )


def check(root: Path) -> None:
    """Make every lab afresh, write nothing, and compare with `release/`.

    Raises CourseError listing each file that differs, is missing, or has no source; LabError or LeakError for a lab
    that cannot be published.
    """
    every = labs(root)
    expected = {lab.release: made.release for lab, made in _publish(root, every).items()}
    expected |= _other_contents(root, {lab.phase for lab in every})
    problems = [
        f"no source   {path.relative_to(root)}" for path in _orphans(root, None) if "release" in path.parts
    ]
    for path, content in sorted(expected.items()):
        if not path.is_file():
            problems.append(f"missing     {path.relative_to(root)}")
        elif path.read_bytes() != content:
            problems.append(f"out of date {path.relative_to(root)}")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CourseError(
            f"release/ is not what source/ makes:\n{listed}\nRun `course build`, look at the difference, and commit it."
        )


def _publish(root: Path, wanted: list[Lab]) -> dict[Lab, _Published]:
    """Make both notebooks of each lab, checked; nothing is written in the course folder."""
    if not wanted:
        return {}
    import nbformat

    from course.publishing.checks import check_other_file, check_release
    from course.publishing.notebook import notebook_bytes, read_lab

    sources = {lab: read_lab(lab.text) for lab in wanted}
    published = {}
    with tempfile.TemporaryDirectory(prefix="course-build-") as folder:
        stage = Path(folder).resolve()
        for lab, source in sources.items():
            path = stage / "source" / lab.phase / f"{lab.name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(notebook_bytes(source))
        for phase in sorted({lab.phase for lab in wanted}):
            _generate_assignment(root, stage, phase)
        for lab, source in sources.items():
            content = (stage / "release" / lab.phase / f"{lab.name}.ipynb").read_bytes()
            released = nbformat.reads(content.decode(), as_version=4)
            nbformat.validate(released)
            check_release(str(lab), source, released)
            published[lab] = _Published(notebook_bytes(source), content, released.cells)
    for path, content in _other_contents(root, {lab.phase for lab in wanted}).items():
        check_other_file(
            path.relative_to(root),
            content,
            {str(lab): nb for lab, nb in sources.items() if lab.release.parent in path.parents},
        )
    return published


def _generate_assignment(root: Path, stage: Path, phase: str) -> None:
    """Run nbgrader's GenerateAssignment with the course's settings, from and to `stage`, without the gradebook."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.source_directory = str(stage / "source")
    config.CourseDirectory.release_directory = str(stage / "release")
    config.CourseDirectory.assignment_id = phase
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    try:
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config, log=_log).start()
    except NbGraderException as error:
        raise CourseError(f"nbgrader could not publish {phase}: its messages above say why") from error


def _other_contents(root: Path, phases: set[str]) -> dict[Path, bytes]:
    """The files released beside the notebooks of `phases`: path in `release/` -> content."""
    return {
        root / "release" / phase / name: path.read_bytes()
        for phase in sorted(phases)
        for name, path in other_files(root / "source" / phase).items()
    }


def _orphans(root: Path, phases: set[str] | None) -> list[Path]:
    """Built files whose source is gone, in `phases` or everywhere."""
    found = [
        path
        for path in sorted((root / "release").glob("*/**/*"))
        if path.is_file() and not is_held_back(path.relative_to(root)) and not _has_source(root, path)
    ]
    found += [
        path for path in sorted((root / "source").glob("*/*.ipynb")) if not path.with_suffix(".md").is_file()
    ]
    return [path for path in found if phases is None or path.relative_to(root).parts[1] in phases]


def _has_source(root: Path, released: Path) -> bool:
    source = root / "source" / released.relative_to(root / "release")
    return (source.with_suffix(".md") if source.suffix == ".ipynb" else source).is_file()


def _inputs(lab: Lab, tools: str) -> str:
    """A digest of all that a lab's release depends on."""
    files: Mapping[Path, Path] = other_files(lab.text.parent)
    digest = hashlib.sha256(tools.encode())
    for path in (lab.text, *files.values()):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _tools(root: Path) -> str:
    """A digest of the programs and settings that publish."""
    digest = hashlib.sha256(" ".join(f"{tool} {version(tool)}" for tool in _TOOLS).encode())
    for path in (root / "nbgrader_config.py", *sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
