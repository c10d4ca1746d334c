"""What a notebook uses: the student's side of the course.

Names are imported on first use, so that `%load_ext course` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course.lab.http import ask
    from course.lab.parsons import parsons
    from course.lab.pictures.calls import show_calls
    from course.lab.pictures.memory import show_names
    from course.lab.pictures.plan import PlanPicture, show_plan
    from course.lab.pictures.queues import show_queue, watch
    from course.lab.pictures.request import RequestPicture, show_request
    from course.lab.pictures.timeline import record_timeline
    from course.lab.predictions import predict
    from course.lab.programs import run_program
    from course.lab.progress import show_progress
    from course.lab.quizzes import quiz
    from course.lab.services import Postgres, postgres
    from course.lab.serving import Server, serve
    from course.lab.sql import Database, Query, Rows, check_rows, duckdb, run, sqlite
    from course.lab.terminal import PracticeFolder, practice_folder, run_commands
    from course.lab.testing import given, printed, read_file, shared, typing_in, until, write_file

_HOME = {
    "ask": "course.lab.http",
    "parsons": "course.lab.parsons",
    "show_calls": "course.lab.pictures.calls",
    "show_names": "course.lab.pictures.memory",
    "PlanPicture": "course.lab.pictures.plan",
    "show_plan": "course.lab.pictures.plan",
    "show_queue": "course.lab.pictures.queues",
    "watch": "course.lab.pictures.queues",
    "RequestPicture": "course.lab.pictures.request",
    "show_request": "course.lab.pictures.request",
    "record_timeline": "course.lab.pictures.timeline",
    "predict": "course.lab.predictions",
    "run_program": "course.lab.programs",
    "show_progress": "course.lab.progress",
    "quiz": "course.lab.quizzes",
    "Postgres": "course.lab.services",
    "postgres": "course.lab.services",
    "Server": "course.lab.serving",
    "serve": "course.lab.serving",
    "Database": "course.lab.sql",
    "Query": "course.lab.sql",
    "Rows": "course.lab.sql",
    "check_rows": "course.lab.sql",
    "duckdb": "course.lab.sql",
    "run": "course.lab.sql",
    "sqlite": "course.lab.sql",
    "PracticeFolder": "course.lab.terminal",
    "practice_folder": "course.lab.terminal",
    "run_commands": "course.lab.terminal",
    "given": "course.lab.testing",
    "printed": "course.lab.testing",
    "read_file": "course.lab.testing",
    "shared": "course.lab.testing",
    "typing_in": "course.lab.testing",
    "until": "course.lab.testing",
    "write_file": "course.lab.testing",
}

__all__ = [
    "Database",
    "PlanPicture",
    "Postgres",
    "PracticeFolder",
    "Query",
    "RequestPicture",
    "Rows",
    "Server",
    "ask",
    "check_rows",
    "duckdb",
    "given",
    "parsons",
    "postgres",
    "practice_folder",
    "predict",
    "printed",
    "quiz",
    "read_file",
    "record_timeline",
    "run",
    "run_commands",
    "run_program",
    "serve",
    "shared",
    "show_calls",
    "show_names",
    "show_plan",
    "show_progress",
    "show_queue",
    "show_request",
    "sqlite",
    "typing_in",
    "until",
    "watch",
    "write_file",
]


def home_of(name: str) -> str:
    """The module that a name of this package lives in."""
    return _HOME.get(name, __name__)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _HOME:
        raise AttributeError(f"module 'course.lab' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
