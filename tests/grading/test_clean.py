"""What of a submission's folder is graded, under `course grade` and under nbgrader's own commands."""

import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from course.grading import clean
from course.grading.clean import clean_output, clean_submission, folder_files, shown, survey
from course.grading.intake import inspect
from course.grading.reading import Unreadable, read

from .cells import notebook

PHASE = "01-shop"
WORK = nbformat.writes(notebook("one", "one-visible"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course folder, in which nbgrader calls its hooks."""
    place = tmp_path / "course"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def folder(root):
    """A submission with a notebook and a file in order."""
    place = root / "submitted" / "ann" / PHASE
    (place / "data").mkdir(parents=True)
    (place / "lab.ipynb").write_text(WORK)
    (place / "data" / "shop.csv").write_text("a,b")
    return place


def contents(place):
    return {path: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def names(place):
    found = [path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sorted(path.relative_to(place).as_posix() for path in found)


def bad_entries(folder, outside):
    """One of each that must not be followed or opened; returns their names."""
    (folder / "link.txt").symlink_to(outside)
    (folder / "dangling.txt").symlink_to("nowhere")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    (folder / "data" / "hard.txt").hardlink_to(outside)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket must be short
        listener.bind("socket")
        os.chdir(here)
    with (folder / "big.bin").open("wb") as file:
        file.truncate(clean.MAX_BYTES + 1)
    return ["big.bin", "dangling.txt", "data/hard.txt", "link.txt", "loop", "pipe", "socket", "up"]


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside.txt"
    path.write_text("an instructor's own")
    return path


# --- looking --------------------------------------------------------------------------------------------------------


def test_what_is_no_ordinary_file_is_not_usable(folder, outside):
    bad = bad_entries(folder, outside)
    found = survey(folder)
    assert [path.relative_to(folder).as_posix() for path in found.files] == ["data/shop.csv", "lab.ipynb"]
    assert sorted(path.relative_to(folder).as_posix() for path in found.faults) == bad


def test_a_device_is_not_opened(folder):
    try:
        os.mknod(folder / "zero.ipynb", 0o666 | 0o020000, os.makedev(1, 5))
    except OSError:
        pytest.skip("only root makes devices")
    assert survey(folder).faults[folder / "zero.ipynb"][0] == "is a link or a device"


def test_there_is_an_end_to_files_and_the_notebooks_come_first(folder, monkeypatch):
    monkeypatch.setattr(clean, "MAX_FILES", 10)
    for number in range(30):
        (folder / "data" / f"{number}.txt").write_text("")
        (folder / f"a{number}.txt").write_text("")
    found = survey(folder)
    assert len(found.files) == 10
    assert folder / "lab.ipynb" in found.files
    ((_, (reason, _)),) = found.faults.items()
    assert reason == "is one of more than 10 files"


def test_there_is_an_end_to_folders_and_to_paths(folder, monkeypatch):
    monkeypatch.setattr(clean, "MAX_FOLDERS", 10)
    for number in range(30):
        (folder / "many" / f"{number:02}").mkdir(parents=True)
        (folder / "many" / f"{number:02}" / "x.txt").write_text("")
    found = survey(folder)
    assert len(found.files) < 10
    assert folder / "lab.ipynb" in found.files
    assert [reason for reason, _ in found.faults.values()] == ["is one of more than 10 folders"]


def test_a_path_longer_than_paths_can_be_is_not_followed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for _ in range(19):
        os.mkdir("d" * 250)  # noqa: PTH102 - one step at a time: no path leads there
        os.chdir("d" * 250)
    found = survey(folder)
    assert folder / "lab.ipynb" in found.files
    assert [reason for reason, _ in found.faults.values()] == ["lies behind too many long names"]


@pytest.mark.parametrize("text", ["1" * 30 + " h", "x", "", "9" * 400])
def test_what_is_no_time_is_none(folder, text):
    (folder / "timestamp.txt").write_text(text)
    assert clean.timestamp(folder) is None


def test_records_are_small_files_and_no_links(folder, outside):
    (folder / "timestamp.txt").write_text("2030-01-02 03:04:05 UTC")
    os.link(outside, folder / "submission_secret.txt")
    assert clean.records(folder) == {"timestamp.txt": b"2030-01-02 03:04:05 UTC"}
    (folder / "submission_secret.txt").unlink()
    with (folder / "submission_secret.txt").open("wb") as file:
        file.truncate(10**13)
    assert clean.records(folder).keys() == {"timestamp.txt"}
    assert clean.timestamp(folder)


def test_there_is_an_end_to_depth_and_to_size(folder, monkeypatch):
    monkeypatch.setattr(clean, "MAX_DEPTH", 3)
    monkeypatch.setattr(clean, "MAX_TOTAL", len(WORK) + 10)
    (folder / "1/2/3/4/5").mkdir(parents=True)
    (folder / "1/2/3/4/5/deep.txt").write_text("")
    (folder / "1/2/3/fits.txt").write_text("")
    (folder / "large.txt").write_text("x" * 11)
    found = survey(folder)
    assert [path.name for path in found.files] == ["fits.txt", "shop.csv", "lab.ipynb"]
    assert {path.name for path in found.faults} == {"4", "large.txt"}


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"a\nb.txt", b"\x1b[31mred.txt", "\u202egnp.exe".encode()])
def test_a_name_that_cannot_be_written_down_is_not_usable_and_can_be_told(folder, name):
    path = folder / os.fsdecode(name)
    try:
        path.write_text("x")
    except OSError:
        pytest.skip("this file system has no such names")
    assert survey(folder).faults[path] == clean._NO_NAME
    assert shown(path, folder).isprintable()
    shown(path, folder).encode()


def test_names_that_windows_keeps_for_itself_are_names(folder):
    for name in ("CON", "nul.txt", "aux.ipynb", "a:b", "trailing. "):
        (folder / name).write_text("x")
    found = survey(folder)
    assert len(found.files) == 7
    assert not found.faults


def test_what_goes_into_the_cage_is_neither_a_notebook_nor_a_link(folder, outside):
    bad_entries(folder, outside)
    (folder / "notes.md").write_text("an author's")
    (folder / "timestamp.txt").write_text("2030-01-02 03:04:05 UTC")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    assert folder_files(folder) == {"data/shop.csv": b"a,b"}
    assert folder_files(None) == {}


def test_an_archive_is_a_file_as_any_other(folder):
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(100):
            archive.writestr(f"{number}.txt", bytes(10_000_000))
    content = (folder / "bomb.zip").read_bytes()
    assert folder_files(folder)["bomb.zip"] == content
    clean_submission(notebooks=[str(folder / "lab.ipynb")])
    assert (folder / "bomb.zip").read_bytes() == content


# --- nbgrader's hooks -----------------------------------------------------------------------------------------------


def test_a_good_submission_is_left_alone(root, folder):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "lab-checkpoint.ipynb").write_text("{")
    (folder / "timestamp.txt").write_text("2030-01-02 03:04:05 UTC")
    before = contents(root)
    notebooks = [str(folder / "lab.ipynb")]
    clean_submission(assignment=PHASE, student="*", notebooks=notebooks)
    assert contents(root) == before
    assert notebooks == [str(folder / "lab.ipynb")]


def test_what_is_not_usable_is_set_aside_and_never_lost(root, folder, outside):
    bad = bad_entries(folder, outside)
    (folder / "timestamp.txt").write_text("yesterday, I swear")
    clean_submission(notebooks=[str(folder / "lab.ipynb")])
    assert names(folder) == ["data/shop.csv", "lab.ipynb"]
    aside = root / "set_aside" / "ann" / PHASE
    assert names(aside) == sorted([*bad, "timestamp.txt"])
    assert (aside / "link.txt").readlink() == outside
    assert outside.read_text() == "an instructor's own"

    second = aside.with_name(f"{PHASE}-2")
    (folder / "link.txt").symlink_to("elsewhere")
    (folder / "up").mkdir()
    (folder / "up" / "link.txt").symlink_to("elsewhere")  # where a link to another folder has been set aside
    clean_submission(notebooks=[str(folder / "lab.ipynb")])
    assert (second / "link.txt").readlink() == Path("elsewhere")
    assert names(second) == ["link.txt", "up/link.txt"]


def test_too_many_files_are_set_aside(root, folder, monkeypatch):
    monkeypatch.setattr(clean, "MAX_FILES", 10)
    for number in range(30):
        (folder / f"a{number}.txt").write_text("")
        (folder / "data" / f"{number}.txt").write_text("")
    clean_submission(notebooks=[str(folder / "lab.ipynb")])
    assert len(names(folder)) == 10
    assert "lab.ipynb" in names(folder)
    assert len(names(root / "set_aside")) == 30 + 30 + 2 - 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [' + b"[" * 100_000,
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [' + b"{}," * 20_000 + b"{}]}",
    ],
)
def test_a_notebook_that_cannot_be_graded_leaves_a_stub_that_says_why(root, folder, content):
    path = folder / "lab.ipynb"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as error:
        read(path)
    notebooks = [str(path)]
    clean_submission(notebooks=notebooks)
    assert notebooks == [str(path)]
    stub = nbformat.read(path, 4)
    nbformat.validate(stub)
    why = error.value.reason, error.value.remedy
    assert clean.stubs_fault(stub) == why
    told = inspect("ann", PHASE, folder, {"lab": []}).problems
    assert ("lab.ipynb", *why) in [(each.file, each.reason, each.remedy) for each in told]
    assert (root / "set_aside" / "ann" / PHASE / "lab.ipynb").read_bytes() == content


@pytest.mark.parametrize("inside", [(), ("lab.ipynb",)])
def test_a_folder_with_a_notebooks_name_leaves_a_stub_too(root, folder, inside):
    """And what comes after it is cleaned as ever: an error here would let all of it through."""
    first, last = folder / "a.ipynb", folder / "lab.ipynb"
    first.mkdir()
    for name in inside:
        (first / name).write_text(WORK)
    last.write_text("not JSON")
    notebooks = [str(first), str(last)]
    clean_submission(notebooks=notebooks)
    assert notebooks == [str(first), str(last)]
    assert clean.stubs_fault(nbformat.read(first, 4))
    assert clean.stubs_fault(nbformat.read(last, 4))
    assert (root / "set_aside" / "ann" / PHASE / "a.ipynb").is_dir()
    assert names(root / "set_aside" / "ann" / PHASE) == sorted(
        ["lab.ipynb", *(f"a.ipynb/{name}" for name in inside)]
    )


def test_a_notebook_that_nbgrader_might_choke_on_leaves_a_plain_copy(root, folder):
    path = folder / "lab.ipynb"
    work = notebook("one")
    work.cells[1].source = "one = 1"
    work.cells[1].outputs = [{"a": [[] for _ in range(200_000)]}]
    path.write_text(json.dumps(work))
    clean_submission(notebooks=[str(path)])
    plain = nbformat.read(path, 4)
    nbformat.validate(plain)
    assert plain.cells[1].source == "one = 1"
    assert plain.cells[1].metadata.nbgrader.grade_id == "one"
    assert (root / "set_aside" / "ann" / PHASE / "lab.ipynb").exists()


def test_a_folder_that_is_a_link_is_set_aside(root, folder):
    eve = root / "submitted" / "eve"
    eve.mkdir()
    (eve / PHASE).symlink_to(folder)
    before = contents(folder)
    clean_submission(notebooks=[str(eve / PHASE / "lab.ipynb")])
    assert clean.stubs_fault(nbformat.read(eve / PHASE / "lab.ipynb", 4))
    assert contents(folder) == before
    assert (root / "set_aside" / "eve" / PHASE / PHASE).is_symlink()


def test_links_planted_where_nbgrader_writes_are_set_aside(root, folder, outside):
    for step in ("autograded", "feedback"):
        place = root / step / "ann" / PHASE
        place.mkdir(parents=True)
        (place / "lab.ipynb").symlink_to(outside)
        (place / "lab.html").hardlink_to(outside)
        (place / "other.txt").write_text("an output")
    bob = root / "feedback" / "bob"
    bob.mkdir()
    (bob / PHASE).symlink_to(root / "feedback" / "ann" / PHASE)
    clean_submission(notebooks=[str(folder / "lab.ipynb")])
    assert names(root / "autograded" / "ann" / PHASE) == ["other.txt"]
    clean_output(notebooks=[str(root / "autograded" / who / PHASE / "lab.ipynb") for who in ("ann", "bob")])
    assert names(root / "feedback" / "ann" / PHASE) == ["other.txt"]
    assert not (bob / PHASE).exists()
    assert outside.read_text() == "an instructor's own"


# --- nbgrader itself ------------------------------------------------------------------------------------------------


def nbgrader(course, *arguments):
    """Run one of its commands, with its own way of running notebooks: what becomes of files is the same."""
    settings = course.root / "nbgrader_config.py"
    steps = [f"nbgrader.preprocessors.{step}" for step in ("Execute", "SaveAutoGrades")]
    settings.write_text(f"{settings.read_text()}\nc.Autograde.autograde_preprocessors = {steps}\n")
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_nbgrader_grades_the_class_whatever_one_of_them_handed_in(course, outside):
    course.hand_in("amy", course.solved())
    course.hand_in("zoe", course.solved())
    place = course.hand_in("mallory", None)
    (place / "data").mkdir()
    bad_entries(place, outside)
    os.mkfifo(place / f"{course.lab}.ipynb")
    for name, content in (("broken", b"{"), ("bomb", b"[" * 10_000_000)):
        (course.hand_in(name, None) / f"{course.lab}.ipynb").write_bytes(content)

    done = nbgrader(course, "autograde", course.phase)
    assert done.returncode == 0, done.stderr
    assert "mallory: 01a-prices.ipynb is a link or a device" in done.stderr
    pages = nbgrader(course, "generate_feedback", course.phase)
    assert pages.returncode == 0, pages.stderr
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        scores = {each.student.id: each.score for each in gradebook.assignment_submissions(course.phase)}
    assert scores == {"amy": 6, "zoe": 6, "mallory": 0, "broken": 0, "bomb": 0}
    assert "could not be graded" in course.feedback("mallory").read_text()
    assert outside.read_text() == "an instructor's own"
    assert sorted(path.name for path in (course.root / "set_aside").iterdir()) == [
        "bomb",
        "broken",
        "mallory",
    ]
    graded = course.root / "autograded" / "mallory" / course.phase
    assert names(graded) == ["01a-prices.ipynb"]
    assert "an instructor's own" not in (graded / "01a-prices.ipynb").read_text()


def test_nbgrader_writes_through_no_link_that_was_planted(course, outside):
    course.hand_in("amy", course.solved())
    graded = course.root / "autograded" / "amy" / course.phase
    graded.mkdir(parents=True)
    (graded / f"{course.lab}.ipynb").symlink_to(outside.with_name("new.txt"))  # where nothing is yet
    (graded / "data.txt").hardlink_to(outside)
    (course.root / "submitted" / "amy" / course.phase / "data.txt").write_text("mine")
    done = nbgrader(course, "autograde", course.phase, "--notebook", course.lab)
    assert done.returncode == 0, done.stderr
    assert not outside.with_name("new.txt").exists()
    assert outside.read_text() == "an instructor's own"
    assert (graded / "data.txt").read_text() == "mine"
