"""A grading run that is killed, or interrupted, leaves nothing broken and goes on where it stopped."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest

from . import quick

STUDENTS = [f"s{number:02}" for number in range(24)]
HOW = {"quick": "0.05", "caged": "caged"}
WRONG = "def double(number):\n    return 4"


@pytest.fixture(scope="module", params=["quick"])
def undisturbed(request, tiny_source, tmp_path_factory):
    """(the class as it was handed in, its gradebook's rows after grading, the seconds that took)"""
    from .conftest import Tiny

    handed_in = Tiny(shutil.copytree(tiny_source, tmp_path_factory.mktemp("resume") / "class"))
    for student in STUDENTS:
        answers = {"double": WRONG} if int(student[1:]) % 3 == 0 else {}
        handed_in.hand_in(student, **answers)
    graded = Tiny(shutil.copytree(handed_in.root, handed_in.root.with_name("graded")))
    run = start(graded, HOW[request.param])
    begun = await_lock(graded, run)
    assert run.wait() == 0
    return handed_in.root, graded.rows(), time.monotonic() - begun


def start(tiny, how="0.05"):
    return subprocess.Popen(
        [sys.executable, quick.__file__, str(tiny.root), tiny.phase, how], stdout=subprocess.DEVNULL
    )


def await_lock(tiny, run):
    """When a run began to grade; not before it could be killed in the midst of it."""
    lock = tiny.root / "autograded" / f".{tiny.phase}.lock"
    while run.poll() is None and not (lock.exists() and lock.read_text() == str(run.pid)):
        time.sleep(0.005)
    return time.monotonic()


def is_consistent(tiny, rows):
    """What is in the gradebook is whole: nobody has some of their grades."""
    with sqlite3.connect(tiny.root / "gradebook.db") as book:
        assert book.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = tiny.rows()
    assert set(found) <= set(rows)
    students = {row[0] for row in found}
    assert sorted(found, key=repr) == sorted((row for row in rows if row[0] in students), key=repr)
    return students


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("undisturbed", "kills"),
    [
        ("quick", 3),
        pytest.param("quick", 20, marks=pytest.mark.slow),
        pytest.param("caged", 20, marks=pytest.mark.slow),
    ],
    indirect=["undisturbed"],
)
def test_killed_at_random_moments_it_ends_as_if_undisturbed(request, undisturbed, tmp_path, kills):
    from .conftest import Tiny

    handed_in, rows, seconds = undisturbed
    tiny = Tiny(shutil.copytree(handed_in, tmp_path / "class"))
    how = HOW[request.node.callspec.params["undisturbed"]]
    dice = random.Random(kills)
    progress = []
    while len(progress) < kills:
        run = start(tiny, how)
        begun = await_lock(tiny, run)
        moment = begun + dice.uniform(0, 0.8 * seconds)
        while run.poll() is None and time.monotonic() < moment:
            time.sleep(0.005)
        if run.poll() is not None:  # all are graded: begin again, over what is there
            for record in tiny.root.glob("autograded/*/*/.graded.json"):
                record.unlink()
            continue
        family = psutil.Process(run.pid).children(recursive=True)
        run.kill()
        run.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
        progress.append(len(is_consistent(tiny, rows)))
    assert start(tiny, how).wait() == 0
    assert tiny.rows() == rows
    for student in STUDENTS:
        kept = tiny.root / "autograded" / student / tiny.phase
        assert {path.name for path in kept.iterdir()} == {"a-double.ipynb", "b-greet.ipynb", ".graded.json"}
        assert (tiny.root / "feedback" / student / tiny.phase / "a-double.html").exists()
    assert any(count > 0 for count in progress)


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(undisturbed, tmp_path):
    from .conftest import Tiny

    handed_in, rows, _ = undisturbed
    tiny = Tiny(shutil.copytree(handed_in, tmp_path / "class"))
    run = subprocess.Popen(
        [sys.executable, quick.__file__, str(tiny.root), tiny.phase, "0.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    first = run.stdout.readline()
    assert "graded" in first, first
    family = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    said = " ".join(run.communicate(timeout=60)[0].split())
    assert run.returncode == 130
    assert "submissions were graded, and are kept" in said
    assert f"course grade {tiny.phase}" in said
    assert "Traceback" not in said
    assert not [process for process in family if process.is_running()]
    students = is_consistent(tiny, rows)
    assert 0 < len(students) < len(STUDENTS)

    assert start(tiny).wait() == 0
    assert tiny.rows() == rows


@pytest.mark.slow
def test_memory_stays_flat(tiny):
    """From the 20th submission to the 200th, the coordinator grows by less than 50 MB."""
    for number in range(200):
        tiny.hand_in(f"s{number:03}")
    run = start(tiny, "0")
    process = psutil.Process(run.pid)
    sizes = {}
    while run.poll() is None:
        done = sum(1 for _ in tiny.root.glob("autograded/*/*/.graded.json"))
        try:
            sizes[done] = process.memory_info().rss
        except psutil.Error:
            break
        time.sleep(0.2)
    assert run.wait() == 0
    early = next(size for done, size in sorted(sizes.items()) if done >= 20)
    late = max(size for done, size in sizes.items() if done >= 20)
    print(f"{early / 1e6:.0f} MB at 20, {late / 1e6:.0f} MB at most after that")
    assert late - early < 50e6
