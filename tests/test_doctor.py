"""`course doctor`, as a user runs it, on this machine and with parts of it taken away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from course import doctor
from course.cage import level

PROJECT = Path(__file__).parents[1]


def examined(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What it says, away from the course's folder."""
    path = variables.pop("PYTHONPATH", "")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [path, str(PROJECT)])),
        **variables,
    }
    command = [sys.executable, "-m", "course", "doctor"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=120)


def test_it_says_what_works(tmp_path: Path) -> None:
    run = examined(tmp_path)
    assert run.stderr == ""
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in run.stdout
    assert "those that are compiled load" in run.stdout
    assert "PostgreSQL" in run.stdout
    caged = level.probe().name == "namespaces"
    assert ("fully caged" in run.stdout) == caged
    assert run.returncode == (0 if caged and "missing  " not in run.stdout else 1)


def test_no_bubblewrap(tmp_path: Path) -> None:
    run = examined(tmp_path, PATH="/nowhere")
    assert run.returncode == 1
    assert "missing  bubblewrap is not installed" in run.stdout
    assert "apt install bubblewrap" in run.stdout
    assert "fully caged" not in run.stdout
    assert "your own work is graded all the same" in run.stdout


def test_a_package_that_does_not_fit_the_machine(tmp_path: Path) -> None:
    (tmp_path / "duckdb").mkdir()
    (tmp_path / "duckdb" / "__init__.py").write_text("raise ImportError('wrong ELF class')")
    run = examined(tmp_path, PYTHONPATH=str(tmp_path))
    assert run.returncode == 1
    assert "missing  duckdb cannot be imported (ImportError: wrong ELF class)" in run.stdout


def test_a_package_that_is_missing_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        return [
            "no-such-package>=1",
            "click>=99",
            'colorama>=99; sys_platform == "none"',
            'x; extra == "test"',
        ]

    monkeypatch.setattr(doctor.metadata, "requires", requires)
    found = [finding.text for finding in doctor._packages()]
    assert "no-such-package is not installed" in found
    assert any(text.startswith("click is version") for text in found)
    assert len(found) == 3


@pytest.mark.parametrize(("platform", "ways"), [("darwin", ["container"]), ("win32", ["WSL", "container"])])
def test_no_linux(monkeypatch: pytest.MonkeyPatch, platform: str, ways: list[str]) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    findings = list(doctor.grading(level.probe()))
    assert findings[0].verdict == "missing"
    said = " ".join(part for finding in findings for part in [finding.text, *finding.remedies])
    assert all(way in said for way in ways)
    assert "your own work is graded all the same" in said


def test_a_profile_is_printed_whole() -> None:
    profile = level.Missing("AppArmor forbids it", "put this there", "profile bwrap {\n  userns,\n}")
    (_, finding, *_) = doctor.grading(level.Level("landlock", (profile,)))
    assert finding.remedies == ("put this there", "profile bwrap {", "  userns,", "}")


def test_the_exit_status_is_explained() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "course", "doctor", "--help"], capture_output=True, text=True, cwd=PROJECT
    )
    assert "exit status" in run.stdout
