"""What is found wrong with a submission, and what of it is mended."""

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.grading.intake import MAX_BYTES, inspect, stage
from course.grading.mend import mend

LABS = {"14a-select": ["all", "all-visible", "all-hidden"], "14b-joins": ["pairs", "pairs-visible"]}


def graded(name, source=""):
    solution = not name.endswith(("-visible", "-hidden"))
    meta = {
        "schema_version": 3,
        "grade_id": name,
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
    }
    return new_code_cell(source or f"# {name}", id=name, metadata={"nbgrader": meta})


def notebook(*names):
    return new_notebook(cells=[new_markdown_cell("# Lab", id="title"), *(graded(name) for name in names)])


def text(*names):
    return nbformat.writes(notebook(*names))


@pytest.fixture
def handed_in(tmp_path):
    """A submission's folder with both labs in order."""
    folder = tmp_path / "submitted" / "ann" / "04-databases"
    folder.mkdir(parents=True)
    for lab, names in LABS.items():
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (text(*LABS["14b-joins"]).encode()[:200], "cannot be read, because it is not JSON"),
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
    stage(look(handed_in), tmp_path / "staged")
    assert sorted(path.name for path in (tmp_path / "staged").rglob("*")) == ["14a-select.ipynb"]


def test_a_missing_notebook_is_named(handed_in):
    (handed_in / "14b-joins.ipynb").unlink()
    assert told(handed_in) == [("human", "14b-joins.ipynb is missing")]


@pytest.mark.parametrize("name", ["14b-joins (1).ipynb", "homework.ipynb", "inner/14b-joins.ipynb"])
def test_a_renamed_notebook_is_known_by_its_cells(handed_in, tmp_path, name):
    (handed_in / name).parent.mkdir(exist_ok=True)
    (handed_in / "14b-joins.ipynb").rename(handed_in / name)
    assert told(handed_in) == [("mended", f"{name} is 14b-joins under another name")]
    stage(look(handed_in), tmp_path / "staged")
    assert (tmp_path / "staged" / "14b-joins.ipynb").read_text() == text(*LABS["14b-joins"])


def test_the_right_name_wins_over_a_copy(handed_in):
    (handed_in / "14b-joins (1).ipynb").write_text(text(*LABS["14b-joins"]))
    assert told(handed_in) == [("note", "14b-joins (1).ipynb is another copy of 14b-joins")]
    assert look(handed_in).files["14b-joins"].name == "14b-joins.ipynb"


def test_a_copy_is_graded_where_the_right_name_cannot_be_read(handed_in):
    (handed_in / "14b-joins.ipynb").rename(handed_in / "14b-joins (1).ipynb")
    (handed_in / "14b-joins.ipynb").write_text("")
    assert told(handed_in) == [
        ("mended", "14b-joins (1).ipynb is 14b-joins under another name"),
        ("note", "14b-joins.ipynb is empty"),
    ]


def test_another_lab_under_this_labs_name_is_not_this_lab(handed_in):
    (handed_in / "14b-joins.ipynb").write_text(text(*LABS["14a-select"]))
    assert told(handed_in) == [
        ("note", "14b-joins.ipynb is another copy of 14a-select"),
        ("human", "14b-joins.ipynb is missing"),
    ]


def test_swapped_notebooks_are_graded_as_what_they_are(handed_in):
    for lab, other in (("14a-select", "14b-joins"), ("14b-joins", "14a-select")):
        (handed_in / f"{lab}.ipynb").write_text(text(*LABS[other]))
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


def test_files_that_the_phase_does_not_know_are_noted_and_kept(handed_in, tmp_path):
    (handed_in / "notes.ipynb").write_text(text())
    (handed_in / "inner").mkdir()
    (handed_in / "inner" / "helper.py").write_text("x = 1")
    assert told(handed_in) == [
        ("note", "inner/helper.py does not belong to this phase"),
        ("note", "notes.ipynb is no lab of this phase"),
    ]
    stage(look(handed_in), tmp_path / "staged")
    assert (tmp_path / "staged" / "inner" / "helper.py").read_text() == "x = 1"
    assert not (tmp_path / "staged" / "notes.ipynb").exists()


def test_a_timestamp_that_is_none_is_left_out(handed_in, tmp_path):
    (handed_in / "timestamp.txt").write_text("yesterday, I swear")
    assert look(handed_in).timestamp is None
    stage(look(handed_in), tmp_path / "staged")
    assert not (tmp_path / "staged" / "timestamp.txt").exists()


def test_a_name_that_is_no_text_can_be_told(handed_in):
    try:
        (handed_in / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system has no such names")
    ((severity, message),) = told(handed_in)
    assert severity == "note"
    message.encode()


# --- mending --------------------------------------------------------------------------------------------------------

KNOWN = [graded(name) for name in ("one", "one-visible", "one-hidden", "two", "two-visible")]


def names(mended):
    return [cell.metadata.get("nbgrader", {}).get("grade_id", cell.source) for cell in mended.cells]


def test_the_first_of_copied_cells_is_the_graded_one_and_the_others_stay():
    work = new_notebook(cells=[graded("one", "first"), graded("one-visible"), graded("one", "second")])
    mend(work, KNOWN[:2])
    assert names(work) == ["one", "one-visible", "second"]
    assert work.cells[0].source == "first"
    assert len({cell.id for cell in work.cells}) == 3


def test_deleted_tests_come_back_after_what_was_written_for_them():
    work = new_notebook(cells=[new_code_cell("my answer"), graded("two"), new_code_cell("extra")])
    mend(work, KNOWN)
    assert names(work) == ["my answer", "one-visible", "one-hidden", "two", "extra", "two-visible"]


def test_a_graded_cell_has_only_the_courses_metadata():
    work = notebook("one", "one-visible")
    work.cells[2].metadata["tags"] = ["skip-execution"]
    work.cells[2].metadata.nbgrader["points"] = 1000
    mend(work, KNOWN[:2])
    assert work.cells[2].metadata == KNOWN[1].metadata


def test_cells_that_the_course_does_not_know_become_ordinary():
    work = notebook("one", "another-labs-hidden")
    mend(work, KNOWN[:1])
    assert "nbgrader" not in work.cells[2].metadata


def test_ids_are_made_where_there_are_none_or_they_are_taken():
    work = new_notebook(
        cells=[new_code_cell("a", id="one"), new_code_cell("b", id="x"), new_code_cell("c", id="x")]
    )
    del work.cells[1]["id"]
    work.cells.append(graded("one"))
    work.nbformat_minor = 4
    mend(work, KNOWN[:1])
    assert work.cells[3].id == "one"
    assert len({cell.id for cell in work.cells}) == 4
