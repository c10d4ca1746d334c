"""One interface, three engines: the same statements give the same rows, and nothing runs away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from course.lab.services import Postgres
from course.lab.sql import Database, EmptyQuery, Query, SQLError, duckdb, run, sqlite
from course.lab.sql.statements import Statement

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "duckdb": "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7",
    "postgresql": "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a + b = 7",
}


def test_rows_names_and_kinds_agree_on_every_engine(people: Database) -> None:
    rows = run(
        "SELECT id, name, city, count(*) AS n, avg(id) AS middle FROM people GROUP BY id, name, city ORDER BY id",
        on=people,
    )
    assert rows == [(1, "Ada", "Accra", 1, 1.0), (2, "Ben", None, 1, 2.0), (3, "Ada", "Fez", 1, 3.0)]
    assert rows.columns == ["id", "name", "city", "n", "middle"]
    assert rows.kinds == ["integer", "text", "text", "integer", "number"]


def test_a_date_equals_its_iso_text_on_every_engine(people: Database) -> None:
    rows = run("SELECT joined FROM people WHERE joined > '2024-02-01' ORDER BY id", on=people)
    assert rows == [("2024-02-29",)]
    assert rows.kinds == ["text" if people.engine == "sqlite" else "date"]


def test_names_are_known_where_no_row_comes(people: Database) -> None:
    rows = run("SELECT id, city FROM people WHERE id > 99", on=people)
    assert rows == []
    assert rows.columns == ["id", "city"]
    assert rows.kinds == (["null", "null"] if people.engine == "sqlite" else ["integer", "text"])


def test_equal_names_and_percent_signs_pass_through(people: Database) -> None:
    rows = run("SELECT id, id, '100%' AS share FROM people WHERE name LIKE 'B%'", on=people)
    assert rows == [(2, 2, "100%")]
    assert rows.columns == ["id", "id", "share"]


def test_parameters_take_their_values_from_keywords(people: Database) -> None:
    query = Query("q", "SELECT id FROM people WHERE name = :who AND id >= :low AND name = :who ORDER BY id")
    assert run(query, on=people, who="Ada", low=1) == [(1,), (3,)]
    assert run(query, on=people, who="x' OR '1' = '1", low=0) == []


def test_a_missing_parameter_is_explained(people: Database) -> None:
    with pytest.raises(SQLError) as caught:
        run("SELECT * FROM people WHERE name = :who", on=people)
    assert "run(query, on=db, name=...)" in caught.value.hint


def test_run_undoes_what_a_query_changes(people: Database) -> None:
    assert run("DELETE FROM people; SELECT count(*) FROM people", on=people) == [(0,)]
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]
    run("CREATE TABLE left_over (x int)", on=people)
    assert list(people.tables) == ["people"]


@pytest.mark.parametrize(
    "text", ["COMMIT", "commit; SELECT 1", "SELECT 1; ROLLBACK", "/* x */ END", "BEGIN", "SET x = 1"]
)
def test_a_tested_query_cannot_escape_from_being_undone(people: Database, text: str) -> None:
    with pytest.raises(SQLError, match="may not be part of a tested query"):
        run(f"DELETE FROM people; {text}", on=people)
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


@pytest.mark.parametrize("blank", ["\ufeff", "\u200b", "\u2060", "-- \r"])
def test_what_an_engine_takes_for_blank_hides_no_verb(people: Database, blank: str) -> None:
    with pytest.raises(SQLError, match="may not be part of a tested query") as caught:
        run(f"CREATE TEMP TABLE people AS SELECT 1 AS id; {blank}COMMIT; SELECT 1", on=people)
    assert ("cannot be seen" in caught.value.hint) == (not blank.isascii())
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


@pytest.mark.parametrize("text", ["COMMIT", "ROLLBACK", "EXPLAIN ANALYZE COMMIT"])
def test_a_transaction_that_ends_unseen_fails_the_test(
    people: Database, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("course.lab.sql.database.untestable", lambda _statement: "")
    with pytest.raises(SQLError):
        run(f"SELECT 1; {text}", on=people)
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_duckdb_itself_says_that_a_transaction_has_ended(fresh: Callable[[str], Database]) -> None:
    db = fresh("duckdb")
    db.run("BEGIN; CREATE TABLE t (x INT); EXPLAIN ANALYZE COMMIT")
    assert run("SELECT count(*) FROM t", on=db) == [(0,)]
    db.run("/* first */ BEGIN")
    with pytest.raises(SQLError, match="transaction is still open"):
        run("SELECT 1", on=db)


@pytest.mark.parametrize(
    "text", ["SELECT 1 -- \r; COMMIT", "IMPORT DATABASE 'x'", "CALL checkpoint()", "ATTACH ':memory:' AS m"]
)
def test_duckdb_itself_says_what_a_statement_is(
    fresh: Callable[[str], Database], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = Statement(text, 0, "SELECT")
    monkeypatch.setattr("course.lab.sql.database.untestable", lambda _statement: "")
    monkeypatch.setattr("course.lab.sql.database.split", lambda _text: [statement])
    with pytest.raises(
        SQLError, match="could not run this statement: This may not be part of a tested query"
    ):
        run(text, on=fresh("duckdb"))


@pytest.mark.parametrize(
    "text",
    [
        *("ATTACH ':memory:' AS m", "COMMIT", "SAVEPOINT s", "PRAGMA writable_schema = ON"),
        *("SELECT * FROM pragma_foreign_keys", "SELECT load_extension('x')", "SELECT LOAD_EXTENSION('x')"),
    ],
)
def test_sqlite_itself_refuses_what_leaves_the_database(
    fresh: Callable[[str], Database], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("course.lab.sql.database.untestable", lambda _statement: "")
    db = fresh("sqlite")
    with pytest.raises(SQLError, match="not authorized"):
        run(text, on=db)
    assert db.run("ATTACH ':memory:' AS m; PRAGMA foreign_keys") == [(1,)]  # afterwards all is allowed again


def test_a_tested_query_in_sqlite_may_read_what_its_tables_are(fresh: Callable[[str], Database]) -> None:
    db = fresh("sqlite")
    db.run("CREATE TABLE t (x INT REFERENCES t (x))")
    assert run("SELECT name FROM pragma_table_info('t')", on=db) == [("x",)]
    db.run("CREATE VIRTUAL TABLE notes USING fts5(text); INSERT INTO notes VALUES ('a red duck')")
    assert run("SELECT text FROM notes WHERE notes MATCH 'duck'", on=db) == [("a red duck",)]
    assert run("SELECT \"table\" FROM pragma_foreign_key_list('t')", on=db) == [("t",)]


@pytest.mark.parametrize("where", [":memory:", "file.db"])
def test_in_the_examiner_a_tested_query_reaches_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr("course.lab.sql.drivers.duckdb.tested_queries_reach_files", False)
    secret, made = tmp_path / "secret.csv", tmp_path / "made"
    secret.write_text("a\n7\n")
    with duckdb(where if where == ":memory:" else str(tmp_path / where)) as db:
        db.run(f"CREATE TABLE t AS SELECT * FROM '{secret}'")  # what the test itself loads before
        for text in (
            f"FROM read_text('{secret}')",
            f"FROM '{secret}'",
            f"FROM glob('{tmp_path}/*')",
            f"CREATE VIEW v AS FROM read_csv('{secret}'); FROM v",
            f"FROM query('FROM enable_logging(storage = ''file'', storage_path = ''{made}'')')",
            "FROM enable_profiling()",
        ):
            with pytest.raises(SQLError):
                run(text, on=db)
        assert run("INSERT INTO t VALUES (8); SELECT sum(a) FROM t", on=db) == [(15,)]
        assert db.run("INSERT INTO t VALUES (8); SELECT sum(a) FROM t") == [(15,)]
    assert not made.exists()


def test_in_a_notebook_a_database_reaches_files_as_before(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    with duckdb() as db:
        assert run("SELECT 1", on=db) == [(1,)]
        db.run(f"COPY (SELECT 7 AS a) TO '{file}'; SET VARIABLE x = 1; ATTACH ':memory:' AS other")
        assert run(f"SELECT a FROM '{file}'", on=db) == [(7,)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('role', 'student', true); SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_export(lo_create(0), '/tmp/left')",
        "SELECT rolpassword FROM pg_authid",
        "CREATE FUNCTION f() RETURNS int AS 'libc.so.6', 'getpid' LANGUAGE C",
        "{run} SELECT f(1)",
        "{run} CREATE INDEX i ON people (f(id))",
        "{run} CREATE TABLE mine (id INTEGER REFERENCES people (id))",
        "{escape} SELECT f(1)",
        "{definer} SELECT f(1)",
    ],
)
def test_a_tested_query_in_postgresql_is_no_superusers(fresh: Callable[[str], Database], text: str) -> None:
    db = fresh("postgresql")
    db.run("CREATE TABLE people (id INTEGER PRIMARY KEY)")
    function = (
        "CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql {more} AS $$ BEGIN {what}; RETURN 1; END $$;"
    )
    program = "CREATE TEMP TABLE heard (line text); COPY heard FROM PROGRAM 'true'"
    query = text.format(
        run=function.format(more="", what=program),
        escape=function.format(more="", what="RESET ROLE; SET SESSION AUTHORIZATION student"),
        definer=function.format(more="SECURITY DEFINER", what=program),
    )
    with pytest.raises(SQLError, match=r"denied|must be owner"):
        run(query, on=db)


def test_a_tested_query_in_postgresql_may_do_with_tables_what_queries_do(server: Postgres) -> None:
    with server.new_schema("test") as db:
        db.run(
            "CREATE TABLE people (id SERIAL PRIMARY KEY, name TEXT); INSERT INTO people (name) VALUES ('Ada')"
        )
        db.run("CREATE VIEW names AS SELECT name FROM people")
        for text in (
            "INSERT INTO people (name) VALUES ('Ben')",
            "UPDATE people SET name = 'Cy'; DELETE FROM people",
            "TRUNCATE people",
            "CREATE TABLE mine (id INTEGER PRIMARY KEY); INSERT INTO mine VALUES (1); DROP TABLE mine",
            "CREATE TEMP VIEW v AS SELECT * FROM names; SELECT * FROM v",
            "EXPLAIN ANALYZE SELECT * FROM people",
        ):
            run(text, on=db)
        assert run("SELECT * FROM names", on=db) == [("Ada",)]
        assert list(db.tables) == ["people", "names"]


def test_a_pivot_is_tested_as_any_query(fresh: Callable[[str], Database]) -> None:
    db = fresh("duckdb")
    db.run("CREATE TABLE sales (city TEXT, paid INTEGER); INSERT INTO sales VALUES ('Fez', 2), ('Oslo', 3)")
    assert run("PIVOT sales ON city USING sum(paid)", on=db) == [(2, 3)]


def test_after_an_error_the_database_works_on(people: Database) -> None:
    with pytest.raises(SQLError):
        run("DELETE FROM people; SELECT nonsense FROM people", on=people)
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_run_asks_for_an_open_transaction_to_be_ended(people: Database) -> None:
    people.run("BEGIN; DELETE FROM people")
    with pytest.raises(SQLError, match="transaction is still open") as caught:
        run("SELECT * FROM people", on=people)
    assert "ROLLBACK" in caught.value.hint
    people.run("ROLLBACK")
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_database_run_keeps_what_it_changes_and_returns_the_last_rows(people: Database) -> None:
    rows = people.run("INSERT INTO people VALUES (4, 'Di', NULL, NULL); SELECT count(*) FROM people")
    assert rows == [(4,)]
    assert people.run("DELETE FROM people WHERE id = 4") == []
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


@pytest.mark.parametrize("text", ["", "  \n", "-- Write your SQL here"])
def test_an_empty_query_says_what_to_do(db: Database, text: str) -> None:
    with pytest.raises(EmptyQuery, match="write your SQL in the cell above and run it first"):
        run(Query("q", text), on=db)
    assert issubclass(EmptyQuery, AssertionError)


def test_results_of_a_cell_come_one_by_one(people: Database) -> None:
    cell = "INSERT INTO people VALUES (4, 'Di', NULL, NULL), (5, 'Ed', NULL, NULL); SELECT id FROM people; CREATE TABLE t (x int)"
    inserted, selected, created = people.results(cell)
    assert (inserted.rows, inserted.changed) == (None, 2)
    assert selected.rows is not None
    assert (len(selected.rows), selected.total, selected.changed) == (5, 5, None)
    assert (created.verb, created.rows, created.changed) == ("CREATE", None, None)


def test_returning_gives_rows(people: Database) -> None:
    (result,) = people.results("DELETE FROM people WHERE id < 3 RETURNING id")
    assert result.rows is not None
    assert sorted(result.rows) == [(1,), (2,)]
    assert run("SELECT count(*) FROM people", on=people) == [(1,)]


def test_a_write_behind_a_with_is_a_write(people: Database) -> None:
    (result,) = people.results(
        "WITH n AS (SELECT 9 AS id) INSERT INTO people SELECT id, 'Nia', NULL, NULL FROM n"
    )
    assert (result.rows, result.changed) == (None, 1)


def test_explain_works(people: Database) -> None:
    assert len(run("EXPLAIN SELECT * FROM people", on=people)) > 0


def test_foreign_keys_are_checked_everywhere(people: Database) -> None:
    people.run("CREATE TABLE visits (person INTEGER REFERENCES people (id))")
    with pytest.raises(SQLError) as caught:
        people.run("INSERT INTO visits VALUES (99)")
    assert "does not exist" in caught.value.hint


def test_too_many_rows_are_refused_before_they_fill_the_memory(people: Database) -> None:
    people.row_limit = 20
    with pytest.raises(SQLError, match="returned more than 20 rows") as caught:
        run("SELECT * FROM people a, people b, people c", on=people)
    assert "join condition" in caught.value.hint
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_wide_rows_count_for_more(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course.lab.sql.database._VALUES", 10)
    with pytest.raises(SQLError, match="more than 5 rows"):
        run(" UNION ALL ".join(["SELECT 1, 2"] * 6), on=db)


def test_a_look_at_many_rows_stops_counting(people: Database) -> None:
    people.row_limit = 20
    (result,) = people.results("SELECT * FROM people a, people b, people c")
    assert result.more
    assert result.rows is not None
    assert len(result.rows) == 20


def test_a_statement_is_stopped_when_its_time_is_over(people: Database) -> None:
    people.time_limit = 0.3
    begin = time.monotonic()
    with pytest.raises(SQLError, match=r"stopped after 0\.3 seconds"):
        run(ENDLESS[people.engine], on=people)
    assert time.monotonic() - begin < 10
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_an_interrupt_of_the_kernel_stops_a_statement(people: Database) -> None:
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(ENDLESS[people.engine], on=people)
    timer.join()
    assert run("SELECT count(*) FROM people", on=people) == [(3,)]


def test_another_thread_may_use_a_database(people: Database) -> None:
    counts: list[object] = []
    threads = [
        threading.Thread(target=lambda: counts.append(run("SELECT count(*) FROM people", on=people)[0]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [(3,)] * 4


@pytest.mark.parametrize("kind", [sqlite, duckdb])
def test_a_file_keeps_its_data(tmp_path: Path, kind: Callable[..., Database]) -> None:
    path = str(tmp_path / "kept.db")
    with kind(path) as db:
        db.run("CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
    with kind(path, read_only=True) as db:
        assert db.run("SELECT * FROM t") == [(1,)]
        with pytest.raises(SQLError) as caught:
            db.run("INSERT INTO t VALUES (2)")
        assert "reading only" in caught.value.hint


@pytest.mark.parametrize("kind", [sqlite, duckdb])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, kind: Callable[..., Database]) -> None:
    path = str(tmp_path / "no" / "such" / "folder.db")
    with pytest.raises(SQLError, match="could not be opened") as caught:
        kind(path)
    assert path in str(caught.value)


def test_a_database_shows_its_tables_and_columns(people: Database) -> None:
    assert list(people.tables["people"]) == ["id", "name", "city", "joined"]
    assert people.tables["people"]["id"] == "integer"
    assert "people (id, name, city, joined)" in repr(people)
    assert "joined" in people._repr_html_()


def test_an_empty_database_shows_that_it_is(db: Database) -> None:
    assert "no tables yet" in db._repr_html_()
