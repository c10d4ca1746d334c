"""The text of a cell is cut into statements where the database would cut it."""

from __future__ import annotations

import pytest

from course.lab.sql.statements import is_empty, replace_names, split


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
