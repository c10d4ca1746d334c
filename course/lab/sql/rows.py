"""What a query returned: rows of plain values with column names and kinds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, overload

from course.lab.sql import tables
from course.lab.sql.values import Row, kind_of_column, same_row

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

SHOWN = 20


class Rows(Sequence[Row]):
    """The rows of a query: an unchangeable sequence of tuples.

    `==` and `in` compare data, not Python types, so that SQLite, DuckDB and PostgreSQL agree: numbers within a small
    tolerance (a sum of prices is a float in SQLite and a Decimal elsewhere), a date equals its ISO text (SQLite keeps
    dates as text), True equals 1. `check_rows` compares kinds too.
    """

    __hash__ = None  # type: ignore[assignment]  # equal within a tolerance, so no hash can agree

    def __init__(
        self, columns: Iterable[str], rows: Iterable[Sequence[Any]], kinds: Iterable[str] | None = None
    ) -> None:
        """`kinds` come from the driver where it knows them; else they are read from the values."""
        self._columns = tuple(columns)
        self._rows = tuple(tuple(row) for row in rows)
        known = tuple(kinds) if kinds is not None else tuple("null" for _ in self._columns)
        self._kinds = tuple(
            kind if kind != "null" else kind_of_column(row[i] for row in self._rows)
            for i, kind in enumerate(known)
        )

    @property
    def columns(self) -> list[str]:
        """The column names, from left to right."""
        return list(self._columns)

    @property
    def kinds(self) -> list[str]:
        """The kind of each column: "integer", "number", "text", "boolean", "date", "datetime", "binary", "null"
        (nothing but NULL), "mixed" (SQLite only) or "other".
        """
        return list(self._kinds)

    def dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame; NULL is a missing value, and whole numbers stay whole."""
        import pandas

        types = {"integer": "Int64", "boolean": "boolean", "number": "Float64"}
        return pandas.DataFrame(
            {
                i: pandas.array([_plain(row[i]) for row in self._rows], dtype=types[kind])
                if kind in types
                else pandas.Series([row[i] for row in self._rows], dtype=None if self._rows else "object")
                for i, kind in enumerate(self._kinds)
            }
        ).set_axis(list(self._columns), axis="columns")

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return Rows(self._columns, self._rows[index], self._kinds)
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: object) -> bool:
        return _is_row(row) and any(same_row(mine, row) for mine in self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Rows, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(
            _is_row(theirs) and same_row(mine, theirs) for mine, theirs in zip(self._rows, other, strict=True)
        )

    def count(self, row: object) -> int:
        """How many times a row occurs."""
        return sum(_is_row(row) and same_row(mine, row) for mine in self._rows)

    def __repr__(self) -> str:
        return tables.result_text(self._columns, self._rows[:SHOWN], self._kinds, len(self))

    def _repr_html_(self) -> str:
        return tables.result_html(self._columns, self._rows[:SHOWN], self._kinds, len(self))


def _is_row(row: object) -> TypeGuard[Sequence[object]]:
    return isinstance(row, (tuple, list))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any SQL value
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else value
