"""A beginner's first minutes: the course home, a lab, a mistake, what the panel says, and the first pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from course.lab import progress
from tests.browser.pages import PROJECT, shot, student_folder

pytestmark = pytest.mark.browser

LAB = "00-computer-and-internet/00a-request-and-response"
CLEAR = "rgba(0, 0, 0, 0)"
REQUEST = "%%http shop --name third_product\nGET /products/{} HTTP/1.1\nAccept-Language: en"


def test_from_the_home_to_the_first_pass(jupyterlab: Any, page: Page, tmp_path: Path) -> None:
    labs = [
        file.relative_to(PROJECT / "release").with_suffix("") for file in PROJECT.glob("release/*/*.ipynb")
    ]
    work = student_folder(tmp_path, map(str, labs))
    lab = jupyterlab(work)
    page.goto(f"{lab.url}lab")
    start = page.get_by_role("button", name="Start the first lab")
    start.wait_for()
    shot(page, "home")

    start.click()
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    lab.ready(page)
    expect(page.locator("#table-of-contents")).to_contain_text("Exercise 1")
    expect(page.get_by_text("Jupyter news")).to_have_count(0)
    expect(page.locator("#jp-MainMenu").get_by_text("Nbgrader")).to_have_count(0)

    lab.run_above(page, "third-product")
    lab.run(page, "third-product")
    unsolved = lab.run(page, "third-product-visible")
    expect(unsolved.first).to_contain_text("Write it in the place of the comment")
    expect(unsolved.last).to_have_css("background-color", CLEAR)
    unsolved.first.scroll_into_view_if_needed()
    shot(page, "not-solved-yet")

    lab.write(page, "third-product", REQUEST.format(4))
    lab.run(page, "third-product")
    wrong = lab.run(page, "third-product-visible")
    expect(wrong.first).to_contain_text("Not yet")
    expect(wrong.last).not_to_have_css("background-color", CLEAR)
    wrong.first.scroll_into_view_if_needed()
    shot(page, "wrong-product")

    lab.write(page, "third-product", REQUEST.format(3))
    lab.run(page, "third-product")
    right = lab.run(page, "third-product-visible")
    expect(right.first).to_contain_text("Passed")
    expect(right).to_have_count(1)
    shot(page, "first-pass")

    done = progress.read(work)[LAB].tests["third-product-visible"]
    assert done.passed
    assert done.tries == 2  # the unsolved cell was none
    page.get_by_role("button", name="Course home").click()
    home = page.get_by_role("main", name="Course home")
    expect(home.get_by_text("1 of 8 exercises passed").first).to_be_visible()
    expect(
        home.get_by_text("Your last try: third-product, passed. The next exercise: french-welcome.")
    ).to_be_visible()
    shot(page, "home-begun")
    home.get_by_role("button", name="Go on").click()
    expect(page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text("french_welcome")
