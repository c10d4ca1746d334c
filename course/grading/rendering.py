"""Turn an executed notebook and its grades into the page that its student gets back, without a gradebook.

The page is the one that `nbgrader generate_feedback` makes: same steps, same template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import SubmittedNotebook
from nbgrader.preprocessors import GetGrades
from nbgrader.preprocessors.base import NbGraderPreprocessor
from traitlets.config import Config

from course.grading.feedback import FeedbackExporter, GetResults, HideTests


@dataclass(frozen=True)
class RecordedGrade:
    """What the gradebook has for a graded cell; its fields are those of nbgrader's Grade."""

    score: float
    max_score: float
    manual_score: float | None
    needs_manual_grade: bool


@dataclass(frozen=True)
class RecordedComment:
    """What the gradebook has for an answer; its fields are those of nbgrader's Comment."""

    manual_comment: str | None
    auto_comment: str | None


@dataclass(frozen=True)
class Recorded:
    """What the gradebook has for one student's notebook: points, the penalty for lateness, all cells by grade_id."""

    score: float
    max_score: float
    late_penalty: float
    grades: Mapping[str, RecordedGrade] = field(default_factory=dict)
    comments: Mapping[str, RecordedComment] = field(default_factory=dict)

    @classmethod
    def of(cls, notebook: SubmittedNotebook) -> Recorded:
        """What nbgrader's gradebook has."""
        return cls(
            score=float(notebook.score),
            max_score=float(notebook.max_score),
            late_penalty=float(notebook.late_submission_penalty or 0),
            grades={
                grade.name: RecordedGrade(
                    float(grade.score),
                    float(grade.max_score),
                    grade.manual_score,
                    bool(grade.needs_manual_grade),
                )
                for grade in notebook.grades
            },
            comments={
                comment.name: RecordedComment(comment.manual_comment, comment.auto_comment)
                for comment in notebook.comments
            },
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recorded:
        """What `dataclasses.asdict` made."""
        return cls(
            score=data["score"],
            max_score=data["max_score"],
            late_penalty=data["late_penalty"],
            grades={name: RecordedGrade(**grade) for name, grade in data["grades"].items()},
            comments={name: RecordedComment(**comment) for name, comment in data["comments"].items()},
        )


class _KnownGrades(GetGrades):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's GetGrades with the grades at hand in `resources`: it would open a gradebook for each notebook."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        where = resources["nbgrader"]
        recorded: Recorded = where["recorded"]
        self.notebook_id, self.assignment_id, self.student_id = "", "", ""
        self.gradebook = SimpleNamespace(
            find_grade=lambda name, *_: recorded.grades[name],
            find_comment=lambda name, *_: recorded.comments[name],
        )
        nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
        where["score"] = recorded.score - recorded.late_penalty
        where["max_score"] = recorded.max_score
        where["late_penalty"] = recorded.late_penalty
        return nb, resources


class _GetKnownResults(GetResults, _KnownGrades):
    """GetResults, whose `super()` is here the class above."""


def render(notebook: NotebookNode, recorded: Recorded, *, phase: str, lab: str, reader: str) -> str:
    """The page as HTML; `reader` is what it calls its student."""
    where = {"student": reader, "assignment": phase, "notebook": lab, "recorded": recorded}
    page, _ = _exporter().from_notebook_node(notebook, {"unique_key": lab, "nbgrader": where})
    return str(page)


@cache
def _exporter() -> FeedbackExporter:
    settings = Config({"Exporter": {"default_preprocessors": []}})
    exporter = FeedbackExporter(config=settings)  # type: ignore[no-untyped-call]
    for step in (_GetKnownResults, HideTests):
        exporter.register_preprocessor(step, enabled=True)  # type: ignore[no-untyped-call]
    return exporter
