"""Rebuild a submitted notebook from the gradebook's own cells, before it runs.

Of a submission come in only the text of its solution cells, and its own further cells. `RebuildNotebook` does this for
`Autograde.sanitize_preprocessors`, in place of nbgrader's ClearOutput, DeduplicateIds and OverwriteCells: what a cell
is and what it is worth is the gradebook's word, whatever a submission says.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, NbGraderPreprocessor

from course.grading.clean import stubs_fault
from course.grading.reading import Plain, plain
from course.publishing.exercises import grade_id, is_solution
from course.publishing.releases import CLAIMS, Releases, digest, lines

MAX_EXTRA = 2_000
"""How many cells of their own a student may add."""

_MAKERS: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
}


@dataclass(frozen=True)
class Difference:
    """Something in which a submission differs from its lab, and what is done about it; words as in a Problem."""

    reason: str
    remedy: str


class RebuildNotebook(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Make a submission the gradebook's own notebook, with the student's answers and further cells in it."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Rebuild `nb`; what differed from the lab is logged."""
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            known = known_cells(
                gradebook, where["assignment"], where["notebook"], lab_order(self._source(where))
            )
        for difference in [] if stubs_fault(nb) else differences(plain(nb), known):
            name = f"{where['student']}, {where['notebook']}.ipynb"
            self.log.warning("%s %s: %s", name, difference.reason, difference.remedy)
        return rebuild(nb, known), resources

    def _source(self, where: Mapping[str, str]) -> Path:
        """The notebook that the lab was released from."""
        folder = CourseDirectory(config=self.config)
        phase = folder.format_path(folder.source_directory, ".", where["assignment"])
        return Path(phase, f"{where['notebook']}.ipynb")


def known_cells(gradebook: Gradebook, phase: str, lab: str, order: Sequence[str] = ()) -> list[NotebookNode]:
    """The graded and the read-only cells of a lab as the gradebook knows them.

    `order` are grade_ids in the lab's order (see `lab_order`). The gradebook keeps none: without it the cells come as
    the database gives them, which is the order in which SQLite has learned of them.
    """
    notebook = gradebook.find_notebook(lab, phase)
    points = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
    graded = {cell.name for cell in notebook.grade_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    cells = []
    for known in notebook.source_cells:
        cell = _MAKERS[known.cell_type](known.source, id=known.name)
        cell.metadata["nbgrader"] = NotebookNode(
            schema_version=3,
            grade_id=known.name,
            grade=known.name in graded,
            solution=known.name in solutions,
            locked=known.locked,
            task=known.name in tasks,
            cell_type=known.cell_type,
            checksum=known.checksum,
        )
        if known.name in points:
            cell.metadata["nbgrader"]["points"] = points[known.name]
        cells.append(cell)
    places = {name: place for place, name in enumerate(order)}
    return sorted(cells, key=lambda cell: places.get(cell.id, len(places)))


def lab_order(source: Path) -> list[str]:
    """The grade_ids of the notebook that a lab was released from, in their order; none where it is not there."""
    try:
        document = json.loads(source.read_bytes())
        return [name for cell in document["cells"] if (name := _claims(cell).get("grade_id"))]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def rebuild(notebook: Mapping[str, Any], known: Sequence[NotebookNode]) -> NotebookNode:
    """A new notebook made of the gradebook's cells `known`, and of what of `notebook` counts.

    - Graded and read-only cells are the gradebook's in type, text, metadata, id and order; of a solution cell the text
      is the student's. The first cell of each grade_id is the graded one; copies of it, and cells that the gradebook
      does not know, are ordinary cells: they still run.
    - A deleted test comes back, before the next of the lab's cells and after what the student wrote for it. A deleted
      answer does not: its empty stub could hide an answer in another cell.
    - Other cells, which are the course's own or the student's, stay after the graded cell that they followed, or where
      they were if that one has been moved. At most `MAX_EXTRA` of them are kept.
    - No outputs, no metadata and no ids of theirs, and of what is attached to a cell only pictures.

    Raises Unreadable where `notebook` is no notebook of nbformat 3 or 4.
    """
    parts = _taken_apart(notebook, known)
    cells = [_extra(cell) for cell in parts.extras.get("", [])]
    for cell in known:
        name = str(grade_id(cell))
        if name in parts.found:
            cells.append(_filled(cell, parts.found[name]))
        elif not is_solution(cell):
            cells.append(nbformat.from_dict(cell))
        cells += [_extra(extra) for extra in parts.extras.get(name, [])]
    _give_ids(cells)
    rebuilt: NotebookNode = new_notebook(cells=cells)
    return rebuilt


def differences(
    submitted: Plain, known: Sequence[NotebookNode], earlier: Releases | None = None
) -> list[Difference]:
    """What `rebuild` restores, overrules or leaves out, in words.

    A cell that is as the course itself has released it at some time is not named: `earlier` knows these.
    """
    parts = _taken_apart(submitted.notebook, known)
    theirs = {
        name: cell for name, cell in parts.found.items() if digest(cell) not in (earlier or {}).get(name, ())
    }
    by_name = {str(grade_id(cell)): cell for cell in known}
    locked = {name for name, cell in by_name.items() if not is_solution(cell)}
    listed = {
        "copies": [name for name, count in parts.counts.items() if count > 1],
        "missing": [name for name in by_name if name not in parts.found],
        "moved": sorted(parts.moved, key=list(by_name).index),
        "retyped": [name for name, cell in theirs.items() if cell["cell_type"] != by_name[name].cell_type],
        "changed": [
            name
            for name, cell in theirs.items()
            if name in locked and lines(cell["source"]) not in _own_texts(by_name[name])
        ],
        "claims": [name for name, cell in theirs.items() if _lies(cell, by_name[name])],
        "unknown": parts.unknown,
    }
    found = [
        Difference(reason.format(_listed(listed[kind])), remedy)
        for kind, (reason, remedy) in _WORDS.items()
        if listed[kind]
    ]
    found += [
        Difference(reason.format(f"{count:,}"), remedy)
        for count, (reason, remedy) in (
            (parts.surplus, _SURPLUS),
            (submitted.dropped_cells, _NO_CELLS),
            (submitted.dropped_attachments, _ATTACHED),
        )
        if count
    ]
    return found


_OURS = "what the course has was graded"
_WORDS = {
    "copies": (
        "has copies of the graded cell {}",
        "the first one was graded, the copies ran as ordinary cells; delete them",
    ),
    "missing": (
        "lacks the graded cell {}",
        "a test was put back, and an answer counts where it stands in another cell",
    ),
    "moved": ("has the graded cell {} out of its place", "it was run in the lab's order"),
    "retyped": ("has another type of cell for {}", _OURS),
    "changed": ("has another text in the read-only cell {}", _OURS),
    "claims": ("says of the graded cell {} what the course does not (points, kind)", _OURS),
    "unknown": ("has the graded cell {}, which the course does not know", "it ran as an ordinary cell"),
}
_SURPLUS = (
    f"has {{}} cells more than the {MAX_EXTRA:,} that a student may add",
    "these did not run; delete cells that are not needed",
)
_NO_CELLS = ("has {} parts that are no cells", "they were left out")
_ATTACHED = ("has {} attachments that are no pictures", "they were left out")


@dataclass
class _Parts:
    """A submission taken apart.

    `found` is the cell of each known grade_id, `extras` are the other cells by the grade_id they follow ("" before the
    first), `counts` says how often each known grade_id is there.
    """

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    extras: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    surplus: int = 0


def _taken_apart(notebook: Mapping[str, Any], known: Sequence[NotebookNode]) -> _Parts:
    parts = _Parts()
    order = {str(grade_id(cell)): place for place, cell in enumerate(known)}
    cells = plain(notebook).notebook["cells"]
    for cell in cells:
        name = _claims(cell).get("grade_id", "")
        if name in order:
            parts.counts[name] += 1
            parts.found.setdefault(name, cell)
        elif name and (_claims(cell).get("grade") or _claims(cell).get("solution")):
            parts.unknown.append(name)
    parts.moved = set(parts.found) - _in_place(list(parts.found), order)
    last, kept = "", 0
    for cell in cells:
        name = _claims(cell).get("grade_id", "")
        if parts.found.get(name) is cell:
            last = last if name in parts.moved else name
        elif kept < MAX_EXTRA:
            parts.extras.setdefault(last, []).append(cell)
            kept += 1
        else:
            parts.surplus += 1
    return parts


def _in_place(names: Sequence[str], order: Mapping[str, int]) -> set[str]:
    """The most of `names` that stand in order: all but those that were moved (a longest increasing subsequence)."""
    ends: list[int] = []  # the smallest last place of a sequence of each length
    before: dict[int, int | None] = {}
    for place in (order[name] for name in names):
        length = bisect_left(ends, place)
        before[place] = ends[length - 1] if length else None
        ends[length : length + 1] = [place]
    places = set()
    last = ends[-1] if ends else None
    while last is not None:
        places.add(last)
        last = before[last]
    return {name for name in names if order[name] in places}


def _filled(known: NotebookNode, submitted: Mapping[str, Any]) -> NotebookNode:
    """A cell of the gradebook's, with the student's text where that is theirs to write."""
    cell: NotebookNode = nbformat.from_dict(known)
    if is_solution(known):
        cell.source = submitted["source"]
        if cell.cell_type != "code" and submitted.get("attachments"):
            cell.attachments = nbformat.from_dict(submitted["attachments"])
    return cell


def _extra(submitted: Mapping[str, Any]) -> NotebookNode:
    """A cell that the gradebook does not know; `_give_ids` gives it its id."""
    cell = NotebookNode(cell_type=submitted["cell_type"], source=submitted["source"], metadata=NotebookNode())
    if cell.cell_type == "code":
        cell.update(outputs=[], execution_count=None)
    if "jupyter" in submitted["metadata"]:  # its text is folded away
        cell.metadata["jupyter"] = nbformat.from_dict(submitted["metadata"]["jupyter"])
    if "attachments" in submitted:
        cell.attachments = nbformat.from_dict(submitted["attachments"])
    return cell


def _give_ids(cells: Sequence[NotebookNode]) -> None:
    """Give every cell an id of its own: the known ones have their grade_id, and no other cell has it."""
    taken = {name for cell in cells if (name := grade_id(cell))}
    for position, cell in enumerate(cells):
        if not grade_id(cell):
            cell.id = f"cell-{position}"
            while cell.id in taken:
                cell.id += "-x"
            taken.add(cell.id)


def _claims(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cell["metadata"].get("nbgrader", {})
    return found


def _lies(cell: Mapping[str, Any], known: NotebookNode) -> bool:
    """Whether a cell says of itself what the gradebook does not."""
    ours, theirs = known.metadata.nbgrader, _claims(cell)
    return any(name in theirs and (theirs[name] or 0) != (ours.get(name) or 0) for name in CLAIMS)


def _own_texts(known: NotebookNode) -> list[list[str]]:
    """What a read-only cell says: as it was released, without what was hidden, and as it is graded."""
    released = nbformat.from_dict(known)
    for clear in (ClearHiddenTests(), ClearMarkScheme()):
        released, _ = clear.preprocess_cell(released, {}, 0)
    return [lines(released.source), lines(known.source)]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
