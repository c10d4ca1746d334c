"""What `Database` asks of an engine's own driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from course.lab.sql.values import Row

BATCH = 5000


@dataclass(frozen=True)
class Answer:
    """An engine's answer to one statement.

    `columns` is None for a statement that returns no rows; `kinds` are the driver's, "null" where it does not know;
    `changed` counts the rows written, None where nothing was.
    """

    columns: list[str] | None
    kinds: list[str]
    batches: Iterator[list[Row]]
    changed: int | None = None


@dataclass(frozen=True)
class Problem:
    """An engine's own words on a statement that failed, and the character (from 0) of the statement they are about."""

    message: str
    position: int | None = None
    hint: str = ""


class Driver(Protocol):
    """One connection to one database, in autocommit mode."""

    engine: str
    title: str

    def execute(
        self, sql: str, params: Mapping[str, object], seconds: float
    ) -> AbstractContextManager[Answer]:
        """Run one statement; after `seconds` it is interrupted and TimeoutError raised, also while rows are read."""

    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def tested(self) -> AbstractContextManager[Driver]:
        """A driver for a query that nobody vouches for: in a transaction on the same data, undone at the end."""

    def catalog(self) -> list[tuple[str, str, str]]:
        """(table, column, type) of every column of every table and view."""

    def problem(self, error: Exception, sql: str) -> Problem | None:
        """What the engine says; None where the error is not the engine's."""

    def abandon(self) -> None:
        """In a forked child: make sure that the parent's connection is never closed from here."""

    def reopened(self) -> Driver:
        """In a forked child: the same database, by a way that leaves the parent's connection alone."""

    def close(self) -> None:
        """Close the connection; closing twice is fine."""


def keep_for_ever(connection: Any) -> None:  # noqa: ANN401 - any driver's connection
    """Keep `connection` alive for ever, even through the end of Python.

    In a forked child a connection still belongs to the parent: closing it (which its finaliser would do) ends the
    parent's session or rolls back the parent's transaction.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
