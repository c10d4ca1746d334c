from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest

from course.lab.progress import MIME, read, record, show_progress, tries_of


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A lab in a working copy, whose kernel this process plays."""
    (tmp_path / ".course").mkdir()
    path = tmp_path / "04-databases" / "14b-joins.ipynb"
    path.parent.mkdir()
    cells = [
        nbformat.v4.new_code_cell(id=name)
        for name in ("orders", "orders-visible", "orders-hidden", "sums-visible")
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    return path


def test_runs_are_counted_and_the_first_pass_stays(notebook, tmp_path):
    for passed in (False, False, True, False):
        record("orders-visible", passed)
    lab = read(tmp_path)["04-databases/14b-joins"]
    test = lab.tests["orders-visible"]
    assert (test.tries, test.passed) == (4, False)
    assert test.first_passed is not None
    assert test.first_passed <= test.last_run
    assert not lab.passes("orders")
    record("orders-visible", True)
    assert read(tmp_path)["04-databases/14b-joins"].passes("orders")


def test_an_exercise_passes_with_all_of_its_tests(notebook, tmp_path):
    record("orders-visible", True)
    record("orders-visible-ties", False)
    lab = read(tmp_path)["04-databases/14b-joins"]
    assert not lab.passes("orders")
    assert not lab.passes("sums")


def test_a_run_without_an_answer_is_no_try(notebook, tmp_path):
    record("orders-visible", False, tried=False)
    assert "○ orders: not tried" in repr(show_progress())
    record("orders-visible", False)
    record("sums-visible", False)
    record("orders-visible", True)
    assert [each.passed for each in tries_of("orders-visible")] == [False, True]
    record("orders-visible", False, tried=False)
    test = read(tmp_path)["04-databases/14b-joins"].tests["orders-visible"]
    assert (test.tries, test.passed) == (2, False)
    assert test.first_passed is not None
    (tmp_path / ".course").rename(tmp_path / "elsewhere")
    assert tries_of("orders-visible") is None


def test_nothing_is_written_outside_a_working_copy(notebook, tmp_path):
    (tmp_path / ".course").rmdir()
    record("orders-visible", True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [notebook]
    assert read(tmp_path) == {}


@pytest.mark.parametrize(
    "damage", [b"{torn", b"\xff\xfe\x00\n", b"[]\n", b'{"test": 3, "passed": 1, "at": "x"}\n']
)
def test_a_damaged_line_costs_that_line_only(notebook, tmp_path, damage):
    record("orders-visible", True)
    file = tmp_path / ".course" / "progress" / "04-databases" / "14b-joins.jsonl"
    file.write_bytes(file.read_bytes() + damage)
    record("sums-visible", False)
    lab = read(tmp_path)["04-databases/14b-joins"]
    assert {name: test.passed for name, test in lab.tests.items()} == {
        "orders-visible": True,
        "sums-visible": False,
    }
    assert lab.unreadable == 1
    assert "1 line of the progress file could not be read" in repr(show_progress())
    assert damage in file.read_bytes()


def test_two_kernels_at_once_lose_nothing(notebook, tmp_path):
    code = "from course.lab.progress import record\nfor n in range(200): record('orders-visible', n % 2 == 0)"
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    lab = read(tmp_path)["04-databases/14b-joins"]
    assert (lab.tests["orders-visible"].tries, lab.unreadable) == (400, 0)


def test_the_lab_is_found_without_jupyters_server(notebook, tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME")
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(id="other-visible")])
    nbformat.write(other, notebook.with_name("14c-other.ipynb"))
    notebook.with_name("broken.ipynb").write_text("not JSON")
    record("orders-visible", True)
    assert list(read(tmp_path)) == ["04-databases/14b-joins"]


def test_a_renamed_notebook_is_found_by_its_cells(notebook, tmp_path):
    notebook.rename(notebook.with_name("my-joins.ipynb"))
    record("orders-visible", True)
    assert list(read(tmp_path)) == ["04-databases/my-joins"]


def test_the_view_lists_every_exercise(notebook):
    record("orders-visible", True)
    view = show_progress()
    assert [(each.exercise, each.passed, each.tries) for each in view.standings] == [
        ("orders", True, 1),
        ("sums", None, 0),
    ]
    assert repr(view) == "1 of 2 exercises pass\n  ✓ orders: passed, 1 try\n  ○ sums: not tried"
    record("orders-visible", False)
    assert "✗ orders: not now, but passed before, 2 tries" in repr(show_progress())
    assert "<progress" in show_progress()._repr_html_()


def test_the_view_outside_a_working_copy_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "your own copy of the course" in repr(show_progress())
    assert "your own copy of the course" in show_progress()._repr_html_()


def test_a_copy_that_is_graded_inside_the_marker_folder_has_no_progress(notebook, tmp_path, monkeypatch):
    graded = tmp_path / ".course" / "grading" / "autograded" / "you" / "04-databases" / notebook.name
    graded.parent.mkdir(parents=True)
    notebook.rename(graded)
    monkeypatch.chdir(graded.parent)
    monkeypatch.setenv("JPY_SESSION_NAME", str(graded))
    record("orders-visible", True)
    assert read(tmp_path) == {}
    assert "your own copy of the course" in repr(show_progress())


def test_a_kernel_records_visible_tests_only(start_kernel, notebook, tmp_path):
    kernel = start_kernel(notebook.parent, JPY_SESSION_NAME=str(notebook))
    kernel.run("assert 1 + 1 == 2", "orders-visible")
    kernel.run("# Hidden tests", "orders-hidden")
    kernel.run("assert 1 + 1 == 3", "sums-visible")
    kernel.run("raise KeyboardInterrupt", "sums-visible")
    kernel.run("assert 1 + 1 == 3")
    kernel.run("import os; os.chdir('/')")
    kernel.run("assert 1 + (", "sums-visible")
    runs = (tmp_path / ".course" / "progress" / "04-databases" / "14b-joins.jsonl").read_text().splitlines()
    assert [(run["test"], run["passed"]) for run in map(json.loads, runs)] == [
        ("orders-visible", True),
        ("sums-visible", False),
        ("sums-visible", False),
    ]
    shown = kernel.run("from course.lab.progress import show_progress\nshow_progress()").of("execute_result")
    assert shown[0]["data"]["text/plain"].startswith("1 of 2 exercises pass")
    assert "1 of 2 exercises pass" in shown[0]["data"]["text/html"]
    assert [each["exercise"] for each in shown[0]["data"][MIME]] == ["orders", "sums"]


def test_progress_that_cannot_be_kept_is_said_and_harms_nothing(start_kernel, notebook, tmp_path):
    (tmp_path / ".course" / "progress").write_text("a file where a folder should be")
    kernel = start_kernel(notebook.parent, JPY_SESSION_NAME=str(notebook))
    ran = kernel.run("assert 1 + 1 == 2", "orders-visible")
    assert "Passed: orders" in ran.text
    assert "could not be kept" in ran.text
    assert ran.of("error") == []
    ran = kernel.run("assert 1 + 1 == 3", "orders-visible")
    assert "could not be kept" in ran.stream("stdout")
    assert len(ran.of("error")) == 1
