"""The gradebook says what nbgrader's would, whatever happens around it."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import nbgrader.api
import pytest
from nbgrader.api import Gradebook
from sqlalchemy import create_engine

from course.errors import CourseError
from course.grading import coordinator, engine, gradebook
from course.grading.coordinator import alone
from course.grading.loop import grade_class

from . import quick


def scores(grades):
    return {student.student: student.scores["a-double"] for student in grades.students}


WRONG = "def double(number):\n    return 4"
LATE_RULE = """
from nbgrader.plugins import BasePlugin


class Half(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return score / 2
"""
STOCK = """
c = get_config()
c.CourseDirectory.course_id = "backend"
c.CourseDirectory.root = {root!r}
c.Autograde.autograde_preprocessors = [
    {execute!r},
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
"""
STEPS = {"quick": "quick.QuickExecute", "kernels": "nbgrader.preprocessors.Execute"}
LATE = '\nc.AssignLatePenalties.plugin_class = "half.Half"\n'


@pytest.fixture(autouse=True)
def quickly(request, monkeypatch):
    """No kernels, but where they are asked for."""
    if "kernels" not in request.node.name:
        quick.install(monkeypatch)


def hand_in_everything(tiny):
    tiny.hand_in("right", "2026-01-01 10:00:00 UTC")
    tiny.hand_in("wrong", double=WRONG, why="I do not know")
    tiny.hand_in("late", "2026-01-05 10:00:00 UTC", why="It is")
    tiny.hand_in("late-wrong", "2026-01-05 10:00:00.5 UTC", double=WRONG, draw="Drawn.")
    tiny.hand_in("missing-a", a=None)
    tiny.hand_in("missing-b", "2026-01-05 10:00:00 UTC", b=None)
    with Gradebook(tiny.database) as book:
        cells = [
            cell for notebook in book.find_assignment("02-tiny").notebooks for cell in notebook.source_cells
        ]
        released = {cell.name: cell.source for cell in cells}
    tiny.hand_in("released", **released)
    tiny.hand_in(
        "noisy", greet="import sys\ndef greet(name):\n    print(1, file=sys.stderr)\n    return 'Hello Ada'"
    )


def teach(database):
    """What a teacher does between two gradings."""
    with Gradebook(database) as book:
        book.update_or_create_assignment("02-tiny", duedate="2026-01-03 00:00:00 UTC")
        for student in ("wrong", "late", "missing-a"):
            book.find_grade("why", "a-double", "02-tiny", student).manual_score = 1.5
            book.find_grade("double-hidden", "a-double", "02-tiny", student).extra_credit = 0.5
            book.find_comment("why", "a-double", "02-tiny", student).manual_comment = "Well said"
        book.find_grade("double-visible", "a-double", "02-tiny", "late").manual_score = 0
        book.db.commit()


@pytest.mark.parametrize("execute", ["quick", pytest.param("kernels", marks=pytest.mark.slow)])
def test_all_rows_are_those_of_stock_nbgrader(tiny, tmp_path, monkeypatch, execute):
    """Graded, corrected by a teacher, with a due date set, handed in again, and graded once more."""
    hand_in_everything(tiny)
    stock = type(tiny)(tmp_path / "stock")
    shutil.copytree(tiny.root, stock.root)
    (stock.root / "nbgrader_config.py").write_text(
        STOCK.format(root=str(stock.root), execute=STEPS[execute]) + LATE
    )
    with (tiny.root / "nbgrader_config.py").open("a") as settings:
        settings.write(LATE)
    for root in (tiny.root, stock.root):
        (root / "half.py").write_text(LATE_RULE)
    monkeypatch.syspath_prepend(str(tiny.root))

    def autograde():
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", "autograde", tiny.phase, "--force"],
            cwd=stock.root,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(stock.root), str(Path(quick.__file__).parent)])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    autograde()
    grade_class(tiny.root, tiny.phase, caged=False)
    assert tiny.rows() == stock.rows()
    assert ("released", "a-double", "why", "No response.", None) in tiny.rows()

    for each in (tiny, stock):
        teach(each.database)
        each.hand_in("wrong", "2026-01-06 10:00:00 UTC")
        each.hand_in("missing-b", "2026-01-05 10:00:00 UTC")
    autograde()
    grade_class(tiny.root, tiny.phase, caged=False, force=True)
    assert tiny.rows() == stock.rows()
    assert any(row[:2] == ("late", "b-greet") and row[3] == 0.5 for row in tiny.rows())
    assert ("late", "a-double", "double-visible", 1, 0, None, 0, True) in tiny.rows()

    page = tiny.root / "feedback" / "late" / tiny.phase / "a-double.html"
    ours = page.read_text()
    engine.generate_feedback(engine.course_folder(tiny.root), tiny.phase, "late")
    assert page.read_text() == ours
    assert "Handed in late" in ours
    assert "Well said" in ours


def test_a_submission_is_written_wholly_or_not_at_all(tiny, monkeypatch):
    tiny.hand_in("ann")
    grade_class(tiny.root, tiny.phase, caged=False)
    before = tiny.rows()
    tiny.hand_in("ann", double=WRONG)
    tiny.hand_in("ben")

    def fail(*_):
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(gradebook, "_punish", fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            grade_class(tiny.root, tiny.phase, caged=False)
    assert tiny.rows() == before
    grade_class(tiny.root, tiny.phase, caged=False)
    assert tiny.rows() != before


def test_a_locked_gradebook_is_waited_for(tiny, monkeypatch):
    tiny.hand_in("ann")
    other = sqlite3.connect(tiny.root / "gradebook.db", isolation_level=None, check_same_thread=False)
    monkeypatch.setattr(engine, "register", lambda *_: other.execute("BEGIN IMMEDIATE"))
    monkeypatch.setattr(coordinator.Coordinator, "_save", save_with_others(other))
    assert scores(grade_class(tiny.root, tiny.phase, caged=False)) == {"ann": 6}
    other.close()


def save_with_others(other):
    """Save while another program has the lock for a little longer than one attempt takes."""
    real = coordinator.Coordinator._save

    def save(self, paper):
        timer = threading.Timer(1.5, other.execute, ["COMMIT"])
        timer.start()
        real(self, paper)
        timer.join()

    return save


def test_a_gradebook_that_nobody_may_even_read_is_waited_for_too(tiny, monkeypatch):
    tiny.hand_in("ann")
    grade_class(tiny.root, tiny.phase, caged=False)
    other = sqlite3.connect(tiny.root / "gradebook.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    tries = []

    def impatient(*arguments, **options):
        tries.append(arguments)
        if len(tries) == 3:
            other.execute("COMMIT")
        return create_engine(*arguments, **options, connect_args={"timeout": 0})

    monkeypatch.setattr(nbgrader.api, "create_engine", impatient)
    with gradebook.RunGradebook(f"sqlite:///{tiny.root / 'gradebook.db'}", "course101"):
        assert len(tries) == 3
    other.close()


def test_who_locks_the_gradebook_for_long_is_named(tiny, monkeypatch):
    tiny.hand_in("ann")
    before = tiny.rows()
    script = (
        "import sqlite3, sys; book = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "book.execute('BEGIN IMMEDIATE'); print(flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tiny.root / "gradebook.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    holder.stdout.readline()
    monkeypatch.setattr(gradebook, "PATIENCE_SECONDS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "register", lambda *_: None)
        with pytest.raises(CourseError, match=rf"locked by another program.*process {holder.pid}.*kept"):
            grade_class(tiny.root, tiny.phase, caged=False)
    with pytest.raises(CourseError, match=rf"locked by another program.*process {holder.pid}"):
        grade_class(tiny.root, tiny.phase, caged=False)  # found before anything is changed
    holder.communicate(b"\n")
    assert tiny.rows() == before
    assert scores(grade_class(tiny.root, tiny.phase, caged=False)) == {"ann": 6}


def test_a_full_disk_stops_with_one_line_and_is_gone_on_from(tiny, monkeypatch):
    class_of = {"ann", "ben", "cem", "dan", "eva"}
    for student in class_of:
        tiny.hand_in(student)
    real, calls = coordinator.write_atomically, []

    def full(path, content):
        calls.append(path)
        if len(calls) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(coordinator, "write_atomically", full)
        with pytest.raises(CourseError, match=r"no room left on the disk.*run this again"):
            grade_class(tiny.root, tiny.phase, caged=False, workers=1)
    assert set() < {row[0] for row in tiny.rows()} < class_of
    grades = grade_class(tiny.root, tiny.phase, caged=False)
    assert False in [student.fresh for student in grades.students]
    assert scores(grades) == dict.fromkeys(class_of, 6)


def test_a_full_database_stops_with_one_line(tiny, monkeypatch):
    real = gradebook._engine

    def small(url):
        engine = real(url)

        @gradebook.event.listens_for(engine, "connect")
        def stop_growing(connection, _record):
            connection.execute("PRAGMA max_page_count = 1")

        return engine

    monkeypatch.setattr(gradebook, "_engine", small)
    for number in range(60):
        tiny.hand_in(f"s{number}", a=None, b=None)
    with pytest.raises(CourseError, match="disk is full"):
        grade_class(tiny.root, tiny.phase, caged=False)


def test_two_coordinators_do_not_grade_the_same_phase(tiny):
    tiny.hand_in("ann")
    script = (
        "import sys\nfrom pathlib import Path\nfrom course.grading.coordinator import alone\n"
        "with alone(sys.argv[1], Path(sys.argv[2])):\n    print(flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, tiny.phase, str(tiny.root / "autograded")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    with pytest.raises(CourseError, match=f"being graded already, by process {other.pid}"):
        grade_class(tiny.root, tiny.phase, caged=False)
    with alone("03-other", tiny.root / "autograded"):
        pass
    other.kill()  # it leaves its lock behind
    other.wait()
    assert grade_class(tiny.root, tiny.phase, caged=False).students[0].scores["a-double"] == 6


def test_what_is_kept_of_a_submission_is_what_was_handed_in_last(tiny):
    folder = tiny.hand_in("ann")
    (folder / "notes").mkdir()
    (folder / "notes" / "old.txt").write_text("old")
    grade_class(tiny.root, tiny.phase, caged=False)
    kept = tiny.root / "autograded" / "ann" / tiny.phase
    assert (kept / "notes" / "old.txt").read_text() == "old"
    assert oct((kept / "a-double.ipynb").stat().st_mode)[-3:] == "444"

    (folder / "notes" / "old.txt").unlink()
    (folder / "notes").rmdir()
    (folder / "notes").write_text("new")
    (folder / "b-greet.ipynb").unlink()
    grade_class(tiny.root, tiny.phase, caged=False)
    names = {path.name for path in kept.iterdir()}
    assert names == {"a-double.ipynb", "notes", ".graded.json"}
    feedback = tiny.root / "feedback" / "ann" / tiny.phase
    assert "is missing" in (feedback / "b-greet.html").read_text()
    assert "Feedback for ann" in (feedback / "a-double.html").read_text()


def test_somebody_who_is_not_in_the_gradebook_is_left_out_where_the_course_wants_that(tiny):
    tiny.hand_in("ann")
    tiny.hand_in("zoe")
    with Gradebook(tiny.database) as book:
        book.add_student("ann")
    with (tiny.root / "nbgrader_config.py").open("a") as settings:
        settings.write("\nc.Autograde.create_student = False\n")
    grades = grade_class(tiny.root, tiny.phase, caged=False)
    assert [student.scores for student in grades.students] == [{"a-double": 6, "b-greet": 1}, {}]
    assert "not in the gradebook" in str(grades.students[1].problems[0])
    assert {row[0] for row in tiny.rows()} == {"ann"}
