"""The text of a cell is cut into statements where the database would cut it."""

from __future__ import annotations

import pytest

from course.lab.sql.statements import is_empty, replace_names, split, untestable


@pytest.mark.parametrize(
    ("cell", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        ("SELECT 1; SELECT 2 ;\n", ["SELECT 1", "SELECT 2"]),
        (";;SELECT 1;;", ["SELECT 1"]),
        ("SELECT 'a;b'; SELECT 'it''s;'", ["SELECT 'a;b'", "SELECT 'it''s;'"]),
        ('SELECT "a;b"', ['SELECT "a;b"']),
        ("SELECT 1 -- one; two\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("/* a; b */ SELECT 1", ["SELECT 1"]),
        ("DO $$ BEGIN NULL; END $$; SELECT 1", ["DO $$ BEGIN NULL; END $$", "SELECT 1"]),
        ("SELECT $x$ ; $$ ; $x$; SELECT 2", ["SELECT $x$ ; $$ ; $x$", "SELECT 2"]),
        ("SELECT 'open; end", ["SELECT 'open; end"]),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE WHEN 1 THEN 2 END; DELETE FROM b; END; SELECT 1",
            [
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE WHEN 1 THEN 2 END; DELETE FROM b; END",
                "SELECT 1",
            ],
        ),
        ("BEGIN; INSERT INTO a VALUES (1); COMMIT", ["BEGIN", "INSERT INTO a VALUES (1)", "COMMIT"]),
        ("CREATE TABLE begin_end (x int); SELECT 1", ["CREATE TABLE begin_end (x int)", "SELECT 1"]),
    ],
)
def test_a_cell_is_split_into_its_statements(cell: str, statements: list[str]) -> None:
    found = split(cell)
    assert [statement.text for statement in found] == statements
    assert all(cell[s.start : s.start + len(s.text)] == s.text for s in found)


@pytest.mark.parametrize(
    "cell", ["", " \n", ";", "-- Write your SQL here", "/* all of it\n */ ; -- and this"]
)
def test_comments_alone_are_nothing_to_run(cell: str) -> None:
    assert is_empty(cell)
    assert split(cell) == []


def test_the_first_word_is_known_in_capitals() -> None:
    assert [s.verb for s in split("select 1; /* x */ Update a set b = 1")] == ["SELECT", "UPDATE"]


def test_parameters_are_replaced_but_not_in_text_comments_or_casts() -> None:
    sql = "SELECT ':a', x::text /* :a */ FROM t WHERE y = :a AND z = :b"
    assert (
        replace_names(sql, {"a": "$1"}.get) == "SELECT ':a', x::text /* :a */ FROM t WHERE y = $1 AND z = :b"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("SELECT 1", "select 1", "-- why\nSELECT 1", "(SELECT 1) UNION (SELECT 2)", "WITH a AS (SELECT 1) SELECT * FROM a"),
        *("VALUES (1)", "TABLE a", "FROM a", "PIVOT a ON b USING sum(c)", "DESCRIBE a", "SHOW TABLES", "SUMMARIZE a"),
        *("INSERT INTO a VALUES (1)", "REPLACE INTO a VALUES (1)", "UPDATE a SET b = 1", "DELETE FROM a", "TRUNCATE a"),
        *("CREATE TABLE a (b INT)", "CREATE OR REPLACE TEMP VIEW a AS SELECT 1", "CREATE UNIQUE INDEX a ON b (c)"),
        *("DROP TABLE a", "ALTER TABLE a ADD COLUMN b INT", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"),
        *("EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1", "EXPLAIN ANALYZE SELECT 1", "EXPLAIN (SELECT 1)"),
        *("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", "EXPLAIN ANALYZE VERBOSE DELETE FROM a"),
    ],
)  # fmt: skip
def test_what_a_tested_query_may_consist_of(text: str) -> None:
    assert [untestable(statement) for statement in split(text)] == [""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *(("commit", "COMMIT"), ("SET x = 1", "SET"), ("CALL enable_logging()", "CALL"), ("IMPORT DATABASE 'a'", "IMPORT")),
        *(("DO $$ BEGIN END $$", "DO"), ("EXECUTE a", "EXECUTE"), ("LISTEN a", "LISTEN"), ("COPY a TO 'b'", "COPY")),
        *(("\ufeffCOMMIT", r"'\ufeff'"), ("\u200bSET x = 1", r"'\u200b'"), ("\u2060COMMIT", r"'\u2060'")),
        *(("'SELECT'", "\"'SELECT'\""), ("1", "'1'"), ("SELECTED", "SELECTED")),
        *(("CREATE SECRET a (TYPE s3)", "CREATE SECRET"), ("CREATE ROLE a", "CREATE ROLE"), ("ALTER SYSTEM SET a = 1", "ALTER SYSTEM")),
        *(("CREATE EXTENSION a", "CREATE EXTENSION"), ("CREATE \ufeffTABLE a (b INT)", "CREATE \ufeff")),
        *(("EXPLAIN ANALYZE COPY a TO 'b'", "EXPLAIN ANALYZE"), ("EXPLAIN COMMIT", "EXPLAIN COMMIT")),
        *(("EXPLAIN (ANALYZE) COPY a TO 'b'", "EXPLAIN ("), ("EXPLAIN (x ') SELECT ') COPY a TO 'b'", "EXPLAIN (")),
        ("EXPLAIN -- \rANALYZE COPY a TO 'b' /* /* */\nSELECT 1 */", "EXPLAIN ANALYZE"),
    ],
)  # fmt: skip
def test_what_a_tested_query_may_not_consist_of(text: str, words: str) -> None:
    (statement,) = split(text)
    assert untestable(statement) == words
