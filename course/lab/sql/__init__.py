"""SQL in the notebook: databases, rows, queries, and their comparison."""

from course.lab.sql.compare import RowsDiffer, check_rows
from course.lab.sql.database import Database, duckdb, sqlite
from course.lab.sql.errors import EmptyQuery, SQLError
from course.lab.sql.query import Query, run
from course.lab.sql.rows import Rows

__all__ = [
    "Database",
    "EmptyQuery",
    "Query",
    "Rows",
    "RowsDiffer",
    "SQLError",
    "check_rows",
    "duckdb",
    "run",
    "sqlite",
]
