"""Grading a class and one's own work, by real nbgrader on real kernels."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from course.cage.host import Zygote
from course.cage.level import Level
from course.cage.refusal import Missing
from course.errors import CourseError
from course.grading import executors, loop, zygotes
from course.grading.jobs import Note
from course.grading.loop import grade, grade_class, grade_own_work
from course.grading.progress import Watch

from . import quick


def scores(grades):
    return {name: student.scores["01a-prices"] for name, student in grades.items()}


def reasons(student):
    return [(problem.severity, f"{problem.file} {problem.reason}") for problem in student.problems]


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_everybody_is_graded_whatever_the_others_handed_in(graded):
    _, grades = graded
    assert scores(grades) == {
        "right": 6,
        "unreadable": 0,
        "missing": 0,
        "renamed": 6,
        "copied": 5 - 1,  # the first answer counts for the visible test, the copy stands after the hidden one
        "deleted": 6,
        "endless": 6,
        "died": 0,
        "untouched": 0,
        "wrong": 2,
        "spy": 3,
    }


def test_problems_are_told_by_student_file_and_reason(graded):
    _, grades = graded
    assert reasons(grades["right"]) == []
    assert reasons(grades["unreadable"])[0][0] == "human"
    assert "01a-prices.ipynb cannot be read, because it is not JSON" in reasons(grades["unreadable"])[0][1]
    assert reasons(grades["missing"]) == [("human", "01a-prices.ipynb is missing")]
    assert reasons(grades["renamed"]) == [("mended", "01a-prices (1).ipynb is 01a-prices under another name")]
    assert reasons(grades["copied"]) == [("mended", "01a-prices.ipynb has copies of the graded cell price")]
    assert reasons(grades["deleted"]) == [("mended", "01a-prices.ipynb lacks the graded cell price-hidden")]
    assert "ran too long in cell" in reasons(grades["endless"])[0][1]
    assert reasons(grades["died"])[0][0] == "human"
    assert "made Python stop" in reasons(grades["died"])[0][1]


def test_everybody_has_a_feedback_page(graded):
    course, grades = graded
    for student in grades:
        assert course.feedback(student).exists(), student
    assert "could not be graded" in course.feedback("unreadable").read_text()
    assert "ended Python" in course.feedback("died").read_text()


def test_only_what_changed_is_graded_again(course):
    """Work is graded again when it, or the tests, have changed; a teacher's points stay."""
    for student in ("ann", "ben"):
        course.hand_in(student, course.solved())
    first = grade_class(course.root, course.phase, workers=1)
    assert [student.fresh for student in first.students] == [True, True]

    course.hand_in("ben", nbformat.read(course.release, 4))
    submitted = contents(course.root / "submitted")
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("price-hidden", course.lab, course.phase, "ben").manual_score = 1.5
        gradebook.db.commit()
    changed = grade_class(course.root, course.phase, workers=1)
    assert [student.fresh for student in changed.students] == [False, True]
    assert [student.scores[course.lab] for student in changed.students] == [6, 1.5]
    assert contents(course.root / "submitted") == submitted

    shutil.rmtree(course.root / "submitted" / "ben")
    course.source.with_suffix(".md").unlink()
    course.source.write_text(course.source.read_text().replace("7919", "7907"))
    (ann,) = grade_class(course.root, course.phase).students
    assert ann.fresh


def test_what_force_did_not_come_to_is_graded_the_next_time(course, monkeypatch):
    for student in ("ann", "ben"):
        course.hand_in(student, course.solved())
    grade_class(course.root, course.phase)

    class Stopped(Watch):
        def one_more(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_class(course.root, course.phase, force=True, workers=1, watch=Stopped())
    again = grade_class(course.root, course.phase).students
    assert sorted(student.fresh for student in again) == [False, True]


@pytest.mark.parametrize("lost", ["gradebook", "phase"])
def test_all_are_graded_again_where_the_gradebook_has_lost_them(course, lost):
    """As after `nbgrader db assignment remove`, which is what somebody is told whose lab no longer fits."""
    course.hand_in("ann", course.solved())
    grade_class(course.root, course.phase)
    if lost == "gradebook":
        (course.root / "gradebook.db").unlink()
    else:
        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            gradebook.remove_assignment(course.phase)
    (ann,) = grade_class(course.root, course.phase).students
    assert ann.scores[course.lab] == 6


def test_a_page_follows_what_a_teacher_gives(course):
    """Points and words that a teacher gives after grading are on the page the next time, and nothing is run for it."""
    for student in ("ann", "ben"):
        course.hand_in(student, course.solved())
    grade_class(course.root, course.phase)
    executed = contents(course.root / "autograded" / "ann")
    bens = contents(course.root / "feedback" / "ben")

    def by_teacher(score, words):
        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            gradebook.find_grade("price-hidden", course.lab, course.phase, "ann").manual_score = score
            gradebook.find_comment("price", course.lab, course.phase, "ann").manual_comment = words
            gradebook.db.commit()
        ann, ben = grade_class(course.root, course.phase).students
        assert not ann.fresh
        assert not ben.fresh
        return course.feedback("ann").read_text()

    page = by_teacher(0.5, "A word of mine.")
    assert "<strong>4.5</strong> of 6 points" in page
    assert "A word of mine." in page
    assert "<strong>6</strong> of 6 points" in by_teacher(None, None)
    changed = contents(course.root / "feedback")
    grade_class(course.root, course.phase)
    assert contents(course.root / "feedback") == changed
    assert contents(course.root / "feedback" / "ben") == bens
    record = course.root / "autograded" / "ann" / course.phase / ".graded.json"
    assert contents(course.root / "autograded" / "ann") | {record: b""} == executed | {record: b""}


def test_a_lab_that_no_longer_fits_the_gradebook_says_what_to_do(graded, tmp_path):
    root = shutil.copytree(graded[0].root, tmp_path / "course")
    source = root / "source" / graded[0].phase / f"{graded[0].lab}.ipynb"
    source.with_suffix(".md").unlink()
    source.write_text(source.read_text().replace('"price-hidden"', '"price-hidden-lists"'))
    with pytest.raises(CourseError, match=r"does not fit the gradebook.*Cannot add or remove cells"):
        grade_class(root, graded[0].phase)


def test_nothing_to_grade_says_what_to_do(course):
    with pytest.raises(CourseError, match="nbgrader collect 01-shop"):
        grade(course.root, course.phase)
    with pytest.raises(CourseError, match="course lab"):
        grade_own_work(course.root, course.phase)
    with pytest.raises(CourseError, match="did you mean 01-shop"):
        grade_own_work(course.root, "01-shpo")


def test_own_work_is_graded_away_from_the_class(course, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    work = course.root / "work" / course.phase
    work.mkdir(parents=True)
    mine = work / course.release.name
    answers = course.solved(
        price="def price(name, prices):\n    return 3",
        money="%%sql shop --name money\nSELECT custmer FROM orders",
    )
    answers.cells.append(new_code_cell("from course.lab import show_progress\nshow_progress()"))
    nbformat.write(answers, mine)
    before = contents(course.root / "work"), (course.root / "gradebook.db").read_bytes()

    assert grade_own_work(course.root, course.phase) == 0

    out = " ".join(capsys.readouterr().out.split())
    assert "1 of 6 points" in out
    assert "1 / 3" in out
    assert "a thing of another list" in out
    # a hidden test has run before this one: what came could hold its data, and is to be seen in the notebook
    assert "This test failed. Run this test in your notebook to see what came." in out
    page = course.root / "work/.course/grading/feedback/you/01-shop/01a-prices.html"
    assert str(page) in out.replace(" ", "")
    assert "exercises pass" not in page.read_text()
    shutil.rmtree(course.root / "work" / ".course")
    assert (contents(course.root / "work"), (course.root / "gradebook.db").read_bytes()) == before
    assert not (course.root / "autograded").exists()
    assert not (course.root / "submitted").exists()


def test_all_processes_share_the_imports_of_one(tiny, monkeypatch, tmp_path):
    """One zygote to learn from the reference solutions, one to grade with: both labs import the same."""
    started = tmp_path / "started"

    class Noted(Zygote):
        def __init__(self, imports, **options):
            with started.open("a") as notes:
                notes.write(f"{os.getpid()}\n")
            super().__init__(imports, **options)

    monkeypatch.setattr(zygotes, "Zygote", Noted)
    monkeypatch.setattr(executors, "_start_method", lambda: "fork")
    for student in ("ann", "ben", "cem"):
        tiny.hand_in(student)
    grades = grade_class(tiny.root, tiny.phase)
    assert [student.scores for student in grades.students] == [{"a-double": 6, "b-greet": 1}] * 3
    learner, grader = started.read_text().split()
    assert learner != grader == str(os.getpid())

    started.unlink()
    grade_class(tiny.root, tiny.phase, force=True)
    assert started.read_text().split() == [str(os.getpid())]


def test_without_a_cage_own_work_is_graded_and_others_is_not(tiny, capsys, monkeypatch):
    none = Level("none", (Missing("this system has no cage for them", "grade in a Linux container"),))
    monkeypatch.setattr("course.cage.level.found", lambda: none)
    quick.install(monkeypatch)
    monkeypatch.setattr(loop, "build", lambda *_: None)
    work = tiny.hand_in("ann")
    with pytest.raises(CourseError, match=r"this system has no cage.*grade in a Linux container"):
        grade(tiny.root, tiny.phase)
    assert not (tiny.root / "autograded").exists()

    (tiny.root / "work").mkdir()
    work.rename(tiny.root / "work" / tiny.phase)
    assert grade_own_work(tiny.root, tiny.phase) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "without a cage, as in your notebook, because this system has no cage" in out
    assert "a-double: 6 of 8 points" in out
    assert "a teacher has to grade this" in out


def test_the_command_says_what_needs_a_humans_eye(tiny, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    quick.install(monkeypatch, noted)
    monkeypatch.setattr(loop, "build", lambda *_: None)
    monkeypatch.setattr(loop, "grade_class", partial(grade_class, caged=False))
    for kind in ("timeout", "dead", "memory", "unresponsive", "examiner"):
        tiny.hand_in(f"ann-{kind}", double=f"# {kind}\ndef double(number):\n    return 2 * number")
    tiny.hand_in("zoe-missing", a=None)
    (tiny.hand_in("zoe-missing", a=None) / "a.txt").write_text("mine")
    assert grade(tiny.root, tiny.phase) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.replace("│", " ").split()) for line in out.splitlines()]
    assert "[6/6] graded" in lines
    eye = lines[next(i for i, line in enumerate(lines) if "needs a human's eye" in line) :]
    rows = [line for line in eye if line.startswith(("needs a human", "mended"))]
    assert [row.split(" a-double.ipynb")[0] for row in rows] == [
        "needs a human ann-dead",
        "needs a human ann-examiner",
        "needs a human ann-memory",
        "needs a human ann-unresponsive",
        "needs a human zoe-missing",
        "mended ann-timeout",
    ]
    assert "made Python stop" in rows[0]
    assert "more memory" in rows[2]
    assert any(line.startswith("note: zoe-missing a.txt") for line in lines)


def noted(notebook, job, config, folder):
    """Run it, and say that what its answer names had happened."""
    quick.execute(notebook, job, config, folder)
    first = notebook.cells[0].source.split()
    return [Note(first[1], "double")] if first[0] == "#" else []


def test_own_work_that_cannot_be_read_says_so(course, capsys):
    work = course.root / "work" / course.phase
    work.mkdir(parents=True)
    (work / course.release.name).write_text("")
    assert grade_own_work(course.root, course.phase) == 1
    assert "is empty" in " ".join(capsys.readouterr().out.split())


def test_nbgraders_own_commands_need_no_flags(course, tmp_path, capsys):
    """Hand out, hand in, collect, grade, feedback, export, with a kernel of the user's own in the way."""
    home = tmp_path / "home"
    kernel = home / ".local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": ["false"], "display_name": "Another Python", "language": "python"})
    )
    environment = os.environ | {
        "HOME": str(home),
        "JUPYTER_PATH": str(home / ".local/share/jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "NO_COLOR": "1",
    }
    environment.pop("JUPYTER_DATA_DIR", None)

    def nbgrader(*arguments, cwd=course.root):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    nbgrader("generate_assignment", course.phase)
    nbgrader("release_assignment", course.phase)
    copied = course.solved()
    twin = nbformat.from_dict(copied.cells[course.cell(copied, "price")])
    twin.id = "twin"
    copied.cells.append(twin)
    place = tmp_path / "ben" / course.phase
    place.mkdir(parents=True)
    nbformat.write(copied, place / course.release.name)
    settings = (course.root / "nbgrader_config.py").read_text()
    (place.parent / "nbgrader_config.py").write_text(
        f"{settings}\nc.Exchange.root = {str(course.root / 'exchange')!r}\n"
    )
    nbgrader("submit", course.phase, "--student", "ben", cwd=place.parent)
    nbgrader("collect", course.phase)
    course.hand_in("ann", course.solved())  # comes before ben, and was not handed in
    shutil.copytree(
        course.root / "submitted" / "ann" / course.phase, course.root / "submitted" / "eve" / "01 Shop"
    )
    nbgrader("autograde", course.phase)
    nbgrader("generate_feedback", course.phase)
    said = nbgrader("release_feedback", course.phase)
    assert "The work of ann was not handed in through the exchange" in said
    nbgrader("export")

    rows = [line.split(",") for line in (course.root / "grades.csv").read_text().splitlines()]
    score = rows[0].index("score")
    assert {row[3]: float(row[score]) for row in rows[1:]} == {"ann": 6, "ben": 6}
    (released,) = (course.root / "exchange" / "backend" / "feedback").glob("*.html")
    assert "Your points by exercise" in released.read_text()

    assert grade(course.root, course.phase) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Hand it out: nbgrader release_feedback {course.phase} Give the pages to those yourself" in said
    assert "not collected (1)" in said
    assert "Not graded: submitted/eve/01 Shop. Rename this folder if it is 01-shop" in said
