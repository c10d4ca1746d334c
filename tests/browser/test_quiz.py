"""A quiz in JupyterLab: with the keyboard alone, and in a notebook whose kernel is gone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

QUIZ = """
from course.lab.quizzes import quiz

quiz(
    "Which join keeps customers without orders?",
    {
        "`INNER JOIN`": "An inner join keeps a customer only with an order.",
        "`LEFT JOIN`": "It keeps every row of the table on its left.",
        "`CROSS JOIN`": "That pairs every customer with every order.",
    },
    answer="`LEFT JOIN`",
    key="left-join",
)
print("what the cell prints besides")
"""


def wait_for_lines(file: Path, number: int) -> list[dict[str, Any]]:
    """The kernel writes them a moment after the click."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= number:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    raise AssertionError(f"{file.name} has not got {number} lines")


def test_a_quiz_is_answered_by_keyboard_and_outlives_its_kernel(
    jupyterlab: Any, page: Page, tmp_path: Path, trouble: Any
) -> None:
    phase = tmp_path / "work" / "04-databases"
    phase.mkdir(parents=True)
    (tmp_path / "work" / ".course").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(QUIZ)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, phase / "lab.ipynb")
    lab = jupyterlab(tmp_path / "work")
    lab.open(page, "04-databases/lab.ipynb")
    lab.run_all_cells(page)

    group = page.get_by_role("group", name="Which join keeps customers without orders?")
    expect(group.get_by_role("radio")).to_have_count(3)
    verdict = page.locator(".course-quiz").get_by_role("status")
    still = page.locator(".course-quiz-still")
    expect(still).to_be_hidden()

    group.get_by_label("INNER JOIN").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text("Not quite. An inner join keeps a customer only with an order.")
    page.keyboard.press("ArrowDown")
    expect(group.get_by_label("LEFT JOIN")).to_be_checked()
    expect(verdict).to_be_empty()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text("Right. It keeps every row of the table on its left.")

    progress = tmp_path / "work" / ".course" / "progress" / "04-databases" / "lab.jsonl"
    runs = wait_for_lines(progress, 2)
    assert [(run["test"], run["passed"]) for run in runs] == [("left-join", False), ("left-join", True)]

    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    lab.open(page, "04-databases/lab.ipynb")
    expect(still).to_be_visible()
    still.get_by_text("LEFT JOIN").click()
    expect(still.get_by_text("Right. It keeps every row")).to_be_visible()
    expect(page.get_by_text("what the cell prints besides", exact=True)).to_be_visible()
    error = page.get_by_text("model not found")
    error.wait_for(state="attached")
    expect(error).to_be_hidden()
    trouble.errors = [said for said in trouble.errors if "widget model not found" not in said]
