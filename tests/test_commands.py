"""README's two commands on a fresh clone, as a user runs them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a `git clone` of this tree gives: tracked and new files, nothing built or installed."""
    folder = tmp_path_factory.mktemp("clone") / "backend-course"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    return folder


def plain_environment(**more: str) -> dict[str, str]:
    """The environment of a login shell: nothing of this test run's own venv."""
    inherited = {
        k: v
        for k, v in os.environ.items()
        if k not in {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL"}
    }
    return {**inherited, **more}


@pytest.fixture(scope="module")
def lab_log(clone: Path) -> Iterator[Path]:
    """The output of `make lab` in the clone, while it runs."""
    log = clone.parent / "lab.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            ["make", "lab"],
            cwd=clone,
            env=plain_environment(HEADLESS="1"),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    yield log
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(30)


def wait_for(found: re.Pattern[str], log: Path, seconds: float) -> re.Match[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        match = found.search(log.read_text())
        if match:
            return match
        time.sleep(0.1)  # polls a condition
    raise AssertionError(f"{found.pattern} not printed within {seconds} s:\n{log.read_text()[-3000:]}")


def test_make_lab_answers_on_the_course_home(clone: Path, lab_log: Path) -> None:
    address = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\w+")
    url = wait_for(address, lab_log, seconds=300).group()
    answer = requests.get(url, timeout=30)
    assert answer.status_code == 200
    assert "backend-course" in answer.text  # the extension that opens the course home
    token = {"Authorization": f"token {url.partition('token=')[2]}"}
    home = requests.get(url.partition("/lab?")[0] + "/course/home", headers=token, timeout=30).json()
    assert home["following"]["path"]
    released = {path.relative_to(clone / "release") for path in (clone / "release").glob("*/*.ipynb")}
    assert released == {path.relative_to(clone / "work") for path in (clone / "work").glob("*/*.ipynb")}
    assert released


def test_a_taken_port_is_named(clone: Path, lab_log: Path) -> None:
    wait_for(re.compile("token="), lab_log, seconds=300)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        env = plain_environment(PORT=port, HEADLESS="1")
        run = subprocess.run(["make", "lab"], cwd=clone, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode != 0
    assert f"port {port} is in use" in run.stdout + run.stderr


def fake_python(folder: Path, body: str) -> str:
    script = folder / "python-without"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


def test_a_missing_venv_module_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    """Debian ships Python without it."""
    python = fake_python(tmp_path, 'case "$2" in *venv*) exit 1;; esac')
    run = subprocess.run(
        ["make", "lab", "VENV=" + str(tmp_path / "venv")],
        cwd=clone,
        env=plain_environment(PYTHON=python),
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert "python3-venv" in run.stdout


def test_an_old_python_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for tool in ("sh", "make", "grep", "awk", "touch"):
        (path / tool).symlink_to(shutil.which(tool) or tool)
    old = path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    run = subprocess.run(
        ["make", "lab", "VENV=" + str(tmp_path / "venv")],
        cwd=clone,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in run.stdout


def test_the_command_is_a_module_too() -> None:
    """For an environment whose programs are not on the path."""
    run = subprocess.run(
        [sys.executable, "-m", "course", "grade", "00-nothing"], cwd=PROJECT, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "There is no" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ("lab --port 80000", "80000 is not in the range 1<=x<=65535"),
        ("grade 04-databases/14b-joins-and-groups", "course grade 04-databases"),
        ("grade 04-database", "did you mean 04-databases?"),
        ("grade 14b-joins-and-groups", "did you mean 04-databases/14b-joins-and-groups?"),
    ],
)
def test_a_mistyped_command_is_told_what_was_meant(arguments: str, advice: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "course", *arguments.split()], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert advice in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_verify_says_that_it_needs_the_authors_tools(tmp_path: Path) -> None:
    """They are not there where a student or an instructor has set the course up."""
    (tmp_path / "libcst.py").write_text("raise ModuleNotFoundError(name='libcst')")
    done = subprocess.run(
        [sys.executable, "-m", "course", "verify", "04-databases"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "libcst is not installed: make test installs them" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "made",
    ["work", "submitted", "set_aside", "autograded", "feedback", "exchange", "demo", "reports", ".cache"],
)
def test_nothing_of_a_students_gets_into_git(made: str) -> None:
    ignored = subprocess.run(["git", "check-ignore", "--no-index", f"{made}/ann.ipynb"], cwd=PROJECT)
    assert ignored.returncode == 0
