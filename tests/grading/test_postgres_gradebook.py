"""A class is graded into a gradebook on a PostgreSQL server."""

import pytest
import sqlalchemy

from course.errors import CourseError
from course.grading import engine, gradebook
from course.grading.loop import grade_class
from course.lab.services import postgres

from . import quick

WRONG = "def double(number):\n    return 4"


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


def test_the_rows_are_those_of_sqlite(tiny, server, monkeypatch):
    """Graded twice, with a teacher's points in between."""
    quick.install(monkeypatch)
    tiny.hand_in("ann", "2026-01-05 10:00:00 UTC")
    tiny.hand_in("ben", double=WRONG, b=None)
    grade_class(tiny.root, tiny.phase, caged=False)

    gradebook.make_tables(server.sqlalchemy_url)
    with (tiny.root / "nbgrader_config.py").open("a") as settings:
        settings.write(f"\nc.CourseDirectory.db_url = {server.sqlalchemy_url!r}\n")
    before = (tiny.root / "gradebook.db").read_bytes()
    grades = grade_class(tiny.root, tiny.phase, caged=False, force=True)
    assert tiny.rows(server.sqlalchemy_url) == tiny.rows()
    assert {student.student: student.scores for student in grades.students} == {
        "ann": {"a-double": 6, "b-greet": 1},
        "ben": {"a-double": 2.5, "b-greet": 0},
    }

    folder = engine.course_folder(tiny.root)
    with folder.gradebook() as book:
        book.find_grade("why", "a-double", tiny.phase, "ben").manual_score = 1
        book.db.commit()
    tiny.hand_in("ben")
    grades = grade_class(tiny.root, tiny.phase, caged=False)
    assert [(student.fresh, sum(student.scores.values())) for student in grades.students] == [
        (False, 7),
        (True, 8),
    ]
    assert (tiny.root / "gradebook.db").read_bytes() == before

    # somebody's open transaction holds Ben's row
    monkeypatch.setattr(gradebook, "PATIENCE_SECONDS", 1)
    tiny.hand_in("ben", double=WRONG)
    other = sqlalchemy.create_engine(server.sqlalchemy_url)
    with other.connect() as connection:
        connection.execute(sqlalchemy.text("UPDATE grade SET extra_credit = 3"))
        with pytest.raises(CourseError, match="database server has been locked by another program"):
            grade_class(tiny.root, tiny.phase, caged=False)
    other.dispose()
    grades = grade_class(tiny.root, tiny.phase, caged=False)
    assert sum(grades.students[1].scores.values()) == 4.5


def test_a_server_that_is_gone_says_so(tiny, monkeypatch):
    with (tiny.root / "nbgrader_config.py").open("a") as settings:
        settings.write("\nc.CourseDirectory.db_url = 'postgresql+psycopg://x:x@127.0.0.1:1/x'\n")
    tiny.hand_in("ann")
    with pytest.raises(CourseError, match=r"database server cannot be used: connection"):
        grade_class(tiny.root, tiny.phase, caged=False)
