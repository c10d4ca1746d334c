"""Terminal commands under the examiner: they run in the student's cage, and only data comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examiner.jobs import panel_of
from tests.examiner.submission import Submission

OFFICE = (
    "from course.lab import practice_folder\n"
    "office = practice_folder({'orders/2026/a.txt': 'one', 'readme.txt': '', '.env': ''}, name='office')"
)
TEST = """
def test_answer():
    import os
    from course.lab import practice_folder, run_commands

    shop = practice_folder({"orders/2026/b.txt": "two", "orders/9/c d.txt": ""})
    done = run_commands(answer, on=shop)
    assert shop._path is None, "A test's folder is made in the student's kernel"
    assert done.folder == "orders/2026", "Go down into orders, and then into 2026."
    assert [line.command for line in done.lines][0] == "cd orders"
    assert done.files == ["orders/", "orders/2026/", "orders/2026/b.txt", "orders/9/", "orders/9/c d.txt"]
    assert done.contents == {"orders/2026/b.txt": "two", "orders/9/c d.txt": ""}
    assert "b.txt" in done.printed
    assert run_commands(answer, on=office).printed.endswith("a.txt\\n")

test_answer()
"""


@pytest.fixture(scope="module")
def submission(zygote) -> Iterator[Submission]:
    with Submission(zygote) as submission:
        submission.run("%load_ext course")
        submission.run(OFFICE)
        yield submission


def test_commands_run_in_the_students_cage(submission: Submission) -> None:
    shown = submission.run("%%terminal office --name answer\ncd orders\ncd 2026\nls")
    assert shown.error == shown.text == ""
    recorded = submission.examine(TEST, record=True)
    assert recorded["passed"], recorded
    graded = submission.examine(TEST, recording=recorded["recording"])
    assert graded["passed"], graded
    assert graded["outputs"] == []


def test_the_cage_has_a_shell_and_python(submission: Submission) -> None:
    submission.run(
        "%%terminal office --name answer\npwd\npython --version\npython3 --version\nfoo\ndir -Force"
    )
    test = (
        "from course.lab import run_commands\n"
        "done = run_commands(answer, on=office)\n"
        "assert done.lines[1].output == done.lines[2].output, 'the same Python'\n"
        "assert done.lines[1].output.startswith('Python 3.'), 'a Python'\n"
        "assert 'command not found' in done.lines[3].errors, 'as bash says it'\n"
        "assert '.env' in done.lines[4].output, 'hidden files'"
    )
    verdict = submission.examine(test, record=True)
    assert verdict["passed"], verdict


def test_wrong_commands_fail_with_the_tests_words(submission: Submission) -> None:
    submission.run("%%terminal office --name answer\ncd orders")
    verdict = submission.examine(TEST, record=True)
    assert not verdict["passed"]
    assert "Go down into orders, and then into 2026." in panel_of(verdict)
    assert verdict["error"] == ["AssertionError", "Go down into orders, and then into 2026."]


def test_an_empty_cell_is_not_tried(submission: Submission) -> None:
    submission.run("%%terminal office --name answer\n# Write your commands here")
    verdict = submission.examine(TEST, record=True)
    assert verdict["error"][0] == "NoCommands"
    assert "Not solved yet" in panel_of(verdict)


@pytest.mark.parametrize(
    "cell",
    [
        "answer = 5",
        "class Odd(str):\n    pass\nanswer = Odd('cd orders')",
        "import course.examiner.tools as tools\ntools.TOOLS['run_commands'] = lambda *_: ('orders/2026', (), ((1, 2),))",
        "import course.examiner.tools as tools\ntools.TOOLS['run_commands'] = lambda *_: object()",
    ],
)
def test_what_is_no_outcome_passes_no_test(zygote, cell: str) -> None:
    with Submission(zygote) as own:
        own.run("%load_ext course")
        own.run(OFFICE)
        own.run("%%terminal office --name answer\ncd orders\ncd 2026\nls")
        recording = own.recorded(TEST)
        own.run(cell)
        verdict = own.examine(TEST, recording=recording)
        assert not verdict["passed"]


def test_a_folder_of_the_students_writes_nothing_where_the_tests_run(submission: Submission) -> None:
    submission.run("evil = practice_folder({'a.txt': ''})\nevil.contents = {'../../evil.txt': ''}")
    test = "from course.lab import run_commands\nassert run_commands('pwd', on=evil).folder == '', 'no'"
    verdict = submission.examine(test, record=True)
    assert not verdict["passed"]
