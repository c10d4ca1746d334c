"""Parse a lab's Markdown text into the cells of a notebook that know their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from course.errors import CourseError

# Jupytext guesses the language of a notebook without a header from its fences: an SQL lab would come out wrong.
_HEADER = (
    "---\njupyter:\n  kernelspec:\n    display_name: Python 3\n    language: python\n    name: python3\n---\n"
)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CODE = "```"  # Jupytext reads ~~~ as prose
_OWN_NOTES = ("lines_to_next_cell", "lines_to_end_of_cell_marker")


class LabError(CourseError):
    """A lab's text that cannot be published: `path`, `line` (from 1) and `message` say where and what to mend."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path, self.line, self.message = path, line, message


@dataclass(frozen=True)
class TextCell:
    """A cell, with the place of its text in the lab's file; lines count from 1.

    `opening` is the line of the fence (of the first line, for prose), `first` that of the first of `lines`. The lines
    are those of the file: a cell magic that Jupytext made from the fence is not among them.
    """

    cell: NotebookNode
    opening: int
    first: int
    lines: tuple[str, ...]


def parse(path: Path) -> tuple[NotebookNode, list[TextCell]]:
    """The notebook as Jupytext reads it, and the place of each of its cells.

    Raises CourseError if there is no such file, LabError if it is not UTF-8 or a fence is not closed.
    """
    text = _read(path)
    front_matter = _FRONT_MATTER.match(text)
    start = front_matter.end() if front_matter else 0
    notebook: NotebookNode = jupytext.reads(_HEADER + text[start:], fmt="md")
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip() or cell.cell_type == "code"]
    for cell in notebook.cells:
        for note in _OWN_NOTES:
            cell.metadata.pop(note, None)
    return notebook, list(_place(notebook.cells, text, start, path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"There is no lab at {path}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise LabError(path, line, "not UTF-8 text; save the file as UTF-8") from None


def _place(cells: list[NotebookNode], text: str, start: int, path: Path) -> Iterator[TextCell]:
    """Find each cell in the text, in order: Jupytext does not tell its lines."""
    lines = text.splitlines()
    at = text.count("\n", 0, start)
    for cell in cells:
        shown = cell.source.split("\n") if cell.source else []
        if cell.cell_type == "code":
            opening = _find(_CODE, lines, at)
            first = opening + 1
            written = shown[1:] if _is_magic_from_fence(lines[opening], shown) else shown
            end = _skip_blank(lines, first + len(written))
            if end == len(lines) or not lines[end].startswith(_CODE):
                raise LabError(path, opening + 1, "this code fence is never closed; end it with ```")
            at = end + 1
        else:
            written = shown
            blank = _skip_blank(shown, 0)
            opening = first = _find(shown[blank], lines, at) - blank
            at = first + len(shown)
        yield TextCell(cell, opening + 1, first + 1, tuple(written))


def _find(beginning: str, lines: list[str], at: int) -> int:
    """The index of the next line that begins so, `at` itself if there is none."""
    return next((n for n in range(at, len(lines)) if lines[n].startswith(beginning)), at)


def _skip_blank(lines: list[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def _is_magic_from_fence(fence: str, shown: list[str]) -> bool:
    return (
        bool(shown)
        and shown[0].startswith("%%")
        and not fence.lower().startswith(("```python", "```ipython"))
    )
