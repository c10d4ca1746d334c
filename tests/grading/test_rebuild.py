"""The notebook that is graded is the gradebook's, with a student's answers and further cells in it."""

import copy
import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import MetadataValidator

from course.grading.reading import Unreadable, plain
from course.grading.rebuild import MAX_EXTRA, differences, known_cells, lab_order, rebuild

from .cells import graded

HIDDEN = "# Hidden tests: more.\n### BEGIN HIDDEN TESTS\nassert one == 7919\n### END HIDDEN TESTS"
KNOWN = [
    graded("one"),
    graded("one-visible"),
    graded("one-hidden", HIDDEN),
    graded("two"),
    graded("two-visible"),
]
RELEASED = "# Hidden tests: more."


def work(*cells):
    return new_notebook(cells=list(cells))


def as_released():
    cells = [copy.deepcopy(cell) for cell in KNOWN]
    cells[2].source = RELEASED
    return work(new_markdown_cell("# Lab"), *cells)


def names(rebuilt):
    return [cell.metadata.get("nbgrader", {}).get("grade_id", cell.source) for cell in rebuilt.cells]


def told(submitted, known=KNOWN):
    return [each.reason for each in differences(plain(submitted), known)]


def is_sound(rebuilt, known=KNOWN):
    """A valid notebook in which every graded cell but the answers' text is the gradebook's."""
    nbformat.validate(rebuilt)
    MetadataValidator().validate_nb(rebuilt)
    ours = {cell.id: cell for cell in known}
    graded_ones = [cell for cell in rebuilt.cells if cell.id in ours]
    for cell in graded_ones:
        expected = copy.deepcopy(ours[cell.id])
        if cell.metadata.nbgrader.solution:
            expected.source = cell.source
        assert cell == expected
    order = list(ours)
    places = [order.index(cell.id) for cell in graded_ones]
    assert places == sorted(set(places))
    tests = [cell.id for cell in known if not cell.metadata.nbgrader.solution]
    assert [cell.id for cell in graded_ones if not cell.metadata.nbgrader.solution] == tests
    assert all("nbgrader" not in cell.metadata for cell in rebuilt.cells if cell.id not in ours)
    return rebuilt


# --- what comes in --------------------------------------------------------------------------------------------------


def test_an_untouched_lab_is_the_gradebooks_with_its_hidden_tests():
    rebuilt = is_sound(rebuild(as_released(), KNOWN))
    assert names(rebuilt) == ["# Lab", "one", "one-visible", "one-hidden", "two", "two-visible"]
    assert "7919" in rebuilt.cells[3].source
    assert told(as_released()) == []


def test_of_an_answer_only_its_text_comes_in():
    submitted = as_released()
    answer = submitted.cells[1]
    answer.source = "one = 1"
    answer.metadata |= {"tags": ["skip-execution"], "slideshow": {}, "collapsed": True, "trusted": True}
    answer.outputs = [nbformat.v4.new_output("stream", text="one = 1")]
    answer.execution_count = 7
    answer.id = "mine"
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert rebuilt.cells[1].source == "one = 1"


def test_of_a_further_cell_only_type_and_text_come_in():
    submitted = as_released()
    submitted.metadata |= {"kernelspec": {"name": "evil", "display_name": "x"}, "widgets": {}}
    submitted.cells.append(new_code_cell("1", metadata={"tags": ["x"], "jupyter": {"source_hidden": True}}))
    submitted.cells.append(new_raw_cell("raw", metadata={"raw_mimetype": "text/html"}))
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert rebuilt.metadata == {}
    assert rebuilt.cells[-2].metadata == {"jupyter": {"source_hidden": True}}
    assert (rebuilt.cells[-1].cell_type, rebuilt.cells[-1].metadata) == ("raw", {})


def test_of_what_is_attached_only_pictures_come_in():
    submitted = work(new_markdown_cell("![x](attachment:x.png)"), *KNOWN)
    submitted.cells[0].attachments = {
        "x.png": {"image/png": "iVBORw0KGgo=", "text/html": "<script>"},
        "y.svg": {"image/svg+xml": "<svg onload=x>"},
        "z.png": {"image/png": '"><script>'},
    }
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert rebuilt.cells[0].attachments == {"x.png": {"image/png": "iVBORw0KGgo="}}
    assert told(submitted) == ["has 2 attachments that are no pictures"]


# --- graded cells ---------------------------------------------------------------------------------------------------


def test_the_first_of_copied_cells_is_the_graded_one_and_the_others_stay():
    submitted = work(graded("one", "first"), graded("one-visible"), graded("one", "second"))
    rebuilt = is_sound(rebuild(submitted, KNOWN[:2]), KNOWN[:2])
    assert names(rebuilt) == ["one", "one-visible", "second"]
    assert rebuilt.cells[0].source == "first"
    assert told(submitted, KNOWN[:2]) == ["has copies of the graded cell one"]


def test_deleted_tests_come_back_after_what_was_written_for_them():
    submitted = work(new_code_cell("my answer"), graded("two"), new_code_cell("extra"))
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert names(rebuilt) == ["my answer", "one-visible", "one-hidden", "two", "extra", "two-visible"]


def test_a_deleted_answer_does_not_come_back_for_its_stub_could_hide_the_answer():
    submitted = as_released()
    submitted.cells[1] = new_code_cell("one = 1")
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert names(rebuilt)[:3] == ["# Lab", "one = 1", "one-visible"]
    assert told(submitted) == ["lacks the graded cell one"]


def test_a_changed_test_is_the_courses_again():
    submitted = as_released()
    submitted.cells[2].source = "pass"
    submitted.cells[3].source = RELEASED + "\n\n"
    is_sound(rebuild(submitted, KNOWN))
    assert told(submitted) == ["has another text in the read-only cell one-visible"]


def test_a_cell_of_another_type_is_the_courses_again():
    submitted = as_released()
    submitted.cells[1] = new_markdown_cell("one = 1", metadata=submitted.cells[1].metadata)
    submitted.cells[2] = new_raw_cell(submitted.cells[2].source, metadata=submitted.cells[2].metadata)
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert (rebuilt.cells[1].cell_type, rebuilt.cells[1].source) == ("code", "one = 1")
    assert told(submitted) == ["has another type of cell for one, one-visible"]


def test_a_moved_cell_is_back_in_its_place_and_takes_no_other_with_it():
    submitted = as_released()
    submitted.cells.insert(1, new_code_cell("set up"))
    submitted.cells.insert(0, submitted.cells.pop(4))  # one-hidden, above the title
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert names(rebuilt) == ["# Lab", "set up", "one", "one-visible", "one-hidden", "two", "two-visible"]
    assert told(submitted) == ["has the graded cell one-hidden out of its place"]


def test_a_cell_cannot_say_what_it_is_worth_or_that_it_is_graded():
    submitted = as_released()
    submitted.cells[2].metadata.nbgrader |= {"points": 1000, "grade": False, "solution": True}
    submitted.cells.append(graded("another-hidden", points=1000))
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert names(rebuilt)[-1] == "# another-hidden"
    assert told(submitted) == [
        "says of the graded cell one-visible what the course does not (points, kind)",
        "has the graded cell another-hidden, which the course does not know",
    ]


@pytest.mark.parametrize("version", [0, 1, 2, 99, -1, "3", None, {"a": 1}])
def test_the_version_of_a_cells_metadata_does_not_matter(version):
    submitted = as_released()
    for cell in submitted.cells[1:]:
        cell.metadata.nbgrader["schema_version"] = version
    assert rebuild(submitted, KNOWN) == rebuild(as_released(), KNOWN)


@pytest.mark.parametrize("metadata", [None, [], "x", 7, {"nbgrader": None}, {"nbgrader": []}])
def test_metadata_of_any_kind_are_read(metadata):
    submitted = as_released()
    submitted.cells[2].metadata = metadata
    submitted.cells[0].metadata = metadata
    is_sound(rebuild(submitted, KNOWN))
    submitted.cells[2].metadata = {"nbgrader": {"grade_id": metadata}}
    is_sound(rebuild(submitted, KNOWN))


@pytest.mark.parametrize("source", [None, 7, {"a": 1}, ["a", 7], [["a"]], True])
def test_what_has_no_text_is_no_cell(source):
    submitted = as_released()
    submitted.cells[1].source = source
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert names(rebuilt)[1] == "one-visible"
    assert "has 1 parts that are no cells" in told(submitted)


def test_lines_of_text_are_text():
    submitted = as_released()
    submitted.cells[1].source = ["one = 1\n", "two = 2"]
    assert rebuild(submitted, KNOWN).cells[1].source == "one = 1\ntwo = 2"


def test_there_is_an_end_to_further_cells():
    submitted = as_released()
    submitted.cells[1:1] = [new_code_cell(str(number)) for number in range(MAX_EXTRA + 500)]
    rebuilt = is_sound(rebuild(submitted, KNOWN))
    assert len(rebuilt.cells) == MAX_EXTRA + len(KNOWN)
    assert told(submitted) == ["has 501 cells more than the 2,000 that a student may add"]


def test_ids_are_all_different_and_the_courses_are_its_own():
    submitted = work(
        new_code_cell("a", id="one"), new_code_cell("b", id="x"), new_code_cell("c", id="x"), graded("one")
    )
    del submitted.cells[1]["id"]
    known = [graded("one"), graded("cell-0")]
    rebuilt = rebuild(submitted, known)
    nbformat.validate(rebuilt)
    assert rebuilt.cells[3].id == "one"
    assert len({cell.id for cell in rebuilt.cells}) == 4


def test_a_notebook_of_an_older_format_is_read():
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": "Lab", "metadata": {}},
                    {"cell_type": "code", "input": "one = 1", "metadata": KNOWN[0].metadata, "outputs": [7]},
                    {"cell_type": "html", "source": ["<b>", "x"], "metadata": {}},
                ]
            }
        ],
    }
    rebuilt = is_sound(rebuild(old, KNOWN[:2]), KNOWN[:2])
    assert names(rebuilt) == ["## Lab", "one", "<b>x", "one-visible"]
    assert rebuilt.cells[1].source == "one = 1"


@pytest.mark.parametrize(
    "document",
    [None, 7, [], {}, {"nbformat": 5, "cells": []}, {"nbformat": 4}, {"nbformat": 3, "worksheets": [7]}],
)
def test_what_is_no_notebook_is_refused(document):
    with pytest.raises(Unreadable, match="is not a notebook"):
        rebuild(document, KNOWN)


# --- the gradebook --------------------------------------------------------------------------------------------------


def test_the_gradebook_knows_cells_in_the_labs_order_whatever_the_databases(course):
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        order = lab_order(course.source)
        assert order[:3] == ["price", "price-visible", "price-hidden"]
        backwards = known_cells(gradebook, course.phase, course.lab, order[::-1])
        assert [cell.id for cell in backwards] == order[::-1]
        known = known_cells(gradebook, course.phase, course.lab, order)
    assert "7919" in known[2].source
    assert known[2].metadata.nbgrader.points == 2
    rebuilt = rebuild(json.loads(course.release.read_text()), known)
    MetadataValidator().validate_nb(rebuilt)
    assert told(json.loads(course.release.read_text()), known) == []


def test_a_read_only_cell_is_the_gradebooks_under_nbgraders_own_command(course):
    """nbgrader keeps cells that are locked and carry no points, too; here one sets a price list up."""
    locked = {"schema_version": 3, "grade": False, "solution": False, "locked": True, "task": False}
    for path in (course.source.with_suffix(".md"), course.source):
        path.unlink(missing_ok=True)
    lab = new_notebook(
        cells=[
            new_code_cell("prices = {'tea': 3}", metadata={"nbgrader": locked | {"grade_id": "prices"}}),
            graded("price", "### BEGIN SOLUTION\nprice = prices['tea']\n### END SOLUTION"),
            graded("price-visible", "assert price == 3 == prices['tea']"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(lab, course.source)
    settings = course.root / "nbgrader_config.py"
    plain_steps = [
        "nbgrader.preprocessors.ClearSolutions",
        "nbgrader.preprocessors.ComputeChecksums",
        "nbgrader.preprocessors.SaveCells",
    ]
    settings.write_text(
        f"{settings.read_text()}\nc.GenerateAssignment.preprocessors = {plain_steps}\n"
        'c.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.Execute", "nbgrader.preprocessors.SaveAutoGrades"]\n'
    )
    (course.root / "gradebook.db").unlink()
    shutil.rmtree(course.root / "release")
    run = [sys.executable, "-m", "nbgrader"]
    subprocess.run([*run, "generate_assignment", course.phase], cwd=course.root, check=True, timeout=120)

    submitted = nbformat.read(course.release, 4)
    submitted.cells[0].source = "prices = {'tea': 4}"
    submitted.cells[1].source = "price = prices['tea']"
    course.hand_in("changed", submitted)
    deleted = nbformat.read(course.release, 4)
    del deleted.cells[0]
    deleted.cells[0].source = "price = 3"
    course.hand_in("deleted", deleted)
    subprocess.run([*run, "autograde", course.phase], cwd=course.root, check=True, timeout=120)
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        for student in ("changed", "deleted"):
            assert gradebook.find_submission(course.phase, student).score == 1, student
