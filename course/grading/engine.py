"""What grading asks of nbgrader: the course's settings and folders, its labs, its own steps.

The settings are those of `nbgrader_config.py`, so that nbgrader's own commands do the same.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, Notebook
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
from nbgrader.preprocessors import AssignLatePenalties, Execute
from nbgrader.utils import determine_grade, is_grade
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course.errors import CourseError
from course.grading.jobs import Lab
from course.grading.rebuild import known_cells, lab_order
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
    database: str = field(repr=False)
    """The SQLAlchemy address of the gradebook."""
    config: Config = field(repr=False)

    @property
    def course_id(self) -> str:
        """What nbgrader calls the course."""
        return str(self.config.CourseDirectory.get("course_id", ""))

    @property
    def project(self) -> Path:
        """The folder that the labs come from."""
        return self.source.parent

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """The gradebook, open."""
        with Gradebook(self.database, self.course_id) as gradebook:
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
    config = _read_config(root)
    return CourseFolder(root, root / "source", config.CourseDirectory.get("db_url", _database(root)), config)


def private_folder(root: Path, project: Path) -> CourseFolder:
    """A course folder at `root` with the labs and settings of `project`, for grading away from its gradebook."""
    return CourseFolder(root, project / "source", _database(root), _read_config(project))


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


def labs(folder: CourseFolder, phase: str) -> dict[str, Lab]:
    """The labs of a registered phase by name, as the gradebook knows them."""
    with folder.gradebook() as gradebook:
        return {
            notebook.name: _lab(folder, gradebook, phase, notebook)
            for notebook in gradebook.find_assignment(phase).notebooks
        }


def _lab(folder: CourseFolder, gradebook: Gradebook, phase: str, notebook: Notebook) -> Lab:
    order = lab_order(folder.source / phase / f"{notebook.name}.ipynb")
    cells = known_cells(gradebook, phase, notebook.name, order)
    return Lab(cells, json.loads(notebook.kernelspec or "{}"))


def job_settings(config: Config) -> dict[str, Any]:
    """Those of a course's settings that say how a notebook is run, as plain data.

    Raises CourseError where one of them is not.
    """
    found = {name: dict(config[name]) for name in _JOB_SETTINGS if name in config}
    try:
        settings: dict[str, Any] = json.loads(json.dumps(found))
    except TypeError as error:
        raise CourseError(
            f"{CONFIG} sets {', '.join(found)}: give them plain values only ({error})"
        ) from error
    return settings


def cell_timeout(folder: CourseFolder) -> float | None:
    """How many seconds a cell may run; None for ever."""
    timeout: float | None = Execute(config=folder.config).timeout
    return timeout


def late_penalties(folder: CourseFolder) -> AssignLatePenalties:
    """The course's rule for what is handed in late."""
    late = AssignLatePenalties(config=folder.config, log=LOG)
    late.init_plugin()
    return late


def stores(folder: CourseFolder, phase: str) -> tuple[BaseConverter, BaseConverter]:
    """nbgrader's steps that keep executed notebooks and feedback, which know the rights that files get there."""
    directory = _directory(folder, phase)
    return tuple(
        step(coursedir=directory, config=folder.config, log=LOG) for step in (Autograde, GenerateFeedback)
    )


def autograde(folder: CourseFolder, phase: str, student: str, lab: str, staged: Path) -> NotebookNode:
    """Run and grade one lab; `staged` holds `<student>/<phase>/<lab>.ipynb`. Returns the executed notebook.

    Raises NotGraded.
    """
    directory = _directory(folder, phase, student, notebook_id=lab, submitted_directory=str(staged))
    _start(Autograde, folder, directory)
    notebook: NotebookNode = nbformat.read(folder.autograded(student, phase) / f"{lab}.ipynb", as_version=4)
    return notebook


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
            score, _ = determine_grade(cell, LOG)
            grades[str(grade_id(cell))] = Grade(score or 0.0, waiting=score is None)
    return grades


def strangers(folder: CourseFolder, students: Iterable[str]) -> set[str]:
    """Those who are not in the gradebook, where the course wants everybody to be (`Autograde.create_student`)."""
    if folder.config.Autograde.get("create_student", True):
        return set()
    with folder.gradebook() as gradebook:
        return set(students) - {student.id for student in gradebook.students}


def class_scores(folder: CourseFolder, phase: str) -> dict[str, dict[str, float]]:
    """By student the score of each lab of a phase, penalties for lateness taken off."""
    with folder.gradebook() as gradebook:
        return {
            submission.student_id: {
                notebook.name: notebook.score - (notebook.late_submission_penalty or 0)
                for notebook in submission.notebooks
            }
            for submission in gradebook.find_assignment(phase).submissions
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
    LOG.addHandler(errors)
    try:
        step(
            coursedir=_directory(folder, phase, student),
            authenticator=Authenticator(config=folder.config),
            config=folder.config,
            log=LOG,
            **traits,
        ).start()
    except ExchangeError as error:
        raise CourseError(f"{step.__name__} failed for {phase}: {errors.reason()}") from error
    finally:
        LOG.removeHandler(errors)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Keep what nbgrader has to say in a file, made anew, instead of on the screen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    LOG.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's use of SQLAlchemy
            yield
    finally:
        LOG.removeHandler(handler)
        handler.close()


LOG = logging.getLogger("course.grading.nbgrader")
"""Where nbgrader says what it does."""
LOG.setLevel(logging.INFO)
LOG.propagate = False

# The classes whose settings go with a job.
_JOB_SETTINGS = (
    "Execute",
    "CagedExecute",
    "ExecutePreprocessor",
    "NotebookClient",
    "KernelManager",
    "IgnorePattern",
    "ClearMetadataPreprocessor",
    "LimitOutput",
)


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
    LOG.addHandler(errors)
    try:
        converter(coursedir=directory, config=folder.config, log=LOG, force=True).start()
    except NbGraderException as error:
        raise NotGraded(errors.reason()) from error
    finally:
        LOG.removeHandler(errors)


def _database(root: Path) -> str:
    return f"sqlite:///{root / 'gradebook.db'}"


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
