"""A real JupyterLab and a real Chromium, for the tests in this folder.

`jupyterlab(folder)` starts a server, `page` is a browser page on which a console error, an uncaught exception or a
request to any other machine fails the test.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, expect, sync_playwright

from course.classroom.launch import student_environment
from tests.browser.pages import FASTAPI, JOINS, student_folder
from tests.browser.starting import address_of

# The folder holds two labs only, so that what is counted in it does not change with the course.
LABS = (JOINS, FASTAPI)

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=20_000)  # milliseconds; tests share the machine


@dataclass
class JupyterLab:
    """A running JupyterLab: `url` ends with its base_url's slash, `folder` is what its file browser shows."""

    url: str
    folder: Path
    log: Path

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook of the folder in a workspace that no other test uses, and wait for its kernel."""
        page.goto(f"{self.url}lab/workspaces/test-{time.monotonic_ns()}/tree/{notebook}")
        self.ready(page)

    def ready(self, page: Page) -> None:
        """Wait until the notebook in front has its cells and its kernel."""
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.evaluate(
            """async () => {
                const panel = window.jupyterapp.shell.currentWidget;
                await panel.context.ready;
                await panel.sessionContext.ready;
                await panel.sessionContext.session.kernel.info;
            }"""
        )

    def write(self, page: Page, cell: str, text: str) -> None:
        """Type into the cell with this id, in place of what stands there."""
        self._select(page, cell)
        page.keyboard.press("Enter")
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(text)

    def run(self, page: Page, cell: str) -> Locator:
        """Run the cell with this id, wait for its end, and give its outputs."""
        index = self._select(page, cell)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
        return page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output")

    def run_cell(self, page: Page, index: int) -> None:
        """Run the cell at this place of the notebook, and wait for its end."""
        page.evaluate(
            """async index => {
                const panel = [...window.jupyterapp.shell.widgets('main')].find(each => each.content?.widgets);
                window.jupyterapp.shell.activateById(panel.id);
                panel.content.activeCellIndex = index;
                await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def run_above(self, page: Page, cell: str) -> None:
        """Run all cells above the one with this id."""
        self._select(page, cell)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-above')")

    def _select(self, page: Page, cell: str) -> int:
        index = page.evaluate(
            """async id => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                const index = notebook.widgets.findIndex(each => each.model.id === id);
                notebook.deselectAll();
                notebook.activeCellIndex = index;
                notebook.mode = 'command';
                await notebook.scrollToItem(index);
                notebook.node.focus();
                return index;
            }""",
            cell,
        )
        assert index >= 0, f"the notebook has no cell {cell}"
        return int(index)

    def run_all_cells(self, page: Page) -> None:
        """Run the open notebook; returns when every cell has run."""
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")


class StartJupyterLab(Protocol):
    def __call__(self, folder: Path, base_url: str = "/") -> JupyterLab: ...


@contextmanager
def _running_jupyterlab(folder: Path, base_url: str, private: Path) -> Iterator[JupyterLab]:
    private.mkdir()
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"]
    names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"]
    folders = {name: str(private / name.lower()) for name in names}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += ["--LabApp.expose_app_in_browser=True"]  # the tests ask it when a notebook is ready
    command += [
        f"--ServerApp.base_url={base_url}",
        f"--ServerApp.root_dir={folder}",
        "--IdentityProvider.token=",
    ]
    log = private / "jupyterlab.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, env=student_environment() | folders, stdout=output, stderr=output
        ) as process,
    ):
        try:
            url = address_of(process, Path(folders["JUPYTER_RUNTIME_DIR"]), log)
            yield JupyterLab(url, folder, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A student's folder with two labs."""
    return student_folder(tmp_path, LABS)


@pytest.fixture
def jupyterlab(tmp_path: Path) -> Iterator[StartJupyterLab]:
    """Start a JupyterLab server on a folder; it stops with the test."""
    with ExitStack() as running:
        count = iter(range(100))

        def start(folder: Path, base_url: str = "/") -> JupyterLab:
            private = tmp_path / f"jupyterlab-{next(count)}"
            return running.enter_context(_running_jupyterlab(folder, base_url, private))

        yield start


@dataclass
class Trouble:
    """What went wrong in the browser; a test that causes an error on purpose removes it from here."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def guard(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not for the whole session: while Playwright runs, this thread has a running event loop.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def page(chromium: Browser, trouble: Trouble) -> Iterator[Page]:
    """A new browser page; fails the test on console errors and on requests to outside hosts."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    context.route("**/*", trouble.guard)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", trouble.heard)
    page.on("pageerror", lambda error: trouble.errors.append(str(error)))
    yield page
    context.close()
    assert trouble.outside == [], "the page asked other machines"
    assert trouble.errors == [], "the browser's console shows errors"
