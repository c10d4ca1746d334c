"""The answer bank: what is read from it, how an answer gets into a cell, and every mistake an author can make."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from course.proof.answers import (
    Answer,
    BankError,
    Equivalent,
    bank_faults,
    fill,
    load_bank,
)
from course.publishing.exercises import Exercise

BANK = """\
# Answers

## orders

A comment about this exercise.

### correct: a subquery: no join -> at all
```sql
SELECT 1
  -- its own comment
```

### wrong: INNER JOIN drops people -> orders-visible, orders-hidden
```sql
SELECT 2
```

### equivalent: ids are never 0
```diff
@@ -1 +1 @@
 context
-  WHERE id > 0
+  WHERE id >= 0
```

## total

### wrong: forgets the tax -> total-visible
```python
def total(prices):
    return sum(prices)
```
"""


def bank(tmp_path: Path, text: str):
    path = tmp_path / "bank.md"
    path.write_text(text)
    return load_bank(path)


def cell(source: str, name: str, *, test: bool = False):
    nbgrader = {"grade_id": name, "solution": not test, "grade": test, "points": 1}
    return new_code_cell(source, metadata={"nbgrader": nbgrader})


def exercise(name: str, *sources: str) -> Exercise:
    return Exercise(
        name,
        [
            cell(source, f"{name}-solution-{number}" if number else name)
            for number, source in enumerate(sources)
        ],
        [cell("assert True", f"{name}-visible", test=True)],
        [cell("assert True", f"{name}-hidden", test=True)],
    )


def test_a_bank_is_read_by_exercise(tmp_path):
    read = bank(tmp_path, BANK)

    assert list(read.answers) == ["orders", "total"]
    assert read.lines == {"orders": 3, "total": 26}
    assert read.correct("orders") == [
        Answer(
            "correct",
            "a subquery: no join -> at all",
            ("SELECT 1\n  -- its own comment",),
            "sql",
            (),
            7,
        )
    ]
    [wrong] = read.wrong("orders")
    assert wrong.title == "INNER JOIN drops people"
    assert wrong.caught_by == ("orders-visible", "orders-hidden")
    assert read.equivalents["orders"] == [
        Equivalent("ids are never 0", ("-WHERE id > 0", "+WHERE id >= 0"), 18)
    ]
    assert read.wrong("total")[0].code == "def total(prices):\n    return sum(prices)"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("### correct: x\n```python\n1\n```\n", 1, "under its exercise"),
        ("## a\n\n### correct:\n```python\n1\n```\n", 3, "say after 'correct:'"),
        ("## a\n### wrong: -> a-visible\n```python\n1\n```\n", 2, "say after 'wrong:'"),
        ("## a\n### wrong: no test\n```python\n1\n```\n", 2, "name the test that must catch"),
        ("## a\n### right: x\n```python\n1\n```\n", 2, "begins with correct:, wrong: or equivalent:"),
        ("## a\n### correct: x\nno code\n", 2, "has no code"),
        ("## a\n### correct: x\n```ruby\n1\n```\n", 2, "all of one language: python, sql"),
        ("## a\n### correct: x\n```python\n1\n```\n```sql\n1\n```\n", 2, "all of one language: python, sql"),
        ("## a\n### correct: x\n```python\n1\n", 3, "never closed"),
        ("## a\n### correct: x\n```python\n1\n### correct: y\n```python\n2\n```\n", 3, "never closed"),
        ("## a\n```python\n1\n```\n", 1, "code needs a heading"),
        ("## a\n## b\n## a\n", 3, "begins twice"),
        ("## a\n### equivalent: why\n```python\n1\n```\n", 2, "```diff"),
        ("## a\n### equivalent: why\n```diff\n only context\n```\n", 2, "```diff"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path, text, line, message):
    with pytest.raises(BankError, match=r"bank\.md") as caught:
        bank(tmp_path, text)

    assert message in str(caught.value)
    assert caught.value.line == line


def test_a_missing_bank_says_what_to_do(tmp_path):
    with pytest.raises(BankError, match="write one"):
        load_bank(tmp_path / "none.md")


def test_a_bank_that_does_not_fit_its_lab_has_faults(tmp_path):
    read = bank(tmp_path, BANK.replace("orders-hidden", "orders-hiden"))

    faults = [
        str(fault) for fault in bank_faults(read, [exercise("orders", "%%sql shop"), exercise("tax", "1")])
    ]

    assert [fault.split(":", 1)[1] for fault in faults] == [
        "26: the lab has no exercise 'total'; it has orders, tax",
        "3: orders has 1 wrong answers, but needs at least 3",
        "13: orders has no test 'orders-hiden'; it has orders-visible, orders-hidden",
        "1: tax has 0 correct answers, but needs at least 1",
        "1: tax has 0 wrong answers, but needs at least 3",
    ]


def test_an_answer_in_the_wrong_language_or_number_of_cells_is_a_fault(tmp_path):
    read = bank(tmp_path, "## a\n### correct: x\n```sql\n1\n```\n## b\n### correct: x\n```python\n1\n```\n")

    faults = " ".join(
        str(fault) for fault in bank_faults(read, [exercise("a", "1"), exercise("b", "1", "2")])
    )

    assert "written in sql, but a asks for python" in faults
    assert "b has 2 solution cells, this answer 1 fences" in faults


@pytest.mark.parametrize(
    ("source", "code", "filled"),
    [
        ("x = 1", "x = 2", "x = 2"),
        ("%%sql shop --name q\nSELECT 1", "SELECT 2", "%%sql shop --name q\nSELECT 2"),
        (
            "%%sql shop\n-- BEGIN SOLUTION\nSELECT 1\n-- END SOLUTION\n",
            "SELECT 2",
            "%%sql shop\nSELECT 2\n",
        ),
        (
            "app = FastAPI()\n### BEGIN SOLUTION\n@app.get('/')\n### END SOLUTION\n",
            "@app.post('/')",
            "app = FastAPI()\n@app.post('/')\n",
        ),
        (
            "def f(x):\n    '''Twice.'''\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
            "y = x\nreturn y + y",
            "def f(x):\n    '''Twice.'''\n    y = x\n    return y + y",
        ),
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
            "async def f(x):\n    return x + x",
            "async def f(x):\n    return x + x",
        ),
        (
            "### BEGIN SOLUTION\n1\n### END SOLUTION\nmiddle\n### BEGIN SOLUTION\n2\n### END SOLUTION",
            "3",
            "3",
        ),
    ],
)
def test_an_answer_takes_the_place_of_the_solution(source, code, filled):
    assert fill(exercise("a", source), [code]) == {"a": filled}


def test_each_fence_fills_its_own_cell():
    assert fill(exercise("a", "x = 1", "y = 1"), ["x = 2", "y = 2"]) == {
        "a": "x = 2",
        "a-solution-1": "y = 2",
    }
