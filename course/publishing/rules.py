"""The rules that a lab's text must keep, so that it can be released, graded and read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from course.grade_ids import kind_of
from course.lab.hints import METADATA
from course.publishing.exercises import exercises, grade_id, is_solution, is_test
from course.publishing.forms import is_form, odd_line
from course.publishing.text import LabError, TextCell

CELL_METADATA = frozenset({"tags", "nbgrader", "jupyter", "editable", "deletable"})
"""What may stand on a fence line."""

RELEASED_METADATA = CELL_METADATA | {METADATA}
"""What may be known of a released cell."""

MARKERS = {
    "solution": ("BEGIN SOLUTION", "END SOLUTION"),
    "hidden tests": ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS"),
    "mark scheme": ("BEGIN MARK SCHEME", "END MARK SCHEME"),
}
"""nbgrader's marks around what students do not get: kind of region -> its first and its last line."""

_NBGRADER_NEEDED = frozenset({"schema_version", "solution", "grade", "locked", "task", "grade_id"})
_NBGRADER_KNOWN = _NBGRADER_NEEDED | {"points", "cell_type", "checksum"}
_KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_ID = 64  # of a cell id, in the notebook format
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+\S")
_FENCE = re.compile(r"^\s*(?:```|~~~)")


def check_rules(notebook: NotebookNode, placed: list[TextCell], path: Path) -> None:
    """Raise LabError for the first rule that the lab at `path` breaks, naming the line to mend."""
    for place in placed:
        _check_metadata(place, path)
        _check_regions(place, path)
        _check_form(place, path)
    _check_grade_ids(placed, path)
    _check_exercises(notebook, placed, path)
    _check_start(placed, path)
    _check_headings(placed, path)


def _check_metadata(place: TextCell, path: Path) -> None:
    """Refuse unreadable or unknown words on a fence line."""
    meta = place.cell.metadata
    if "incorrectly_encoded_metadata" in meta:
        raise LabError(
            path,
            place.opening,
            f"cannot read the metadata on this line: {meta.incorrectly_encoded_metadata}; "
            "it must be name=value pairs whose values are JSON",
        )
    unknown = sorted(set(meta) - CELL_METADATA)
    if unknown:
        known = ", ".join(sorted(CELL_METADATA))
        raise LabError(path, place.opening, f"unknown metadata {', '.join(unknown)}; a cell may have {known}")
    if place.cell.source.split("\n")[0].split() == ["%%sql"]:
        raise LabError(
            path,
            place.opening,
            'an SQL cell says which database it runs on: ```sql magic_args="shop"; '
            "SQL that is only shown is fenced as ```sql .noeval",
        )
    if "nbgrader" in meta:
        _check_nbgrader(place, path)


def _check_nbgrader(place: TextCell, path: Path) -> None:
    meta = place.cell.metadata.nbgrader
    if not isinstance(meta, dict):
        raise LabError(
            path, place.opening, 'nbgrader={...} must be a JSON object with "grade_id" and the rest'
        )
    missing = sorted(_NBGRADER_NEEDED - set(meta))
    if missing:
        raise LabError(path, place.opening, f"nbgrader metadata without {', '.join(missing)}")
    unknown = sorted(set(meta) - _NBGRADER_KNOWN)
    if unknown:
        raise LabError(path, place.opening, f"unknown nbgrader metadata {', '.join(unknown)}")
    name = meta["grade_id"]
    if not (isinstance(name, str) and _KEBAB_CASE.fullmatch(name)):
        raise LabError(
            path,
            place.opening,
            f"grade_id {name!r} is not kebab-case; write it in small letters, digits and single hyphens",
        )
    if len(name) > _MAX_ID:
        raise LabError(
            path, place.opening, f"grade_id {name!r} is longer than {_MAX_ID} characters; shorten it"
        )
    worth = meta.get("points")
    scored = meta["grade"] or meta["task"]
    if scored and (isinstance(worth, bool) or not isinstance(worth, int | float) or worth < 0):
        raise LabError(path, place.opening, f'cell {name!r} is graded and needs "points": a number from 0')
    if is_solution(place.cell) and kind_of(name):
        raise LabError(
            path,
            place.opening,
            f"solution cell {name!r} is named like a test cell; name it without the words visible and hidden",
        )
    if is_test(place.cell) and not meta["locked"]:
        raise LabError(
            path,
            place.opening,
            f'test cell {name!r} needs "locked": true, or a student\'s version of it would be graded',
        )


def _check_regions(place: TextCell, path: Path) -> None:
    """Check that markers come in pairs, in the cells they are for."""
    found = {kind: _count_regions(place, kind, path) for kind in MARKERS}
    cell, name = place.cell, grade_id(place.cell)
    if found["solution"] and not is_solution(cell):
        raise LabError(
            path, place.opening, 'a solution in a cell that is not a solution cell ("solution": true)'
        )
    if found["mark scheme"] and not cell.metadata.get("nbgrader", {}).get("task"):
        raise LabError(path, place.opening, 'a mark scheme in a cell that is not a task cell ("task": true)')
    hidden = name is not None and is_test(cell) and kind_of(name) == "hidden"
    if hidden and not found["hidden tests"]:
        raise LabError(
            path,
            place.opening,
            f"hidden test cell {name!r} hides nothing; put its body between ### BEGIN HIDDEN TESTS "
            "and ### END HIDDEN TESTS",
        )
    if found["hidden tests"] and not hidden:
        raise LabError(
            path, place.opening, "hidden tests in a cell that is not a test cell named <exercise>-hidden"
        )


def _check_form(place: TextCell, path: Path) -> None:
    """Refuse a form that a student could not fill in by writing between quotes."""
    odd = odd_line(place.lines) if is_form(place.cell) else None
    if odd is not None:
        raise LabError(
            path,
            place.first + odd,
            'a form (a cell tagged "form") has comments and lines like name = "text" only',
        )


def _count_regions(place: TextCell, kind: str, path: Path) -> int:
    begin, end = MARKERS[kind]
    count, opened = 0, None
    for number, line in enumerate(place.lines, start=place.first):
        if begin in line:
            if opened is not None:
                raise LabError(
                    path, number, f"{begin} inside the {kind} begun in line {opened}; end that first"
                )
            count, opened = count + 1, number
        elif end in line:
            if opened is None:
                raise LabError(path, number, f"{end} without {begin} before it in the same cell")
            opened = None
    if opened is not None:
        raise LabError(path, opened, f"{begin} without {end} after it in the same cell")
    return count


def _check_grade_ids(placed: list[TextCell], path: Path) -> None:
    lab = lab_number(path)
    seen: dict[str, int] = {}
    for place in placed:
        name = grade_id(place.cell)
        if name is None:
            continue
        if re.fullmatch(rf"{re.escape(lab)}-\d+", name):
            raise LabError(
                path, place.opening, f"grade_id {name!r} is like the ids of other cells; add a word"
            )
        if name in seen:
            raise LabError(
                path,
                place.opening,
                f"grade_id {name!r} is also in line {seen[name]}; every grade_id of a lab is its own: rename one",
            )
        seen[name] = place.opening


def _check_exercises(notebook: NotebookNode, placed: list[TextCell], path: Path) -> None:
    line_of = {id(place.cell): place.opening for place in placed}
    for exercise in exercises(notebook):
        if exercise.tests and not exercise.solutions:
            first = exercise.tests[0]
            raise LabError(
                path,
                line_of[id(first)],
                f"test cell {grade_id(first)!r} has no solution cell; "
                f"give the cell it tests the grade_id {exercise.name!r}",
            )


def _check_start(placed: list[TextCell], path: Path) -> None:
    code = [place for place in placed if place.cell.cell_type == "code"]
    if not code or code[0].cell.source.strip() != "%load_ext course":
        raise LabError(
            path,
            code[0].opening if code else 1,
            "the first code cell of a lab is %load_ext course, and nothing else",
        )


def _check_headings(placed: list[TextCell], path: Path) -> None:
    level = 0
    for number, line in _prose(placed):
        heading = _HEADING.match(line)
        if not heading:
            continue
        new = len(heading[1])
        if new > level + 1:
            wanted = "#" * (level + 1)
            raise LabError(path, number, f"heading level skipped: write {wanted} instead of {heading[1]}")
        level = new
    if level == 0:
        raise LabError(path, 1, "a lab begins with its title: # Title")


def _prose(placed: list[TextCell]) -> Iterator[tuple[int, str]]:
    """The numbered lines of the Markdown cells that are not inside a fenced block."""
    for place in placed:
        if place.cell.cell_type != "markdown":
            continue
        fenced = False
        for number, line in enumerate(place.lines, start=place.first):
            if _FENCE.match(line):
                fenced = not fenced
            elif not fenced:
                yield number, line


def lab_number(path: Path) -> str:
    """The short name of a lab, which the ids of its other cells begin with: `14b-joins-and-groups.md` -> `14b`."""
    return path.stem.split("-")[0]
