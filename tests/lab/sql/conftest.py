"""Databases of all three engines, each a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from course.lab.services import Postgres, postgres
from course.lab.sql import Database, duckdb, sqlite

ENGINES = ("sqlite", "duckdb", "postgresql")


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Database]]:
    """Opens an empty database of an engine, closed after the test."""
    opened: list[Database] = []

    def open_one(engine: str) -> Database:
        if engine == "postgresql":
            opened.append(request.getfixturevalue("server").new_schema("test"))
        else:
            opened.append(sqlite() if engine == "sqlite" else duckdb())
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, fresh: Callable[[str], Database]) -> Database:
    """An empty database, once for each engine."""
    return fresh(request.param)


@pytest.fixture
def people(db: Database) -> Database:
    """Three people, one of them without a city."""
    db.run(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, joined DATE);"
        "INSERT INTO people VALUES (1, 'Ada', 'Accra', '2024-01-31'), (2, 'Ben', NULL, '2024-02-29'), (3, 'Ada', 'Fez', NULL)"
    )
    return db
