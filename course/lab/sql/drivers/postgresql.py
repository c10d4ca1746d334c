"""PostgreSQL through psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from course.lab.sql.drivers import BATCH, Answer, Problem, keep_for_ever
from course.lab.sql.drivers.worker import Worker
from course.lab.sql.statements import replace_names
from course.lab.sql.values import Row

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg

_KINDS = {
    "int2": "integer", "int4": "integer", "int8": "integer", "oid": "integer",
    "numeric": "number", "float4": "number", "float8": "number",
    "text": "text", "varchar": "text", "bpchar": "text", "name": "text", '"char"': "text", "unknown": "text",
    "bool": "boolean", "date": "date", "timestamp": "datetime", "timestamptz": "datetime", "bytea": "binary",
}  # fmt: skip


class PostgresqlDriver:
    """A session with a PostgreSQL server.

    `schema` is where its tables are found and made, `tested_url` the address for tested queries: of a role that may do
    with the tables what a query does, and no more.
    """

    engine = "postgresql"
    title = "PostgreSQL"

    def __init__(self, url: str, *, tested_url: str, schema: str = "public") -> None:
        import psycopg

        self._url, self._tested_url, self._schema = url, tested_url, schema
        self._db: psycopg.Connection[Row] = psycopg.connect(
            url,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            options=f"-c search_path={schema} -c TimeZone=UTC -c client_min_messages=error",
        )

    @contextmanager
    def execute(self, sql: str, params: Mapping[str, object], seconds: float) -> Iterator[Answer]:
        """See Driver. Rows are streamed: PostgreSQL's library would else collect them all in memory first."""
        used: list[str] = []

        def mark(name: str) -> str | None:
            if name not in params:
                return None
            if name not in used:
                used.append(name)
            return f"${used.index(name) + 1}"

        text = replace_names(sql, mark)
        values = [params[name] for name in used] or None
        with Worker(seconds, partial(self._db.cancel_safe, timeout=5)) as worker, self._db.cursor() as cursor:
            columns, kinds = worker.call(self._describe, text)
            if columns:
                # Closed at once where the reader stops early: an open stream holds the connection's lock.
                with closing(cast("Generator[Row]", cursor.stream(text, values, size=BATCH))) as rows:
                    yield Answer(columns, kinds, worker.batches(lambda: list(islice(rows, BATCH))))
            else:
                worker.call(cursor.execute, text, values)
                yield Answer(None, [], iter(()), _changed(cursor))

    def in_transaction(self) -> bool:
        """See Driver."""
        from psycopg.pq import TransactionStatus

        return self._db.info.transaction_status != TransactionStatus.IDLE

    @contextmanager
    def tested(self) -> Iterator[PostgresqlDriver]:
        """See Driver. In a session of its own, because a superuser's session becomes a superuser's again at a word.

        So it sees what is committed, but neither temporary tables nor settings of this session.
        """
        with closing(self._opened(self._tested_url)) as other:
            other._db.execute("BEGIN")
            yield other  # what is still open when it is closed is rolled back

    def catalog(self) -> list[tuple[str, str, str]]:
        """See Driver."""
        from psycopg.pq import TransactionStatus

        if (
            self._db.info.transaction_status == TransactionStatus.INERROR
        ):  # nothing can be asked here: ask elsewhere
            with closing(self.reopened()) as other:
                return other.catalog()
        return self._db.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) "
            "FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid "
            "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p') "
            "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum"
        ).fetchall()

    def problem(self, error: Exception, sql: str) -> Problem | None:
        """See Driver."""
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        said = error.diag
        if said.message_primary is None:
            return Problem(str(error))
        message = "\n".join(filter(None, [f"{said.severity}: {said.message_primary}", said.message_detail]))
        position = int(said.statement_position) - 1 if said.statement_position else None
        return Problem(message, position, said.message_hint or "")

    def abandon(self) -> None:
        """See Driver."""
        keep_for_ever(self._db)

    def reopened(self) -> PostgresqlDriver:
        """See Driver."""
        return self._opened(self._url)

    def close(self) -> None:
        """See Driver."""
        self._db.close()

    def _opened(self, url: str) -> PostgresqlDriver:
        return PostgresqlDriver(url, tested_url=self._tested_url, schema=self._schema)

    def _describe(self, sql: str) -> tuple[list[str], list[str]]:
        """The columns that a statement returns; streaming alone would not tell them where no row comes."""
        from psycopg import errors, pq

        server = self._db.pgconn
        described = server.prepare(b"", sql.encode())
        if described.status == pq.ExecStatus.COMMAND_OK:
            described = server.describe_prepared(b"")
        if described.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(described)
        columns = range(described.nfields)
        types = [self._db.adapters.types.get(described.ftype(i)) for i in columns]
        return (
            [(described.fname(i) or b"").decode() for i in columns],
            [_KINDS.get(found.name, "other") if found else "other" for found in types],
        )


def _changed(cursor: psycopg.Cursor[Row]) -> int | None:
    verb = (cursor.statusmessage or "").split(" ")[0]
    return cursor.rowcount if verb in ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY") else None
