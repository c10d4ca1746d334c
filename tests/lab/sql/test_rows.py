"""Rows are plain, unchangeable, and the same data on every engine."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from course.lab.sql import Rows
from course.lab.sql.values import kind_of_column, show


def test_rows_are_a_sequence_of_tuples() -> None:
    rows = Rows(["id", "name"], [[1, "Ada"], [2, "Ben"]])
    assert rows[0] == (1, "Ada")
    assert rows[-1] == (2, "Ben")
    assert [name for _id, name in rows] == ["Ada", "Ben"]
    assert len(rows) == 2
    assert rows[1:] == [(2, "Ben")]
    assert rows[1:].columns == ["id", "name"]


def test_rows_cannot_be_changed() -> None:
    rows = Rows(["a"], [[1]])
    rows.columns.append("b")
    rows.kinds.append("text")
    assert rows.columns == ["a"]
    assert rows.kinds == ["integer"]
    with pytest.raises(TypeError):
        rows[0] = (2,)  # type: ignore[index]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.1 + 0.2, Decimal("0.30"), True),
        (0.1, Decimal("0.1"), True),
        (3, 3.0, True),
        (3, 4, False),
        (1e15, 1e15 + 10, True),
        (10**15, 10**15 + 1, False),
        (100.0, 100.01, False),
        (True, 1, True),
        (None, 0, False),
        (None, "", False),
        (None, None, True),
        ("3", 3, False),
        ("a", "A", False),
        (dt.date(2024, 1, 31), "2024-01-31", True),
        (dt.datetime(2024, 1, 31, 5), "2024-01-31 05:00:00", True),
        (dt.date(2024, 1, 31), "2024-01-30", False),
        (float("nan"), float("nan"), True),
        (b"x", b"x", True),
    ],
)
def test_values_are_compared_as_data(one: object, other: object, same: bool) -> None:
    assert (Rows(["a"], [[one]]) == [(other,)]) is same
    assert ((other,) in Rows(["a"], [[one]])) is same
    assert (Rows(["a"], [[other]]) == Rows(["b"], [[one]])) is same


def test_rows_equal_only_lists_of_as_many_equal_rows() -> None:
    rows = Rows(["a"], [[1], [2]])
    assert rows == [(1,), (2,)]
    assert rows != [(2,), (1,)]
    assert rows != [(1,)]
    assert rows != [1, 2]
    assert rows != "12"
    assert (1, 2) not in rows
    assert rows.count((1.0,)) == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "integer"),
        ([1, 2.5], "number"),
        ([Decimal("1.5")], "number"),
        (["a"], "text"),
        ([True], "boolean"),
        ([dt.date(2024, 1, 1)], "date"),
        ([dt.datetime(2024, 1, 1)], "datetime"),
        ([b"x"], "binary"),
        ([None], "null"),
        ([], "null"),
        ([1, "a"], "mixed"),
        ([dt.timedelta(1)], "other"),
    ],
)
def test_the_kind_of_a_column_is_read_from_its_values(values: list[object], kind: str) -> None:
    assert kind_of_column(values) == kind


def test_a_dataframe_keeps_whole_numbers_whole_and_null_missing() -> None:
    frame = Rows(["n", "name", "price"], [[1, "Ada", Decimal("2.5")], [None, None, None]]).dataframe()
    assert list(frame.columns) == ["n", "name", "price"]
    assert str(frame["n"].dtype) == "Int64"
    assert frame["n"][0] == 1
    assert frame.isna().iloc[1].all()
    assert frame["price"].sum() == 2.5


def test_a_dataframe_of_no_rows_and_of_equal_names() -> None:
    assert list(Rows(["n", "n"], [], ["integer", "text"]).dataframe().columns) == ["n", "n"]
    assert Rows(["n", "n"], [[1, "x"]]).dataframe().iloc[0].tolist() == [1, "x"]


def test_the_first_twenty_rows_are_shown_with_null_and_the_count() -> None:
    rows = Rows(["n", "city"], [(n, None) for n in range(1234)])
    text, html = repr(rows), rows._repr_html_()
    assert len(text.splitlines()) == 2 + 20 + 1
    assert "NULL" in text
    assert text.endswith("first 20 of 1,234 rows")
    assert html.count("<tr>") == 21
    assert '<span class="null">NULL</span>' in html
    assert "first 20 of 1,234 rows" in html


def test_html_of_values_is_escaped() -> None:
    html = Rows(["<b>"], [("<script>alert(1)</script>",)])._repr_html_()
    assert "<script>" not in html
    assert "&lt;b&gt;" in html


def test_wide_tables_stay_within_eighty_columns() -> None:
    rows = Rows([f"a_long_column_name_{i}" for i in range(20)], [["x" * 50] * 20])
    lines = repr(rows).splitlines()
    assert max(map(len, lines)) <= 80
    assert "more columns)" in lines[-2]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "NULL"), (True, "true"), (3.0, "3.0"), (0.1 + 0.2, "0.3"), (7, "7"), (1e20, "1e+20")],
)
def test_values_are_shown_as_sql_means_them(value: object, text: str) -> None:
    assert show(value) == text
