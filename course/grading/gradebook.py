"""The gradebook of one grading run: opened once, and changed in one transaction for each submission.

What is written is what nbgrader's SaveAutoGrades and AssignLatePenalties write.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil  # type: ignore[import-untyped]
from nbgrader.api import (
    Assignment,
    Base,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    InvalidEntry,
    Notebook,
    SolutionCell,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import parse_utc
from sqlalchemy import Connection, Engine, create_engine, event, or_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import scoped_session, sessionmaker

from course.errors import CourseError

PATIENCE_SECONDS = 30.0
MAKE_ROOM = "make room, then run this again; what was graded so far is kept"

_TRY_SECONDS = 1  # for one attempt to get the lock
_POSTGRESQL_LOCKED = "55P03"

T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """What grading a notebook gave: the points of each graded cell, None where a teacher has to give them.

    `unanswered` are the answers that are as they were released. Both by grade_id.
    """

    points: Mapping[str, float | None]
    unanswered: Collection[str] = ()


class RunGradebook(Gradebook):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's gradebook, kept open, in which what `change` does happens wholly or not at all.

    nbgrader's own methods commit whenever they have written something. Here their session is joined to a transaction
    begun outside of it, in SQLAlchemy's mode "rollback_only": a commit of the session's sends the changes to the
    database and ends nothing, a rollback takes all of them back. Only `change` commits.

    The lock for writing is taken at the beginning, so that nobody's changes come between reading and writing.
    """

    def __init__(self, url: str, course_id: str) -> None:
        """Open the gradebook at an SQLAlchemy address, and make it where there is none.

        Raises CourseError where it cannot be opened, or is locked for `PATIENCE_SECONDS`.
        """
        _patiently(url, partial(super().__init__, url, course_id))
        super().close()
        self._url = url
        self.engine = _engine(url)

    def check(self) -> None:
        """See that the gradebook can be written to.

        Raises CourseError as `change`.
        """
        self.change(lambda _: None)

    def change(self, action: Callable[[Gradebook], T]) -> T:
        """Do `action` in one transaction; it is done again where another program held the lock.

        Raises CourseError where the lock is not to be had within `PATIENCE_SECONDS`, or the disk is full; nothing is
        changed then.
        """

        def attempt() -> T:
            with self._transaction():
                return action(self)

        return _patiently(self._url, attempt)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.engine.connect() as connection, connection.begin():
            session = sessionmaker(
                bind=connection, join_transaction_mode="rollback_only", expire_on_commit=False
            )
            self.db = scoped_session(session)
            try:
                yield
                self.db.flush()
            finally:
                self.db.remove()


def _patiently(url: str, action: Callable[[], T]) -> T:
    """Do something with a gradebook, again and again while another program has it locked.

    Raises CourseError where it is locked for `PATIENCE_SECONDS`, or cannot be read or written.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return action()
        except (OperationalError, InvalidEntry) as raised:
            error = _database_error(raised)
            if error is None:
                raise
            if not _is_locked(error) or time.monotonic() > until:
                raise _explained(error, url) from raised


def save(
    gradebook: Gradebook,
    phase: str,
    student: str,
    timestamp: str | None,
    graded: Mapping[str, Scores | None],
    late: AssignLatePenalties,
) -> dict[str, SubmittedNotebook]:
    """Write what a student's labs scored, by lab; None stands for one that could not be graded, and scores 0.

    A teacher's points and comments stay. `timestamp` is when the work was handed in, where that is known. `late` has
    the course's rule for lateness, which holds for what was graded.
    """
    _cells = list(_cells_of(gradebook, phase))  # kept, so that they need not be asked for one by one
    gradebook.update_or_create_student(student)
    when = {"timestamp": parse_utc(timestamp)} if timestamp else {}
    submission = gradebook.update_or_create_submission(phase, student, **when)
    notebooks = {notebook.name: notebook for notebook in submission.notebooks}
    for lab in graded.keys() - notebooks.keys():
        notebooks[lab] = _add_notebook(gradebook, submission, lab)
    for lab, scores in graded.items():
        if scores is None:
            _give_zero(notebooks[lab])
        else:
            _give(notebooks[lab], scores)
    gradebook.db.flush()
    for lab, scores in graded.items():
        gradebook.db.refresh(notebooks[lab], ["score", "max_score"])
        if scores is not None:
            _punish(submission, notebooks[lab], student, late)
    gradebook.db.flush()
    return {lab: notebooks[lab] for lab in graded}


def _cells_of(gradebook: Gradebook, phase: str) -> Iterator[BaseCell]:
    for kind in (GradeCell, SolutionCell, TaskCell):
        yield from (
            gradebook.db.query(kind)
            .join(kind.notebook)
            .join(Notebook.assignment)
            .filter(Assignment.name == phase)
        )


def _add_notebook(gradebook: Gradebook, submission: SubmittedAssignment, lab: str) -> SubmittedNotebook:
    """A lab that came into the phase after the student's work was first graded."""
    known = gradebook.find_notebook(lab, submission.assignment.name)
    notebook = SubmittedNotebook(notebook=known, assignment=submission)
    for cell in [*known.grade_cells, *known.task_cells]:
        Grade(cell_id=cell.id, notebook=notebook)
    for cell in [*known.solution_cells, *known.task_cells]:
        Comment(cell_id=cell.id, notebook=notebook)
    gradebook.db.add(notebook)
    gradebook.db.flush()
    gradebook.db.refresh(notebook)
    return notebook


def _give(notebook: SubmittedNotebook, scores: Scores) -> None:
    for grade in notebook.grades:
        grade.auto_score = scores.points.get(grade.name)
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
    for comment in notebook.comments:
        comment.auto_comment = "No response." if comment.name in scores.unanswered else None


def _give_zero(notebook: SubmittedNotebook) -> None:
    notebook.late_submission_penalty = None
    for grade in notebook.grades:
        grade.auto_score = 0
        grade.needs_manual_grade = False


def _punish(
    submission: SubmittedAssignment, notebook: SubmittedNotebook, student: str, late: AssignLatePenalties
) -> None:
    """Take off what the course's rule takes off for lateness."""
    notebook.late_submission_penalty = None
    seconds = submission.total_seconds_late
    if seconds > 0:
        penalty = late.plugin_inst.late_submission_penalty(student, notebook.score, seconds)
        if penalty is not None:
            notebook.late_submission_penalty = late._check_late_penalty(notebook, penalty)


def by_hand(gradebook: Gradebook, phase: str, student: str | None = None) -> dict[str, str]:
    """By student a digest of the points and comments that a teacher gave in a phase; who has none is not there.

    Of all students, or of one.
    """
    mine = [SubmittedAssignment.student_id == student] if student else []
    given: dict[str, list[str]] = {}
    for kind, columns in (
        (Grade, (Grade.manual_score, Grade.extra_credit)),
        (Comment, (Comment.manual_comment,)),
    ):
        rows = (
            gradebook.db.query(SubmittedAssignment.student_id, kind.notebook_id, kind.cell_id, *columns)
            .join(SubmittedNotebook, kind.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .filter(Assignment.name == phase, or_(*(column.is_not(None) for column in columns)), *mine)
        )
        for student, *mark in rows:
            given.setdefault(student, []).append(repr(mark))
    return {
        student: hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()
        for student, marks in given.items()
    }


def make_tables(url: str) -> None:
    """Make an empty gradebook that lasts no longer than its run.

    nbgrader would note down its version too, for later migrations; finding that out takes it seconds.
    """
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_pre_ping=True)  # the server may have hung up while notebooks ran

        @event.listens_for(engine, "begin")
        def be_impatient(connection: Connection) -> None:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TRY_SECONDS}s'")

        return engine
    engine = create_engine(url, connect_args={"timeout": _TRY_SECONDS})

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _database_error(error: BaseException | None) -> OperationalError | None:
    """What the database said, where nbgrader has raised an error of its own instead."""
    while error is not None and not isinstance(error, OperationalError):
        error = error.__context__
    return error


def _is_locked(error: OperationalError) -> bool:
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or (
        getattr(error.orig, "sqlstate", None) == _POSTGRESQL_LOCKED
    )


def _sqlite_code(error: OperationalError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _explained(error: OperationalError, url: str) -> CourseError:
    """What an instructor can do about a gradebook that cannot be read or written."""
    path = Path(url.partition(":///")[2].partition("?")[0]) if url.startswith("sqlite") else None
    name = f"The gradebook {path}" if path else "The gradebook's database server"
    if _is_locked(error):
        who = _holders(path) if path else ""
        return CourseError(
            f"{name} has been locked by another program for {PATIENCE_SECONDS:g} seconds "
            f"({who or 'formgrader, another nbgrader command, or a database browser'}): "
            "let it finish, or close it, then run this again; what was graded so far is kept"
        )
    if _sqlite_code(error) == sqlite3.SQLITE_FULL:
        return CourseError(f"{name} cannot grow, because the disk is full: {MAKE_ROOM}")
    reason = str(error.orig).strip().partition("\n")[0]
    return CourseError(f"{name} cannot be used: {reason}. What was graded so far is kept")


def _holders(path: Path) -> str:
    """The other programs that have this file open, as far as this user may know."""
    found = []
    for process in psutil.process_iter():
        try:
            open_files = [] if process.pid == os.getpid() else process.open_files()
            if any(Path(each.path) == path.absolute() for each in open_files):
                command = " ".join(" ".join(process.cmdline()).split())
                found.append(f"process {process.pid}: {command[:80]}")
        except (psutil.Error, OSError):
            continue
    return "; ".join(found)
