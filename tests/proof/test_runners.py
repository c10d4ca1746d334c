"""Each answer of a bank is judged alike where it runs, and in the examiner; where it is not, that is said."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from course.proof import runners
from course.proof.answers import bank_path, load_bank
from course.proof.runners import Seen, disagreements, rounds, see
from course.publishing.build import build
from course.publishing.exercises import exercises, grade_id, is_test
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
    tests = {each.name: [grade_id(test) for test in each.tests] for each in exercises(read_lab(lab.text))}
    expected = sum(len(answers) * len(tests[name]) for name, answers in bank.answers.items())

    names = [(name, test) for each in tried[1:] for test, name in each.answers.items()]
    cells = [grade_id(cell) for each in tried[1:] for cell in each.notebook.cells if is_test(cell)]

    assert len(names) == len({(name, re.sub(r"-\d+$", "", test)) for name, test in names}) == expected
    assert sorted(cells) == sorted(test for _, test in names), "no other test is run"


def test_the_untouched_lab_is_tried_with_the_hidden_tests_in_it(tried):
    hidden = next(cell for cell in tried[0].notebook.cells if (grade_id(cell) or "").endswith("-hidden"))

    assert "BEGIN HIDDEN TESTS" in hidden.source


def test_kernel_and_examiner_agree(lab, tried, monkeypatch):
    monkeypatch.setattr(runners, "_SECONDS", 3)  # one of the answers never ends
    for each in (tried[0], tried[1], tried[-1]):
        seen = see(lab, each)

        assert list(disagreements(each, seen)) == []
        assert set(seen.kernel) == set(seen.examiner)


def test_an_answer_has_nothing_of_the_one_before(lab):
    bank = load_bank(bank_path(lab.root, lab.phase, lab.name))
    twice = replace(bank, answers={"with-tax": 2 * bank.correct("with-tax")})
    _, both = rounds(read_lab(lab.text), nbformat.read(lab.release, as_version=4), twice)
    [second] = [cell for cell in both.notebook.cells if grade_id(cell) == "with-tax-2"]
    second.source = "without_tax = print"

    seen = see(lab, both)

    for where in (seen.kernel, seen.examiner):
        assert [where["with-tax-visible"], where["with-tax-hidden"]] == ["", ""]
        assert "'with_tax' is not defined" in where["with-tax-visible-2"]
        assert "'with_tax' is not defined" in where["with-tax-hidden-2"]


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
    assert found[0].answer == right.answers[tests[0]]
    assert "differently: in a kernel it passes, in the examiner it fails (Broken: gone)" in str(found[0])
