"""Let a student say what a cell will do before running it: `predict(...)`."""

from __future__ import annotations

from course.errors import CourseError
from course.lab.quizzes import check_choice
from course.lab.widgets import inline, key_of, show_widget


def predict(
    question: str,
    answer: str,
    *,
    options: dict[str, str] | None = None,
    why: str = "",
    key: str | None = None,
) -> None:
    """Show a question to be answered before the next cell is run; what it is, and why, is shown afterwards.

    With options the student chooses, without them they type a line. Spaces, and which quotes are used, do not matter in
    that line. Question, options and explanations may have `code` between backticks. The prediction is recorded in the
    student's progress.

    Args:
        question: what is asked about the next cell.
        answer: what the next cell shows; one of the options, where there are any.
        options: each option and the explanation shown afterwards if it was chosen, as in a quiz.
        why: the explanation of a typed answer.
        key: the name in the progress; made from the question where it is left out.

    Raises:
        CourseError: the question could not be answered as it is written.
    """
    if options is not None:
        check_choice("prediction", question, options, answer)
    _check(question, answer, options, why)
    choices = list(options or ())
    content = {
        "question": inline(question),
        "options": options and [{"text": inline(each), "why": inline(options[each])} for each in choices],
        "answer": choices.index(answer) if options else answer.strip(),
        "why": inline(why),
    }
    text = "\n".join([question, *(f"  ( ) {option}" for option in choices)])
    html = _html(question, answer, options, why)
    show_widget("predict", key or key_of(question), content, html, text)


def _check(question: str, answer: str, options: dict[str, str] | None, why: str) -> None:
    if not question.strip():
        raise CourseError("The prediction has no question: give it as the first argument.")
    if not isinstance(answer, str) or not answer.strip():
        raise CourseError(
            f"The prediction {question!r} has no answer: give what the next cell shows, as a text."
        )
    if options is not None and why:
        raise CourseError(
            f"The prediction {question!r} has options and why=: the options explain themselves, so leave why= out."
        )


def _html(question: str, answer: str, options: dict[str, str] | None, why: str) -> str:
    """The prediction without a kernel and without scripts: the answer waits behind a fold."""
    choices = "".join(f"<li>{inline(option)}</li>" for option in options or ())
    reason = inline(options[answer] if options else why)
    shown = inline(answer) if options else f"<code>{inline(answer)}</code>"
    return (
        f"<p><strong>{inline(question)}</strong></p>"
        + (f"<ul>{choices}</ul>" if choices else "")
        + "<details><summary>Predict first, run the next cell, then open this</summary>"
        + f"<p>It is: {shown}</p>{f'<p>{reason}</p>' if reason else ''}</details>"
    )
