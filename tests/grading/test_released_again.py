"""A test that is mended after the lab was handed out: work on the earlier release is graded by the new one, in peace."""

import shutil

import nbformat
import pytest

from course.grading.loop import grade_class
from course.publishing import releases
from course.publishing.build import build

from .conftest import REPOSITORY

LAB = "01-small/01a-money"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "course"
    shutil.copytree(REPOSITORY / "tests" / "proof" / "small_course", root)
    shutil.copy2(REPOSITORY / "nbgrader_config.py", root)
    build(root)
    return root


def hand_in(root, student, *, forged=False):
    notebook = nbformat.read(root / "release" / f"{LAB}.ipynb", 4)
    if forged:
        test = next(cell for cell in notebook.cells if cell.id == "with-tax-visible")
        test.source = "assert True"
    folder = root / "submitted" / student / "01-small"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "01a-money.ipynb")


def test_only_who_changed_a_test_is_named(root):
    hand_in(root, "ann")
    hand_in(root, "mallory", forged=True)
    text = (root / "source" / LAB).with_suffix(".md")
    mended = text.read_text().replace("200 cents cost 220 with tax", "200 cents cost 220")
    text.write_text(
        mended.replace(
            '"points": 1, "grade_id": "with-tax-visible"', '"points": 2, "grade_id": "with-tax-visible"'
        )
    )
    assert text.read_text() != mended
    build(root)
    ann, mallory = grade_class(root, "01-small").students
    assert ann.problems == ()
    told = " ".join(problem.reason for problem in mallory.problems)
    assert "has another text in the read-only cell with-tax-visible" in told


@pytest.mark.parametrize("content", ["", "[]", '{"with-tax-visible": 3}', "{"])
def test_what_is_noted_of_releases_may_be_damaged(root, content):
    (root / ".cache" / "released" / f"{LAB}.json").write_text(content)
    assert releases.released(root, *LAB.split("/")) == {}
