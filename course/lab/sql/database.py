"""One database, whatever its engine: run SQL and get plain rows."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Self

from course.lab.sql import tables
from course.lab.sql.drivers import Answer, Driver
from course.lab.sql.errors import EmptyQuery, SQLError
from course.lab.sql.hints import INVISIBLE, MISSING_LINE, hint, misspelt
from course.lab.sql.query import Query
from course.lab.sql.rows import SHOWN, Rows
from course.lab.sql.statements import Statement, missing_line, split, untestable
from course.lab.sql.values import Row

if TYPE_CHECKING:
    from course.lab.sql.drivers.duckdb import DuckdbDriver
    from course.lab.sql.drivers.sqlite import SqliteDriver

_UNDONE = "A test runs your query and then undoes what it changed."
_VALUES = 10_000_000  # a million wide rows would not fit into a small machine's memory


@dataclass(frozen=True)
class Result:
    """What became of one statement: its rows (the first ones, for a look), or how many rows it changed.

    `total` counts the rows read; `more` says that reading stopped there.
    """

    verb: str
    rows: Rows | None
    total: int = 0
    more: bool = False
    changed: int | None = None


class Database:
    """A database that a notebook works with.

    Each statement is committed at once, unless a BEGIN opened a transaction. The object lives through `os.fork`: in
    the child it leaves the parent's connection alone and finds the same data again. A database in memory is then the
    child's own copy, and so is a DuckDB file open for writing; a SQLite file and a PostgreSQL server stay shared.
    """

    def __init__(self, driver: Driver, *, row_limit: int = 1_000_000, time_limit: float = 20) -> None:
        """`row_limit` rows and `time_limit` seconds are the most that one statement may take."""
        self._driver = driver
        self._forked = False
        self._lock = threading.RLock()
        _open_databases.add(self)
        self.row_limit = row_limit
        self.time_limit = time_limit

    @property
    def engine(self) -> str:
        """ "sqlite", "duckdb" or "postgresql"."""
        return self._driver.engine

    @property
    def tables(self) -> dict[str, dict[str, str]]:
        """Each table's and view's columns, with their types."""
        with self._alone() as driver:
            return _tables(driver)

    def run(self, sql: str | Query, **params: object) -> Rows:
        """Run one or several statements, commit them, and return the rows of the last one.

        A parameter `:name` in the text takes its value from the keyword `name`. Raises SQLError where the database
        refuses a statement, or where it takes more than `row_limit` rows or `time_limit` seconds.
        """
        text = sql.text if isinstance(sql, Query) else sql
        statements = _statements(text)
        with self._alone() as driver:
            return self._last_rows(driver, text, statements, params)

    def run_and_undo(self, sql: str | Query, **params: object) -> Rows:
        """As `run`, but whatever the statements change is rolled back, and they may not end the transaction.

        Raises SQLError also for every statement that is not known to stay within its transaction and its database
        (BEGIN, COMMIT, SET, ATTACH, COPY and the like), and where a transaction is open already.
        """
        text = sql.text if isinstance(sql, Query) else sql
        statements = _statements(text)
        for statement in statements:
            _insist_on_testable(text, statement)
        with self._alone() as driver:
            if driver.in_transaction():
                raise SQLError(
                    "A transaction is still open in this database", "", hint="Run COMMIT or ROLLBACK first."
                )
            with self._explaining(driver, text, statements[0]), driver.tested() as tested:
                rows = self._last_rows(tested, text, statements, params)
                if not tested.in_transaction():
                    raise SQLError("The query ended the transaction of its test", _UNDONE)
            return rows

    def results(self, sql: str) -> Iterator[Result]:
        """Run the statements of a cell one by one, keeping of each only the first rows and their count."""
        for statement in split(sql):
            with self._alone() as driver, self._answer(driver, sql, statement, {}) as answer:
                result = self._look(statement.verb, answer)
            yield result

    def close(self) -> None:
        """Close the database; one in memory is gone then."""
        if not self._forked:
            self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _alone(self) -> Iterator[Driver]:
        """The driver, for this process and this thread only."""
        with self._lock:
            if self._forked:
                self._driver = self._driver.reopened()
                self._forked = False
            yield self._driver

    @contextmanager
    def _answer(
        self, driver: Driver, text: str, statement: Statement, params: Mapping[str, object]
    ) -> Iterator[Answer]:
        """The engine's answer to one statement of `text`; its errors become SQLErrors."""
        with (
            self._explaining(driver, text, statement),
            driver.execute(statement.text, params, self.time_limit) as answer,
        ):
            yield answer

    @contextmanager
    def _explaining(self, driver: Driver, text: str, statement: Statement) -> Iterator[None]:
        """Make the engine's errors SQLErrors."""
        try:
            yield
        except TimeoutError:
            raise SQLError(
                f"{driver.title} was stopped after {self.time_limit:g} seconds",
                "The statement took too long.",
                hint="Is a join condition missing? Then every row is joined with every other.",
            ) from None
        except Exception as error:
            raise self._explain(driver, error, text, statement) from None

    def _explain(self, driver: Driver, error: Exception, text: str, statement: Statement) -> Exception:
        problem = driver.problem(error, statement.text)
        if problem is None:
            return error
        title = f"{driver.title} could not run this statement"
        missing = missing_line(text)
        if missing is not None:  # whatever the engine stumbles over, this comes first
            return SQLError(title, problem.message, sql=text, position=missing, hint=MISSING_LINE)
        try:
            schema = {table: list(columns) for table, columns in _tables(driver).items()}
        except Exception:  # in a failed transaction nothing can be asked
            schema = {}
        return SQLError(
            title,
            problem.message,
            sql=text,
            position=None if problem.position is None else statement.start + problem.position,
            hint=hint(problem.message, statement.text, schema, problem.position) or problem.hint,
        )

    def _last_rows(
        self, driver: Driver, text: str, statements: list[Statement], params: Mapping[str, object]
    ) -> Rows:
        """Run all statements; the rows of the last one."""
        rows = Rows([], [])
        for statement in statements:
            with self._answer(driver, text, statement, params) as answer:
                rows = self._all_rows(answer)
        return rows

    def _all_rows(self, answer: Answer) -> Rows:
        if answer.columns is None:
            return Rows([], [])
        limit = min(self.row_limit, _VALUES // max(len(answer.columns), 1))
        rows: list[Row] = []
        for batch in answer.batches:
            rows += batch
            if len(rows) > limit:
                raise SQLError(
                    f"The query returned more than {limit:,} rows",
                    "It was stopped before it filled the memory.",
                    hint="Is a join condition missing? Then every row is joined with every other. Or add a LIMIT.",
                )
        return Rows(answer.columns, rows, answer.kinds)

    def _look(self, verb: str, answer: Answer) -> Result:
        if answer.columns is None:
            return Result(verb, None, changed=answer.changed)
        first: list[Row] = []
        total = 0
        for batch in answer.batches:
            first += batch[: SHOWN - len(first)]
            total += len(batch)
            if total >= self.row_limit:
                break
        return Result(verb, Rows(answer.columns, first, answer.kinds), total, more=total >= self.row_limit)

    def __repr__(self) -> str:
        lines = [f"{table} ({', '.join(columns)})" for table, columns in self.tables.items()]
        return "\n".join([f"{self._driver.title} database", *lines])

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><th scope='row'>{escape(table)}</th><td class='list'>"
            + ", ".join(
                f"{escape(column)} <span class='null'>{escape(kind)}</span>"
                for column, kind in columns.items()
            )
            + "</td></tr>"
            for table, columns in self.tables.items()
        ]
        title = f'<div class="title">{self._driver.title} database</div>'
        return tables.block(
            title
            + (f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else tables.note("no tables yet"))
        )


def _tables(driver: Driver) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table, column, type_name in driver.catalog():
        found.setdefault(table, {})[column] = type_name.lower()
    return found


def _insist_on_testable(text: str, statement: Statement) -> None:
    words = untestable(statement)
    if not words:
        return
    missing = missing_line(text)  # a line that is not written yet is why, and not the word after it
    raise SQLError(
        f"{words} may not be part of a tested query",
        _UNDONE,
        sql=text,
        position=statement.start if missing is None else missing,
        hint=(INVISIBLE if "\\" in words else misspelt(words)) if missing is None else MISSING_LINE,
    )


def _statements(text: str) -> list[Statement]:
    statements = split(text)
    if not statements:
        raise EmptyQuery
    return statements


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _after_fork() -> None:
    """Nothing that the child does, its end included, may touch the parent's connections."""
    for database in _open_databases:
        database._driver.abandon()
        database._forked = True
        database._lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def sqlite(path: str = ":memory:", *, read_only: bool = False) -> Database:
    """Open a SQLite file, made where there is none, or a new database in memory. Raises SQLError where it cannot."""
    from course.lab.sql.drivers.sqlite import SqliteDriver

    return Database(_opened(SqliteDriver, path, read_only))


def duckdb(path: str = ":memory:", *, read_only: bool = False) -> Database:
    """Open a DuckDB file, made where there is none, or a new database in memory. Raises SQLError where it cannot."""
    from course.lab.sql.drivers.duckdb import DuckdbDriver

    return Database(_opened(DuckdbDriver, path, read_only))


def _opened(kind: Callable[..., SqliteDriver | DuckdbDriver], path: str, read_only: bool) -> Driver:
    try:
        return kind(path, read_only=read_only)
    except Exception as error:
        raise SQLError(f"The database {path} could not be opened", str(error)) from None
