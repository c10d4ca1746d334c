"""check_rows accepts the same data however it is written, and says exactly what differs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from course.lab.sql import Rows, RowsDiffer, check_rows


def rows(*data: Sequence[Any], columns: str = "name n") -> Rows:
    return Rows(columns.split(), data)


def difference(got: Rows, expected: Rows | list[tuple[Any, ...]], **options: Any) -> RowsDiffer:
    with pytest.raises(RowsDiffer) as caught:
        check_rows(got, expected, **options)
    return caught.value


def statuses(error: RowsDiffer) -> list[tuple[str, tuple[Any, ...]]]:
    return [(found.status, found.row) for found in error.differences]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (rows(("Ada", 1), ("Ben", 2)), [("Ben", 2), ("Ada", 1)]),
        (rows(("Ada", 1), ("Ada", 1)), [("Ada", 1), ("Ada", 1)]),
        (rows(), []),
        (rows(("a", 0.1 + 0.2)), [("a", Decimal("0.3"))]),
        (rows(("a", 2.5000000005)), [("a", 2.5)]),
        (rows(("a", Decimal(3))), [("a", 3)]),  # PostgreSQL's sum of big integers
        (rows(("a", 3)), rows(("a", Decimal(3)))),
        (
            rows(("a", 0), ("b", None)),
            [("a", 0.0), ("b", None)],
        ),  # COALESCE(sum(price), 0) where nothing was sold
        (rows(("2024-01-31", 1)), [(dt.date(2024, 1, 31), 1)]),
        (rows(("a", 1)), [("a", True)]),
        (rows(("a", None)), [("a", None)]),
    ],
)
def test_the_same_data_pass(got: Rows, expected: Any) -> None:
    check_rows(got, expected)


def test_numbers_on_both_sides_of_a_rounding_step_are_the_same() -> None:
    low, high = 1.2345678949999999, 1.2345678950000001
    check_rows(rows(("a", low), ("b", high)), [("b", low), ("a", high)])


def test_missing_extra_and_duplicated_rows_are_told_apart() -> None:
    error = difference(
        rows(("Ada", 1), ("Ada", 1), ("Ada", 1), ("Cyd", 3), ("Eve", 5)),
        [("Ada", 1), ("Ben", 2), ("Dan", 4), ("Dan", 4), ("Eve", 5), ("Eve", 5)],
        message="Think of DISTINCT.",
    )
    assert sorted(statuses(error)) == [
        ("duplicated 3 times (expected 1)", ("Ada", 1)),
        ("extra", ("Cyd", 3)),
        ("missing", ("Ben", 2)),
        ("missing 1 of 2", ("Eve", 5)),
        ("missing 2 times", ("Dan", 4)),
    ]
    assert str(error).startswith("Think of DISTINCT.\n")


def test_the_message_itself_shows_no_data() -> None:
    error = difference(rows(("Secret", 1)), [("Hidden", 2)], message="Look at your join.")
    assert (
        str(error) == "Look at your join.\nRows: 1 missing, 1 extra. Expected 1 row, your query returned 1."
    )


def test_an_extra_row_stands_beside_the_missing_one_it_resembles() -> None:
    error = difference(rows(("Zoe", 9), ("Ines", 1)), [("Ada", 7), ("Ines", 0)])
    assert statuses(error) == [
        ("missing", ("Ada", 7)),
        ("missing", ("Ines", 0)),
        ("extra", ("Ines", 1)),
        ("extra", ("Zoe", 9)),
    ]
    assert error.differences[1].marked == {1}
    assert error.differences[2].marked == {1}
    assert error._failure_details_()["html"].count("<mark>") == 2


def test_column_names_and_their_order_are_checked_where_asked() -> None:
    got = rows(("Ada", 1), columns="name total")
    check_rows(got, [("Ada", 1)], columns=["name", "total"])
    check_rows(got, [("Ada", 1)])
    assert difference(got, [("Ada", 1)], columns=["name", "orders"]).problems == [
        "Column 2 should be named orders, but is named total."
    ]
    (problem,) = difference(got, [("Ada", 1)], columns=["total", "name"]).problems
    assert problem == "The columns are in another order: expected total, name; yours name, total."


@pytest.mark.parametrize("expected", [[("Ada",)], rows(("Ada",), columns="name"), rows(columns="name")])
def test_another_number_of_columns_is_all_that_is_said(expected: Any) -> None:
    error = difference(rows(("Ada", 1)), expected, columns=["name"])
    assert error.problems == ["Expected 1 column (name), but your query returns 2 (name, n)."]
    assert error.differences == []


def test_columns_are_counted_where_no_row_is_expected() -> None:
    error = difference(rows(columns="a b c"), [], columns=["a", "b"])
    assert error.problems == ["Expected 2 columns (a, b), but your query returns 3 (a, b, c)."]


@pytest.mark.parametrize(
    ("mine", "right", "problem"),
    [
        ("1", 1, "should hold integers, but holds text"),
        (3.0, 3, "should hold integers, but holds numbers with decimals"),
        (3, 3.0, "should hold numbers with decimals, but holds integers"),
        (dt.date(2024, 1, 1), 5, "should hold integers, but holds dates"),
    ],
)
def test_types_are_checked_unless_waived(mine: object, right: object, problem: str) -> None:
    assert problem in difference(rows(("a", mine)), [("a", right)]).problems[0]
    if mine == right:
        check_rows(rows(("a", mine)), [("a", right)], types=False)
    else:
        assert difference(rows(("a", mine)), [("a", right)], types=False).problems == []


def test_order_counts_only_where_asked() -> None:
    got, expected = rows(("Ada", 1), ("Cyd", 3), ("Ben", 2)), [("Ada", 1), ("Ben", 2), ("Cyd", 3)]
    check_rows(got, expected)
    error = difference(got, expected, ordered=True)
    assert statuses(error) == [
        ("out of order: row 3, should be 2", ("Ben", 2)),
        ("out of order: row 2, should be 3", ("Cyd", 3)),
    ]
    check_rows(rows(*expected), expected, ordered=True)


def test_what_is_wrong_with_a_row_is_never_cut() -> None:
    wide = [("x" * 60, n, "y" * 60, "z" * 60) for n in range(100, 112)]
    got, expected = rows(*wide, columns="a b c d"), [*wide[1:], wide[0]]
    text = difference(got, expected, ordered=True)._failure_details_()["text"]
    assert "~ out of order: row 11, should be 10 | x" in text
    assert max(map(len, text.splitlines())) <= 78
    text = difference(rows(*wide[:1] * 12, columns="a b c d"), wide[:1])._failure_details_()["text"]
    assert "x duplicated 12 times (expected 1) | x" in text
    assert max(map(len, text.splitlines())) <= 78


def test_ten_rows_are_shown_and_the_others_counted() -> None:
    details = difference(rows(), [("row", n) for n in range(22)])._failure_details_()
    assert details["text"].count("missing") == 10 + 1  # and once in the counts
    assert "and 12 more" in details["text"]
    assert "and 12 more" in details["html"]
    assert (len(details["summary"]["rows"]), details["summary"]["more"]) == (10, 12)


def test_the_details_are_a_panel_a_text_and_json() -> None:
    error = difference(rows(("<b>", None)), [("x" * 200, 2.5)], columns=["name", "sum"])
    details = error._failure_details_()
    assert details["kind"] == "rows"
    assert "&lt;b&gt;" in details["html"]
    assert "<b>" not in details["html"]
    assert "NULL" in details["text"]
    assert max(map(len, details["text"].splitlines())) <= 80
    assert json.loads(json.dumps(details["summary"])) == details["summary"]


def test_many_rows_are_compared_quickly() -> None:
    many = [(f"name {n}", n / 7) for n in range(20_000)]
    check_rows(rows(*many), list(reversed(many)))
    assert len(difference(rows(*many), [(name, n + 1) for name, n in many]).differences) == 40_000


def test_something_that_is_no_query_result_is_refused() -> None:
    with pytest.raises(TypeError, match=r"what run\(\.\.\.\) returns"):
        check_rows([("Ada", 1)], [("Ada", 1)])  # type: ignore[arg-type]
