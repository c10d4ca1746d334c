"""A statement that fails is explained: the engine's own words, the place, and what to try."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from course.lab.sql import Database, SQLError, run
from course.lab.sql.statements import STUB

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, total INTEGER);
"""
ALL = ("sqlite", "duckdb", "postgresql")
STRICT = ("duckdb", "postgresql")  # SQLite lets these pass

COUNTED = "SELECT c.name, count(o.id) FROM customers AS c LEFT JOIN orders AS o ON o.customer_id = c.id"

# query, engines, what stands under the caret (None: the engine does not say), words of the hint
MISTAKES = [
    ("SELECT nam FROM customers", ALL, "nam", "Did you mean name?"),
    ("SELECT c.nam FROM customers AS c", ALL, "c.nam", "Did you mean name?"),
    ("SELECT zzz FROM customers", ALL, "zzz", "customers has the columns id, name, city."),
    (
        "SELECT total FROM customers",
        ALL,
        "total",
        "total is a column of orders, which this query does not read: JOIN it.",
    ),
    ("SELECT * FROM costumers", ALL, "costumers", "Did you mean customers?"),
    ("SELECT * FROM invoices", ALL, "invoices", "This database has the tables customers, orders."),
    ('SELECT * FROM customers WHERE "Lisbon" = city', STRICT, '"Lisbon"', "single quotes: 'Lisbon'"),
    ("SELECT city FROM customers WHERE count(*) > 1 GROUP BY city", ALL, None, "belongs in HAVING"),
    ("SELECT city, name, count(*) FROM customers GROUP BY city", STRICT, "name", "must stand in GROUP BY"),
    (
        "SELECT id FROM customers JOIN orders ON customer_id = customers.id",
        ALL,
        "id",
        "write the table or its alias",
    ),
    ("SELECT name, FROM customers", ("sqlite", "postgresql"), "FROM", "a comma too many before FROM"),
    ("SELECT name\nFORM customers\nWHERE id = 1", ("sqlite",), "customers", "Is FORM meant to be FROM?"),
    ("SELCT name FROM customers", ALL, "SELCT", "Is SELCT meant to be SELECT?"),
    ("SELECT name FROM customers ORDER BY name WHERE id = 1", ALL, "WHERE", "Clauses have a fixed order"),
    (
        "SELECT name FROM customers WHERE city = 'Lisbon",
        ALL,
        None,
        "A quote that was opened is never closed.",
    ),
    ("SELECT count(* FROM customers", ("duckdb", "postgresql", "sqlite"), "FROM", "just before FROM"),
    ("SELECT name FROM customers WHERE", ("sqlite", "postgresql"), "", "The text ends too early"),
    (
        "SELECT name FROM customers WHERE id IN (SELECT id, FROM orders)",
        ("sqlite", "postgresql"),
        "FROM orders",
        "a comma too many before FROM",
    ),
    (
        "SELECT name, count(*) FROM customers GROUP BY name HAVING count(*) > 1 HAVING min(id) > 2",
        ALL,
        "HAVING min",
        "Only one HAVING: put AND between its conditions.",
    ),
    (
        "SELECT name FROM customers WHERE id > 1 AND WHERE id < 9",
        ALL,
        "WHERE id < 9",
        "Only one WHERE: put AND",
    ),
    (
        "SELECT name, (SELECT max(id) FROM orders WHERE id > 1) FROM customers WHERE WHERE id = 1",
        ALL,
        "WHERE id = 1",
        "Only one WHERE",
    ),
    (
        "SELECT id FROM orders WHERE id = 1 UNION SELECT id FROM customers ORDER BY id WHERE id = 1",
        ALL,
        "WHERE id = 1",
        "Clauses have a fixed order",
    ),
    (
        "SELECT name, count(*) FROM customers GROUP BY name HAVING city = 'Fez'",
        STRICT,
        "city",
        "the rows of a group may differ in city. A condition on single rows belongs in WHERE.",
    ),
    (
        "SELECT name FROM customers GROUP BY name ORDER BY city",
        STRICT,
        "city",
        "sort by what stands in GROUP BY",
    ),
    # a name that SELECT ought to give, and that a table has
    (
        f"{COUNTED} GROUP BY c.id, c.name ORDER BY orders DESC",
        ALL,
        "orders DESC",
        "ORDER BY uses the name orders, but no column in SELECT has it: write AS orders.",
    ),
    (
        f"{COUNTED} GROUP BY c.id, c.name ORDER BY customer_total",
        ALL,
        "customer_total",
        "write AS customer_total.",
    ),
    (
        f"{COUNTED} GROUP BY c.id, c.name HAVING orders > 1",
        ALL,
        "orders > 1",
        "HAVING uses the name orders, but there is no such column",
    ),
    (f"{COUNTED} GROUP BY c.id, c.name ORDER BY nam", ALL, "nam", "Did you mean name?"),
    ("SELECT invoices.id FROM invoices", ALL, "invoices", "This database has the tables customers, orders."),
    (
        "SELECT customers.id FROM customers JOIN orders ON customer_id = customers.id WHERE id = 1",
        ALL,
        "id = 1",
        "write the table or its alias",
    ),
    ("SELECT shout(name) FROM customers", ALL, "shout", "does this engine have it"),
    ("SELECT id FROM customers UNION SELECT id, name FROM customers", ALL, None, "as many columns"),
    ("INSERT INTO customers VALUES (1, 'a', NULL), (1, 'b', NULL)", ALL, None, "may occur only once"),
    ("INSERT INTO customers VALUES (1, NULL, NULL)", ALL, None, "must have a value"),
]


@pytest.mark.parametrize(
    ("engine", "sql", "at", "advice"),
    [(engine, sql, at, advice) for sql, engines, at, advice in MISTAKES for engine in engines],
)
def test_common_mistakes_get_a_place_and_a_hint(
    fresh: Callable[[str], Database], engine: str, sql: str, at: str | None, advice: str
) -> None:
    db = fresh(engine)
    db.run(SCHEMA)
    with pytest.raises(SQLError) as caught:
        run(f"SELECT 1;\n\n{sql}", on=db)
    error = caught.value
    assert advice in error.hint, error.message
    if at is not None:
        assert _under_caret(error).startswith(at)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT c.id, c.nam\nFROM customers AS c\n", "\nORDER BY c.id"),
        ("SELECT c.name,\n", "\nFROM customers AS c\nORDER BY customers"),
        ("", "\nWHERE id = 1"),
        ("SELECT nam FROM customers\n", ""),
        ("SELECT nam FROM (SELECT name\n", "\n) AS c"),
    ],
)
def test_a_line_that_is_not_written_yet_comes_before_any_other_mistake(
    fresh: Callable[[str], Database], before: str, after: str
) -> None:
    for engine in ALL:
        db = fresh(engine)
        db.run(SCHEMA)
        with pytest.raises(SQLError) as caught:
            run(f"{before}{STUB}{after}", on=db)
        assert caught.value.hint == "A line is missing here: write it in the place of the comment."
        assert _under_caret(caught.value) == STUB


def test_a_line_written_below_the_comment_is_not_missing(fresh: Callable[[str], Database]) -> None:
    db = fresh("sqlite")
    db.run(SCHEMA)
    with pytest.raises(SQLError) as caught:
        run(f"SELECT\n{STUB}\n  nam\nFROM customers", on=db)
    assert caught.value.hint == "Did you mean name?"


def _under_caret(error: SQLError) -> str:
    *_, line, caret = error._failure_details_()["text"].split("\n\nHint:")[0].splitlines()
    return line[caret.index("^") :]


def test_the_engines_own_words_are_kept(people: Database) -> None:
    with pytest.raises(SQLError) as caught:
        run("SELECT nme FROM people", on=people)
    words = {
        "sqlite": "no such column: nme",
        "duckdb": 'Binder Error: Referenced column "nme" not found in FROM clause!',
        "postgresql": 'ERROR: column "nme" does not exist',
    }
    assert caught.value.message.splitlines()[0] == words[people.engine]
    assert str(caught.value).splitlines() == [f"{caught.value.title}: {words[people.engine]}"]


def test_the_line_is_the_line_of_the_cell(people: Database) -> None:
    with pytest.raises(SQLError) as caught:
        run("SELECT 1;\nSELECT 2;\n-- three\nSELECT id,\n  nme\nFROM people", on=people)
    assert caught.value.line == 5
    assert "  4 | SELECT id,\n  5 |   nme\n        ^" in caught.value._failure_details_()["text"]


def test_a_long_line_keeps_its_caret_in_place(people: Database) -> None:
    with pytest.raises(SQLError) as caught:
        run(f"SELECT {', '.join(['id'] * 60)}, nme, {', '.join(['id'] * 60)} FROM people", on=people)
    assert _under_caret(caught.value).startswith("nme,")


def test_the_details_are_a_panel_a_text_and_json(people: Database) -> None:
    with pytest.raises(SQLError) as caught:
        run("SELECT '<b>', nme FROM people", on=people)
    details = caught.value._failure_details_()
    assert details["kind"] == "sql"
    assert "<b>" not in details["html"]
    assert "Did you mean name?" in details["text"]
    assert json.loads(json.dumps(details["summary"]))["line"] == 1


def test_in_a_failed_transaction_the_next_error_is_explained_too(people: Database) -> None:
    people.run("BEGIN")
    for _ in range(2):
        with pytest.raises(SQLError):
            people.run("SELECT nme FROM people")
    people.run("ROLLBACK")
    assert people.run("SELECT count(*) FROM people") == [(3,)]
