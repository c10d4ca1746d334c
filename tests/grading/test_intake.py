"""What is found wrong with a submission, and what of it is mended."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from course.grading.intake import inspect, notebook_content
from course.grading.reading import MAX_BYTES

from .cells import graded, notebook

NAMES = {"14a-select": ["all", "all-visible", "all-hidden"], "14b-joins": ["pairs", "pairs-visible"]}
LABS = {lab: [graded(name) for name in names] for lab, names in NAMES.items()}


def text(*names):
    return nbformat.writes(notebook(*names))


@pytest.fixture
def handed_in(tmp_path):
    """A submission's folder with both labs in order."""
    folder = tmp_path / "submitted" / "ann" / "04-databases"
    folder.mkdir(parents=True)
    for lab, names in NAMES.items():
        (folder / f"{lab}.ipynb").write_text(text(*names))
    return folder


def look(folder):
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    submission = inspect("ann", "04-databases", folder, LABS, {"shop.csv"})
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before
    return submission


def told(folder):
    return [(each.severity, f"{each.file} {each.reason}") for each in look(folder).problems]


def test_nothing_is_wrong_with_a_good_submission(handed_in):
    (handed_in / "timestamp.txt").write_text("2030-01-02 03:04:05 UTC")
    (handed_in / "shop.csv").write_text("a,b")
    (handed_in / ".ipynb_checkpoints").mkdir()
    (handed_in / ".ipynb_checkpoints" / "14a-select-checkpoint.ipynb").write_text("{")
    submission = look(handed_in)
    assert submission.problems == ()
    assert submission.files == {lab: handed_in / f"{lab}.ipynb" for lab in LABS}
    assert submission.timestamp == "2030-01-02 03:04:05 UTC"


def test_a_time_that_is_none_is_told(handed_in):
    (handed_in / "timestamp.txt").write_text("yesterday")
    assert told(handed_in) == [("mended", "timestamp.txt does not say a time")]
    assert look(handed_in).timestamp is None


def test_what_has_a_name_that_grading_needs_is_left_out(handed_in):
    (handed_in / "14b-joins.ipynb").rename(handed_in / "mine.ipynb")
    for name in ("14b-joins.ipynb", ".graded.json"):
        (handed_in / name).mkdir()
        (handed_in / name / "x.txt").write_text("x")
    assert look(handed_in).others == ()
    taken = "has a name that grading needs itself"
    assert ("note", f".graded.json/x.txt {taken}") in told(handed_in)
    assert ("note", f"14b-joins.ipynb/x.txt {taken}") in told(handed_in)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (text(*NAMES["14b-joins"]).encode()[:200], "cannot be read, because it is not JSON"),
        (b"\xff\xfe\x00n\x00o", "cannot be read, because it is not text"),
        (b"[1, 2]", "is not a notebook"),
        (b"{}", "is not a notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [7]}', "is not a notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {"a": 1}}', "is not a notebook"),
        (b'{"nbformat": 99, "cells": []}', "is not a notebook"),
        (json.dumps({"worksheets": 3, "nbformat": 3}).encode(), "is not a notebook"),
    ],
)
def test_a_file_that_is_no_notebook_needs_a_human(handed_in, content, reason):
    (handed_in / "14b-joins.ipynb").write_bytes(content)
    ((severity, message),) = told(handed_in)
    assert severity == "human"
    assert message.startswith(f"14b-joins.ipynb {reason}")
    assert "14b-joins" not in look(handed_in).files


def test_a_notebook_that_is_too_big_is_not_read(handed_in):
    with (handed_in / "14b-joins.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert told(handed_in) == [("human", "14b-joins.ipynb is too big with its 50 MB, at most 50 are graded")]


def test_links_are_not_followed(handed_in, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (handed_in / "data.txt").symlink_to(tmp_path / "secret.txt")
    (handed_in / "folder").symlink_to(tmp_path)
    (handed_in / "14b-joins.ipynb").unlink()
    (handed_in / "14b-joins.ipynb").symlink_to(handed_in / "14a-select.ipynb")
    assert told(handed_in) == [
        ("human", "14b-joins.ipynb is a link or a device"),
        ("note", "data.txt is a link or a device"),
        ("note", "folder is a link or a device"),
    ]
    assert look(handed_in).files == {"14a-select": handed_in / "14a-select.ipynb"}
    assert look(handed_in).others == ()


def test_a_missing_notebook_is_named(handed_in):
    (handed_in / "14b-joins.ipynb").unlink()
    assert told(handed_in) == [("human", "14b-joins.ipynb is missing")]


@pytest.mark.parametrize("name", ["14b-joins (1).ipynb", "homework.ipynb", "inner/14b-joins.ipynb"])
def test_a_renamed_notebook_is_known_by_its_cells(handed_in, name):
    (handed_in / name).parent.mkdir(exist_ok=True)
    (handed_in / "14b-joins.ipynb").rename(handed_in / name)
    assert told(handed_in) == [("mended", f"{name} is 14b-joins under another name")]
    assert look(handed_in).files["14b-joins"] == handed_in / name


def test_the_right_name_wins_over_a_copy(handed_in):
    (handed_in / "14b-joins (1).ipynb").write_text(text(*NAMES["14b-joins"]))
    assert told(handed_in) == [("note", "14b-joins (1).ipynb is another copy of 14b-joins")]
    assert look(handed_in).files["14b-joins"].name == "14b-joins.ipynb"


def test_answers_in_a_copy_count_where_the_right_name_has_none(handed_in):
    answered = notebook(*NAMES["14b-joins"])
    answered.cells[1].source = "SELECT 1"
    (handed_in / "14b-joins-Copy1.ipynb").write_text(nbformat.writes(answered))
    assert told(handed_in) == [
        ("mended", "14b-joins-Copy1.ipynb has answers, and 14b-joins.ipynb none"),
        ("note", "14b-joins.ipynb is another copy of 14b-joins"),
    ]
    assert look(handed_in).files["14b-joins"].name == "14b-joins-Copy1.ipynb"
    (handed_in / "14b-joins.ipynb").write_text(nbformat.writes(answered))
    assert look(handed_in).files["14b-joins"].name == "14b-joins.ipynb"


def test_a_copy_is_graded_where_the_right_name_cannot_be_read(handed_in):
    (handed_in / "14b-joins.ipynb").rename(handed_in / "14b-joins (1).ipynb")
    (handed_in / "14b-joins.ipynb").write_text("")
    assert told(handed_in) == [
        ("mended", "14b-joins (1).ipynb is 14b-joins under another name"),
        ("note", "14b-joins.ipynb is empty"),
    ]


def test_another_lab_under_this_labs_name_is_not_this_lab(handed_in):
    (handed_in / "14b-joins.ipynb").write_text(text(*NAMES["14a-select"]))
    assert told(handed_in) == [
        ("note", "14b-joins.ipynb is another copy of 14a-select"),
        ("human", "14b-joins.ipynb is missing"),
    ]


def test_swapped_notebooks_are_graded_as_what_they_are(handed_in):
    for lab, other in (("14a-select", "14b-joins"), ("14b-joins", "14a-select")):
        (handed_in / f"{lab}.ipynb").write_text(text(*NAMES[other]))
    assert look(handed_in).files == {
        "14a-select": handed_in / "14b-joins.ipynb",
        "14b-joins": handed_in / "14a-select.ipynb",
    }


def test_copied_and_deleted_cells_are_named(handed_in):
    (handed_in / "14a-select.ipynb").write_text(text("all", "all", "all-visible"))
    assert told(handed_in) == [
        ("mended", "14a-select.ipynb has copies of the graded cell all"),
        ("mended", "14a-select.ipynb lacks the graded cell all-hidden"),
    ]


def test_files_that_the_phase_does_not_know_are_noted_and_kept(handed_in):
    (handed_in / "notes.ipynb").write_text(text())
    (handed_in / "inner").mkdir()
    (handed_in / "inner" / "helper.py").write_text("x = 1")
    assert told(handed_in) == [
        ("note", "inner/helper.py did not come with this phase"),
        ("note", "notes.ipynb is no lab of this phase"),
    ]
    assert look(handed_in).others == (handed_in / "inner" / "helper.py",)


def test_many_files_that_a_student_has_written_are_one_note(handed_in):
    for name in ("a.csv", "b.csv", "c.csv"):
        (handed_in / name).write_text("")
    (problem,) = look(handed_in).problems
    assert str(problem) == (
        "a.csv and 2 more files did not come with this phase: they lay beside the notebooks while these were graded."
    )


def test_a_timestamp_that_is_none_is_left_out(handed_in):
    (handed_in / "timestamp.txt").write_text("yesterday, I swear")
    assert look(handed_in).timestamp is None


def test_a_name_that_is_no_text_can_be_told(handed_in):
    try:
        (handed_in / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system has no such names")
    ((severity, message),) = told(handed_in)
    assert severity == "note"
    message.encode()


def test_a_folder_that_is_a_link_holds_nothing(handed_in, tmp_path):
    (tmp_path / "eve").symlink_to(handed_in)
    submission = inspect("eve", "04-databases", tmp_path / "eve", LABS)
    assert submission.files == {}
    assert [f"{each.file} {each.reason}" for each in submission.problems] == [
        ". is a link",
        "14a-select.ipynb is missing",
        "14b-joins.ipynb is missing",
    ]


def test_what_the_course_has_otherwise_is_told(handed_in):
    work = notebook("all", "all-visible", "all-hidden")
    work.cells[2].source = "pass"
    work.cells.append(graded("other"))
    (handed_in / "14a-select.ipynb").write_text(nbformat.writes(work))
    assert told(handed_in) == [
        ("mended", "14a-select.ipynb has another text in the read-only cell all-visible"),
        ("mended", "14a-select.ipynb has the graded cell other, which the course does not know"),
    ]


def test_of_a_notebook_only_its_cells_go_on(handed_in):
    path = handed_in / "14a-select.ipynb"
    work = notebook("all")
    work.metadata["x"] = "loot"
    work.cells[1].outputs = [nbformat.v4.new_output("stream", text="loot")]
    work.cells[1].source = "x = 'a\ud800\x00b'"
    path.write_text(json.dumps(work))
    content = notebook_content(path)
    assert b"loot" not in content
    read = nbformat.reads(content, as_version=4)
    nbformat.validate(read)
    assert read.cells[1].source == "x = 'a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b'"
    assert notebook_content(path) == notebook_content(path)


def test_more_notes_than_anybody_reads_are_counted(handed_in):
    for number in range(100):
        (handed_in / f"{number}.ipynb").write_text("")
    found = look(handed_in).problems
    assert len(found) == 31
    assert str(found[-1]).startswith("The folder has 70 more files that are not graded")


# --- notebooks that are made to hurt --------------------------------------------------------------------------------

HEAD = b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": ['
BIG = 49_000_000
BOMBS = {
    "nested lists": (HEAD + b"[" * (BIG // 2) + b"]" * (BIG // 2) + b"]}", "is not a notebook: it is nested"),
    "nested objects": (HEAD + b'{"a":' * (BIG // 6) + b"1" + b"}" * (BIG // 6) + b"]}", "is not a notebook: it is nested"),
    "tiny cells": (HEAD + b",".join([b"{}"] * (BIG // 3)) + b"]}", "is too big"),
    "small cells": (HEAD + b",".join([b'{"cell_type":"raw","source":""}'] * (BIG // 33)) + b"]}", "is too big"),
    "much text": (HEAD + b'{"cell_type":"code","metadata":{},"source":"' + b"x" * BIG + b'"}]}', "is too big"),
    "a deep small one": (HEAD + b"[" * 200_000, "is not a notebook: it is nested"),
    "ten thousand cells": (HEAD + b",".join([b"{}"] * 10_001) + b"]}", "is too big"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_notebook_that_is_made_to_hurt_is_refused_soon_and_in_little_memory(handed_in, name):
    content, reason = BOMBS[name]
    (handed_in / "14b-joins.ipynb").write_bytes(content)
    program = (
        "import resource, sys, time; from pathlib import Path; from course.grading.reading import *\n"
        "start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read(Path(sys.argv[1]))\n"
        "except Unreadable as error: print(error.reason)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        "children = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.process_time() - start + children.ru_utime + children.ru_stime)"
    )
    command = [sys.executable, "-c", program, str(handed_in / "14b-joins.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said, kilobytes, seconds = done.stdout.splitlines()
    assert said.startswith(reason)
    assert int(kilobytes) < 150_000
    assert float(seconds) < 15


@pytest.mark.parametrize(
    "extra",
    [
        b'"a": NaN, "b": -Infinity, "c": 1e999',
        b'"a": ' + b"1" * 100_000,
        b'"cells": [], "metadata": {"x": 1}',  # the later of two counts: here the one that was there
        b'"a": "\\ud800\\u0000"',
    ],
)
def test_json_that_other_readers_stumble_over_is_read(handed_in, extra):
    path = handed_in / "14a-select.ipynb"
    path.write_bytes(b"\xef\xbb\xbf{" + extra + b", " + path.read_bytes().lstrip()[1:])
    assert told(handed_in) == []


def test_a_large_honest_notebook_is_read(handed_in):
    work = notebook("all", "all-visible", "all-hidden")
    picture = {"image/png": "A" * 20_000_000}
    work.cells[1].outputs = [nbformat.v4.new_output("display_data", picture)]
    (handed_in / "14a-select.ipynb").write_text(nbformat.writes(work))
    assert told(handed_in) == []
