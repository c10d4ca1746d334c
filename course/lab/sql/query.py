"""A student's query text under its name, and how a test runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.lab.sql.database import Database
    from course.lab.sql.rows import Rows


@dataclass(frozen=True)
class Query:
    """The text of a `%%sql` cell and the name it was given; empty where nothing is written yet."""

    name: str
    text: str


def run(query: Query | str, on: Database, **params: object) -> Rows:
    """Run a query on a database and return its rows; whatever it changes is undone, so the next test sees the same data.

    To keep what a statement changes, use `Database.run`. Raises EmptyQuery (an AssertionError) where there is nothing
    to run, SQLError where the database refuses it or it takes too long, and a parameter `:name` is given as `name=`.
    """
    return on.run_and_undo(query, **params)
