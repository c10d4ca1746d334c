"""What all widgets share, in a real kernel: tries in the progress, and a cell that is run again."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from course.lab.widgets import inline, key_of

CELLS = {
    "quiz": 'from course.lab.quizzes import quiz\nquiz("Which?", {"a": "Yes.", "b": "No."}, answer="a", key="it")',
    "predict": 'from course.lab.predictions import predict\npredict("Which?", "1", key="it")',
    "parsons": 'from course.lab.parsons import parsons\nparsons("Order them.", "a = 1\\nprint(a)", key="it")',
}
TRYING = """
from ipywidgets import Widget
(widget,) = [each for each in Widget.widgets.values() if each.has_trait("results")]
widget.results = [False]
widget.results = [False, True]
"""
READING = """
from course.lab.progress import read
from pathlib import Path
(widget,) = [each for each in Widget.widgets.values() if each.has_trait("results")]
(lab,) = read(Path.cwd()).values()
(name, test), = lab.tests.items()
print(name, test.tries, test.passed, widget.results, widget.right_before)
"""


@pytest.mark.parametrize("kind", CELLS)
def test_tries_are_recorded_and_a_cell_run_again_keeps_them(kind: str, tmp_path: Path) -> None:
    (tmp_path / ".course").mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (CELLS[kind], TRYING, CELLS[kind], READING)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "lab.ipynb")
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(tmp_path)}}
    )
    # The file browser's server names the notebook to the kernel so.
    client.execute(env=os.environ | {"JPY_SESSION_NAME": str(tmp_path / "lab.ipynb")})
    first, _, again, read = notebook.cells
    assert read.outputs[0].text == "it 2 True [False, True] False\n"
    view = "application/vnd.jupyter.widget-view+json"
    assert first.outputs[1].data[view] == again.outputs[1].data[view]
    for cell in (first, again):
        assert [output.output_type for output in cell.outputs] == ["display_data", "display_data"]
        assert f"course-{kind}-still" in cell.outputs[0].data["text/html"]


def test_texts_are_escaped_and_have_code() -> None:
    assert inline("Is `a<b` <i>?") == "Is <code>a&lt;b</code> &lt;i&gt;?"


def test_a_question_becomes_a_name() -> None:
    assert key_of('What is a "join"?') == "what-is-a-join"
    assert len(key_of("word " * 40)) <= 64
