"""SQLite through Python's own driver."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from course.lab.sql.drivers import BATCH, Answer, Problem, keep_for_ever
from course.lab.sql.statements import tokens
from course.lab.sql.values import Row

if TYPE_CHECKING:
    import sqlite3

_STEPS = 10_000  # virtual machine steps between two looks at the clock: well under a millisecond
_NEAR = re.compile(r'^near "(.+)": syntax error', re.DOTALL)
_UNKNOWN = "_unknown"
# They tell of tables only. Queries use them as table functions, pragma_table_info(...), and so does `catalog`.
_READING_PRAGMAS = (
    *("table_info", "table_xinfo", "table_list", "foreign_key_list"),
    *("index_list", "index_info", "index_xinfo"),
    "data_version",  # full text search asks for it
)
# Some builds of SQLite have functions that reach files, programs and memory.
_OUTWARD = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer")
_NAMED = re.compile(
    r"(?:no such (?:column|table|function)|ambiguous column name|misuse of aggregate(?: function)?): ([\w.]+)"
)


class SqliteDriver:
    """A SQLite file, or a database in memory."""

    engine = "sqlite"
    title = "SQLite"

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        import sqlite3

        self._path = path if path == ":memory:" else str(Path(path).resolve())
        self._read_only = read_only
        where = f"{Path(self._path).as_uri()}?mode=ro" if read_only else self._path
        self._db: sqlite3.Connection = sqlite3.connect(
            where, uri=read_only, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA foreign_keys = ON")  # as the other engines do

    @contextmanager
    def execute(self, sql: str, params: Mapping[str, object], seconds: float) -> Iterator[Answer]:
        """See Driver."""
        end = time.monotonic() + seconds
        self._db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        before = self._db.total_changes
        try:
            with closing(self._db.execute(sql, params)) as cursor:
                if cursor.description is None:
                    written = self._db.total_changes - before  # the cursor does not count behind a WITH
                    yield Answer(
                        None, [], iter(()), cursor.rowcount if cursor.rowcount >= 0 else written or None
                    )
                else:
                    names = [column[0] for column in cursor.description]
                    yield Answer(names, ["null"] * len(names), _batches(cursor))
        except Exception as error:
            if time.monotonic() > end:
                raise TimeoutError from error
            if str(error) == "interrupted":  # by Python: its signal handler ran inside the progress handler
                raise KeyboardInterrupt from None
            raise
        finally:
            self._db.set_progress_handler(None, 0)

    def in_transaction(self) -> bool:
        """See Driver."""
        return self._db.in_transaction

    @contextmanager
    def tested(self) -> Iterator[SqliteDriver]:
        """See Driver. SQLite itself asks before it leaves the transaction or the database."""
        self._db.execute("BEGIN")
        self._db.set_authorizer(_authorized)
        try:
            yield self
        finally:
            self._db.set_authorizer(None)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def catalog(self) -> list[tuple[str, str, str]]:
        """See Driver."""
        return self._db.execute(
            "SELECT t.name, c.name, c.type FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c "
            "WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite_%' ORDER BY t.rowid, c.cid"
        ).fetchall()

    def problem(self, error: Exception, sql: str) -> Problem | None:
        """See Driver. SQLite gives no position: it is found by asking what it says about shorter texts."""
        import sqlite3

        if not isinstance(error, (sqlite3.Error, sqlite3.Warning)):
            return None
        message = str(error)
        if near := _NEAR.match(message):
            return Problem(message, self._where_syntax_breaks(sql, near[1]))
        if named := _NAMED.search(message):
            return Problem(message, self._where_named(sql, named[1], of_table="such table" in message))
        return Problem(message, len(sql) if message == "incomplete input" else None)

    def abandon(self) -> None:
        """See Driver."""
        keep_for_ever(self._db)

    def reopened(self) -> SqliteDriver:
        """See Driver. A database in memory was copied by the fork, whole; a file is opened anew."""
        return self if self._path == ":memory:" else SqliteDriver(self._path, read_only=self._read_only)

    def close(self) -> None:
        """See Driver."""
        self._db.close()

    def _where_syntax_breaks(self, sql: str, near: str) -> int | None:
        import sqlite3

        for token in tokens(sql):
            if not token.text.startswith(near[:1]) or not sql.startswith(near, token.start):
                continue
            try:
                self._db.execute(f"EXPLAIN {sql[: token.start + len(near)]}", {}).close()
            except sqlite3.Error as error:
                if (found := _NEAR.match(str(error))) and found[1] == near:
                    return token.start
        return None

    def _where_named(self, sql: str, name: str, *, of_table: bool) -> int | None:
        """The place of `alias.column`, or of a function or table named so: SQLite complains of a new name put there.

        A column may have a table's name: `of_table` says which of the two is looked for.
        """
        import sqlite3

        words = name.lower().split(".")
        found = list(tokens(sql))
        for i, first in enumerate(found):
            parts = found[i : i + 2 * len(words) - 1 : 2]
            if first.kind not in ("word", "quoted") or [_unquoted(each.text) for each in parts] != words:
                continue
            end = parts[-1].end - (parts[-1].kind == "quoted")
            try:
                self._db.execute(f"EXPLAIN {sql[:end]}{_UNKNOWN}{sql[end:]}", {}).close()
            except sqlite3.Error as error:
                renamed = _NAMED.search(str(error))
                if (
                    renamed
                    and renamed[1].lower() == f"{name}{_UNKNOWN}".lower()
                    and ("such table" in renamed[0]) == of_table
                ):
                    return first.start
        return None


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """SQLite's question whether a tested query may do something: `first` names a pragma, `second` a function."""
    import sqlite3

    refused = (
        action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
        or action in (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT)
        or (action == sqlite3.SQLITE_PRAGMA and first not in _READING_PRAGMAS)
        or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _OUTWARD)
    )
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[Row]]:
    while batch := cursor.fetchmany(BATCH):
        yield batch


def _unquoted(text: str) -> str:
    return text.strip('"`').lower()
