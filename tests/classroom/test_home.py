"""The course home: what is done, what is next, and where the student left off."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.classroom import home
from course.syllabus import load

JOINS, FASTAPI = "04-databases/14b-joins-and-groups", "06-web-frameworks/18a-fastapi"


def graded_cell(name: str, points: int):
    meta = {
        "schema_version": 3,
        "grade_id": name,
        "solution": False,
        "grade": True,
        "locked": True,
        "task": False,
    }
    return new_code_cell("assert total == 3", id=name, metadata={"nbgrader": {**meta, "points": points}})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for lab in (JOINS, FASTAPI):
        path = tmp_path / "release" / f"{lab}.ipynb"
        path.parent.mkdir(parents=True)
        cells = [
            graded_cell("easy-visible", 1),
            graded_cell("hard-visible", 4),
            graded_cell("hard-hidden", 9),
        ]
        nbformat.write(new_notebook(cells=cells), path)
    return tmp_path


def record(root: Path, lab: str, *lines: str) -> None:
    file = root / "work" / ".course" / "progress" / f"{lab}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def run(test: str, passed: bool) -> str:
    return f'{{"test": "{test}", "passed": {str(passed).lower()}, "at": "2026-01-01T00:00:00+00:00"}}'


def card(shown: home.Home, lab: str) -> home.LabCard:
    return next(each for phase in shown.phases for each in phase.labs if each.name == lab)


def test_a_beginner_is_sent_to_the_first_lab_there_is(root: Path) -> None:
    shown = home.look(root)
    assert shown.following == card(shown, JOINS)
    assert shown.resume is None
    assert (card(shown, JOINS).passed, card(shown, JOINS).exercises, card(shown, JOINS).state) == (
        0,
        2,
        "open",
    )


def test_every_phase_and_every_lab_stand_on_the_map(root: Path) -> None:
    shown, syllabus = home.look(root), load()
    assert [phase.number for phase in shown.phases] == [phase.number for phase in syllabus.phases]
    assert [lab.name for phase in shown.phases for lab in phase.labs] == [lab.name for lab in syllabus.labs]


def test_each_phase_names_the_nearest_ones_before_it(root: Path) -> None:
    needs = {phase.number: (phase.needs, phase.step) for phase in home.look(root).phases}
    assert needs[0] == ((), 0)
    assert needs[6] == ((3, 5), 4)  # 2 is named by its labs too, and comes before both
    assert all(needs[near][1] < step for before, step in needs.values() for near in before)


def test_only_released_labs_can_be_opened(root: Path) -> None:
    paths = {lab.path for phase in home.look(root).phases for lab in phase.labs}
    assert paths == {f"{JOINS}.ipynb", f"{FASTAPI}.ipynb", None}


def test_a_mastered_lab_is_done_and_the_next_one_recommended(root: Path) -> None:
    record(root, JOINS, run("hard-visible", False), run("hard-visible", True))
    shown = home.look(root)
    assert card(shown, JOINS).state == "done"
    assert card(shown, JOINS).passed == 1
    assert shown.following == card(shown, FASTAPI)


def test_less_than_four_fifths_of_the_points_is_not_mastered(root: Path) -> None:
    record(root, JOINS, run("easy-visible", True))
    shown = home.look(root)
    assert card(shown, JOINS).state == "begun"
    assert shown.following == card(shown, JOINS)


def test_of_a_mastered_phase_no_further_lab_is_recommended(root: Path) -> None:
    """Four fifths of the phase are enough: a weak lab in it does not hold anybody."""
    weak = load().labs_of("04-databases")[-2].name
    small = root / "release" / f"{weak}.ipynb"
    nbformat.write(new_notebook(cells=[graded_cell("tiny-visible", 1)]), small)
    record(root, JOINS, run("easy-visible", True), run("hard-visible", True))
    shown = home.look(root)
    assert card(shown, weak).state == "open"
    assert shown.following == card(shown, FASTAPI)


def test_a_test_that_fails_again_counts_as_not_passed(root: Path) -> None:
    record(root, JOINS, run("hard-visible", True), run("hard-visible", False))
    assert card(home.look(root), JOINS).passed == 0


def test_it_resumes_at_the_exercise_tried_last(root: Path) -> None:
    record(root, JOINS, run("easy-visible", True).replace("01-01", "01-02"), run("hard-visible", False))
    record(root, FASTAPI, '{"test": "a-quiz", "passed": true, "at": "2026-03-01T00:00:00+00:00"}')
    resume = home.look(root).resume
    assert resume is not None
    assert (resume.lab.name, resume.tried, resume.passed, resume.exercise) == (JOINS, "easy", True, "hard")


def test_with_everything_done_nothing_is_recommended(root: Path) -> None:
    for lab in (JOINS, FASTAPI):
        record(root, lab, run("easy-visible", True), run("hard-visible", True))
    assert home.look(root).following is None
