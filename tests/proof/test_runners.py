"""Each answer of a bank is judged alike where it runs, and in the examiner; where it is not, that is said."""

import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from course.proof import runners
from course.proof.answers import bank_path, load_bank
from course.proof.runners import Seen, alone, doubts, rounds, see_all, settle_all
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
def bank(lab):
    return load_bank(bank_path(lab.root, lab.phase, lab.name))


@pytest.fixture(scope="module")
def tried(lab, bank):
    return rounds(read_lab(lab.text), nbformat.read(lab.release, as_version=4), bank)


def test_every_answer_of_the_bank_is_tried_once(lab, bank, tried):
    tests = {each.name: [grade_id(test) for test in each.tests] for each in exercises(read_lab(lab.text))}
    expected = sum(len(answers) * len(tests[name]) for name, answers in bank.answers.items())

    names = [(name, judgement) for each in tried[1:] for name, judgement in each.judges.items()]
    cells = [grade_id(cell) for each in tried[1:] for cell in each.notebook.cells if is_test(cell)]

    assert len(names) == len({judgement for _, judgement in names}) == expected
    assert all(name in (judges.test, f"{judges.test}-{name.split('-')[-1]}") for name, judges in names)
    assert sorted(cells) == sorted(name for name, _ in names), "no other test is run"


def test_the_untouched_lab_is_tried_with_the_hidden_tests_in_it(tried):
    hidden = next(cell for cell in tried[0].notebook.cells if (grade_id(cell) or "").endswith("-hidden"))

    assert "BEGIN HIDDEN TESTS" in hidden.source


def test_kernel_and_examiner_agree(lab, tried, monkeypatch):
    monkeypatch.setattr(runners, "_SECONDS", 3)  # one of the answers never ends

    assert settle_all(lab, [replace(each, in_kernel=True) for each in tried]) == [[]] * len(tried)


def test_wrong_answers_and_the_untouched_lab_are_not_tried_in_a_kernel(lab, tried):
    assert [each.in_kernel for each in tried] == [False, True, False]

    [seen] = see_all(lab, tried[:1])

    assert seen.kernel == {}
    assert set(seen.examiner) == set(tried[0].judges.values())
    assert all(seen.examiner.values())


def test_an_answer_has_nothing_of_the_one_before(lab, bank):
    twice = replace(bank, answers={"with-tax": 2 * bank.correct("with-tax")})
    _, both = rounds(read_lab(lab.text), nbformat.read(lab.release, as_version=4), twice)
    [second] = [cell for cell in both.notebook.cells if grade_id(cell) == "with-tax-2"]
    second.source = second.source.partition("\n")[0] + "\nwithout_tax = print"
    judges = {name: replace(each, answer=name) for name, each in both.judges.items()}

    [seen] = see_all(lab, [replace(both, judges=judges)])

    for where in (seen.kernel, seen.examiner):
        said = {each.answer: error for each, error in where.items()}
        assert [said["with-tax-visible"], said["with-tax-hidden"]] == ["", ""]
        assert "'with_tax' is not defined" in said["with-tax-visible-2"]
        assert "'with_tax' is not defined" in said["with-tax-hidden-2"]


def test_what_comes_after_the_answers_has_the_reference_solution(lab, tried):
    [reference] = [cell.source for cell in read_lab(lab.text).cells if grade_id(cell) == "with-tax"]
    cells = [cell for cell in tried[-1].notebook.cells if cell.cell_type == "code"]
    [last_test] = [n for n, cell in enumerate(cells) if grade_id(cell) == "with-tax-hidden-3"]

    assert cells[last_test + 1].source == f"get_ipython().restore_names()\n{reference}"


def test_a_magic_and_a_cell_that_is_no_python_are_left_as_they_are(tried):
    cells = [cell.source for cell in tried[-1].notebook.cells if cell.cell_type == "code"]
    [query] = [n for n, source in enumerate(cells) if "no name" not in source and "SELECT 'Ada'" in source]

    assert cells[query].startswith("%%sql shop --name good_customers\n")
    assert cells[query - 1] == "get_ipython().restore_names()"


def test_an_answer_is_tried_alone(lab, bank):
    [answer] = bank.correct("with-tax")

    single = alone(
        read_lab(lab.text), nbformat.read(lab.release, as_version=4), bank, "with-tax", answer.name
    )

    tests = [grade_id(cell) for cell in single.notebook.cells if is_test(cell)]
    assert tests == ["with-tax-visible", "with-tax-hidden"] == list(single.judges)
    assert single.notebook.cells[-1] == next(
        cell for cell in single.notebook.cells if grade_id(cell) == "with-tax-hidden"
    )
    assert single.answers == {("with-tax", answer.name)}
    assert single.in_kernel


def test_what_is_not_judged_alike_is_doubtful(tried):
    right = tried[1]
    judged = list(right.judges.values())
    passed, failed = dict.fromkeys(judged, ""), dict.fromkeys(judged, "AssertionError: no")
    dead = dict.fromkeys(judged, "DeadKernelError: A cell of the notebook ended Python")

    assert doubts(right, Seen(passed, passed), passed) == set()
    assert doubts(right, Seen({}, failed), {judged[0]: "took longer than 2 s"}) == set()
    assert doubts(right, Seen(passed, failed), {}) == right.answers
    assert doubts(right, Seen({}, failed), {judged[0]: ""}) == {(judged[0].exercise, judged[0].answer)}
    assert doubts(right, Seen({}, dead), failed) == right.answers


def test_what_they_judge_differently_each_time_is_said(lab, bank, monkeypatch):
    [answer] = bank.correct("with-tax")
    single = alone(
        read_lab(lab.text), nbformat.read(lab.release, as_version=4), bank, "with-tax", answer.name
    )
    [visible, hidden] = single.judges.values()
    came = iter(["", "AssertionError: no", "Broken: gone"])

    def seeing(lab, tried):
        return [Seen({visible: "", hidden: ""}, {visible: "Broken: gone", hidden: next(came)}) for _ in tried]

    monkeypatch.setattr(runners, "see_all", seeing)

    assert settle_all(lab, [single]) == [
        [
            f"with-tax-visible judges {answer.name} differently: "
            "in a kernel it passes, in the examiner it fails (Broken: gone)"
        ]
    ]
    assert list(came) == [], "it was tried three times"
