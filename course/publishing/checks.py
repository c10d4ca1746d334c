"""Prove that nothing a student should not see is in what was released."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course.errors import CourseError
from course.publishing.exercises import grade_id, is_solution
from course.publishing.notebook import NOTEBOOK_METADATA
from course.publishing.rules import MARKERS, RELEASED_METADATA

_SHORTEST = 8  # letters of a line that can give something away: not `else:` or `)`
_SHORTEST_INSIDE = 12  # letters of a line that is looked for inside longer lines too


class LeakError(CourseError):
    """A solution, a hidden test or a mark scheme reached what students get."""


def check_release(lab: str, source: NotebookNode, released: NotebookNode) -> None:
    """Check the released notebook of `lab` against the source it was made from.

    Looks for the markers, for every line that only the author's side of the source holds, for whole solutions that the
    source itself shows elsewhere, and for anything (outputs, attachments, metadata) a release has no use for.
    Raises LeakError naming the lab, the cell and the line.
    """
    secrets = _secrets(source)
    for cell in released.cells:
        where = f"{lab}: cell {cell.id!r}"
        for number, line in enumerate(cell.source.split("\n"), start=1):
            _check_line(line, secrets, f"{where}, line {number}")
        _check_whole_solutions(cell, source, where)
        _check_extras(cell, where)
        _check_values(cell.metadata, secrets, f"{where}, metadata")
    unknown = sorted(set(released.metadata) - set(NOTEBOOK_METADATA))
    if unknown:
        raise LeakError(
            f"{lab}: the notebook's metadata holds {', '.join(unknown)}; a release has no use for it"
        )
    _check_values(released.metadata, secrets, f"{lab}: the notebook's metadata")


def check_other_file(name: Path, content: bytes, sources: Mapping[str, NotebookNode]) -> None:
    """Check a file that is released beside the notebooks made from `sources` (lab -> source notebook).

    Raises LeakError naming the file, the line, and the lab whose solution or test it shows.
    """
    text = content.decode("utf-8", errors="replace")
    for lab, source in sources.items():
        secrets = _secrets(source)
        for number, line in enumerate(text.splitlines(), start=1):
            _check_line(line, secrets, f"{name}, line {number} (of {lab})")


def _secrets(source: NotebookNode) -> dict[str, str]:
    """The lines that only the author may see -> what they are part of."""
    hidden: dict[str, str] = {}
    shown: set[str] = set()
    for cell in source.cells:
        for kind, line in _lines_by_kind(cell):
            plain = _plain(line)
            if kind is None:
                shown.add(plain)
            elif sum(map(str.isalnum, plain)) >= _SHORTEST:
                hidden.setdefault(plain, f"the {kind} of {grade_id(cell)}")
    return {line: kind for line, kind in hidden.items() if not any(_holds(public, line) for public in shown)}


def _lines_by_kind(cell: NotebookNode) -> Iterator[tuple[str | None, str]]:
    """Each line of a source cell with the kind of region it is in, None for what students see."""
    lines = cell.source.split("\n")
    # nbgrader replaces the whole of a solution cell without markers.
    whole = is_solution(cell) and not any(begin in cell.source for begin, _ in MARKERS.values())
    inside = "solution" if whole else None
    for line in lines[1:] if whole and lines[0].startswith("%%") else lines:
        opened = next((kind for kind, (begin, _) in MARKERS.items() if begin in line), None)
        if opened:
            inside = opened
        elif any(end in line for _, end in MARKERS.values()):
            inside = None
        else:
            yield inside, line


def _check_line(line: str, secrets: Mapping[str, str], where: str) -> None:
    marker = next((marker for pair in MARKERS.values() for marker in pair if marker in line), None)
    if marker:
        raise LeakError(f"{where}: the marker {marker} was released: {line.strip()}")
    plain = _plain(line)
    leaked = next((secret for secret in secrets if _holds(plain, secret)), None)
    if leaked:
        raise LeakError(f"{where}: shows a line of {secrets[leaked]}: {leaked}")


def _check_whole_solutions(cell: NotebookNode, source: NotebookNode, where: str) -> None:
    """Refuse a released cell with a whole solution of two lines or more, which the source shows there too."""
    shown = _block(_plain(line) for line in cell.source.split("\n"))
    for other in source.cells:
        solution = [
            _plain(line) for kind, line in _lines_by_kind(other) if kind == "solution" and line.strip()
        ]
        if len(solution) > 1 and _block(solution) in shown:
            raise LeakError(f"{where}: shows the whole solution of {grade_id(other)}; show another example")


def _check_extras(cell: NotebookNode, where: str) -> None:
    if cell.get("outputs"):
        raise LeakError(f"{where}: was released with its outputs")
    if cell.get("attachments"):
        raise LeakError(f"{where}: was released with attachments")
    unknown = sorted(set(cell.metadata) - RELEASED_METADATA)
    if unknown:
        raise LeakError(f"{where}: its metadata holds {', '.join(unknown)}; a release has no use for it")


def _check_values(value: Any, secrets: Mapping[str, str], where: str) -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        for line in value.splitlines():
            _check_line(line, secrets, where)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _check_values(name, secrets, where)
            _check_values(inner, secrets, where)
    elif isinstance(value, list):
        for inner in value:
            _check_values(inner, secrets, where)


def _block(lines: Iterable[str]) -> str:
    return "".join(f"\n{line}" for line in lines) + "\n"


def _plain(line: str) -> str:
    return " ".join(line.split())


def _holds(line: str, secret: str) -> bool:
    return line == secret or (len(secret) >= _SHORTEST_INSIDE and secret in line)
