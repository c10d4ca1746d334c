"""`course verify` as an author runs it: its exit status, and what it prints."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course.errors import CourseError
from course.proof import verify as verifying
from course.proof.stock import stock_faults
from course.proof.verify import verify
from course.publishing.build import build
from course.publishing.layout import labs

LAB = Path("source/01-small/01a-money.md")
BANK = Path("tests/answers/01-small/01a-money.md")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with one small lab, which may have as few exercises as it has."""
    here = Path(__file__).parent
    shutil.copytree(here / "small_course", tmp_path, dirs_exist_ok=True)
    shutil.copyfile(here.parents[1] / "nbgrader_config.py", tmp_path / "nbgrader_config.py")
    monkeypatch.setattr("course.proof.budget.EXERCISES", range(2, 10))
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_sound_lab_is_proven(course, capsys):
    status = verify(course)

    out = capsys.readouterr().out
    assert status == 0
    row = next(line for line in out.splitlines() if "01a-money" in line)
    lab, exercises, answers, agreed, mutants, explained, killed, rate, _seconds, _unit, mark = row.split()
    assert (lab, exercises, answers, agreed, explained, rate, mark) == (
        *("01a-money", "2", "8", "10", "3", "100.0%", "✓"),
    )
    assert int(mutants) == int(killed) + 3 > 18
    assert "✗" not in out


def test_what_is_wrong_is_said_and_the_status_tells(course, capsys):
    replace(course / BANK, "return max(cents, 0) *", "return max(cents, 1) *")
    replace(
        course / LAB, "# Hidden tests: another shop.", "# Hidden tests: another shop.\nprint(good_customers)"
    )
    replace(course / LAB, 'assert rows == [("Ada", 50), ("Bo", 50)], "Ada and Bo paid 50"', "")
    replace(
        course / LAB,
        "assert run(good_customers, on=other) == [], ",
        "assert type(good_customers) is not str, ",
    )
    replace(
        course / LAB,
        'assert run(good_customers, on=other) == [("Al"',
        'assert run(good_customers, on=other) or [("Al"',
    )

    status = verify(course, "01-small/01a-money")

    out = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert (
        "✗ with-tax-hidden rejects the correct answer “one expression” (line 5 of the bank): AssertionError"
        in out
    )
    assert "✗ good-customers-hidden should catch the wrong answer “written for the rows shown”" in out
    assert "of the mutants, and must catch 95%" in out
    assert "good-customers: order flipped - customer + customer DESC" in out
    assert out.count("rejects the correct answer") == 1, "the seeds say the same once"


def test_a_lab_that_cannot_run_is_reported_with_the_others(course, capsys):
    replace(course / LAB, "tax_percent = 10", "tax_percent = 10\nimport os\nos._exit(1)")

    status = verify(course)

    assert status == 1
    assert "its process ended before its last cell" in capsys.readouterr().out


def test_a_lab_without_a_bank_and_an_unknown_lab_are_refused(course):
    (course / BANK).unlink()

    with pytest.raises(CourseError, match="there is no answer bank"):
        verify(course)
    with pytest.raises(CourseError, match="There is no phase or lab '01-large'"):
        verify(course, "01-large")


def test_a_syllabus_that_does_not_fit_is_reported(course):
    (course / "course").mkdir()
    syllabus = Path(verifying.syllabus.__file__).with_name("syllabus.toml")
    shutil.copyfile(syllabus, course / "course" / "syllabus.toml")
    (course / "source" / "04-databases").mkdir()
    shutil.copyfile(course / LAB, course / "source" / "04-databases" / "14z-unknown.md")

    faults = verifying._syllabus_faults(course)

    assert any("14z-unknown.md is no lab of this phase" in fault for fault in faults)


def test_nbgrader_itself_must_give_all_or_nothing(course, tmp_path_factory):
    replace(course / LAB, 'assert rows == [("Ada", 50), ("Bo", 50)]', "assert True")
    replace(
        course / LAB,
        'rows = run(good_customers, on=shop)\nassert rows.columns == ["customer", "paid"]',
        "assert True",
    )
    replace(course / LAB, "(999, 1098)", "(999, 1099)")
    build(course)

    faults = stock_faults(labs(course), tmp_path_factory.mktemp("gradebook"))

    assert faults == {
        "01a-money": [
            "nbgrader does not give the reference solution all points for with-tax-hidden",
            "nbgrader gives the untouched release points for good-customers-visible",
        ]
    }


def test_ctrl_c_ends_it_and_everything_it_started(course):
    replace(course / LAB, "tax_percent = 10", "tax_percent = 10\nwhile True: pass")
    command = "from pathlib import Path; from course.proof.verify import verify; verify(Path())"
    with subprocess.Popen(
        [sys.executable, "-c", command], cwd=course, start_new_session=True, stderr=subprocess.DEVNULL
    ) as proof:

        def templates() -> list[str]:
            found = subprocess.run(
                ["ps", "-o", "args=", "-g", str(proof.pid)], capture_output=True, text=True
            ).stdout
            return [line for line in found.splitlines() if "course.proof.template" in line]

        while not templates():
            assert proof.poll() is None
            time.sleep(0.05)
        os.killpg(proof.pid, signal.SIGINT)

        assert proof.wait(timeout=60) != 0
        assert templates() == []
