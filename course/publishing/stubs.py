"""The steps that nbgrader's own `generate_assignment` lacks: current sources, SQL stubs, metadata that tells nothing."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor
from traitlets import default

from course.errors import CourseError
from course.lab.failures import STUB
from course.lab.http.message import STUB as HTTP_STUB
from course.lab.sql.statements import STUB as SQL_STUB
from course.lab.terminal.commands import STUB as TERMINAL_STUB
from course.publishing.forms import emptied, is_form
from course.publishing.notebook import NOTEBOOK_METADATA, read_lab
from course.publishing.rules import RELEASED_METADATA

PYTHON_STUB = f'raise NotImplementedError("{STUB}")'
STUBS = {"sql": SQL_STUB, "http": HTTP_STUB, "terminal": TERMINAL_STUB}
"""What stands in place of a solution under a cell magic; under any other magic it is Python's."""
PAGE_STUB = "<!-- Write your page here -->"
"""What stands in place of a solution in a cell that writes an HTML file."""

_CELL_MAGIC = re.compile(r"%%(?P<name>\w+).*?(?P<page>\.html)?\s*")


class ClearSolutionsByLanguage(ClearSolutions):  # type: ignore[misc] # nbgrader is untyped
    """nbgrader's ClearSolutions, with a stub in the language of the cell; a cell's magic line stays."""

    @default("code_stub")
    def _code_stub_default(self) -> dict[str, str]:
        return {"python": PYTHON_STUB, "html": PAGE_STUB, **STUBS}

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Put the stub where the solution was; raises RuntimeError for markers that do not match."""
        if is_form(cell):
            cell.source = emptied(cell.source)
            return cell, resources
        first, _, body = cell.source.partition("\n")
        magic = _CELL_MAGIC.fullmatch(first)
        if cell.cell_type != "code" or magic is None:
            cell, _ = super().preprocess_cell(cell, resources, cell_index)
            return cell, resources
        cell.source = body
        language = magic["name"] if magic["name"] in STUBS else resources["language"]
        if magic["name"] == "writefile" and magic["page"]:
            language = "html"
        cell, _ = super().preprocess_cell(cell, {**resources, "language": language}, cell_index)
        cell.source = f"{first}\n{cell.source}"
        return cell, resources


class ClearMetadata(NbGraderPreprocessor):  # type: ignore[misc] # nbgrader is untyped
    """Drop whatever a notebook remembers that is no part of the lab: widget states, attachments, editors' notes."""

    def preprocess(
        self, notebook: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Keep the metadata that labs are known to need."""
        notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
        for cell in notebook.cells:
            cell.pop("attachments", None)
            for name in set(cell.metadata) - RELEASED_METADATA:
                del cell.metadata[name]
        return notebook, resources


class RequireCurrentSource(NbGraderPreprocessor):  # type: ignore[misc] # nbgrader is untyped
    """Refuse to release a source notebook that is not what the lab's text beside it makes."""

    def preprocess(
        self, notebook: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Compare the cells; raises CourseError saying how to bring the two together."""
        folder, name = Path(resources["metadata"]["path"]), resources["metadata"]["name"]
        text = folder / f"{name}.md"
        if text.is_file() and _written(notebook) != _written(read_lab(text)):
            raise CourseError(
                f"{text.with_suffix('.ipynb')} is not what {text.name} makes. Run `course build`: it makes the notebook "
                "from the text, and keeps a notebook that you have edited beside it."
            )
        return notebook, resources


def _written(notebook: NotebookNode) -> list[tuple[str, str, NotebookNode | None]]:
    return [(cell.cell_type, cell.source, cell.metadata.get("nbgrader")) for cell in notebook.cells]
