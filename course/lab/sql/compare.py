"""Compare the rows of a query with the rows expected, and show how they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape
from typing import Any

from course.lab.sql import tables
from course.lab.sql.rows import Rows
from course.lab.sql.values import Row, row_key, same_row, same_value, show

SHOWN = 10
_PAIRED = 300  # leftover rows that are compared one by one


@dataclass(frozen=True)
class Difference:
    """One row that differs: what is wrong with it, in words, and the positions of the values to look at."""

    status: str
    row: Row
    marked: frozenset[int] = frozenset()


class RowsDiffer(AssertionError):
    """A query's rows are not the ones expected.

    `str(error)` holds the author's message and counts, no data; `_failure_details_()` shows the rows.
    """

    def __init__(
        self,
        message: str,
        problems: list[str],
        columns: list[str],
        differences: list[Difference],
        counts: str,
    ) -> None:
        """`problems` are about columns, types and order; `differences` are rows, under the names `columns`."""
        self.message, self.problems, self.differences = message, problems, differences
        self._columns, self._counts = columns, counts
        super().__init__("\n".join(filter(None, [message, *problems, counts])))

    def _failure_details_(self) -> dict[str, Any]:
        return {
            "kind": "rows",
            "html": self._html(),
            "text": self._text(),
            "summary": {
                "message": self.message,
                "problems": self.problems,
                "counts": self._counts,
                "columns": self._columns,
                "rows": [
                    {"status": found.status, "row": [None if v is None else show(v) for v in found.row]}
                    for found in self.differences[:SHOWN]
                ],
                "more": self._more,
            },
        }

    @property
    def _more(self) -> int:
        return max(len(self.differences) - SHOWN, 0)

    @property
    def _numeric(self) -> list[bool]:
        return [
            all(
                isinstance(row[i], (int, float, Decimal, type(None)))
                for row in (d.row for d in self.differences)
            )
            for i in range(len(self._columns))
        ]

    def _html(self) -> str:
        parts = (
            [f"<ul>{''.join(f'<li>{escape(problem)}</li>' for problem in self.problems)}</ul>"]
            if self.problems
            else []
        )
        if self.differences:
            numeric = self._numeric
            head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in ["", *self._columns])
            body = "".join(
                f"<tr><th scope='row'>{_SIGNS[found.status.split()[0]]} {escape(found.status)}</th>"
                + "".join(
                    tables.html_cell(value, numeric[i], marked=i in found.marked)
                    for i, value in enumerate(found.row)
                )
                + "</tr>"
                for found in self.differences[:SHOWN]
            )
            parts.append(
                f"<table><caption>Rows that differ</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            )
        if self._more:
            parts.append(tables.note(f"and {self._more:,} more"))
        if self._counts:
            parts.append(tables.note(self._counts))
        return tables.block("".join(parts))

    def _text(self) -> str:
        parts = [f"* {problem}" for problem in self.problems]
        if self.differences:
            rows = [(f"{_SIGNS[d.status.split()[0]]} {d.status}", *d.row) for d in self.differences[:SHOWN]]
            parts.append(tables.text_table(["", *self._columns], rows, [False, *self._numeric], labels=1))
        if self._more:
            parts.append(f"and {self._more:,} more")
        return "\n".join(filter(None, [*parts, self._counts]))


# A sign beside the word, for the eye; never instead of it.
_SIGNS = {"missing": "-", "extra": "+", "duplicated": "x", "out": "~"}


def check_rows(
    got: Rows,
    expected: Rows | Sequence[Row],
    *,
    columns: list[str] | None = None,
    ordered: bool = False,
    types: bool = True,
    message: str = "",
) -> None:
    """Raise RowsDiffer unless `got` holds the rows of `expected`, each as often.

    Args:
        got: what the student's query returned (`run(query, on=db)`).
        expected: the right rows: a list of tuples, or another query's Rows.
        columns: the column names that `got` must have, in this order; None leaves the names free.
        ordered: whether the order of the rows counts.
        types: whether a column's kind counts (3 is not 3.0, 1 is not '1'). A date may be ISO text, and a truth value
            0 or 1, for SQLite knows no better; a Decimal without decimal places may stand for an integer.
        message: the author's: the likely misconception.

    Numbers are compared within a relative tolerance of 1e-9.
    """
    if not isinstance(got, Rows):
        raise TypeError(
            f"check_rows compares what run(...) returns with the rows expected, not {type(got).__name__}"
        )
    wanted = expected if isinstance(expected, Rows) else _as_rows(expected, columns or got.columns)
    problems = _column_problems(got, wanted, columns)
    if len(got.columns) != len(wanted.columns):  # then no row can be the same: say only that
        raise RowsDiffer(message, problems, [], [], "")
    if types:
        problems += _type_problems(got, wanted)
    differences = _multiset_differences(got, wanted)
    counts = _count(differences, got, wanted) if differences else ""
    if ordered and not differences:
        differences = _order_differences(got, wanted)
        counts = "The rows are right, but not in the order asked for." if differences else ""
    if problems or differences:
        raise RowsDiffer(message, problems, [*got.columns], differences, counts)


def _as_rows(expected: Sequence[Row], columns: list[str]) -> Rows:
    width = len(expected[0]) if expected else len(columns)
    names = columns if len(columns) == width else [f"column {i + 1}" for i in range(width)]
    return Rows(names, expected)


def _column_problems(got: Rows, wanted: Rows, columns: list[str] | None) -> list[str]:
    names = columns if columns is not None else wanted.columns
    if len(got.columns) != len(wanted.columns) or (columns is not None and len(columns) != len(got.columns)):
        width = "1 column" if len(names) == 1 else f"{len(names)} columns"
        return [
            f"Expected {width} ({', '.join(names)}), but your query returns {len(got.columns)} ({', '.join(got.columns)})."
        ]
    if columns is None or columns == got.columns:
        return []
    if sorted(columns) == sorted(got.columns):
        return [
            f"The columns are in another order: expected {', '.join(columns)}; yours {', '.join(got.columns)}."
        ]
    return [
        f"Column {i + 1} should be named {name}, but is named {mine}."
        for i, (name, mine) in enumerate(zip(columns, got.columns, strict=True))
        if name != mine
    ]


def _type_problems(got: Rows, wanted: Rows) -> list[str]:
    return [
        f"Column {got.columns[i]} should hold {_PLURAL[right]}, but holds {_PLURAL[mine]}."
        for i, (mine, right) in enumerate(zip(got.kinds, wanted.kinds, strict=True))
        if mine != right and not _kinds_agree(mine, right) and not _may_be_integers(got, wanted, i)
    ]


_PLURAL = {
    "integer": "integers", "number": "numbers with decimals", "text": "text", "boolean": "truth values", "date": "dates",
    "datetime": "dates with time", "binary": "bytes", "null": "only NULL", "mixed": "values of different types",
    "other": "another type",
}  # fmt: skip


def _kinds_agree(one: str, other: str) -> bool:
    return "null" in (one, other) or {one, other} in (
        {"text", "date"}, {"text", "datetime"}, {"integer", "boolean"}, {"date", "datetime"},
    )  # fmt: skip


def _may_be_integers(got: Rows, wanted: Rows, column: int) -> bool:
    """Whether two columns of numbers differ in kind only by the way engines and COALESCE write whole numbers.

    PostgreSQL's sum of big integers is a Decimal without decimal places; COALESCE(sum(price), 0) is the integer 0
    where nothing was sold.
    """
    if {got.kinds[column], wanted.kinds[column]} != {"integer", "number"}:
        return False
    sides = [[row[column] for row in rows if row[column] is not None] for rows in (got, wanted)]
    return any(
        all(isinstance(v, Decimal) and v.as_tuple().exponent == 0 for v in side)
        or all(isinstance(v, int) and v == 0 for v in side)
        for side in sides
    )


def _multiset_differences(got: Rows, wanted: Rows) -> list[Difference]:
    """The rows that occur more often on one side: in the order expected, an extra row after the missing one it resembles."""
    mine, right = _grouped(got), _grouped(wanted)
    _match_within_tolerance(mine, right)
    missing: list[Difference] = []
    extra: list[Difference] = []
    for found in {**right, **mine}:
        here, due = mine.get(found, []), right.get(found, [])
        if len(here) == len(due):
            continue
        if not here:
            missing.append(Difference("missing" if len(due) == 1 else f"missing {len(due)} times", due[0]))
        elif not due:
            extra.append(Difference("extra" if len(here) == 1 else f"extra {len(here)} times", here[0]))
        elif len(here) > len(due):
            extra.append(Difference(f"duplicated {len(here)} times (expected {len(due)})", here[0]))
        else:
            missing.append(Difference(f"missing {len(due) - len(here)} of {len(due)}", due[0]))
    return _beside_each_other(missing, extra)


def _grouped(rows: Rows) -> dict[tuple[Hashable, ...], list[Row]]:
    groups: dict[tuple[Hashable, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row_key(row)].append(row)
    return dict(groups)


def _match_within_tolerance(
    mine: dict[tuple[Hashable, ...], list[Row]], right: dict[tuple[Hashable, ...], list[Row]]
) -> None:
    """Two numbers on both sides of a rounding step have different keys: put their rows under one."""
    lone = [found for found in mine if found not in right]
    wanted = [found for found in right if found not in mine]
    if len(lone) * len(wanted) > _PAIRED**2:
        return
    for found in lone:
        for other in wanted:
            if other not in mine and same_row(mine[found][0], right[other][0]):
                mine[other] = mine.pop(found)
                break


def _beside_each_other(missing: list[Difference], extra: list[Difference]) -> list[Difference]:
    """Put an extra row that shares most values with a missing one after it, and mark the values that differ."""
    ordered: list[Difference] = []
    left = list(extra)
    for lost in missing[:SHOWN]:  # what is not shown needs no neighbour
        near = max(left[:_PAIRED], key=lambda other: _shared(lost.row, other.row), default=None)
        if near is None or 2 * _shared(lost.row, near.row) < len(lost.row):
            ordered.append(lost)
            continue
        left.remove(near)
        differ = frozenset(
            i for i, pair in enumerate(zip(lost.row, near.row, strict=True)) if not same_value(*pair)
        )
        ordered += [replace(lost, marked=differ), replace(near, marked=differ)]
    return ordered + missing[SHOWN:] + left


def _shared(one: Row, other: Row) -> int:
    return sum(map(same_value, one, other))


def _order_differences(got: Rows, wanted: Rows) -> list[Difference]:
    places: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(got, 1):
        places[row_key(row)].append(place)
    return [
        Difference(f"out of order: {_place(places, row)}, should be {place}", row)
        for place, (row, mine) in enumerate(zip(wanted, got, strict=True), 1)
        if not same_row(row, mine)
    ]


def _place(places: dict[tuple[Hashable, ...], list[int]], row: Row) -> str:
    found = places.get(row_key(row))
    return f"row {found[0]}" if found else "elsewhere"


def _count(differences: list[Difference], got: Rows, wanted: Rows) -> str:
    words = [d.status.split()[0] for d in differences]
    parts = [f"{words.count(word):,} {word}" for word in ("missing", "extra", "duplicated") if word in words]
    return f"Rows: {', '.join(parts)}. Expected {_rows(wanted)}, your query returned {len(got):,}."


def _rows(rows: Rows) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
