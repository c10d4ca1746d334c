"""Binder, emulated: the image's size, the time to JupyterLab, the services, and a student's first cell under /user/x/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import JupyterLab

from . import emulation

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(emulation.missing()), reason=emulation.missing()),
]

SERVING_LAB = "06-web-frameworks/18a-fastapi"
SERVICES = Path(__file__).with_name("services.py")


@pytest.fixture(scope="module")
def image() -> emulation.Image:
    return emulation.build()


@pytest.fixture(scope="module")
def session(image: emulation.Image) -> Iterator[emulation.Session]:
    with emulation.launched() as session:
        yield session


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    """Print a figure into the test run's output, passed or not."""

    def tell(figure: str) -> None:
        with capsys.disabled():
            print(f"\n  Binder, emulated: {figure}")

    return tell


def test_the_image_is_small(image: emulation.Image, tell: Any) -> None:
    tell(f"image {image.size / 1e9:.2f} GB (at most 1.6), built in {image.seconds:.0f} s")
    assert image.size <= 1.6e9


def test_a_session_starts_quickly(session: emulation.Session, tell: Any) -> None:
    tell(f"launch to /lab {session.seconds:.1f} s (at most 15) with {emulation.MEMORY} of memory")
    assert session.seconds <= 15


def test_the_course_answers_who_has_the_token(session: emulation.Session) -> None:
    def ask(what: str, **parameters: str) -> requests.Response:
        address = f"{session.url}course/{what}"
        return requests.get(address, params=parameters, timeout=30, allow_redirects=False)

    assert ask("home", token=session.token).json()["phases"]
    assert (
        ask("session", token=session.token).json()["limit"] == 600
    )  # it knows that Binder ends idle sessions
    assert not ask("home").ok


def test_the_services_of_the_labs_start(session: emulation.Session, tell: Any) -> None:
    for line in session.run("python", "-", text=SERVICES.read_text()).splitlines():
        tell(line)


def test_a_student_grades_their_own_work(session: emulation.Session) -> None:
    graded = session.run("course", "grade", "04-databases")
    assert "Exercise 1" in graded
    assert "This exercise is not written" in graded


def test_from_the_link_to_the_first_cell(session: emulation.Session, page: Page, tell: Any) -> None:
    lab = JupyterLab(session.url, Path(), Path())
    page.goto(f"{session.url}lab?token={session.token}")  # where Binder sends `...?urlpath=lab`
    page.get_by_role("button", name="Start the first lab").click()
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    lab.ready(page)
    expect(page.get_by_text("Jupyter news")).to_have_count(0)
    cells = page.locator(".jp-Notebook .jp-Cell")
    kinds = cells.evaluate_all("cells => cells.map(each => each.classList.contains('jp-CodeCell'))")
    first = kinds.index(True)
    lab.run_cell(page, first)
    expect(cells.nth(first).locator(".jp-InputPrompt")).to_have_text("[1]:")
    expect(cells.nth(first).locator("[data-mime-type$=stderr]")).to_have_count(0)
    page.screenshot(path=emulation.CACHE / "first-cell.png")
    tell(f"{session.memory()} in use with the first lab open")


def test_a_server_of_a_lab_shows_beside_it(session: emulation.Session, page: Page) -> None:
    """Through Binder's proxy, under its base URL."""
    notebook = nbformat.read(emulation.PROJECT / "release" / f"{SERVING_LAB}.ipynb", as_version=4)
    serving = next(cell.id for cell in notebook.cells if "shop_server = serve(" in cell.source)
    lab = JupyterLab(session.url, Path(), Path())
    page.goto(f"{session.url}lab?token={session.token}")  # the browser keeps the token from here on
    lab.open(page, f"{SERVING_LAB}.ipynb")
    lab.run_above(page, serving)
    lab.run(page, serving)
    docs = page.frame_locator("iframe[title='Page of the server shop']")
    docs.get_by_role("button", name="Read one product").click()
    docs.get_by_role("button", name="Try it out").click()
    docs.get_by_placeholder("product_id").fill("2")
    docs.get_by_role("button", name="Execute").click()
    expect(docs.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(docs.locator(".request-url")).to_contain_text(f"{emulation.BASE_URL}proxy/")
    page.screenshot(path=emulation.CACHE / "server.png")
