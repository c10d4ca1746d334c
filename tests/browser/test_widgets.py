"""Quizzes, predictions and Parsons problems in JupyterLab: by keyboard, by mouse, and with a kernel that is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from course.lab import widgets
from tests.browser.pages import findings, shot

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
"""
TYPED = """
from course.lab.predictions import predict

predict("What does `print([1] * 2)` show?", "[1, 1]", why="`*` repeats a <list>.", key="typed")
"""
CHOSEN = """
from course.lab.predictions import predict

predict(
    "What does `GET /products/two` answer?",
    options={"`404`": "Your function never runs.", "`422`": "The value is checked first."},
    answer="`422`",
    key="chosen",
)
"""
PARSONS = """
from course.lab.parsons import parsons

parsons(
    "Add up all prices.",
    \"\"\"
    total = 0
    for price in prices:
        total += price
    \"\"\",
    distractors=["total = price"],
    key="add-up",
)
print("what the cell prints besides")
"""


@pytest.fixture
def script(chromium: Browser) -> Iterator[Any]:
    """A function of a widget's script, to be called with JSON."""
    page = chromium.new_page()
    folder = Path(widgets.__file__).parent

    def call(kind: str, function: str, *arguments: Any) -> Any:
        module = "\n".join((folder / f"{name}.js").read_text() for name in ("shared", kind))
        return page.evaluate(
            """async ([module, name, given]) => {
                const url = URL.createObjectURL(new Blob([module], {type: "text/javascript"}));
                return (await import(url)).default[name](...given);
            }""",
            [module, function, arguments],
        )

    yield call
    page.close()


def test_which_typed_predictions_are_the_same(script: Any) -> None:
    same = [
        ("[1,  1]", "[1,1]"),
        ("a  b\n", "a b"),
        ("“hello”", "'hello'"),
        ("hello", '"hello"'),
        ('{"a": 1}', "{'a':1}"),
        ("null", "None"),
        ("True", "true"),
        ("[none, 1]", "[None, 1]"),
        ("336776", "336,776"),
    ]
    other = [
        ("1", "'1'"),
        ("1", "1.0"),
        ("None", "'None'"),
        ("[1, 2]", "12"),
        ("'[1]'", "[1]"),
        ("ab", "a b"),
        ("Hello", "hello"),
        ("", "''"),
    ]
    assert [pair for pair in same if not script("predict", "same", *pair)] == []
    assert [pair for pair in other if script("predict", "same", *pair)] == []


ORDERS = [[["a", 0], ["b", 1], ["c", 0]], [["b", 0], ["a", 0], ["c", 0]]]


@pytest.mark.parametrize(
    ("program", "index", "words"),
    [
        ([["a", 0], ["b", 1], ["c", 0]], None, ""),
        ([["b", 0], ["a", 0], ["c", 0]], None, ""),
        ([["c", 0], ["b", 1], ["a", 0]], 0, "Line 1 is out of place: the program begins with another."),
        ([["a", 0], ["c", 0], ["b", 1]], 1, "Line 2 is out of place. All lines above it are right."),
        ([["b", 0], ["c", 0], ["a", 0]], 1, "Line 2 is out of place"),
        ([["a", 0], ["b", 0], ["c", 0]], 1, "Line 2 is in its place, but not indented right."),
        ([["a", 0], ["x", 1], ["b", 1], ["c", 0]], 1, "Line 2 is not needed."),
        ([["a", 0], ["b", 1], ["c", 0], ["x", 0]], 3, "Line 4 is not needed."),
        ([["a", 0], ["b", 1]], 2, "not complete"),
        ([], 0, "not complete"),
    ],
)
def test_the_first_fault_of_a_program_is_named(
    script: Any, program: list[Any], index: int | None, words: str
) -> None:
    fault = script("parsons", "firstFault", program, ORDERS)
    if index is None:
        assert fault is None
    else:
        assert fault["index"] == index
        assert words in fault["words"]


class Notebook:
    """A notebook with some cells in a working copy, open in JupyterLab and run."""

    def __init__(self, lab: Any, page: Page, folder: Path) -> None:
        self.lab, self.page = lab, page
        self._progress = folder / ".course" / "progress" / "04-databases" / "lab.jsonl"
        lab.open(page, "04-databases/lab.ipynb")
        lab.run_all_cells(page)

    def results(self, number: int) -> list[tuple[str, bool]]:
        """The results in the progress once there are so many; the kernel writes them a moment after the click."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            lines = self._progress.read_text().splitlines() if self._progress.exists() else []
            if len(lines) >= number:
                return [(run["test"], run["passed"]) for run in map(json.loads, lines)]
            time.sleep(0.05)
        raise AssertionError(f"the progress has not got {number} lines")

    def reopen_without_kernel(self) -> None:
        """Save, stop the kernel, and open the notebook again."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        self.page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
        self.lab.open(self.page, "04-databases/lab.ipynb")


@pytest.fixture
def notebook(jupyterlab: Any, page: Page, tmp_path: Path) -> Any:
    """Open and run a new notebook with these cells."""

    def opened(*sources: str) -> Notebook:
        folder = tmp_path / "work"
        (folder / ".course").mkdir(parents=True)
        (folder / "04-databases").mkdir()
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, folder / "04-databases" / "lab.ipynb")
        return Notebook(jupyterlab(folder), page, folder)

    return opened


def shots(page: Page, part: str) -> None:
    """A picture in the dark theme and in the light one, each without anything serious for axe-core."""
    for theme in ("Dark", "Light"):
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        page.evaluate(change, f"JupyterLab {theme}")
        page.locator(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]").wait_for(state="attached")
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        shot(page, f"{part.removeprefix('.course-')}-{theme.lower()}")
        assert findings(page, part) == []


def expect_only_still(page: Page, trouble: Any, stills: list[Locator]) -> None:
    for still in stills:
        expect(still).to_be_visible()
    errors = page.get_by_text("model not found")
    errors.first.wait_for(state="attached")
    expect(errors.filter(visible=True)).to_have_count(0)
    trouble.errors = [said for said in trouble.errors if "widget model not found" not in said]


def test_a_quiz_is_answered_by_keyboard_and_outlives_its_kernel(
    notebook: Any, page: Page, trouble: Any
) -> None:
    opened = notebook(QUIZ)
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
    page.keyboard.press("Enter")  # the same again is no further try
    expect(verdict).to_contain_text("Right. It keeps every row of the table on its left.")
    assert opened.results(2) == [("left-join", False), ("left-join", True)]
    shots(page, ".course-quiz")

    opened.reopen_without_kernel()
    expect_only_still(page, trouble, [still])
    still.get_by_text("LEFT JOIN").click()
    expect(still.get_by_text("Right. It keeps every row")).to_be_visible()

    opened.lab.run_all_cells(page)
    expect(page.locator(".course-quiz")).to_contain_text("You have answered this one before.")
    assert len(opened.results(2)) == 2


def test_predictions_are_made_by_keyboard_and_outlive_their_kernel(
    notebook: Any, page: Page, trouble: Any
) -> None:
    opened = notebook(TYPED, CHOSEN)
    typed, chosen = page.locator(".course-predict").first, page.locator(".course-predict").last
    expect(chosen.get_by_role("radio")).to_have_count(2)

    line = typed.get_by_role("textbox", name="What does print([1] * 2) show?")
    line.focus()
    page.keyboard.press("Enter")
    expect(typed.get_by_role("status")).to_have_text("Type what you expect. A guess is fine.")
    page.keyboard.type("a bad [2]")  # a and b are shortcuts of JupyterLab outside
    page.keyboard.press("Enter")
    expect(typed.get_by_role("status")).to_have_text("Now run the next cell and compare.")
    expect(line).to_be_disabled()
    expect(typed).not_to_contain_text("[1, 1]")
    expect(typed.get_by_role("button", name="Compare")).to_be_focused()
    page.keyboard.press("Space")
    comparison = typed.get_by_role("group", name="Comparison")
    expect(comparison).to_be_focused()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
    expect(comparison.get_by_role("definition")).to_have_text(["a bad [2]", "[1, 1]"])
    expect(comparison).to_contain_text("It is not what you predicted. Many people say that at first.")
    expect(comparison).to_contain_text("* repeats a <list>.")

    group = chosen.get_by_role("group", name="What does GET /products/two answer?")
    group.get_by_label("404").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(group.get_by_label("422")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(chosen).to_contain_text("You predicted it.")
    expect(chosen).to_contain_text("The value is checked first.")
    expect(chosen).not_to_contain_text("Your function never runs.")
    assert opened.results(2) == [("typed", False), ("chosen", True)]
    shots(page, ".course-predict")

    opened.lab.run_all_cells(page)
    expect(page.locator(".course-predict")).to_have_count(2)
    expect(comparison).to_contain_text("* repeats a <list>.")
    expect(group.get_by_label("422")).to_be_checked()

    opened.reopen_without_kernel()
    stills = page.locator(".course-predict-still")
    expect_only_still(page, trouble, [stills.first, stills.last])
    stills.first.get_by_text("Predict first").click()
    expect(stills.first.get_by_text("It is: [1, 1]")).to_be_visible()


def test_a_program_is_put_together_by_keyboard_and_outlives_its_kernel(
    notebook: Any, page: Page, trouble: Any
) -> None:
    opened = notebook(PARSONS)
    problem = page.locator(".course-parsons")
    program = problem.get_by_role("group", name="Your program")
    spoken, verdict = problem.locator(".only-spoken"), problem.get_by_role("status")
    expect(program.get_by_role("option")).to_have_count(4)
    before = program.get_by_role("option").all_inner_texts()

    def pick(text: str) -> Locator:
        """The line with this text, selected and focused with the arrow keys."""
        page.keyboard.press("Home")
        line = problem.get_by_role("option").filter(has_text=text)
        for _ in before:
            if line.get_attribute("aria-selected") == "true":
                break
            page.keyboard.press("ArrowDown")
        expect(line).to_be_focused()
        return line

    def carry(text: str, *keys: str) -> None:
        """Move the line with keys; the focus goes with it."""
        line = pick(text)
        for key in keys:
            page.keyboard.press(key)
            expect(line).to_be_focused()

    program.get_by_role("option").first.focus()
    carry("total = price", *["Alt+ArrowDown"] * 4)
    expect(spoken).to_have_text("Left out")
    expect(problem.get_by_role("group", name="Not needed").get_by_role("option")).to_have_count(1)
    carry("total += price", *["Alt+ArrowUp"] * 3)
    expect(spoken).to_have_text("Line 1")
    page.keyboard.press("Tab")
    expect(problem.get_by_role("button", name="Move up")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(problem.get_by_role("button", name="Check")).to_be_focused()
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text("Line 1 is out of place: the program begins with another.")
    assert opened.results(1) == [("add-up", False)]

    program.get_by_role("option").first.focus()
    carry("for price", *["Alt+ArrowUp"] * 3)
    expect(verdict).to_be_empty()
    carry("total = 0", *["Alt+ArrowUp"] * 3)
    pick("total += price")
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("Tab")
    indent = problem.get_by_role("button", name="Indent")
    expect(indent).to_be_focused()
    page.keyboard.press("Space")
    expect(spoken).to_have_text("Line 3, indented once")
    expect(indent).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(verdict).to_contain_text("Right. Copy the program into a cell below and run it.")
    solution = "total = 0\nfor price in prices:\n    total += price"
    assert problem.locator(".solved pre").inner_text() == solution
    assert opened.results(2) == [("add-up", False), ("add-up", True)]

    opened.lab.run_all_cells(page)
    expect(verdict).to_contain_text("Right.")
    expect(program.get_by_role("option")).to_have_count(3)

    opened.reopen_without_kernel()
    still = page.locator(".course-parsons-still")
    expect_only_still(page, trouble, [still])
    still.get_by_text("Order the lines on paper first").click()
    assert still.locator("pre").inner_text() == solution
    expect(page.get_by_text("what the cell prints besides", exact=True)).to_be_visible()


def test_a_program_is_put_together_with_the_mouse(notebook: Any, page: Page) -> None:
    opened = notebook(PARSONS)
    problem = page.locator(".course-parsons")
    lines = problem.get_by_role("option")
    expect(lines).to_have_count(4)

    def drag(text: str, onto: Locator, right: int = 0) -> None:
        box = lines.filter(has_text=text).bounding_box()
        target = onto.bounding_box()
        assert box
        assert target
        x, y = box["x"] + 60, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right, target["y"] + target["height"] / 2, steps=12)
        page.mouse.up()

    drag("total = price", problem.get_by_role("group", name="Not needed"))
    problem.get_by_role("button", name="Check").click()
    expect(problem.get_by_role("status")).to_contain_text("Line")
    shots(page, ".course-parsons")
    drag("for price", lines.first)
    drag("total = 0", lines.first)
    drag("total += price", lines.filter(has_text="total += price"), right=40)
    problem.get_by_role("button", name="Check").click()
    expect(problem.get_by_role("status")).to_contain_text("Right.")
    assert opened.results(2) == [("add-up", False), ("add-up", True)]

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    problem.get_by_role("button", name="Copy").click()
    expect(problem.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "total = 0\nfor price in prices:\n    total += price"
