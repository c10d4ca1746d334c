"""A forked child finds the same data, and never disturbs its parent's connection."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from course.lab.services import Postgres
from course.lab.sql import Database, SQLError, duckdb, run, sqlite


def in_child(work: Callable[[], object], *, clean_exit: bool = True) -> None:
    """Run `work` in a forked child that ends as Python ends, finalisers and all, and insist that it went well."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        if clean_exit:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # pytest's report is the parent's
            os.dup2(1, 2)
            sys.exitfunc = None  # type: ignore[attr-defined]
            _finalise()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _finalise() -> None:
    """What the end of Python does to objects, without the pytest session's own exit."""
    import gc

    for db in [found for found in gc.get_objects() if isinstance(found, Database)]:
        db.__dict__.clear()
    gc.collect()


def fill(db: Database) -> Database:
    db.run("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2)")
    return db


def count(db: Database) -> object:
    return db.run("SELECT count(*) FROM t")[0][0]


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_database_in_memory_is_the_childs_own_copy(fresh: Callable[[str], Database], engine: str) -> None:
    db = fill(fresh(engine))
    db.run("INSERT INTO t VALUES (3)")  # after it was opened

    def work() -> None:
        assert count(db) == 3
        db.run("INSERT INTO t SELECT x + 10 FROM t; CREATE TABLE other AS SELECT * FROM t")
        assert count(db) == 6
        assert run("SELECT max(x) FROM other", on=db) == [(13,)]

    for _ in range(3):
        in_child(work)
    assert count(db) == 3
    assert list(db.tables) == ["t"]


def test_a_grandchild_has_its_own_copy_too() -> None:
    with sqlite() as lite, duckdb() as duck:
        for db in (fill(lite), fill(duck)):

            def work(db: Database = db) -> None:
                db.run("INSERT INTO t VALUES (3)")
                in_child(lambda: db.run("DELETE FROM t"))
                assert count(db) == 3

            in_child(work)
            assert count(db) == 2


def test_a_sqlite_file_is_shared_and_the_parents_transaction_lives_on(tmp_path: Path) -> None:
    with sqlite(str(tmp_path / "file.db")) as db:
        fill(db)
        db.run("BEGIN; INSERT INTO t VALUES (3)")
        in_child(lambda: None)  # its end must not roll back the parent's transaction

        def work() -> None:
            assert count(db) == 2  # not committed yet
            with pytest.raises(SQLError, match="locked"):
                db.run("PRAGMA busy_timeout = 50; INSERT INTO t VALUES (4)")

        in_child(work)
        db.run("COMMIT")
        in_child(lambda: db.run("INSERT INTO t VALUES (5)"))
        assert count(db) == 4


def test_a_duckdb_file_open_for_writing_is_copied(tmp_path: Path) -> None:
    with duckdb(str(tmp_path / "file.db")) as db:
        fill(db)
        db.run("CREATE VIEW v AS SELECT x FROM t; INSERT INTO t VALUES (3)")

        def work() -> None:
            assert count(db) == 3
            assert run("SELECT max(x) FROM v", on=db) == [(3,)]
            db.run("INSERT INTO t VALUES (4)")
            assert count(db) == 4

        in_child(work)
        db.run("INSERT INTO t VALUES (5), (6)")
        assert count(db) == 5
    with duckdb(str(tmp_path / "file.db"), read_only=True) as db:
        assert count(db) == 5


def test_a_read_only_duckdb_file_is_shared(tmp_path: Path) -> None:
    with duckdb(str(tmp_path / "file.db")) as db:
        db.run("CREATE TABLE t AS SELECT range AS x FROM range(200000)")
    with duckdb(str(tmp_path / "file.db"), read_only=True) as db:
        in_child(lambda: run("SELECT x, count(*) FROM t GROUP BY x ORDER BY x DESC LIMIT 3", on=db))
        assert count(db) == 200_000
        in_child(lambda: run("SELECT sum(x) FROM t", on=db))


def test_a_postgres_session_is_opened_anew(fresh: Callable[[str], Database]) -> None:
    db = fill(fresh("postgresql"))
    mine = db.run("SELECT pg_backend_pid()")

    def work() -> None:
        assert db.run("SELECT pg_backend_pid()") != mine
        assert count(db) == 2  # the same schema
        db.run("INSERT INTO t VALUES (3)")

    in_child(work)
    in_child(lambda: None)
    assert db.run("SELECT pg_backend_pid()") == mine
    assert count(db) == 3


def test_a_child_that_closes_a_database_closes_nothing_of_its_parent(
    fresh: Callable[[str], Database],
) -> None:
    for engine in ("sqlite", "duckdb", "postgresql"):
        db = fill(fresh(engine))
        in_child(db.close)

        def work(db: Database = db) -> None:
            assert count(db) == 2
            db.close()

        in_child(work)
        assert count(db) == 2


def test_a_server_outlives_a_child(server: Postgres) -> None:
    def work() -> None:
        assert server.database().run("SELECT 1") == [(1,)]
        server.stop()

    in_child(work)
    assert server._process.folder.exists()
    assert server.database().run("SELECT 1") == [(1,)]
