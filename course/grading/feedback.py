"""Turn a graded notebook into the page that its student gets back.

nbgrader's `generate_feedback` does it with what `nbgrader_config.py` names: `GetResults` and `HideTests` prepare the
notebook, `FeedbackExporter` writes the page. The page loads nothing: no scripts, no addresses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, GetGrades
from nbgrader.utils import is_task
from traitlets import Bool
from traitlets.config import Config

from course.grade_ids import exercise_of
from course.grading.intake import Problem
from course.grading.pages import NAME, TEMPLATES, number, prose, render
from course.grading.results import (
    ExerciseResult,
    Grade,
    Outcome,
    exercise_results,
    failure_of,
    first_hidden,
    is_hidden,
)
from course.grading.safe_html import FILTERS, FORMS, safe_comment, safe_data
from course.lab import panels
from course.lab.progress import MIME as PROGRESS
from course.lab.sql.tables import STYLE as TABLES
from course.publishing.exercises import grade_id

# How much is shown of a notebook, in characters.
_CELL = 30_000
_MARKDOWN = 10_000
_PAGE = 300_000
_PICTURE = 1_000_000
_PICTURES = 2_500_000
_TITLE = 200
_LEAST = 100  # what any output costs

_CUT = "\n… the rest is not shown here; your notebook has it."
_WIDGETS = Path(panels.__file__).parent / "widgets" / "still.css"
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class GetResults(GetGrades):  # type: ignore[misc]
    """GetGrades, and what each exercise came to for the page's table; the tests' source must still be there."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Put the results into `resources["course"]`."""
        self._grades: dict[str, Grade] = {}
        nb, resources = super().preprocess(nb, resources)
        results = exercise_results(nb, self._grades)
        resources["course"] = {
            "title": _take_title(nb) or resources["nbgrader"]["notebook"],
            "results": results,
            "outcomes": {outcome.name: outcome for result in results for outcome in result.tests},
            "anchors": _anchors(nb, results),
            "style": _styles(),
        }
        return nb, resources

    def _get_comment(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        """A teacher's comment; nbgrader's own only says that the cell is as it was released."""
        name = str(grade_id(cell))
        comment = self.gradebook.find_comment(name, self.notebook_id, self.assignment_id, self.student_id)
        cell.metadata.nbgrader["comment"] = comment.manual_comment
        cell.metadata.nbgrader["untouched"] = bool(comment.auto_comment)

    def _get_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        super()._get_score(cell, resources)
        name = str(grade_id(cell))
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        waiting = bool(grade.needs_manual_grade) and grade.manual_score is None
        self._grades[name] = Grade(float(grade.score), waiting)


class HideTests(Preprocessor):
    """Take out of the notebook what is not for its student, and make the rest harmless; runs after GetResults.

    Of a hidden test neither source nor output stays: the page shows its message instead. A mark scheme is for the
    teacher alone. From the first hidden test on
    no cell's outputs stay: what ran after it may know its data. Whether there were any is not told either, for that
    could be made to spell out the data. Before it the panel of a visible test that failed stays, as the student knows
    it, without the error below it that only points to it. Of the progress, which is not kept while grading, no view
    stays: the page has a table of its own. Of what a notebook is and puts out the page shows so much, and no more.
    """

    enabled = Bool(True).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean all cells, in place."""
        curtain = first_hidden(nb)
        room = _Room()
        for index, cell in enumerate(nb.cells):
            if is_task(cell):
                ClearMarkScheme().preprocess_cell(cell, resources, index)
            cell.metadata = _own_metadata(cell)
            if is_hidden(cell):
                ClearHiddenTests().preprocess_cell(cell, resources, index)
            cell.source = room.cut(cell.source, _MARKDOWN if cell.cell_type == "markdown" else _CELL)
            if cell.cell_type == "code":
                shown = [] if index >= curtain else _without_pointer(cell)
                cell.outputs = room.outputs(shown)
        if any(cell.cell_type == "code" for cell in nb.cells[curtain + 1 :]):
            nb.cells[curtain].metadata["curtain"] = True
        return nb, resources


@dataclass
class _Room:
    """What is left of the room on a page, in characters."""

    text: int = _PAGE
    pictures: int = _PICTURES

    def cut(self, text: str, most: int = _CELL) -> str:
        """As much of a text as there is room for."""
        size = max(0, min(most, self.text))
        self.text -= min(size, len(text)) + _LEAST
        text = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
        return text if len(text) <= size else text[:size] + _CUT

    def outputs(self, outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        """Outputs, harmless and with nothing in them that the page does not show, for which there is room."""
        most = _CELL
        found = []
        for output in outputs:
            before = self.text
            if most <= 0 or before <= 0:
                found.append(new_output("stream", text=_CUT.strip()))
                break
            found += self._output(output, most)
            most -= before - self.text
        return found

    def _output(self, output: NotebookNode, most: int) -> list[NotebookNode]:
        kind = output.output_type
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            return [new_output(kind, name=name, text=self.cut(str(output.get("text", "")), most))]
        if kind == "error":
            traceback = "\n".join(map(str, output.get("traceback", [])))
            return [new_output(kind, ename="", evalue="", traceback=[self.cut(traceback, most)])]
        shown = self._data(output.get("data", {}), most)
        return [new_output("display_data", shown)] if shown else []

    def _data(self, data: dict[str, Any], most: int) -> dict[str, str]:
        """The best of an output's forms that fits; a shortened text where none does."""
        if PROGRESS in data:
            return {}
        for kind, content in safe_data(data).items():
            if kind.startswith("image/"):
                if len(content) <= min(_PICTURE, self.pictures):
                    self.pictures -= len(content)
                    return {kind: content}
                continue
            if not content.strip():
                return {}
            room = min(most, self.text, _MARKDOWN if kind == "text/markdown" else _CELL)
            if kind == "text/plain" or len(content) <= room:
                return {kind: self.cut(content, most)}
        return {}


class FeedbackExporter(HTMLExporter):
    """Writes the page."""

    @property
    def default_config(self) -> Config:
        """What holds for this exporter where nbgrader sets the same for every HTMLExporter."""
        config = Config(super().default_config)
        config.FeedbackExporter.template_name = NAME
        config.FeedbackExporter.extra_template_basedirs = [str(TEMPLATES)]
        config.FeedbackExporter.exclude_anchor_links = True
        config.FeedbackExporter.sanitize_html = True
        config.FeedbackExporter.preprocessors = []  # those that formgrader needs would take away too much
        config.FeedbackExporter.filters = {
            "number": number,
            "prose": prose,
            "comment": safe_comment,
            "verdict": verdict,
            **FILTERS,
        }
        config.NbConvertBase.display_data_priority = list(FORMS)
        return config

    def from_notebook_node(  # type: ignore[override]  # as in nbconvert itself
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: object
    ) -> tuple[str, dict[str, Any]]:
        """As HTMLExporter's, which reads its page once more to add attributes: ours come with the template."""
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3"))  # type: ignore[no-untyped-call]
        return TemplateExporter.from_notebook_node(self, nb, resources, **options)


def verdict(result: ExerciseResult | Outcome) -> str:
    """In a word how an exercise or a test went."""
    if isinstance(result, ExerciseResult) and result.waiting:
        return "waiting"
    if result.score >= result.points:
        return "passed"
    return "partly" if result.score > 0 else "not yet"


def problem_page(student: str, phase: str, lab: str, problems: Sequence[Problem]) -> bytes:
    """The page for a lab that could not be graded: why, and what to do."""
    page = render("problem.html.j2", student=student, phase=phase, lab=lab, problems=problems)
    return page.encode(errors="replace")


@cache
def _styles() -> str:
    """The styles that the course's own outputs bring along; the page has them in its head, and takes no others."""
    outputs = BeautifulSoup(panels.later_html() + TABLES, "html.parser")
    own = [style.get_text() for style in outputs.find_all("style")]
    return "".join([*own, _WIDGETS.read_text(encoding="utf-8")])


def _own_metadata(cell: NotebookNode) -> NotebookNode:
    """Of a cell's metadata what the page needs."""
    return NotebookNode(
        {name: cell.metadata[name] for name in ("nbgrader", "jupyter") if name in cell.metadata}
    )


def _without_pointer(cell: NotebookNode) -> list[NotebookNode]:
    """A cell's outputs without the error that only points to the panel above it."""
    outputs = list(cell.outputs)
    return [each for each in outputs if each.output_type != "error"] if failure_of(cell) else outputs


def _take_title(notebook: NotebookNode) -> str:
    """Take the lab's title out of its first cell: the page has it as its own."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        return ""
    title, _, first.source = first.source.partition("\n")
    return str(title.removeprefix("# ").strip()[:_TITLE])


def _anchors(notebook: NotebookNode, results: Sequence[ExerciseResult]) -> dict[str, str]:
    """Where the table's links lead: each exercise's first cell, by its grade_id."""
    wanted = {result.name for result in results}
    found: dict[str, str] = {}
    for cell in notebook.cells:
        name = grade_id(cell)
        if name and (exercise := exercise_of(name)) in wanted:
            wanted.remove(exercise)
            found[name] = exercise
    return found
