"""Predictions: what a page without a kernel shows, and as they should not be written."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course.errors import CourseError
from course.lab.predictions import predict


def still_of(*arguments: Any, **named: Any) -> dict[str, str]:
    InteractiveShell.instance()
    with capture_output() as shown:
        predict(*arguments, **named)
    assert (shown.stdout, shown.stderr) == ("", "")
    still, live = shown.outputs
    assert "application/vnd.jupyter.widget-view+json" in live.data
    return still.data


def test_the_answer_of_a_typed_prediction_waits_behind_a_fold() -> None:
    still = still_of("What does `len([[]])` give?", "1", why="The outer <list> has one item.")
    before, after = still["text/html"].split("</summary>")
    assert "What does <code>len([[]])</code> give?" in before
    assert "It is: <code>1</code>" in after
    assert "The outer &lt;list&gt; has one item." in after
    assert still["text/plain"] == "What does `len([[]])` give?"


def test_the_answer_of_a_choice_waits_behind_a_fold() -> None:
    options = {"`201`": "It is created.", "`200`": "Nothing is read here."}
    still = still_of("Which status?", "`201`", options=options)
    before, after = still["text/html"].split("</summary>")
    assert "<li><code>201</code></li><li><code>200</code></li>" in before
    assert "It is: <code>201</code></p><p>It is created.</p>" in after
    assert "Nothing is read here." not in still["text/html"]
    assert still["text/plain"].splitlines() == ["Which status?", "  ( ) `201`", "  ( ) `200`"]


GOOD: dict[str, Any] = {"question": "Which?", "answer": "a", "options": {"a": "It is.", "b": "It is not."}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question": " ", "options": None}, "no question"),
        ({"answer": "", "options": None}, "'Which\\?' has no answer"),
        ({"answer": 5, "options": None}, "as a text"),
        ({"answer": "c"}, "answer 'c' of the prediction 'Which\\?' is none of its options: 'a', 'b'"),
        ({"options": {}}, "at least two options"),
        ({"options": ["a", "b"]}, "A prediction's options are a dict"),
        ({"options": {"a": "It is.", "b": ""}}, "does not explain the option 'b'"),
        ({"why": "Because."}, "leave why= out"),
    ],
)
def test_a_prediction_that_cannot_be_made_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CourseError, match=says):
        predict(**GOOD | change)
