"""Read a lab's Markdown text as the notebook that nbgrader publishes."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.files import write_atomically
from course.publishing.exercises import grade_id, is_test
from course.publishing.hints import take_hints
from course.publishing.rules import check_rules, lab_number
from course.publishing.text import LabError, parse

__all__ = ["NOTEBOOK_METADATA", "LabError", "notebook_bytes", "read_lab", "write_source_notebook"]

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""All that a lab says about itself as a notebook; JupyterLab asks for a kernel under any other name."""


def read_lab(path: Path) -> NotebookNode:
    """The notebook that a lab's Markdown text describes, the same at every call.

    A cell's id is its grade_id, or the lab's number and the cell's position (`14b-7`). Test cells get the tag
    `raises-exception`, so that "Run All" goes on past an unsolved exercise, and hold an exercise's further hints.

    Raises LabError, naming the line to mend, for text that could not be released or graded.
    """
    notebook, placed = parse(path)
    check_rules(notebook, placed, path)
    take_hints(notebook, placed, path)
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = grade_id(cell) or f"{lab_number(path)}-{position}"
        if is_test(cell):
            cell.metadata.tags = sorted({*cell.metadata.get("tags", []), "raises-exception"})
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise LabError(path, 1, f"does not make a valid notebook: {error.message}") from error
    return notebook


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as it stands in a file: sorted keys, a newline at the end, the same bytes every time."""
    text: str = nbformat.writes(notebook)
    return (text.rstrip("\n") + "\n").encode()


def write_source_notebook(path: Path) -> Path:
    """Write the notebook of a lab's text beside it, for nbgrader's own commands and pages; the path of the notebook."""
    target = path.with_suffix(".ipynb")
    write_atomically(target, notebook_bytes(read_lab(path)))
    return target
