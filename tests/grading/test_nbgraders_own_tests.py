"""nbgrader's own tests of `nbgrader autograde`, with this engine in place of its own steps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = "nbgrader.tests.apps.test_nbgrader_autograde"
# Each of these asks for what the engine is there to prevent, or for what it does in another way.
EXCEPTIONS = {
    "test_grade_empty_timestamp": "a timestamp that says no time is set aside, and the rest graded, not refused",
    "test_handle_failure": "a notebook with cells of no lab is rebuilt without them and graded, not refused",
    "test_handle_failure_single_notebook": "the same",
    "test_missing_source_kernelspec": "a kernel that the course does not know is replaced by the course's, not refused",
    "test_side_effects": "the files that a notebook writes stay in its cage",
    "test_no_execute": "outputs that were handed in could be forged: none is kept",
    "test_hidden_tests_single_notebook": "a test takes a name of the student's away, which only works in the notebook",
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nbgraders_own_tests_pass(tmp_path):
    programs = str(Path(sys.executable).parent)
    left_out = [part for name in EXCEPTIONS for part in ("--deselect", f"::TestNbGraderAutograde::{name}")]

    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--pyargs",
            SUITE,
            "-q",
            "-rfEs",
            "-p",
            "no:cacheprovider",
            *left_out,
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "JUPYTER_CONFIG_PATH": str(Path(__file__).parent / "own_suite"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout[-5000:]
    assert " passed" in ran.stdout
