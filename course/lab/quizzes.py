"""Ask a multiple-choice question inside the notebook: `quiz(...)`."""

from __future__ import annotations

import re

from course.errors import CourseError
from course.lab.widgets import inline, key_of, show_widget

_VERDICT = re.compile(r"(?:Right|Yes|Correct|Exactly|No|Not quite|Almost|Wrong)[.,:;!]")


def quiz(question: str, options: dict[str, str], answer: str, key: str | None = None) -> None:
    """Show a question whose options explain themselves when chosen; as many tries as one likes.

    The question and the options may have `code` between backticks. Each try is recorded in the student's progress.

    Args:
        question: what is asked.
        options: each option and the explanation shown when it is chosen, in the order shown.
        answer: the right one of the options.
        key: the name in the progress; made from the question where it is left out.

    Raises:
        CourseError: the quiz could not be answered as it is written.
    """
    check_choice("quiz", question, options, answer)
    content = {
        "question": inline(question),
        "options": [
            {
                "text": inline(option),
                "explanation": _explained(why, option == answer),
                "right": option == answer,
            }
            for option, why in options.items()
        ],
    }
    text = "\n".join([question, *(f"  ( ) {option}" for option in options)])
    show_widget("quiz", key or key_of(question), content, _html(question, options, answer), text)


def check_choice(kind: str, question: str, options: dict[str, str], answer: str) -> None:
    """Refuse a question that cannot be answered by a choice, or does not explain an option. `kind` is what it is called."""
    if not question.strip():
        raise CourseError(f"The {kind} has no question: give it as the first argument.")
    if not isinstance(options, dict):
        raise CourseError(
            f"A {kind}'s options are a dict: each option and the explanation shown when it is chosen."
        )
    if len(options) < 2:
        raise CourseError(f"The {kind} {question!r} needs at least two options.")
    if answer not in options:
        known = ", ".join(repr(option) for option in options)
        raise CourseError(
            f"The answer {answer!r} of the {kind} {question!r} is none of its options: {known}."
        )
    unexplained = [option for option, why in options.items() if not (isinstance(why, str) and why.strip())]
    if unexplained:
        raise CourseError(
            f"The {kind} {question!r} does not explain the option {unexplained[0]!r}: say why it is right or wrong."
        )


def _explained(why: str, right: bool) -> str:
    """An explanation as HTML with its mark, and with a word for the mark where it does not begin with one."""
    mark, name, word = ("✓", "correct", "Right.") if right else ("✗", "incorrect", "Not quite.")
    own_word = _VERDICT.match(why)
    words = "" if own_word else f"<strong>{word}</strong> "
    return f'<span role="img" aria-label="{name}">{mark}</span> {words}{inline(why)}'


def _html(question: str, options: dict[str, str], answer: str) -> str:
    """The quiz without a kernel and without scripts: each option opens to its explanation."""
    rows = "".join(
        f"<details><summary>{inline(option)}</summary><p>{_explained(why, option == answer)}</p></details>"
        for option, why in options.items()
    )
    return f"<p><strong>{inline(question)}</strong></p>{rows}"
