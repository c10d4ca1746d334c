"""The course home: what is done, what is next, and links that lead to the labs."""

import re
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


def text(root: Path) -> str:
    return home.write(root).read_text()


def test_a_beginner_is_sent_to_the_first_lab_there_is(root: Path) -> None:
    page = text(root)
    assert f"**Start with [Joins and groups]({JOINS}.ipynb)**" in page
    assert "0 of 2 exercises passed" in page


def test_every_phase_and_every_lab_stand_on_the_page(root: Path) -> None:
    page, syllabus = text(root), load()
    assert all(f"## {phase.number}. {phase.title}" in page for phase in syllabus.phases)
    assert all(lab.title in page for lab in syllabus.labs)


def test_links_lead_to_released_labs_only(root: Path) -> None:
    links = set(re.findall(r"\]\((.+?)\)", text(root)))
    assert links == {f"{JOINS}.ipynb", f"{FASTAPI}.ipynb"}


def test_a_mastered_lab_is_done_and_the_next_one_recommended(root: Path) -> None:
    record(root, JOINS, run("hard-visible", False), run("hard-visible", True))
    page = text(root)
    assert f"✓ done · [Joins and groups]({JOINS}.ipynb) · 90 minutes · 1 of 2 exercises passed" in page
    assert "**Go on with [" in page
    assert f"**next** · [{load().lab(FASTAPI).title}]" in page


def test_less_than_four_fifths_of_the_points_is_not_mastered(root: Path) -> None:
    record(root, JOINS, run("easy-visible", True))
    assert "✓ done" not in text(root)


def test_a_test_that_fails_again_counts_as_not_passed(root: Path) -> None:
    record(root, JOINS, run("hard-visible", True), run("hard-visible", False))
    assert "0 of 2 exercises passed" in text(root)


def test_with_everything_done_nothing_is_recommended(root: Path) -> None:
    for lab in (JOINS, FASTAPI):
        record(root, lab, run("easy-visible", True), run("hard-visible", True))
    assert "You have finished every lab there is so far." in text(root)
