"""What the grading loop asks of nbgrader, one lab of one student at a time.

The settings are those of `nbgrader_config.py`, so that nbgrader's own commands do the same.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.auth import Authenticator
from nbgrader.converters import (
    Autograde,
    BaseConverter,
    GenerateAssignment,
    GenerateFeedback,
    NbGraderException,
)
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import Exchange
from nbgrader.utils import determine_grade, is_grade, parse_utc
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course.errors import CourseError
from course.grading.mend import known_cells
from course.grading.results import Grade
from course.publishing.exercises import grade_id

CONFIG = "nbgrader_config.py"


class NotGraded(Exception):
    """nbgrader could not grade a notebook; `str(error)` says why."""


@dataclass(frozen=True)
class CourseFolder:
    """An nbgrader course folder: where gradebook.db, autograded/ and feedback/ are, and where the labs come from."""

    root: Path
    source: Path
    config: Config = field(repr=False)

    @property
    def database(self) -> str:
        """The address of the gradebook."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """The gradebook, open."""
        with Gradebook(self.database, self.config.CourseDirectory.get("course_id", "")) as gradebook:
            yield gradebook

    def autograded(self, student: str, phase: str) -> Path:
        """Where the executed notebooks of a student are kept."""
        return self.root / "autograded" / student / phase

    def feedback(self, student: str, phase: str) -> Path:
        """Where the pages that a student gets back are kept."""
        return self.root / "feedback" / student / phase


def course_folder(root: Path) -> CourseFolder:
    """The instructor's course folder.

    Raises CourseError where it has no `nbgrader_config.py`.
    """
    if not (root / CONFIG).is_file():
        raise CourseError(f"There is no {CONFIG} in {root}; run this in the course's own folder")
    return CourseFolder(root, root / "source", _read_config(root))


def private_folder(root: Path, project: Path) -> CourseFolder:
    """A course folder at `root` with the labs and settings of `project`, for grading away from its gradebook."""
    return CourseFolder(root, project / "source", _read_config(project))


def register(folder: CourseFolder, phase: str) -> None:
    """Make the gradebook know the labs of a phase as their built sources are now; `release/` is not touched.

    Raises CourseError where a lab's graded cells were added or removed after somebody's work was graded.
    """
    with tempfile.TemporaryDirectory() as release:
        directory = _directory(folder, phase, release_directory=release)
        try:
            _start(GenerateAssignment, folder, directory)
        except NotGraded as error:
            raise CourseError(
                f"{phase} does not fit the gradebook: {error}. Once work is graded, a lab's graded cells must stay; "
                f"go back to the source/{phase} that was graded, or start the phase afresh and lose its scores with: "
                f"nbgrader db assignment remove {phase} --force"
            ) from error


def labs(folder: CourseFolder, phase: str) -> dict[str, list[NotebookNode]]:
    """The labs of a registered phase by name, each with its graded cells."""
    with folder.gradebook() as gradebook:
        names = [notebook.name for notebook in gradebook.find_assignment(phase).notebooks]
        return {name: known_cells(gradebook, phase, name) for name in names}


def autograde(folder: CourseFolder, phase: str, student: str, lab: str, staged: Path) -> NotebookNode:
    """Run and grade one lab; `staged` holds `<student>/<phase>/<lab>.ipynb`. Returns the executed notebook.

    Raises NotGraded.
    """
    directory = _directory(folder, phase, student, notebook_id=lab, submitted_directory=str(staged))
    _start(Autograde, folder, directory)
    notebook: NotebookNode = nbformat.read(folder.autograded(student, phase) / f"{lab}.ipynb", as_version=4)
    return notebook


def give_zero(folder: CourseFolder, phase: str, student: str, lab: str, timestamp: str | None) -> None:
    """Write into the gradebook that a lab earned nothing by itself; points given by a teacher stay.

    `timestamp` is when the work was handed in, if that is known.
    """
    when: dict[str, Any] = {"timestamp": parse_utc(timestamp)} if timestamp else {}
    with folder.gradebook() as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(phase, student, **when)
        for grade in gradebook.find_submission_notebook(lab, phase, student).grades:
            grade.auto_score = 0
            grade.needs_manual_grade = False
        gradebook.db.commit()


def generate_feedback(folder: CourseFolder, phase: str, student: str) -> None:
    """Write the feedback pages of a student's graded labs.

    Raises NotGraded.
    """
    _start(GenerateFeedback, folder, _directory(folder, phase, student))


def auto_grades(notebook: NotebookNode) -> dict[str, Grade]:
    """What nbgrader gives each graded cell of an executed notebook, without a gradebook."""
    grades = {}
    for cell in notebook.cells:
        if is_grade(cell):
            score, _ = determine_grade(cell, _log)
            grades[str(grade_id(cell))] = Grade(score or 0.0, waiting=score is None)
    return grades


def scores(folder: CourseFolder, phase: str, student: str) -> dict[str, float]:
    """The score of each lab that a student handed in, penalties for lateness taken off; empty where there is none."""
    with folder.gradebook() as gradebook:
        try:
            submission = gradebook.find_submission(phase, student)
        except MissingEntry:
            return {}
        return {
            notebook.name: notebook.score - (notebook.late_submission_penalty or 0)
            for notebook in submission.notebooks
        }


def auto_scores(folder: CourseFolder, phase: str, student: str, lab: str) -> dict[str, float | None]:
    """What nbgrader gave each graded cell of a student's lab, by grade_id."""
    with folder.gradebook() as gradebook:
        notebook = gradebook.find_submission_notebook(lab, phase, student)
        return {grade.name: grade.auto_score for grade in notebook.grades}


def exchange(
    folder: CourseFolder, step: type[Exchange], phase: str, student: str = "*", **traits: str
) -> None:
    """Hand a phase out or in, or collect it, as nbgrader's command of that name does.

    Raises CourseError.
    """
    errors = _Errors()
    _log.addHandler(errors)
    try:
        step(
            coursedir=_directory(folder, phase, student),
            authenticator=Authenticator(config=folder.config),
            config=folder.config,
            log=_log,
            **traits,
        ).start()
    except ExchangeError as error:
        raise CourseError(f"{step.__name__} failed for {phase}: {errors.reason()}") from error
    finally:
        _log.removeHandler(errors)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Keep what nbgrader has to say at the end of a file, instead of on the screen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    _log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's use of SQLAlchemy
            yield
    finally:
        _log.removeHandler(handler)
        handler.close()


_log = logging.getLogger("course.grading.nbgrader")
_log.setLevel(logging.INFO)
_log.propagate = False


class _Errors(logging.Handler):
    """Keeps the errors that nbgrader logs, where it only raises that something went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def reason(self) -> str:
        """The exception that began it: the last line of the first traceback, else the first message."""
        tracebacks = [message for message in self.messages if message.startswith("Traceback")]
        lines = (tracebacks or self.messages or ["nbgrader did not say why"])[0].strip().splitlines()
        return lines[-1]


def _start(converter: type[BaseConverter], folder: CourseFolder, directory: CourseDirectory) -> None:
    """Run one of nbgrader's steps, doing again what was done before; raises NotGraded."""
    errors = _Errors()
    _log.addHandler(errors)
    try:
        converter(coursedir=directory, config=folder.config, log=_log, force=True).start()
    except NbGraderException as error:
        raise NotGraded(errors.reason()) from error
    finally:
        _log.removeHandler(errors)


def _read_config(root: Path) -> Config:
    return PyFileConfigLoader(CONFIG, path=str(root)).load_config()


def _directory(
    folder: CourseFolder, assignment_id: str, student_id: str = "*", **traits: str
) -> CourseDirectory:
    return CourseDirectory(
        config=folder.config,
        root=str(folder.root),
        db_url=folder.database,
        # nbgrader makes a regular expression of paths, and escapes only the root's
        source_directory=os.path.relpath(folder.source, folder.root),
        assignment_id=assignment_id,
        student_id=student_id,
        **traits,
    )
