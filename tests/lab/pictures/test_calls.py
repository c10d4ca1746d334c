"""The calls of real functions: recursion, errors, bounds, and nothing left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from course.errors import CourseError
from course.lab.pictures.calls import show_calls


def factorial(n: int) -> int:
    if n == 0:
        return 1
    smaller = factorial(n - 1)
    return n * smaller


def fails(n: int) -> int:
    if n == 0:
        raise ValueError("too <small>")
    return fails(n - 1)


def mends() -> str:
    try:
        fails(1)
    except ValueError:
        return "mended"
    return "never"


def many(n: int) -> int:
    return sum(factorial(0) for _ in range(n))


def pauses() -> Iterator[int]:
    yield 1


def test_each_call_has_its_arguments_result_and_place() -> None:
    picture = show_calls(factorial, 2)
    assert repr(picture).splitlines()[-3:] == [
        "factorial(n=2) = 2",
        "    factorial(n=1) = 1",
        "        factorial(n=0) = 1",
    ]
    assert "3 calls; at most 3 were open at the same time." in picture.sentences()


def test_the_steps_show_the_stack_with_its_local_names() -> None:
    step = show_calls(factorial, 1).steps[-1]
    assert step.happened == "factorial returns 1"
    assert step.frames == (("factorial", (("n", "1"), ("smaller", "1"))),)


class Order:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def total(self) -> int:
        return self.cents

    def __repr__(self) -> str:
        return "an order"


class Gift(Order):
    def total(self) -> int:
        return super().total() + 300


def test_a_method_is_named_with_its_class() -> None:
    picture = show_calls(Gift(500).total)
    assert repr(picture).splitlines()[-2:] == [
        "Gift.total(self=an order) = 800",
        "    Order.total(self=an order) = 500",
    ]
    assert picture.steps[0].frames == (("Gift.total", (("self", "an order"),)),)


def test_an_error_is_shown_where_it_passes_and_where_it_is_caught() -> None:
    picture = show_calls(mends)
    assert [call.ending for call in picture.calls] == [
        "= 'mended'",
        "ended with ValueError: too <small>",
        "ended with ValueError: too <small>",
    ]
    assert "<small>" not in picture._repr_html_()
    assert "It ended with ValueError: too <small>." in show_calls(fails, 0).sentences()


def test_many_calls_are_counted_and_deep_ones_bounded() -> None:
    assert "Only the first 60 calls are shown; 41 more are not." in show_calls(many, 100).sentences()
    deep = show_calls(factorial, 100_000)
    assert deep.calls[0].error is not None
    assert deep.calls[0].error.startswith("RecursionError")
    assert len(deep._repr_html_()) < 200_000


def test_tracing_is_as_before() -> None:
    before = sys.gettrace()
    show_calls(fails, 2)
    assert sys.gettrace() is before


@pytest.mark.parametrize("wrong", [len, pauses, 3])
def test_what_cannot_be_followed_is_said(wrong: object) -> None:
    with pytest.raises(CourseError, match="a function that you wrote"):
        show_calls(wrong)  # type: ignore[arg-type]
