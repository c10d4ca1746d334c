"""The exchange is made as nbgrader wants it, and what stands against it is said to whom it concerns."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from course.classroom import exchange
from course.errors import CourseError


def test_the_teachers_is_made_and_opened_to_every_account(tmp_path: Path) -> None:
    folder = tmp_path / "srv" / "exchange"
    exchange.make_ready(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777


def test_one_that_was_closed_is_opened(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    exchange.make_ready(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o777


def test_one_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match="cannot be made ready") as told:
        exchange.make_ready(tmp_path / "file" / "exchange")
    assert str(tmp_path / "file" / "exchange") in str(told.value)


def test_a_student_is_told_that_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="ask your teacher"):
        exchange.must_be_there(tmp_path / "exchange")
    exchange.must_be_there(tmp_path)


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(exchange.VARIABLE, raising=False)
    assert exchange.named() is None
    monkeypatch.setenv(exchange.VARIABLE, "")
    assert exchange.named() is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(exchange.VARIABLE, "here")
    assert exchange.named() == tmp_path / "here"


def test_nbgraders_settings_use_it(tmp_path: Path) -> None:
    """And a folder that cannot be made does not break nbgrader's other commands."""
    project = Path(__file__).parents[2]
    (tmp_path / "file").touch()
    for folder in (tmp_path / "srv" / "exchange", tmp_path / "file" / "exchange"):
        code = (
            "from traitlets.config.loader import PyFileConfigLoader as Loader; "
            f"print(Loader('nbgrader_config.py', {str(project)!r}).load_config().Exchange.root)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={exchange.VARIABLE: str(folder)},
            cwd=project,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == str(folder)
    assert stat.S_IMODE((tmp_path / "srv" / "exchange").stat().st_mode) == 0o777
