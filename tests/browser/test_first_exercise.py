"""A beginner's first minutes: the course home, a lab, a mistake, what the panel says, and the first pass."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from course.classroom import working_copy
from course.lab import progress

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).parents[2]
LAB = "04-databases/14b-joins-and-groups"
SELECT = "%%sql shop_db --name order_names\nSELECT o.id AS order_id, o.ordered_on, c.name AS customer\nFROM orders AS o\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "release", tmp_path / "release")
    working_copy.refresh(tmp_path)
    return tmp_path / "work"


def shot(page: Page, name: str) -> None:
    folder = PROJECT / ".cache" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def test_from_the_home_to_the_first_pass(jupyterlab: Any, page: Page, work: Path) -> None:
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

    lab.run_above(page, "order-names")
    lab.run(page, "order-names")
    unsolved = lab.run(page, "order-names-visible")
    expect(unsolved.first).to_contain_text("A line is missing here: write it in the place of the comment.")

    lab.write(page, "order-names", SELECT + "JOIN customers AS c ON c.id = o.id - 100\nORDER BY o.id")
    lab.run(page, "order-names")
    wrong = lab.run(page, "order-names-visible")
    expect(wrong.first).to_contain_text("Not yet")
    expect(wrong.first).to_contain_text("missing")
    wrong.first.scroll_into_view_if_needed()
    shot(page, "wrong-join")

    lab.write(page, "order-names", SELECT + "JOIN customers AS c ON c.id = o.customer_id\nORDER BY o.id")
    lab.run(page, "order-names")
    right = lab.run(page, "order-names-visible")
    expect(right.first).to_contain_text("Passed")
    expect(right).to_have_count(1)
    shot(page, "first-pass")

    done = progress.read(work)[LAB].tests["order-names-visible"]
    assert done.passed
    assert done.tries == 2  # the unsolved cell was none
    page.get_by_role("button", name="Course home").click()
    home = page.get_by_role("main", name="Course home")
    expect(home.get_by_text("1 of 9 exercises passed").first).to_be_visible()
    expect(
        home.get_by_text("Your last try: order-names, passed. The next exercise: sold-lines.")
    ).to_be_visible()
    shot(page, "home-begun")
    home.get_by_role("button", name="Go on").click()
    expect(page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text("sold_lines")
