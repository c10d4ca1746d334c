"""Nothing lost, in a real browser: a session that ends, a download, a crash of Python, and the warning before the end."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
import requests
from playwright.sync_api import Page, expect

from course.lab import progress
from tests.browser.pages import JOINS as LAB
from tests.browser.pages import shot, student_folder

pytestmark = pytest.mark.browser

ANSWER = (
    "%%sql shop_db --name order_names\nSELECT o.id AS order_id, o.ordered_on, c.name AS customer\n"
    "FROM orders AS o\nJOIN customers AS c ON c.id = o.customer_id\nORDER BY o.id"
)
KEPT = """async () => {
    const opening = indexedDB.open("backend-course", 1);
    await new Promise((done, failed) => { opening.onsuccess = done; opening.onerror = failed; });
    const all = opening.result.transaction("work").objectStore("work").getAll();
    await new Promise(done => all.onsuccess = done);
    opening.result.close();
    return all.result.map(each => btoa(Array.from(new Uint8Array(each.zip), byte => String.fromCharCode(byte)).join("")));
}"""


class Hub:
    """One address for one server after another, as Binder's hub has: it passes every byte on to the newest."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.target = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def leads_to(self, lab: Any) -> Any:
        """The same JupyterLab under the hub's address."""
        address = urlsplit(lab.url)
        self.target = address.port
        return replace(lab, url=f"http://127.0.0.1:{self.port}{address.path}")

    def _serve(self) -> None:
        while True:
            try:
                browser, _ = self.socket.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                browser.close()
                continue
            for pair in ((browser, server), (server, browser)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                end.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.socket.close()


def shots(page: Page, name: str) -> None:
    """One picture in the light theme, one in the dark."""
    for theme in ("Dark", "Light"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme}",
        )
        page.locator(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]").wait_for(state="attached")
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        shot(page, f"{name}-{theme.lower()}")


def until(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(0.1)
    raise AssertionError(f"not in 30 seconds: {what}")


def stop(page: Page, lab: Any) -> None:
    """End the session as the hub does: the server and its kernels stop."""
    token = page.context.cookies()
    xsrf = next(cookie["value"] for cookie in token if cookie["name"] == "_xsrf")
    requests.post(
        f"{lab.url}api/shutdown?_xsrf={xsrf}", cookies={"_xsrf": xsrf}, timeout=20
    ).raise_for_status()
    address = urlsplit(lab.url)
    until(lambda: not _answers(address.port), "the server's end")


def _answers(port: int | None) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kept_zips(page: Page) -> list[zipfile.ZipFile]:
    return [zipfile.ZipFile(io.BytesIO(base64.b64decode(each))) for each in page.evaluate(KEPT)]


def source_of(notebook: str | bytes, cell: str) -> str:
    cells = nbformat.reads(notebook if isinstance(notebook, str) else notebook.decode(), as_version=4).cells
    return next(each.source for each in cells if each.id == cell)


def has_the_pass(page: Page) -> bool:
    """Whether the browser keeps both the answer and its pass."""
    for kept in kept_zips(page):
        runs = f".course/progress/{LAB}.jsonl"
        if {runs, f"{LAB}.ipynb"} <= set(kept.namelist()):
            passed = any(json.loads(line)["passed"] for line in kept.read(runs).splitlines())
            return passed and source_of(kept.read(f"{LAB}.ipynb"), "order-names") == ANSWER
    return False


def notice(page: Page, words: str) -> Any:
    return page.get_by_role("region", name="Notices of the course").locator("section").filter(has_text=words)


def tab_to(page: Page, button: str) -> None:
    """Reach a button with the Tab key alone."""
    reached = page.get_by_role("button", name=button)
    for _ in range(40):
        page.keyboard.press("Tab")
        if reached.evaluate("button => button === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {button}")


def course_menu(page: Page, item: str) -> None:
    page.locator("#jp-MainMenu").get_by_text("Course", exact=True).click()
    page.locator(".lm-Menu").get_by_text(item).click()


def test_a_session_ends_and_its_work_comes_back_in_the_next(
    jupyterlab: Any, page: Page, hub: Hub, work: Path, trouble: Any
) -> None:
    first = jupyterlab(work, base_url="/user/first/")
    lab = hub.leads_to(first)
    lab.open(page, f"{LAB}.ipynb")
    assert notice(page, "is in this browser").count() == 0
    lab.run_above(page, "order-names")
    lab.write(page, "order-names", ANSWER)
    lab.run(page, "order-names")
    expect(lab.run(page, "order-names-visible").first).to_contain_text("Passed")
    until(lambda: has_the_pass(page), "the answer and its pass in the browser")
    expect(page.get_by_text("Saved in this browser")).to_be_visible()
    shots(page, "kept")

    page.goto("about:blank")
    stop(page, first)
    trouble.errors.clear()
    shutil.rmtree(work)
    student_folder(work.parent, [LAB])
    lab = hub.leads_to(jupyterlab(work, base_url="/user/second/"))
    page.goto(f"{lab.url}lab")
    offer = notice(page, "Your work from")
    expect(offer).to_contain_text("is in this browser")
    expect(page.get_by_text(re.compile(r"^0 of \d+ exercises passed ·"))).to_be_visible()
    shots(page, "offer")
    tab_to(page, "Restore my work")
    page.keyboard.press("Enter")
    expect(notice(page, "Your work is back: 2 files restored.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^1 of \d+ exercises passed ·"))).to_be_visible()
    shots(page, "restored")
    assert source_of((work / f"{LAB}.ipynb").read_text(), "order-names") == ANSWER
    assert progress.read(work)[LAB].tests["order-names-visible"].passed
    lab.open(page, f"{LAB}.ipynb")
    expect(page.locator(".jp-Notebook")).to_contain_text("c.id = o.customer_id")
    assert notice(page, "Your work from").count() == 0


def test_work_is_downloaded_and_comes_back_from_the_file(
    jupyterlab: Any, page: Page, work: Path, trouble: Any
) -> None:
    lab = jupyterlab(work)
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "order-names", ANSWER)
    with page.expect_download() as downloading:
        course_menu(page, "Download My Work")
    assert downloading.value.suggested_filename.startswith("backend-course-20")
    kept = zipfile.ZipFile(downloading.value.path())
    assert source_of(kept.read(f"{LAB}.ipynb"), "order-names") == ANSWER, (
        "what was not saved yet is in it too"
    )

    lab.write(page, "order-names", "something worse")
    with page.expect_file_chooser() as choosing:
        course_menu(page, "Restore Work From a File")
    choosing.value.set_files(downloading.value.path())
    told = notice(page, "Your work is back: 1 file restored.")
    expect(told).to_contain_text(f"{LAB}.ipynb is restored; the file that was there is kept as")
    expect(page.locator(".jp-Notebook")).to_contain_text("c.id = o.customer_id")
    expect(page.locator(".jp-Notebook")).not_to_contain_text("something worse")
    (beside,) = work.glob(f"{LAB} (before *).ipynb")
    assert source_of(beside.read_text(), "order-names") == "something worse"
    shots(page, "restored-from-file")
    told.get_by_role("button", name="OK").click()

    with page.expect_file_chooser() as choosing:
        course_menu(page, "Restore Work From a File")
    choosing.value.set_files({"name": "other.zip", "mimeType": "application/zip", "buffer": b"no zip"})
    expect(notice(page, "This file is not a whole zip file, so nothing was restored.")).to_be_visible()
    trouble.errors = [said for said in trouble.errors if "400 (Bad Request)" not in said]


def test_a_save_during_a_save_asks_nothing(jupyterlab: Any, page: Page, work: Path) -> None:
    lab = jupyterlab(work)
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "order-names", ANSWER)
    page.evaluate(  # the second begins when the first has written its file, and does not know of it yet
        """() => {
            const { context, content } = window.jupyterapp.shell.currentWidget;
            const contents = window.jupyterapp.serviceManager.contents;
            const { get, save } = contents;
            contents.save = async function (...given) {
                const saved = await save.apply(this, given);
                contents.save = save;
                const looked = new Promise(done => {
                    contents.get = function (...asked) {
                        contents.get = get;
                        const answer = get.apply(this, asked);
                        answer.then(() => setTimeout(done));
                        return answer;
                    };
                });
                content.activeCell.model.sharedModel.setSource("second");
                context.save().then(() => { window.allSaved = true; });
                await Promise.race([looked, new Promise(done => setTimeout(done, 1000))]);
                return saved;
            };
            context.save();
        }"""
    )
    page.wait_for_function("window.allSaved")
    assert page.get_by_role("dialog").count() == 0, "JupyterLab asked which version to keep"
    assert source_of((work / f"{LAB}.ipynb").read_text(), "order-names") == "second"


def test_a_crash_of_python_loses_its_memory_only(
    jupyterlab: Any, page: Page, tmp_path: Path, trouble: Any
) -> None:
    work = tmp_path / "work"
    (work / ".course").mkdir(parents=True)
    texts = {"one": "number = 41", "two": "print(number + 1)", "crash": "import os; os._exit(1)", "three": ""}
    cells = [nbformat.v4.new_code_cell(text, id=name) for name, text in texts.items()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / "lab.ipynb")
    lab = jupyterlab(work)
    lab.open(page, "lab.ipynb")
    lab.run_above(page, "crash")
    outputs = page.locator(".jp-Notebook .jp-OutputArea-output")
    expect(outputs).to_have_text(["42"])
    lab.write(page, "three", "written, and not saved yet")
    lab.run(page, "crash")
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    told = notice(page, "Your notebook is safe.")
    expect(told).to_contain_text("Only what Python remembered is gone")
    shots(page, "crash")
    until(lambda: "not saved yet" in (work / "lab.ipynb").read_text(), "the notebook on disk")

    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    expect(outputs).to_have_count(0)
    lab._select(page, "three")
    told.get_by_role("button", name="Run the cells above again").click()
    expect(outputs).to_have_text(["42"])
    expect(told).to_have_count(0)
    assert page.get_by_role("dialog").count() == 0, "the cell that crashed did not run again"
    # JupyterLab's own, where the crash met a question of its debugger
    trouble.errors = [said for said in trouble.errors if "debugger state" not in said]


def test_a_warning_comes_before_an_idle_session_ends(
    jupyterlab: Any, page: Page, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    settings = tmp_path / "config"
    settings.mkdir()
    # as Binder gives it to its servers, with a shorter time
    (settings / "jupyter_server_config.json").write_text('{"ServerApp": {"shutdown_no_activity_timeout": 8}}')
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(settings))
    lab = jupyterlab(work)
    lab.open(page, f"{LAB}.ipynb")
    lab.write(page, "order-names", ANSWER)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    warning = notice(page, "This session ends in about 1 minute without activity.")
    expect(warning).to_contain_text("Your work until")
    shots(page, "idle")
    warning.get_by_role("button", name="I am still here").click()
    expect(warning).to_have_count(0)
    expect(warning).to_be_visible()

    stop(page, lab)
    lost = notice(page, "The connection is lost. Your work until")
    expect(lost).to_contain_text("comes back when you open the course again")
    expect(warning).to_have_count(0)
    with page.expect_download() as downloading:
        lost.get_by_role("button", name="Download the saved work").click()
    kept = zipfile.ZipFile(downloading.value.path())
    assert source_of(kept.read(f"{LAB}.ipynb"), "order-names") == ANSWER
    page.goto("about:blank")  # it goes on asking the server that is gone
    trouble.errors.clear()
