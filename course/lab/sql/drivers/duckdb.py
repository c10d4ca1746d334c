"""DuckDB through its own driver."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from course.lab.sql.drivers import BATCH, Answer, Problem, keep_for_ever
from course.lab.sql.drivers.worker import Worker
from course.lab.sql.statements import replace_names

if TYPE_CHECKING:
    import duckdb

tested_queries_reach_files = True
"""False where a tested query runs beside other people's data: in the examiner.

DuckDB is then locked for good when the first one comes. It cannot be opened again, so a notebook's own database stays open.
"""

# No thread of its own: nothing is missing after a fork, and a query without ORDER BY returns the same order every time.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "async_threads": 0,
    "memory_limit": "1GB",
    "temp_directory": "",  # what does not fit is an error: no folder appears beside the notebook
    "python_enable_replacements": False,  # a table name must not find a Python variable
    "autoinstall_known_extensions": False,  # no lab needs the internet
}
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "MERGE_INTO", "COPY")
_TESTED = (
    *("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "ALTER", "DROP", "EXPLAIN"),
    "MULTI",  # PIVOT
)
_PLACE = re.compile(r"\n+LINE (?P<line>\d+): (?P<shown>[^\n]*)\n(?P<blank> *)\^+", re.DOTALL)
_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"
}  # fmt: skip
_KINDS = {
    "DOUBLE": "number", "FLOAT": "number", "DECIMAL": "number", "VARCHAR": "text", "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "datetime", "BLOB": "binary", "\"NULL\"": "null", "NULL": "null",
}  # fmt: skip


class DuckdbDriver:
    """A DuckDB file, or a database in memory."""

    engine = "duckdb"
    title = "DuckDB"

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        import duckdb

        self._path = path if path == ":memory:" else str(Path(path).resolve())
        self._read_only = read_only
        self._testing = self._locked = False
        self._db: duckdb.DuckDBPyConnection = duckdb.connect(self._path, read_only=read_only, config=_CONFIG)
        self._db.execute("SET enable_progress_bar = false")  # it would be printed among a cell's results

    @contextmanager
    def execute(self, sql: str, params: Mapping[str, object], seconds: float) -> Iterator[Answer]:
        """See Driver."""
        used: dict[str, object] = {}

        def mark(name: str) -> str | None:
            if name not in params:
                return None
            used[name] = params[name]
            return f"${name}"

        text = replace_names(sql, mark)
        with Worker(seconds, self._db.interrupt) as worker:
            statement = self._only_statement(text)
            cursor = worker.call(self._db.execute, statement, used or None)
            columns = [column[0] for column in cursor.description or ()]
            kinds = [_kind(str(column[1])) for column in cursor.description or ()]
            verb = statement.type.name
            if verb in _WRITES and columns == ["Count"]:
                yield Answer(None, [], iter(()), worker.call(cursor.fetchall)[0][0])
            elif not columns or verb in ("CREATE", "DROP", "ALTER", "TRANSACTION", "SET"):
                yield Answer(None, [], iter(()))
            else:
                yield Answer(columns, kinds, worker.batches(partial(cursor.fetchmany, BATCH)))

    def in_transaction(self) -> bool:
        """See Driver. DuckDB is asked: only within a transaction have two statements the same number."""
        import duckdb

        try:
            return self._transaction() == self._transaction()
        except duckdb.TransactionException:  # a failed one answers no questions
            return True

    @contextmanager
    def tested(self) -> Iterator[DuckdbDriver]:
        """See Driver."""
        if not tested_queries_reach_files:
            self._lock()
        self._db.execute("BEGIN")
        self._testing = True
        try:
            yield self
        finally:
            self._testing = False
            if self.in_transaction():
                self._db.execute("ROLLBACK")

    def catalog(self) -> list[tuple[str, str, str]]:
        """See Driver."""
        with self._db.cursor() as other:  # a failed transaction answers no questions
            return other.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() "
                "WHERE NOT internal AND database_name = current_database() AND schema_name = current_schema() "
                "ORDER BY table_oid, column_index"
            ).fetchall()

    def problem(self, error: Exception, sql: str) -> Problem | None:
        """See Driver."""
        import duckdb

        if not isinstance(error, duckdb.Error):
            return None
        message = str(error)
        place = _PLACE.search(message)
        if place is None:
            return Problem(message)
        return Problem((message[: place.start()] + message[place.end() :]).strip(), _position(sql, place))

    def abandon(self) -> None:
        """See Driver."""
        keep_for_ever(self._db)

    def reopened(self) -> DuckdbDriver:
        """See Driver. Memory was copied by the fork, whole, and a read-only file is shared safely.

        A file open for writing is locked by the parent, so the child reads a copy of it into memory.
        """
        if self._path == ":memory:" or self._read_only:
            return self
        child = DuckdbDriver(":memory:")
        with tempfile.TemporaryDirectory(prefix="duckdb-") as folder:
            for suffix in ("", ".wal"):
                if (file := Path(self._path + suffix)).exists():
                    shutil.copy(file, Path(folder) / f"parent.db{suffix}")
            child._db.execute(f"ATTACH '{folder}/parent.db' AS parent")
            child._db.execute("COPY FROM DATABASE parent TO memory")
            child._db.execute("DETACH parent")
        return child

    def close(self) -> None:
        """See Driver."""
        self._db.close()

    def _lock(self) -> None:
        """Reach no file but the database's own, and change no setting, from now on."""
        if not self._locked:
            self._db.execute("SET enable_external_access = false")
            self._db.execute(
                "SET lock_configuration = true"
            )  # functions like enable_logging() set something too
            self._locked = True

    def _transaction(self) -> object:
        # By its full name: a query may have made a macro that is called so too.
        return self._db.execute("SELECT system.main.txid_current()").fetchone()

    def _only_statement(self, text: str) -> duckdb.Statement:
        """The statement in `text`; in a tested query of a kind that is known to stay within its transaction."""
        import duckdb

        statement, *more = self._db.extract_statements(text)
        if self._testing and (more or statement.type.name not in _TESTED):
            raise duckdb.PermissionException("This may not be part of a tested query.")
        return statement


def _kind(type_name: str) -> str:
    base = type_name.split("(")[0]
    if base in _INTEGERS:
        return "integer"
    return "datetime" if base.startswith("TIMESTAMP") else _KINDS.get(base, "other")


def _position(sql: str, place: re.Match[str]) -> int | None:
    """The character of `sql` under DuckDB's caret; long lines are shown in part, with dots."""
    lines = sql.splitlines(keepends=True)
    line = int(place["line"]) - 1
    if line >= len(lines):
        return len(sql)
    column = len(place["blank"]) - len(f"LINE {line + 1}: ")
    shown = place["shown"]
    if shown.startswith("..."):
        whole = lines[line].find(shown.strip("."))
        if whole < 0:
            return None
        column += whole - 3
    return sum(map(len, lines[:line])) + column
