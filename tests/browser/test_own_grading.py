"""A student who learns alone presses "Grade my work", sees the points, and goes to the exercise that lost some."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from course.classroom import working_copy
from course.publishing.build import build
from tests.browser.pages import PROJECT, shot

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)  # a busy machine takes its time

LAB = "01-small/01a-money"
SERVE = """
from fastapi import FastAPI
from course.lab import serve
app = FastAPI()
server = serve(app)
server
"""
WITH_TAX = "def with_tax(cents):\n    return max(cents, 0) * 110 // 100"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "course"
    shutil.copytree(PROJECT / "tests" / "proof" / "small_course", root)
    shutil.copy2(PROJECT / "nbgrader_config.py", root)
    build(root)
    working_copy.refresh(root)
    return root


def test_grade_my_work(jupyterlab: Any, page: Page, root: Path) -> None:
    lab = jupyterlab(root / "work")
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "with-tax", WITH_TAX)  # and not saved: the button does that

    page.get_by_role("button", name="Grade my work").click()
    expect(page.get_by_role("status").filter(has_text="usually takes less than a minute")).to_be_visible()
    answer = page.locator(".jp-Cell", has_text="return max(cents, 0)").locator(".cm-content")
    answer.click()  # "You can go on working meanwhile"
    points = page.get_by_role("main", name="My points")
    expect(points.get_by_role("heading", name="01-small: 3 of 6 points")).to_be_visible(timeout=60_000)
    expect(answer).to_be_focused()
    solved = points.get_by_role("row").filter(has_text="the price with tax")
    expect(solved).to_contain_text("3 / 3")
    expect(solved).to_contain_text("done")
    lost = points.get_by_role("row").filter(has_text="good customers")
    expect(lost).to_contain_text("0 / 3")
    expect(lost).to_contain_text("not written yet")

    feedback = points.frame_locator("iframe")
    expect(feedback.get_by_text("Feedback for you")).to_be_visible()
    shot(page, "own-grading")
    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    shot(page, "own-grading-dark")

    lost.get_by_role("link").click()
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.activeCell?.model.id === 'good-customers'"
    )
    expect(page.locator(".jp-Cell.jp-mod-active").first).to_be_in_viewport()
    shot(page, "own-grading-exercise")


def test_what_goes_wrong_is_said_and_it_can_be_stopped(jupyterlab: Any, page: Page, root: Path) -> None:
    lab = jupyterlab(root / "work")
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "with-tax", "import time\ntime.sleep(25)")
    page.get_by_role("button", name="Grade my work").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert").filter(has_text="You stopped it")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_the_lab_keeps_its_half_beside_a_server_and_the_points(
    jupyterlab: Any, page: Page, root: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    lab = jupyterlab(root / "work")
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "with-tax", SERVE)
    lab.run(page, "with-tax")
    expect(page.get_by_title("Page of the server app")).to_be_visible()
    width = "() => document.querySelector('.jp-NotebookPanel').offsetWidth"
    half = page.evaluate(width)

    grade = page.get_by_role("button", name="Grade my work")
    expect(grade).to_be_in_viewport()
    grade.click()
    expect(page.get_by_role("heading", name="01-small: 0 of 6 points")).to_be_visible(timeout=60_000)
    shot(page, "own-grading-beside-a-server")
    assert page.evaluate(width) == half
    expect(grade).to_be_in_viewport()


def test_points_that_stand_before_the_lab_move_beside_it(jupyterlab: Any, page: Page, root: Path) -> None:
    lab = jupyterlab(root / "work")
    lab.open(page, f"{LAB}.ipynb")
    grade = page.get_by_role("button", name="Grade my work")
    grade.click()
    again = page.get_by_role("button", name="Grade again")
    expect(again).to_be_visible(timeout=60_000)
    page.evaluate(
        """() => {
            const [points, panel] = ["course-grades", null].map((id) =>
                [...window.jupyterapp.shell.widgets("main")].find((each) => (id ? each.id === id : each.context)));
            window.jupyterapp.shell.add(points, "main", { ref: panel.id, mode: "tab-after" });
            window.jupyterapp.shell.activateById(panel.id);
        }"""
    )
    expect(again).to_be_hidden()
    grade.click()
    expect(again).to_be_visible(timeout=60_000)
    expect(page.locator(".jp-Notebook")).to_be_visible()
