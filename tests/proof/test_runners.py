"""Each answer of a bank is judged alike where it runs, and in the examiner; where it is not, that is said."""

import shutil
from pathlib import Path

import nbformat
import pytest

from course.proof.answers import bank_path, load_bank
from course.proof.runners import Seen, disagreements, rounds, see
from course.publishing.build import build
from course.publishing.exercises import grade_id
from course.publishing.layout import labs
from course.publishing.notebook import read_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root, here = tmp_path_factory.mktemp("course"), Path(__file__).parent
    shutil.copytree(here / "small_course", root, dirs_exist_ok=True)
    shutil.copyfile(here.parents[1] / "nbgrader_config.py", root / "nbgrader_config.py")
    build(root)
    [found] = labs(root)
    return found


@pytest.fixture(scope="module")
def tried(lab):
    bank = load_bank(bank_path(lab.root, lab.phase, lab.name))
    return rounds(read_lab(lab.text), nbformat.read(lab.release, as_version=4), bank)


def test_every_answer_of_the_bank_is_tried_once(lab, tried):
    bank = load_bank(bank_path(lab.root, lab.phase, lab.name))
    expected = sum(len(answers) for answers in bank.answers.values())

    names = [name for each in tried for name in each.answers.values() if "answer" in name]

    assert len(names) == len(set(names)) == expected


def test_the_untouched_lab_is_tried_with_the_hidden_tests_in_it(tried):
    hidden = next(cell for cell in tried[0].notebook.cells if (grade_id(cell) or "").endswith("-hidden"))

    assert "BEGIN HIDDEN TESTS" in hidden.source


def test_kernel_and_examiner_agree(lab, tried):
    for each in (tried[0], tried[1], tried[-1]):
        seen = see(lab, each)

        assert list(disagreements(each, seen)) == []
        assert set(seen.kernel) == set(seen.examiner)


def test_what_they_judge_differently_is_said(tried):
    right = tried[1]
    tests = [
        str(grade_id(cell)) for cell in right.notebook.cells if (grade_id(cell) or "").endswith("-hidden")
    ]

    found = list(
        disagreements(
            right,
            Seen(
                kernel={tests[0]: "", tests[1]: "AssertionError: no"},
                examiner={tests[0]: "Broken: gone", tests[1]: "AssertionError: no"},
            ),
        )
    )

    assert len(found) == 1
    assert "differently: in a kernel it passes, in the examiner it fails (Broken: gone)" in found[0]
