"""Turn a graded notebook into the page that its student gets back.

nbgrader's `generate_feedback` does it with what `nbgrader_config.py` names: `GetResults` and `HideTests` prepare the
notebook, `FeedbackExporter` writes the page. The page loads nothing: no scripts, no addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, GetGrades
from traitlets import Bool
from traitlets.config import Config

from course.grading.intake import Problem
from course.grading.pages import NAME, TEMPLATES, number, prose, render
from course.grading.results import (
    FAILURE,
    ExerciseResult,
    Grade,
    Outcome,
    exercise_results,
    failure_of,
    is_hidden,
)
from course.lab.progress import MIME as PROGRESS
from course.publishing.exercises import exercise_of, grade_id


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
    """Take out of the notebook what is not for its student; runs after GetResults.

    Of a hidden test neither source nor output stays: the page shows its message instead. Of a visible test that failed
    the panel stays, as the student knows it, without the error below it that only points to it. Of the progress, which
    is not kept while grading, no view stays: the page has a table of its own.
    """

    enabled = Bool(True).tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean the outputs of one cell."""
        if cell.cell_type != "code":
            return cell, resources
        if is_hidden(cell):
            ClearHiddenTests().preprocess_cell(cell, resources, index)
            cell.outputs = []
        elif failure_of(cell):
            cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
        cell.outputs = [output for output in cell.outputs if PROGRESS not in output.get("data", {})]
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(FAILURE, None)
            if "<iframe" in data.get("text/html", ""):
                data["text/html"] = _without_frames(data["text/html"])
        return cell, resources


class FeedbackExporter(HTMLExporter):
    """Writes the page."""

    @property
    def default_config(self) -> Config:
        """What holds for this exporter where nbgrader sets the same for every HTMLExporter."""
        config = Config(super().default_config)
        config.FeedbackExporter.template_name = NAME
        config.FeedbackExporter.extra_template_basedirs = [str(TEMPLATES)]
        config.FeedbackExporter.exclude_anchor_links = True
        config.FeedbackExporter.filters = {"number": number, "prose": prose, "verdict": verdict}
        # neither widgets nor scripts: the page shows what they fall back to
        config.NbConvertBase.display_data_priority = [
            "text/html",
            "text/markdown",
            "image/svg+xml",
            "image/png",
            "image/jpeg",
            "text/latex",
            "text/plain",
        ]
        return config


def verdict(result: ExerciseResult | Outcome) -> str:
    """In a word how an exercise or a test went."""
    if isinstance(result, ExerciseResult) and result.waiting:
        return "waiting"
    if result.score >= result.points:
        return "passed"
    return "partly" if result.score > 0 else "not yet"


def write_problem_page(path: Path, student: str, phase: str, lab: str, problems: Sequence[Problem]) -> None:
    """Write the page for a lab that could not be graded: why, and what to do."""
    page = render("problem.html.j2", student=student, phase=phase, lab=lab, problems=problems)
    path.write_text(page, encoding="utf-8")


def _without_frames(html: str) -> str:
    """HTML with a line in place of each page that was shown in it: the server behind it is gone."""
    tree = BeautifulSoup(html, "html.parser")
    for frame in tree.find_all("iframe"):
        frame.replace_with("(A page of your server, which ran only while the notebook did.)")
    return str(tree)


def _take_title(notebook: NotebookNode) -> str:
    """Take the lab's title out of its first cell: the page has it as its own."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        return ""
    title, _, first.source = first.source.partition("\n")
    return str(title.removeprefix("# ").strip())


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
