"""Ask a multiple-choice question inside the notebook: `quiz(...)`."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course.errors import CourseError

if TYPE_CHECKING:
    from anywidget import AnyWidget

_FILES = Path(__file__).parent / "quiz_widget"
_VERDICT = re.compile(r"(?:Right|Yes|Correct|Exactly|No|Not quite|Almost|Wrong)[.,:;!]")


def quiz(question: str, options: dict[str, str], answer: str, key: str | None = None) -> None:
    """Show a question whose options explain themselves when chosen; as many tries as one likes.

    The question and the options may have `code` between backticks. A right choice is recorded in the student's progress.

    Args:
        question: what is asked.
        options: each option and the explanation shown when it is chosen, in the order shown.
        answer: the right one of the options.
        key: the name in the progress; made from the question where it is left out.

    Raises:
        CourseError: the quiz could not be answered as it is written.
    """
    _check(question, options, answer)
    from IPython.display import display

    key = key or _slug(question)
    # Two outputs, of which the page shows one. A widget whose kernel is gone shows only "model not found", even with HTML
    # beside it in the same output; so the HTML is an output of its own, hidden while the widget lives.
    still = {"text/html": _html(question, options, answer), "text/plain": _text(question, options)}
    display(still, raw=True)  # type: ignore[no-untyped-call]
    widget = _widget_class()(
        question=_inline(question),
        options=[
            {
                "text": _inline(option),
                "explanation": _explained(why, option == answer),
                "right": option == answer,
            }
            for option, why in options.items()
        ],
    )
    widget.observe(lambda change: _record(key, list(options)[change.new] == answer), "chosen")
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    live = {"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}
    display(live, raw=True)  # type: ignore[no-untyped-call]


def _check(question: str, options: dict[str, str], answer: str) -> None:
    if not question.strip():
        raise CourseError("The quiz has no question: give it as the first argument.")
    if not isinstance(options, dict):
        raise CourseError(
            "A quiz's options are a dict: each option and the explanation shown when it is chosen."
        )
    if len(options) < 2:
        raise CourseError(f"The quiz {question!r} needs at least two options.")
    if answer not in options:
        known = ", ".join(repr(option) for option in options)
        raise CourseError(f"The answer {answer!r} of the quiz {question!r} is none of its options: {known}.")
    unexplained = [option for option, why in options.items() if not (isinstance(why, str) and why.strip())]
    if unexplained:
        raise CourseError(
            f"The quiz {question!r} does not explain the option {unexplained[0]!r}: say why it is right or wrong."
        )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].rstrip("-")


def _record(key: str, right: bool) -> None:
    from course.lab.progress import record

    record(key, right)


def _inline(text: str) -> str:
    """Plain text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _explained(why: str, right: bool) -> str:
    """An explanation as HTML with its mark, and with a word for the mark where it does not begin with one."""
    mark, name, word = ("✓", "correct", "Right.") if right else ("✗", "incorrect", "Not quite.")
    own_word = _VERDICT.match(why)
    words = "" if own_word else f"<strong>{word}</strong> "
    return f'<span role="img" aria-label="{name}">{mark}</span> {words}{_inline(why)}'


def _html(question: str, options: dict[str, str], answer: str) -> str:
    """The quiz without a kernel and without scripts: each option opens to its explanation."""
    rows = "".join(
        f"<details><summary>{_inline(option)}</summary><p>{_explained(why, option == answer)}</p></details>"
        for option, why in options.items()
    )
    return (
        f"<style>{(_FILES / 'still.css').read_text()}</style>"
        f'<div class="course-quiz-still"><p><strong>{_inline(question)}</strong></p>{rows}</div>'
    )


def _text(question: str, options: dict[str, str]) -> str:
    return "\n".join([question, *(f"  ( ) {option}" for option in options)])


@cache
def _widget_class() -> type[AnyWidget]:
    import anywidget
    from traitlets import Int, List, Unicode

    class Quiz(anywidget.AnyWidget):
        _esm = _FILES / "quiz.js"
        _css = _FILES / "quiz.css"
        question = Unicode().tag(sync=True)  # HTML
        options: Any = List().tag(sync=True)  # text and explanation as HTML, and whether it is right
        chosen = Int(-1).tag(sync=True)  # the option checked last, -1 before the first

    return Quiz
