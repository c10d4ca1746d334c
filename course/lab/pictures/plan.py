"""Show how a database really answers a query, and what an index would change, without leaving a trace in the data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from json import loads
from typing import TYPE_CHECKING, Any

from course.errors import CourseError
from course.lab.pictures.plan_steps import Step, duckdb_step, postgresql_step, sqlite_step, table_of
from course.lab.sql.errors import EmptyQuery, SQLError
from course.lab.sql.query import Query
from course.lab.sql.statements import split, tokens

if TYPE_CHECKING:
    from course.lab.sql.database import Database
    from course.lab.sql.rows import Rows

_READS = ("SELECT", "WITH", "VALUES", "TABLE", "FROM")
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
_WRITING_WORDS = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"}
_LONG = 1.0  # seconds: a query that takes longer is timed once, not twice
_COUNTING = 5.0  # seconds that counting SQLite's steps may take: it slows a query down
_LOOK_AT_CLOCK = 4096


def show_plan(query: Query | str, on: Database, index: str = "", **params: object) -> PlanPicture:
    """Run a query and show how the database does it, step by step. Shown when it is the last line of a cell.

    With an index, the query runs without it and with it, and both plans are shown side by side. The index is then undone.
    A statement that changes data is explained, but not run.

    Args:
        query: one statement, as text or as the name of a `%%sql` cell.
        on: the database.
        index: a CREATE INDEX statement to try.
        params: a value for each parameter `:name` of the query.

    Raises:
        CourseError: this is not one statement, or one that has no plan.
        SQLError: the database refuses the query or the index; for an index, also where a transaction is open already.
    """
    text = _one_statement(query.text if isinstance(query, Query) else query)
    if index:
        _check_index(index)
    with _undone(on, must=bool(index)):
        before = _measured(text, on, params)
        if not index:
            return PlanPicture(on.engine, text, before)
        on.run(index)
        return PlanPicture(on.engine, text, before, _measured(text, on, params), index.strip().rstrip("; "))


@dataclass(frozen=True)
class Plan:
    """One way to answer a query, as the database went it; without figures where the statement was not run.

    Attributes:
        last: the step that gives the result; the ones before it are its inputs.
        rows: how many rows the result has.
        work: how many rows were read from tables; of SQLite, how many small steps its machine made.
        milliseconds: how long the query took.
    """

    last: Step | None
    rows: int | None = None
    work: int | None = None
    milliseconds: float | None = None
    fingerprint: int = 0

    @property
    def steps(self) -> list[Step]:
        """All steps, in the order in which they happen."""
        return list(self.last.with_inputs()) if self.last else []


@dataclass(frozen=True)
class PlanPicture:
    """A query's plan, and with an index a second one."""

    engine: str
    sql: str
    before: Plan
    after: Plan | None = None
    index: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times less work the index makes; None where that was not measured."""
        if self.after is None or not self.before.work or not self.after.work:
            return None
        return self.before.work / self.after.work

    @property
    def index_is_used(self) -> bool:
        """Whether the index changes what the database does."""
        return self.after is not None and _words(self.before) != _words(self.after)

    @property
    def same_rows(self) -> bool:
        """Whether the query gave the same rows with the index and without."""
        return self.after is None or self.before.fingerprint == self.after.fingerprint

    def __repr__(self) -> str:
        from course.lab.pictures.plan_drawing import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from course.lab.pictures.plan_drawing import as_html

        return as_html(self)


def _words(plan: Plan) -> list[str]:
    return [step.words for step in plan.steps]


def _one_statement(sql: str) -> str:
    statements = split(sql)
    if not statements:
        raise EmptyQuery
    if len(statements) > 1:
        raise CourseError(f"show_plan explains one statement, and here are {len(statements)}: give it one.")
    verb = statements[0].verb
    if verb == "EXPLAIN":
        raise CourseError("Leave EXPLAIN out: show_plan asks the database to explain.")
    if verb not in (*_READS, *_WRITES, "("):
        raise CourseError(f"{verb} has no plan. show_plan explains a query, such as SELECT ... FROM ...")
    return statements[0].text


def _check_index(index: str) -> None:
    statements = split(index)
    words = [token.text.upper() for token in tokens(index)][:3]
    if len(statements) != 1 or words[:1] != ["CREATE"] or "INDEX" not in words:
        raise CourseError(
            'index is to be one CREATE INDEX statement, as in index="CREATE INDEX orders_customer ON orders (customer_id)".'
        )


@contextmanager
def _undone(on: Database, *, must: bool) -> Iterator[None]:
    """A transaction that is rolled back. One that is open already is left alone, or refused where that will not do."""
    with on._alone() as driver:
        if driver.in_transaction():
            if must:
                raise SQLError(
                    "A transaction is still open in this database", "", hint="Run COMMIT or ROLLBACK first."
                )
            yield
            return
        on.run("BEGIN")
        try:
            yield
        finally:
            if driver.in_transaction():
                on.run("ROLLBACK")


def _measured(sql: str, on: Database, params: Mapping[str, Any]) -> Plan:
    if not _only_reads(sql):
        return _PLANS[on.engine](sql, on, params, run=False)
    rows, seconds = _timed(sql, on, params)
    if seconds < _LONG:  # the first run also fetches the data into memory: the second is the fair one
        seconds = min(seconds, _timed(sql, on, params)[1])
    plan = _PLANS[on.engine](sql, on, params, run=True)
    return Plan(plan.last, len(rows), plan.work, seconds * 1000, _fingerprint(rows))


def _only_reads(sql: str) -> bool:
    words = [token.text.upper() for token in tokens(sql) if token.kind == "word"]
    return words[0] not in _WRITES and not _WRITING_WORDS & set(words)


def _timed(sql: str, on: Database, params: Mapping[str, Any]) -> tuple[Rows, float]:
    start = time.perf_counter()
    rows = on.run(sql, **params)
    return rows, time.perf_counter() - start


def _fingerprint(rows: Rows) -> int:
    """The same for the same rows, whatever their order: an index often changes that."""
    return sum(hash(tuple(map(_plain, row))) for row in rows)


def _plain(value: object) -> str:
    return (
        f"{value:.9g}" if isinstance(value, float) else repr(value)
    )  # a sum depends on the order of its parts


# --- each engine's own way to explain ---------------------------------------------------------------------------------


def _of_postgresql(sql: str, on: Database, params: Mapping[str, Any], *, run: bool) -> Plan:
    options = "ANALYZE, FORMAT JSON, TIMING OFF, BUFFERS OFF" if run else "FORMAT JSON"
    said = on.run(f"EXPLAIN ({options}) {sql}", **params)[0][0]
    return _with_work(postgresql_step(said[0]["Plan"]))


def _of_duckdb(sql: str, on: Database, params: Mapping[str, Any], *, run: bool) -> Plan:
    said = loads(on.run(f"EXPLAIN ({'ANALYZE, ' if run else ''}FORMAT json) {sql}", **params)[0][1])
    (root,) = said["operator"] if run else said
    return _with_work(duckdb_step(root))


def _with_work(last: Step | None) -> Plan:
    reads = [step.read for step in last.with_inputs() if step.read is not None] if last else []
    return Plan(last, work=sum(reads) if reads else None)


def _of_sqlite(sql: str, on: Database, params: Mapping[str, Any], *, run: bool) -> Plan:
    said = [(row[0], row[1], row[3]) for row in on.run(f"EXPLAIN QUERY PLAN {sql}", **params)]
    known = on.tables
    named = {name: table_of(name, sql, known) for _, _, detail in said for name in detail.split()[1:2]}
    tables = {name: table for name, table in named.items() if table}
    sizes = {name: on.run(f"SELECT count(*) FROM {_quoted(table)}")[0][0] for name, table in tables.items()}
    return Plan(sqlite_step(said, tables, sizes), work=_steps_of_sqlite(sql, on, params) if run else None)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _steps_of_sqlite(sql: str, on: Database, params: Mapping[str, Any]) -> int | None:
    """How many instructions SQLite's virtual machine executes: it counts no rows, but this it tells."""
    import sqlite3

    steps = 0
    end = time.monotonic() + _COUNTING

    def count() -> bool:
        nonlocal steps
        steps += 1
        return steps % _LOOK_AT_CLOCK == 0 and time.monotonic() > end

    with on._alone() as driver:
        connection: sqlite3.Connection = driver._db  # type: ignore[attr-defined]
        connection.set_progress_handler(count, 1)
        try:
            for _ in connection.execute(sql, params):
                pass
        except sqlite3.OperationalError as error:
            if str(error) != "interrupted":
                raise
            if time.monotonic() <= end:  # by Python: its signal handler ran inside ours
                raise KeyboardInterrupt from None
            return None
        finally:
            connection.set_progress_handler(None, 0)
    return steps


_PLANS = {"postgresql": _of_postgresql, "duckdb": _of_duckdb, "sqlite": _of_sqlite}
