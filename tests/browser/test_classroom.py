"""A class hands in and gets back: `course lab` for the student, `course teach` for the instructor, and nothing else.

Both run on a course folder as a clone gives it, with nothing built, and share an exchange.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.browser.pages import PROJECT, shot
from tests.browser.starting import address_of

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)  # a busy machine takes its time

PHASE = "01-small"
LAB = f"{PHASE}/01a-money.ipynb"
WITH_TAX = "def with_tax(cents):\n    return max(cents, 0) * 110 // 100"
SLOW = 90_000  # milliseconds for one press of a button that grades

Start = Callable[[str], str]


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "exchange"


@pytest.fixture
def start(tmp_path: Path, exchange: Path) -> Iterator[Start]:
    """Start `course lab` or `course teach` in a new clone of its own, `tmp_path/<verb>`; gives its address."""
    with ExitStack() as running:

        def begin(verb: str) -> str:
            root = tmp_path / verb
            shutil.copytree(PROJECT / "tests" / "proof" / "small_course", root)
            shutil.copy2(PROJECT / "nbgrader_config.py", root)
            return running.enter_context(course(verb, root, exchange, tmp_path / f"private-{verb}"))

        yield begin


@contextmanager
def course(verb: str, root: Path, exchange: Path, private: Path) -> Iterator[str]:
    """`course <verb>` with settings of nobody else's; its address."""
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"]
    names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"]
    folders = {name: str(private / name.lower()) for name in names}
    settings = {
        "ServerApp": {"port": 0},
        "IdentityProvider": {"token": ""},
        "LabApp": {"expose_app_in_browser": True},  # the tests ask it for commands
    }
    config = Path(folders["JUPYTER_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))
    log = private / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "course", verb, "--headless"],
            cwd=root,
            env=os.environ | folders | {"COURSE_EXCHANGE": str(exchange)},
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield address_of(process, Path(folders["JUPYTER_RUNTIME_DIR"]), log)
        finally:
            process.terminate()
            process.wait(30)


# --- what a student and an instructor press ---------------------------------------------------------------------------


def solve(root: Path) -> None:
    """Write one right answer into the student's lab, and a note into a folder that nobody hands in."""
    path = root / "work" / LAB
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "with-tax").source = WITH_TAX
    nbformat.write(notebook, path)
    shutil.copy2(path, path.with_name("01a-money (before 2026-01-01).ipynb"))


def open_list(page: Page, url: str) -> Locator:
    """The student's list of assignments, opened from the menu."""
    page.goto(f"{url}lab")
    page.locator("#jp-MainMenu").get_by_text("Course", exact=True).click()
    page.get_by_role("menuitem", name="Hand In and Get Feedback").click()
    found = page.locator("#assignments")
    expect(found.locator("#fetched_assignments_list").get_by_text(PHASE)).to_be_visible()
    return found


def open_formgrader(page: Page, url: str) -> FrameLocator:
    """Formgrader, which is open at the start."""
    page.goto(f"{url}lab")
    frame = page.frame_locator("#formgrader-iframe iframe")
    expect(frame.get_by_role("heading", name="Manage Assignments")).to_be_visible()
    return frame


def row(frame: FrameLocator, phase: str = PHASE) -> Locator:
    return frame.locator("#main-table tr").filter(has_text=phase)


def press(frame: FrameLocator, button: Locator) -> None:
    """Press one of formgrader's buttons, and read that it worked."""
    button.click()
    expect(frame.locator(".modal.in")).to_be_visible(timeout=SLOW)
    expect(frame.locator("#success-modal")).to_be_visible()
    frame.locator("#success-modal .modal-footer button").click()
    expect(frame.locator(".modal")).to_have_count(0)


# --- the tests --------------------------------------------------------------------------------------------------------


def test_hand_in_grade_and_read_the_feedback(
    start: Start, page: Page, tmp_path: Path, exchange: Path
) -> None:
    teach = start("teach")
    assert stat.S_IMODE(exchange.stat().st_mode) == 0o777
    formgrader = open_formgrader(page, teach)
    shot(page, "formgrader-fresh")
    press(formgrader, row(formgrader).locator(".assign a"))
    press(formgrader, row(formgrader).locator(".release a").first)
    assert (exchange / "backend" / "inbound").stat().st_mode & 0o733 == 0o733

    student = start("lab")
    solve(tmp_path / "lab")
    assignments = open_list(page, student)
    shot(page, "assignment-list")
    assignments.get_by_role("button", name="Submit").click()
    expect(assignments.locator("#submitted_assignments_list").get_by_text(PHASE).first).to_be_visible()
    [handed_in] = (exchange / "backend" / "inbound").iterdir()
    names = {path.name for path in handed_in.rglob("*")}
    assert names == {"01a-money.ipynb", "timestamp.txt", "submission_secret.txt"}

    formgrader = open_formgrader(page, teach)
    press(formgrader, row(formgrader).locator(".collect a"))
    row(formgrader).locator(".num-submissions a").click()
    press(formgrader, formgrader.locator("#main-table .autograde a"))
    expect(formgrader.locator("#main-table .score")).to_have_text("3 / 6")
    shot(page, "formgrader-graded")
    press(formgrader, formgrader.locator("#main-table .generate-feedback a"))
    press(formgrader, formgrader.locator("#main-table .release-feedback a"))

    assignments = open_list(page, student)
    assignments.get_by_role("button", name="Fetch Feedback").click()
    submitted = assignments.locator("#submitted_assignments_list")
    submitted.get_by_text("view feedback").click()
    page.locator(".jp-DirListing-item").filter(has_text="01a-money.html").dblclick()
    feedback = page.frame_locator(".jp-HTMLViewer iframe")
    expect(feedback.get_by_text(re.compile("3 of 6 points"))).to_be_visible()
    expect(feedback.get_by_role("heading", name="Money", exact=True)).to_be_visible()
    shot(page, "feedback-fetched")


def test_formgrader_opens_on_a_fresh_clone(page: Page, tmp_path: Path, exchange: Path) -> None:
    """A clone of this project, and not a small course: tracked and new files only, nothing built."""
    root = tmp_path / "clone"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (PROJECT / name).is_file() and not name.startswith("course/"):  # that is installed
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, root / name)
    with course("teach", root, exchange, tmp_path / "private") as url:
        formgrader = open_formgrader(page, url)
        for phase in (root / "release").iterdir():
            expect(row(formgrader, phase.name)).to_be_visible()
        press(formgrader, row(formgrader, "06-web-frameworks").locator(".assign a"))
        formgrader.get_by_role("link", name="Manage Students").click()
        expect(formgrader.get_by_text("Add new student")).to_be_visible()
        shot(page, "formgrader-clone")
        menu = page.locator("#jp-MainMenu").get_by_text("Nbgrader", exact=True)
        menu.click()
        expect(page.get_by_role("menuitem", name="Create Assignment")).to_be_visible()
        expect(page.get_by_role("menuitem", name="Assignment List")).to_have_count(0)
        page.close()  # else it complains that the server goes


def test_alone_there_is_nothing_to_hand_in_to(jupyterlab: Any, page: Page, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    lab = jupyterlab(work)
    page.goto(f"{lab.url}lab")
    page.locator("#jp-MainMenu").get_by_text("Course", exact=True).click()
    expect(page.get_by_role("menuitem", name="Grade My Work")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Hand In and Get Feedback")).to_have_count(0)
    assert requests.get(f"{lab.url}assignments?course_id=backend", timeout=10).status_code == 404
