"""Let a student put shuffled lines in order, so that they make a program: `parsons(...)`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from random import Random

from course.errors import CourseError
from course.lab.widgets import inline, key_of, show_widget

Line = tuple[str, int]
"""A line's text without its indentation, and how many levels of four spaces it is indented."""


def parsons(
    task: str,
    program: str,
    *,
    distractors: Sequence[str] = (),
    also: Sequence[str] = (),
    key: str | None = None,
) -> None:
    """Show the lines of a program, shuffled, for the student to order and indent; as many tries as one likes.

    Nothing of it is run. Lines are indented by four spaces for each level; a program without indented lines, such as
    SQL, is only ordered. Each try is recorded in the student's progress.

    Args:
        task: what the program is to do; it may have `code` between backticks.
        program: the lines in a right order.
        distractors: lines that look useful, and belong nowhere.
        also: the same lines in other orders that are right too.
        key: the name in the progress; made from the task where it is left out.

    Raises:
        CourseError: the problem could not be solved as it is written.
    """
    if not task.strip():
        raise CourseError("The Parsons problem has no task: give it as the first argument.")
    orders = [_lines(task, text) for text in (program, *_texts(task, "also", also))]
    spare = [line.strip() for line in _texts(task, "distractors", distractors)]
    _check(task, orders, spare)
    key = key or key_of(task)
    shuffled = _shuffled(task, orders, spare, key)
    deepest = max(level for order in orders for _, level in order)
    content = {
        "task": inline(task),
        "lines": shuffled,
        "orders": orders,
        "deepest": deepest + 1 if deepest else 0,  # one more than needed may be chosen
        "spare": bool(spare),
    }
    text = "\n".join([task, *(f"  - {line}" for line in shuffled)])
    show_widget("parsons", key, content, _html(task, shuffled, orders[0]), text)


def _texts(task: str, name: str, texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise CourseError(f"{name}= of the Parsons problem {task!r} is a list of texts, not one text.")
    return texts


def _lines(task: str, program: str) -> list[Line]:
    lines = []
    for line in filter(str.strip, textwrap.dedent(program).splitlines()):
        text = line.strip()
        level, rest = divmod(len(line.rstrip()) - len(text), 4)
        if rest or "\t" in line:
            raise CourseError(
                f"A line of the Parsons problem {task!r} is not indented by four spaces: {text!r}."
            )
        lines.append((text, level))
    return lines


def _check(task: str, orders: list[list[Line]], spare: list[str]) -> None:
    needed = sorted(_texts_of(orders[0]))
    if len(set(needed)) < 2:
        raise CourseError(f"The Parsons problem {task!r} needs at least two different lines.")
    if any(sorted(_texts_of(order)) != needed for order in orders):
        raise CourseError(
            f"Each order in also= of the Parsons problem {task!r} has the lines of the program, all of them."
        )
    used = [line for line in spare if line in needed or not line]
    if used:
        raise CourseError(
            f"A distractor of the Parsons problem {task!r} is empty or a line of the program: {used[0]!r}."
        )


def _texts_of(order: list[Line]) -> list[str]:
    return [text for text, _ in order]


def _shuffled(task: str, orders: list[list[Line]], spare: list[str], key: str) -> list[str]:
    """All lines in an order that hangs on the key alone, and is not right."""
    dealer = Random(key)  # the same for whoever opens the notebook again
    lines = _texts_of(orders[0]) + spare
    right = [_texts_of(order) for order in orders]
    for _ in range(100):
        dealer.shuffle(lines)
        if [line for line in lines if line not in spare] not in right:
            return lines
    raise CourseError(
        f"Nearly every order of the Parsons problem {task!r} is right: there is nothing to find out."
    )


def _html(task: str, shuffled: list[str], order: list[Line]) -> str:
    """The problem without a kernel and without scripts: the right order waits behind a fold."""
    rows = "".join(f"<li><code>{escape(line)}</code></li>" for line in shuffled)
    program = escape("\n".join("    " * level + text for text, level in order))
    return (
        f"<p><strong>{inline(task)}</strong></p><ul>{rows}</ul>"
        f"<details><summary>Order the lines on paper first, then open this</summary>"
        f"<pre><code>{program}</code></pre></details>"
    )
