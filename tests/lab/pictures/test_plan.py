"""Plans of real databases, and what an index changes in them without being left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from course.errors import CourseError
from course.lab.pictures.plan import show_plan
from course.lab.pictures.plan_steps import table_of
from course.lab.services import Postgres, postgres
from course.lab.sql import Database, Query, duckdb, sqlite
from course.lab.sql.errors import EmptyQuery, SQLError

ROWS = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < {}) SELECT {} FROM t;"
SHOP = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, total INTEGER);"
    "INSERT INTO customers " + ROWS.format(500, "i, 'Customer ' || i")
    + "INSERT INTO orders " + ROWS.format(10_000, "i, i % 500 + 1, i % 97")
)  # fmt: skip
ONE = "SELECT * FROM orders WHERE customer_id = :customer"
JOIN = """
SELECT c.name, sum(o.total) AS total
FROM orders AS o JOIN customers c ON c.id = o.customer_id
WHERE o.total > 90 GROUP BY c.name ORDER BY total DESC
"""
INDEX = "CREATE INDEX orders_customer ON orders (customer_id);"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    try:
        running = postgres()
    except CourseError as error:
        pytest.skip(f"PostgreSQL does not start here: {error}")
    with running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A shop of 500 customers and 10,000 orders, once for each engine."""
    if request.param == "postgresql":
        database = request.getfixturevalue("server").new_schema("plans")
    else:
        database = sqlite() if request.param == "sqlite" else duckdb()
    with database:
        database.run(SHOP)
        yield database


def state(db: Database) -> tuple[object, ...]:
    """All that a picture must leave as it was."""
    indexes = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "duckdb": "SELECT index_name FROM duckdb_indexes()",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1",
    }
    sums = db.run("SELECT count(*), sum(total) FROM orders")
    with db._alone() as driver:
        return list(db.run(indexes[db.engine])), list(sums), driver.in_transaction()


def test_tells_what_is_read_and_what_comes_out(db: Database) -> None:
    picture = show_plan(ONE, on=db, customer=7)
    (step,) = picture.before.steps
    assert step.words.startswith("Reads the table orders row by row")
    assert picture.before.rows == 20
    assert picture.before.milliseconds is not None
    if db.engine == "sqlite":
        assert "its 10,000" in step.words
        assert picture.before.work is not None
        assert 10_000 < picture.before.work < 100_000  # a few instructions a row
    else:
        assert (step.read, step.rows, picture.before.work) == (10_000, 20, 10_000)


def test_a_join_is_a_tree_of_steps_in_their_order(db: Database) -> None:
    words = [step.words for step in show_plan(JOIN, on=db).before.steps]
    assert words[0].startswith("Reads the table orders row by row")
    assert "customers" in words[1]
    assert any(each.startswith(("Joins", "For each of these rows")) for each in words)
    assert any("one row" in each or "groups them" in each for each in words)
    assert words[-1] == "Sorts the rows"


def test_shows_what_an_index_changes_and_leaves_none_behind(db: Database) -> None:
    before = state(db)
    picture = show_plan(Query("one", ONE), on=db, index=INDEX, customer=7)
    assert state(db) == before
    assert picture.index_is_used
    assert picture.same_rows
    assert picture.after is not None
    assert any(step.by_index for step in picture.after.steps)
    assert not any(step.by_index for step in picture.before.steps)
    assert picture.ratio is not None
    if db.engine == "sqlite":
        assert picture.ratio > 100
    else:
        assert (picture.before.work, picture.after.work, picture.ratio) == (10_000, 20, 500)
        assert "500 times fewer rows: 20 instead of 10,000" in " ".join(repr(picture).split())
    html = picture._repr_html_()
    assert "Without the index" in html
    assert "Both ways give the same 20 rows" in html


def test_says_so_where_an_index_is_not_used(db: Database) -> None:
    picture = show_plan("SELECT sum(total) AS total FROM orders", on=db, index=INDEX)
    assert not picture.index_is_used
    assert "does not use this index" in repr(picture)
    assert "does not use this index" in picture._repr_html_()


def test_tells_where_the_two_ways_give_different_rows(db: Database) -> None:
    picture = show_plan("SELECT random() AS chance FROM orders LIMIT 3", on=db, index=INDEX)
    assert not picture.same_rows
    assert "different rows" in picture._repr_html_()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET total = 0 WHERE customer_id = 3",
        "DELETE FROM orders WHERE total > 5",
        "INSERT INTO orders SELECT id + 100000, 1, 1 FROM orders",
    ],
)
def test_a_statement_that_writes_is_explained_and_not_run(db: Database, statement: str) -> None:
    before = state(db)
    picture = show_plan(statement, on=db)
    assert "was not run" in repr(picture)
    assert any("orders" in step.words for step in picture.before.steps)
    assert (picture.before.rows, picture.before.milliseconds) == (None, None)
    show_plan(statement, on=db, index=INDEX)
    assert state(db) == before


def test_a_write_inside_with_is_not_run(server: Postgres) -> None:
    with server.new_schema("within") as db:
        db.run(SHOP)
        before = state(db)
        assert "was not run" in repr(
            show_plan("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", on=db)
        )
        assert state(db) == before


def test_what_a_function_writes_is_undone(server: Postgres) -> None:
    with server.new_schema("hidden") as db:
        db.run(SHOP + "CREATE FUNCTION forget() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1'")
        before = state(db)
        show_plan("SELECT forget()", on=db)
        assert state(db) == before


def test_errors_are_the_databases_own_and_leave_nothing_open(db: Database) -> None:
    before = state(db)
    with pytest.raises(SQLError, match="nothere") as query:
        show_plan("SELECT nothere FROM orders", on=db)
    assert query.value.line == 1
    with pytest.raises(SQLError, match="nothere"):
        show_plan(ONE, on=db, index="CREATE INDEX wrong ON orders (nothere)", customer=1)
    assert state(db) == before


def test_an_open_transaction_of_the_student_stays(db: Database) -> None:
    db.run("BEGIN; UPDATE orders SET total = 7 WHERE id = 1")
    try:
        assert show_plan(ONE, on=db, customer=7).before.rows == 20
        with pytest.raises(SQLError, match="still open"):
            show_plan(ONE, on=db, index=INDEX, customer=7)
        assert db.run("SELECT total FROM orders WHERE id = 1") == [(7,)]
    finally:
        db.run("ROLLBACK")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1; SELECT 2", "one statement"),
        ("EXPLAIN SELECT 1", "Leave EXPLAIN out"),
        ("DROP TABLE orders", "has no plan"),
    ],
)
def test_only_one_query_has_a_plan(db: Database, sql: str, said: str) -> None:
    with pytest.raises(CourseError, match=said):
        show_plan(sql, on=db)


def test_an_empty_query_is_told_as_everywhere(db: Database) -> None:
    with pytest.raises(EmptyQuery):
        show_plan(Query("mine", "-- nothing yet"), on=db)


@pytest.mark.parametrize(
    "index", ["DROP TABLE orders", "CREATE TABLE x (id INTEGER)", INDEX + "DELETE FROM orders"]
)
def test_only_an_index_is_tried(db: Database, index: str) -> None:
    before = state(db)
    with pytest.raises(CourseError, match="one CREATE INDEX statement"):
        show_plan(ONE, on=db, index=index, customer=1)
    assert state(db) == before


def test_a_query_text_never_becomes_markup(db: Database) -> None:
    assert "<i>x" not in show_plan("SELECT '<i>x' AS a FROM orders WHERE id = 1", on=db)._repr_html_()


def test_inner_queries_and_unions_have_their_steps(db: Database) -> None:
    picture = show_plan(
        "SELECT name, (SELECT count(*) FROM orders WHERE customer_id = c.id) AS n FROM customers AS c WHERE id < 20 "
        "UNION SELECT 'nobody', 0",
        on=db, index=INDEX,
    )  # fmt: skip
    assert picture.before.rows == 20
    assert picture.same_rows
    assert all(step.words[0].isupper() for step in picture.before.steps)


def test_conditions_are_without_the_types_of_their_values(server: Postgres) -> None:
    with server.new_schema("conditions") as db:
        db.run(SHOP)
        (orders,) = show_plan("SELECT * FROM orders WHERE customer_id = :one", on=db, one=7).before.steps
        (customers,) = show_plan(
            "SELECT * FROM customers WHERE name = 'O''Hara' AND id > 1.5", on=db
        ).before.steps
    assert orders.detail == "(customer_id = 7)"
    assert "(name = 'O''Hara')" in customers.detail
    assert "> 1.5)" in customers.detail


def test_an_alias_leads_to_its_table() -> None:
    tables = ["orders", "customers"]
    assert table_of("o", "SELECT 1 FROM orders AS o JOIN customers c ON true", tables) == "orders"
    assert table_of("c", "SELECT 1 FROM orders AS o JOIN customers c ON true", tables) == "customers"
    assert table_of("ORDERS", "SELECT 1 FROM ORDERS", tables) == "orders"
    assert table_of("x", "SELECT 1 FROM orders AS o", tables) is None
