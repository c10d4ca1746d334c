"""Quizzes in a real kernel, in nbconvert's page, and as they should not be written."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from course.errors import CourseError
from course.lab.quizzes import _explained, quiz

CELL = """
from course.lab.quizzes import quiz
quiz(
    "What does `count(*)` count?",
    {"rows": "Every row, <NULL> or not.", "values": "That is `count(name)`.", "columns": "No: rows & rows only."},
    answer="rows",
)
"""


@pytest.fixture(scope="module")
def executed() -> NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL) for _ in range(2)])
    return NotebookClient(notebook, kernel_name="python3", timeout=60).execute()


def test_a_quiz_shows_its_still_picture_and_its_widget_and_prints_nothing(executed: NotebookNode) -> None:
    for cell in executed.cells:
        still, live = cell.outputs
        assert [still.output_type, live.output_type] == ["display_data", "display_data"]
        assert still.data["text/plain"].splitlines() == [
            "What does `count(*)` count?",
            "  ( ) rows",
            "  ( ) values",
            "  ( ) columns",
        ]
        assert "application/vnd.jupyter.widget-view+json" in live.data
        assert live.data["text/plain"] == ""  # where there is no widget, nothing more is shown
    nbformat.validate(executed)


def test_text_is_shown_as_text_and_code_as_code(executed: NotebookNode) -> None:
    html = executed.cells[0].outputs[0].data["text/html"]
    assert "What does <code>count(*)</code> count?" in html
    assert "&lt;NULL&gt;" in html
    assert "<NULL>" not in html


def test_every_explanation_has_a_mark_that_can_be_read_out_and_one_word_for_it(
    executed: NotebookNode,
) -> None:
    html = executed.cells[0].outputs[0].data["text/html"]
    right = '<p><span role="img" aria-label="correct">✓</span> <strong>Right.</strong> Every row'
    wrong = '<p><span role="img" aria-label="incorrect">✗</span> '
    assert right in html
    assert f"{wrong}<strong>Not quite.</strong> That is" in html
    assert f"{wrong}No: rows &amp; rows only.</p>" in html
    state = executed.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (shown,) = [model["state"]["content"] for model in state.values() if "content" in model["state"]]
    assert len(shown["options"]) == 3
    assert all(f"<p>{option['explanation']}</p>" in html for option in shown["options"])


@pytest.mark.parametrize(
    ("why", "word"),
    [
        ("Right. It does.", ""),
        ("Right, it does.", ""),
        ("Rightly so.", "Right."),
        ("No row has it, so it is 0.", "Right."),
    ],
)
def test_a_word_is_added_where_the_explanation_has_none(why: str, word: str) -> None:
    own_word = f"</span> {f'<strong>{word}</strong> ' if word else ''}{why}"
    assert _explained(why, right=True).endswith(own_word)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("keep_state", [True, False])
def test_nbconvert_shows_the_question_and_its_options(executed: NotebookNode, keep_state: bool) -> None:
    if not keep_state:
        executed = deepcopy(executed)
        executed.metadata.pop("widgets", None)
    page, _ = HTMLExporter().from_notebook_node(executed)
    body = page[page.index("<body") :]
    for text in (
        "What does <code>count(*)</code> count?",
        ">rows<",
        ">values<",
        "Every row, &lt;NULL&gt; or not.",
    ):
        assert text in body


def test_the_widget_library_is_loaded_with_the_first_quiz_only() -> None:
    script = (
        "import sys, course.lab.quizzes; print({'anywidget', 'ipywidgets', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"


GOOD: dict[str, Any] = {"question": "Which?", "options": {"a": "right", "b": "wrong"}, "answer": "a"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answer": "c"}, "answer 'c' of the quiz 'Which\\?' is none of its options: 'a', 'b'"),
        ({"options": {"a": "right"}}, "at least two options"),
        ({"options": ["a", "b"]}, "options are a dict"),
        ({"options": {"a": "right", "b": ""}}, "does not explain the option 'b'"),
        ({"question": " "}, "no question"),
    ],
)
def test_a_quiz_that_cannot_be_answered_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CourseError, match=says):
        quiz(**GOOD | change)
