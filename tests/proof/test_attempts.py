"""What a lab's tests must prove: a sound lab and bank prove it, and each thing that can be wrong is found."""

import shutil
from pathlib import Path

import nbformat
import pytest

from course.proof.answers import bank_faults, load_bank
from course.proof.attempts import attempts, faults, mutation, reference_faults
from course.proof.lab_cells import cells
from course.proof.trials import Task, run_lab
from course.publishing.build import build
from course.publishing.exercises import exercises
from course.publishing.notebook import read_lab

LAB = Path("source/01-small/01a-money.md")
BANK = Path("tests/answers/01-small/01a-money.md")
RELEASE = Path("release/01-small/01a-money.ipynb")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course folder with one small lab, and its release."""
    root = tmp_path_factory.mktemp("course")
    here = Path(__file__).parent
    shutil.copytree(here / "small_course", root, dirs_exist_ok=True)
    shutil.copyfile(here.parents[1] / "nbgrader_config.py", root / "nbgrader_config.py")
    build(root)
    return root


def changed(source: Path, target: Path, old: str, new: str) -> Path:
    text = source.read_text()
    assert old in text
    target.write_text(text.replace(old, new) if old else text)
    return target


@pytest.fixture
def prove(built, tmp_path):
    """Everything that is found wrong with the small lab, some texts in it or in its bank replaced; and its mutants."""

    def proving(lab: tuple[str, str] = ("", ""), bank: tuple[str, str] = ("", "")):
        notebook = read_lab(changed(built / LAB, tmp_path / "01a-money.md", *lab))
        answers = load_bank(changed(built / BANK, tmp_path / "bank.md", *bank))
        tried = attempts(notebook, nbformat.read(built / RELEASE, as_version=4), answers)
        trials = tuple(attempt.trial for attempt in tried)
        run = run_lab(Task(cells(notebook), trials, 0, (tmp_path / "slot-0", tmp_path / "slot-1")))
        pairs = [(attempt, result) for attempt, result in zip(tried, run.trials, strict=True) if result]
        result, stale = mutation(pairs, answers)
        found = [
            *map(str, bank_faults(answers, exercises(notebook))),
            *reference_faults(notebook, run),
            *(fault for attempt, trial in pairs for fault in faults(attempt, trial)),
            *stale,
        ]
        return found, result

    return proving


def test_a_sound_lab_and_bank_prove_it(prove):
    found, result = prove()

    assert found == []
    assert result.survivors == []
    assert result.explained == 3
    assert result.killed > 15
    assert result.rate == 1.0


def test_a_reference_that_fails_is_found_and_nothing_else_is_said_of_its_exercise(prove):
    found, _ = prove(lab=("tax_percent // 100\n    ### END", "tax_percent // 99\n    ### END"))

    assert found == [
        "cell with-tax-hidden fails with the reference solution: AssertionError: another price came out wrong"
    ]


def test_a_failing_cell_that_is_not_graded_is_found(prove):
    found, _ = prove(lab=("print(with_tax(100))", "print(with_taxes(100))"))

    assert found == [
        "cell 01a-6 fails with the reference solution: NameError: name 'with_taxes' is not defined"
    ]


def test_a_cell_that_shows_a_failure_on_purpose_says_so_by_its_tag(prove):
    found, _ = prove(
        lab=("```python\nprint(with_tax(100))", '```python tags=["raises-exception"]\nprint(1 / 0)')
    )

    assert found == []


def test_a_test_that_gives_points_to_the_untouched_release_is_found(prove):
    found, _ = prove(
        lab=(
            'assert with_tax(200) == 220, "200 cents cost 220 with tax"\nassert type(with_tax(200)) is int, "the price is a whole number"',
            "assert callable(with_tax)",
        )
    )

    assert "with-tax-visible gives points to the untouched release" in found
    assert (
        "with-tax-visible should catch the wrong answer “gives a fraction” (line 10 of the bank), but passes"
        in found
    )


def test_a_correct_answer_that_is_rejected_is_found(prove):
    found, _ = prove(bank=("return max(cents, 0) *", "return max(cents, 1) *"))

    assert found == [
        "with-tax-hidden rejects the correct answer “one expression” (line 5 of the bank): "
        "AssertionError: another price came out wrong"
    ]


def test_a_wrong_answer_that_its_test_does_not_catch_is_found(prove):
    found, _ = prove(
        bank=("forgets negative prices -> with-tax-hidden", "forgets negative prices -> with-tax-visible")
    )

    assert found == [
        "with-tax-visible should catch the wrong answer “forgets negative prices” (line 15 of the bank), but passes"
    ]


def test_a_wrong_answer_with_a_typo_shows_nothing(prove):
    found, _ = prove(bank=("while cents != 200:", "while cents != 200"))

    assert len(found) == 1
    assert (
        "“never ends for other prices” (line 20 of the bank) does not run, so it shows nothing: SyntaxError"
        in found[0]
    )


def test_stderr_is_found(prove):
    found, _ = prove(
        lab=(
            "    if cents < 0:\n        return 0\n",
            "    import sys; print('low', file=sys.stderr)\n    if cents < 0:\n        return 0\n",
        )
    )

    assert "cell with-tax-visible writes to stderr, for which nbgrader gives 0: low\nlow" in found


def test_a_weak_test_leaves_survivors(prove):
    found, result = prove(
        lab=('assert rows.columns == ["customer", "paid"], "the columns are customer and paid"\n', "")
    )

    assert found == [
        "good-customers-visible should catch the wrong answer “no name for the sum” (line 49 of the bank), but passes"
    ]
    assert [attempt.name for attempt in result.survivors] == ["column renamed"]
    assert "+   SUM(total) AS paid_x" in result.survivors[0].mutant.diff
    assert result.rate == result.killed / (result.killed + 1)


def test_an_explanation_that_explains_nothing_is_found(prove):
    found, result = prove(bank=("+ if cents < 1:", "+ if cents < 2:"))

    assert [fault.partition("bank.md:")[2] for fault in found] == [
        "27: no mutant of with-tax survives with this change any more; take its explanation out"
    ]
    assert [attempt.name for attempt in result.survivors] == ["number changed"]


def test_an_answer_that_does_not_fit_its_exercise_is_named_and_not_tried(prove):
    found, _ = prove(bank=("## with-tax\n", "## with-taxes\n"))

    assert any("the lab has no exercise 'with-taxes'" in fault for fault in found)
    assert any("with-tax has 0 correct answers" in fault for fault in found)
