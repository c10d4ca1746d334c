"""What the button "Grade my work" asks of a student's Jupyter server."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
import requests

from course.classroom import own_work, working_copy
from course.classroom.launch import student_environment
from course.publishing.build import build

PROJECT = Path(__file__).parents[2]
PHASE = "01-small"
LAB = "01a-money"


@dataclass
class Server:
    """A student's Jupyter server on the small course at `root`."""

    root: Path
    url: str

    def grade(self, phase: str = PHASE) -> requests.Response:
        return requests.post(f"{self.url}course/grade", json={"phase": phase}, headers=TOKEN, timeout=120)

    def feedback(self, lab: str) -> requests.Response:
        return requests.get(f"{self.url}course/feedback/{PHASE}/{lab}", headers=TOKEN, timeout=10)

    @property
    def notebook(self) -> Path:
        return self.root / "work" / PHASE / f"{LAB}.ipynb"


TOKEN = {"Authorization": "token secret"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(PROJECT / "tests" / "proof" / "small_course", root, dirs_exist_ok=True)
    shutil.copy2(PROJECT / "nbgrader_config.py", root)
    build(root)
    working_copy.refresh(root)
    with running_server(root) as url:
        yield Server(root, url)


@pytest.fixture(autouse=True)
def untouched(server: Server) -> None:
    """Each test begins with the lab as it was released."""
    shutil.copy2(server.root / "release" / PHASE / f"{LAB}.ipynb", server.notebook)


@contextmanager
def running_server(root: Path) -> Iterator[str]:
    runtime = root / "runtime"
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={root / 'work'}", "--IdentityProvider.token=secret"]
    names = {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(root / "config")}
    with (
        (root / "server.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=root, env=student_environment() | names, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield wait_for_address(runtime / f"jpserver-{process.pid}.json", process, root / "server.log")
        finally:
            process.terminate()
            process.wait(30)


def wait_for_address(record: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            url = str(json.loads(record.read_text())["url"])
            requests.get(url + "api/status", headers=TOKEN, timeout=5).raise_for_status()
        except (OSError, ValueError):
            time.sleep(0.05)  # polls a condition
        else:
            return url
    raise AssertionError(log.read_text())


def write(server: Server, answer: str) -> None:
    """Put an answer in the place of the lab's first exercise."""
    notebook = nbformat.read(server.notebook, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution"))
    cell.source = answer
    nbformat.write(notebook, server.notebook)


def test_it_gives_points_by_exercise_and_a_page_that_may_do_nothing(server: Server) -> None:
    write(server, "print('<script>alert(1)</script>')\nraise NotImplementedError")
    answer = server.grade()
    assert answer.status_code == 200, answer.text
    [lab] = answer.json()["labs"]
    assert lab["lab"] == LAB
    assert lab["has_page"]
    assert all(exercise["message"] for exercise in lab["exercises"])
    page = server.feedback(LAB)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "<script" not in page.text


def test_a_solved_exercise_has_its_points(server: Server) -> None:
    source = nbformat.read(server.root / "source" / PHASE / f"{LAB}.ipynb", as_version=4)
    solution = next(cell for cell in source.cells if cell.metadata.get("nbgrader", {}).get("solution"))
    write(server, solution.source)
    first = server.grade().json()["labs"][0]["exercises"][0]
    assert first["score"] == first["points"] > 0
    assert first["message"] == ""


def test_a_broken_notebook_is_said_in_words(server: Server) -> None:
    server.notebook.write_text('{"cells": [')
    answer = server.grade()
    assert answer.status_code == 200, answer.text
    [lab] = answer.json()["labs"]
    assert lab["exercises"] == []
    assert "cannot be read" in server.feedback(LAB).text


@pytest.mark.parametrize("phase", ["", "99-none", "..", "../work", "-x", ".course"])
def test_a_phase_that_is_not_there_is_refused(server: Server, phase: str) -> None:
    answer = server.grade(phase)
    assert answer.status_code == 400
    assert "There is no phase" in answer.json()["message"]


@pytest.mark.parametrize("lab", ["none", "..%2F..%2F..%2F..%2Fnbgrader_config"])
def test_a_page_that_is_not_there_is_refused(server: Server, lab: str) -> None:
    answer = server.feedback(lab)
    assert answer.status_code in (400, 404)
    assert "nbgrader's settings" not in answer.text


def test_a_stranger_may_not_grade(server: Server) -> None:
    answer = requests.post(
        f"{server.url}course/grade", json={"phase": PHASE}, timeout=10, allow_redirects=False
    )
    assert answer.status_code in (302, 403)


def test_one_at_a_time_and_stopped_when_the_client_goes(server: Server) -> None:
    write(server, "import time\ntime.sleep(60)")
    lock = own_work.grading_folder(server.root) / f".{PHASE}.lock"
    lock.unlink(missing_ok=True)

    address = urlsplit(server.url)
    client = http.client.HTTPConnection(address.hostname or "", address.port)
    client.request("POST", "/course/grade", json.dumps({"phase": PHASE}), TOKEN)
    process = int(until(lambda: lock.exists() and lock.read_text().strip()))
    refused = server.grade()
    assert refused.status_code == 400
    assert "Your work is being graded already" in refused.json()["message"]
    assert alive(process)
    write(server, "raise NotImplementedError")
    client.close()
    answers: list[int] = []

    def graded() -> bool:
        answers.append(server.grade().status_code)
        return answers[-1] == 200

    until(graded)
    assert len(answers) <= 5, "who asks while the other one stops waits for it, and is not refused"
    assert not alive(process)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
