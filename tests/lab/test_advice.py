"""What is said about errors that beginners meet."""

from __future__ import annotations

import linecache

import pytest

from course.lab.advice import advice, general_advice
from course.lab.failures import steps_of

CELL = "<a cell>"


def error_of(source: str) -> Exception:
    """The error with which a cell ends."""
    linecache.cache[CELL] = (len(source), None, source.splitlines(keepends=True), CELL)
    try:
        exec(compile(source, CELL, "exec"), {})
    except Exception as error:
        return error
    pytest.fail("no error came")


def said(source: str) -> str:
    error = error_of(source)
    steps = [step for step in steps_of(error.__traceback__) if step.tb_frame.f_code.co_filename == CELL]
    return advice(error, steps[-1] if steps else None)


SAID = {
    "def f(x):\n    '''Double it.'''\nreturn 2 * x": "This return stands in no function",
    "yield 3": "This yield stands in no function",
    "if True:\n    break": "break belongs to a loop",
    "continue": "continue belongs to a loop",
    "if True:\n    x = 1\n  x = 2": "as many spaces as the block",
    "if x:\n    y = 1\nelse if z:\n    y = 2": "else if is one word: elif",
    "if x:\n    y = 1\nelse x > 3:\n    y = 2": "else takes no condition",
    "if x:\n    y = 1\n    else:\n        y = 2": "else stands exactly below its if",
    "if x:\n    y = 1\n    elif z:\n        y = 2": "elif stands exactly below its if",
    "def busiest(n): return n\ndef report(n):\n    busiest = busiest(n)\nreport(3)": "busiest is the name of a function",
    "def report(n):\n    len = len(n)\nreport([])": "len is the name of a function",
    "def report():\n    total += 1\nreport()": "total gets a value somewhere",
    "list = list((1, 2))\nlist('ab')": "list is a function of Python, but here this name was given to a value of type list",
    "def row(): return 'a'\nrow = row()\nrow()": "row is a value of type str here",
    "jobs = [1]\njobs.pop[0]": "With ( ) behind the name it runs",
    "def price(): return 3\nprice + 1": "With ( ) behind the name it runs",
    "len('a'.upper)": "With ( ) behind the name it runs",
}


@pytest.mark.parametrize(("source", "words"), SAID.items())
def test_the_mistake_is_named(source, words):
    assert words in said(source)


@pytest.mark.parametrize(
    "source",
    [
        "(1,",
        "if True\n    pass",
        "else_if 3",
        "x = = 1",
        "'a' + 1",
        "int('a')",
        "import math\nmath.pi()",
        "[].nothing",
        "raise TypeError('a card is not callable')",
    ],
)
def test_where_the_error_does_not_show_the_mistake_nothing_is_said(source):
    assert said(source) == ""


def test_common_causes_are_named_in_general():
    assert general_advice(error_of("1 // 0")).startswith("Nothing can be divided by 0")
    assert general_advice(error_of("found = None\nfound[0]")).startswith("There is a None")
    assert general_advice(error_of("None.name")).startswith("There is a None")
    assert general_advice(error_of("prices = {}\nprices['a']")) == ""
