"""Both of nbgrader's own ways to autograde are caged: its command, and the button in formgrader."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from nbformat.v4 import new_code_cell

SPY = """
import os, sqlite3
found = []
for folder, _, files in os.walk("/"):
    if "site-packages" not in folder:  # nbgrader brings a gradebook for its own tests
        found += [os.path.join(folder, name) for name in files if name in ("gradebook.db", "01a-prices.md")]
try:
    sqlite3.connect(GRADEBOOK).execute("UPDATE grade SET auto_score = 99")
    print("the gradebook is open")
except sqlite3.Error as error:
    print("no gradebook:", error)
print("course files:", found)
try:
    import socket
    socket.create_connection(("127.0.0.1", PORT), 2)
    print("the machine answers")
except OSError as error:
    print("no machine:", error)
"""


def hand_in_spy(course, port):
    notebook = course.solved()
    words = SPY.replace("GRADEBOOK", repr(str(course.root / "gradebook.db"))).replace("PORT", str(port))
    notebook.cells.insert(1, new_code_cell(words, id="spy"))
    course.hand_in("spy", notebook)


def spied(course):
    path = course.root / "autograded" / "spy" / course.phase / course.release.name
    notebook = json.loads(path.read_text())
    [cell] = [cell for cell in notebook["cells"] if "gradebook" in "".join(cell["source"])]
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


@pytest.fixture
def generated(course):
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", course.phase],
        cwd=course.root,
        check=True,
        capture_output=True,
    )
    return course


def assert_held(course):
    said = spied(course)
    assert "no gradebook:" in said
    assert "course files: []" in said
    assert "no machine:" in said


def test_the_command_is_caged(generated):
    with formgrader(generated) as (port, _):
        hand_in_spy(generated, port)
        subprocess.run(
            [sys.executable, "-m", "nbgrader", "autograde", generated.phase],
            cwd=generated.root,
            check=True,
            capture_output=True,
        )
    assert_held(generated)


def test_formgraders_button_is_caged(generated):
    with formgrader(generated) as (port, ask):
        hand_in_spy(generated, port)
        answer = ask(f"/formgrader/api/submission/{generated.phase}/spy/autograde")
    assert answer["success"], answer
    assert_held(generated)


@contextmanager
def formgrader(course):
    """A Jupyter server with formgrader in the course's folder: its port, and how to press a button."""
    log = (course.root / "server.log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root"),
            *("--IdentityProvider.token=secret", "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1"),
            "--ServerApp.disable_check_xsrf=True",
        ],
        cwd=course.root,
        env=os.environ | {"JUPYTER_RUNTIME_DIR": str(course.root / "runtime")},
        stdout=log,
        stderr=log,
    )
    try:
        address = _address(course, server)

        def ask(path):
            asked = urllib.request.Request(
                address + path, method="POST", headers={"Authorization": "token secret"}, data=b""
            )
            with urllib.request.urlopen(asked, timeout=120) as answer:
                return json.load(answer)

        yield int(address.rpartition(":")[2]), ask
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _address(course, server):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert server.poll() is None, (course.root / "server.log").read_text()
        for path in (course.root / "runtime").glob("jpserver-*.json"):
            try:
                address = json.loads(path.read_text())["url"].rstrip("/")
                urllib.request.urlopen(f"{address}/api?token=secret", timeout=5).close()
            except (OSError, ValueError, KeyError):
                continue
            return address
        time.sleep(0.1)
    raise AssertionError((course.root / "server.log").read_text())
