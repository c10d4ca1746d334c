"""A job is data, and the same data get the same grades."""

import json

import nbformat
import pytest
from nbformat.v4 import new_notebook

from course.grading import jobs
from course.grading.jobs import Job, Lab, Note, PageJob, Report, make_page, run
from course.grading.rendering import Recorded, RecordedComment, RecordedGrade

from . import quick
from .cells import graded

CELLS = [
    graded("double", "def double(number):\n    raise NotImplementedError"),
    graded("double-visible", "assert double(2) == 4, 'two and two'", points=1),
    graded("double-hidden", "assert double(7) == 14, 'any number'", points=2),
]


def handed_in(answer):
    cells = [nbformat.from_dict(cell) for cell in CELLS]
    cells[0].source = answer
    return nbformat.writes(new_notebook(cells=cells)).encode()


def job(answer, **fields):
    return Job(Lab(CELLS), handed_in(answer), caged=False, **fields)


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(jobs, "_execute", quick.execute)


def test_a_job_is_the_same_after_its_journey():
    sent = job("x = 'ä'", files={"data/ä.csv": b"\x00\xff", "b": b""}, config={"Execute": {"timeout": 3}})
    assert Job.unpack(sent.pack()) == sent
    report = Report(b"{}", {"a": 1.0, "b": None}, ("b",), (Note("dead", "cell 3"),), "x", "y", 1.5, "log")
    assert Report.unpack(report.pack()) == report
    recorded = Recorded(1, 3, 0.5, {"a": RecordedGrade(1, 2, None, True)}, {"b": RecordedComment("x", None)})
    page = PageJob(b"{}", recorded, "phase", "lab", "reader")
    assert PageJob.unpack(page.pack()) == page


def test_the_same_bytes_get_the_same_grades_from_a_real_kernel(tmp_path, monkeypatch):
    """The answer reads the file beside it, and meets the course's tests."""
    monkeypatch.chdir(tmp_path)
    answer = "def double(number):\n    return number * int(open('data/two.txt').read())"
    packed = job(answer, files={"data/two.txt": b"2"}).pack()
    first, second = (Report.unpack(run(packed)) for _ in range(2))
    assert first.scores == second.scores == {"double-visible": 1, "double-hidden": 2}
    assert (first.failure, first.refusal, first.notes) == ("", "", ())
    assert first.seconds > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ("def double(number):\n    return 2 * number", {"double-visible": 1, "double-hidden": 2}),
        ("def double(number):\n    return 4", {"double-visible": 1, "double-hidden": 0}),
        (CELLS[0].source, {"double-visible": 0, "double-hidden": 0}),
    ],
)
def test_scores_come_back_without_the_gradebook(quickly, answer, scores):
    report = Report.unpack(run(job(answer).pack()))
    assert report.scores == scores
    assert all(cell.metadata.get("nbgrader") for cell in nbformat.reads(report.notebook.decode(), 4).cells)


@pytest.mark.parametrize("notebook", [b"", b"\xff", b"{}", b"[]", json.dumps({"cells": 3}).encode()])
def test_whatever_a_student_hands_in_there_is_a_report(quickly, notebook):
    report = Report.unpack(run(Job(Lab(CELLS), notebook, caged=False).pack()))
    assert report.failure
    assert not report.notebook


def test_a_machine_without_room_is_no_students_fault(quickly, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs, "_execute", full)
    report = Report.unpack(run(job("").pack()))
    assert "No space left" in report.refusal
    assert not report.failure


def test_a_page_is_the_one_that_nbgrader_makes(graded):
    """Made without a gradebook, and without knowing whose it is."""
    from course.grading import engine
    from course.grading.gradebook import RunGradebook

    course, _ = graded
    folder = engine.course_folder(course.root)
    executed = course.root / "autograded" / "wrong" / course.phase / f"{course.lab}.ipynb"
    with RunGradebook(folder.database, folder.course_id) as book:
        recorded = book.change(
            lambda book: Recorded.of(book.find_submission_notebook(course.lab, course.phase, "wrong"))
        )
    packed = PageJob(executed.read_bytes(), recorded, course.phase, course.lab, "f00").pack()
    assert b"wrong" not in packed.replace(b"went wrong", b"")
    page = make_page(packed).decode()
    assert page.replace("f00", "wrong") == course.feedback("wrong").read_text()
    engine.generate_feedback(folder, course.phase, "wrong")
    assert page.replace("f00", "wrong") == course.feedback("wrong").read_text()
