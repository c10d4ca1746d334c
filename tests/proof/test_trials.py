"""Trials run as in a kernel, each from the state before its exercise, whatever the code does."""

import os
import subprocess
from pathlib import Path

import pytest

from course.errors import CourseError
from course.proof import trials
from course.proof.trials import Cell, LabRun, Task, Trial, run_lab

TESTS = ("double-visible", "double-hidden")
LAB = (
    Cell("1", "import random\nfactor = 2\nfrom pathlib import Path", "", False),
    Cell("double", "def double(x):\n    return factor * x", "double", False),
    Cell("3", "result = double(4)", "", False),
    Cell("double-visible", "assert double(1) == 2, 'twice one is two'", "double", True),
    Cell("double-hidden", "assert double(5) == 10 and result == 8", "double", True),
    Cell("quad", "def quad(x):\n    return double(double(x))", "quad", False),
    Cell("quad-visible", "assert quad(1) == 4", "quad", True),
)


def run(
    tmp_path: Path, *found: Trial, lab: tuple[Cell, ...] = LAB, seed: int = 0, files: Path | None = None
) -> LabRun:
    slots = (tmp_path / "slot-0", tmp_path / "slot-1")
    return run_lab(Task(lab, found, seed, slots), files)


def double(source: str, **options) -> Trial:
    return Trial("double", {"double": source}, TESTS, **{"patience": 2.0, **options})


def test_the_lab_itself_runs_top_to_bottom(tmp_path):
    result = run(tmp_path, double("double = None"))

    assert [cell.name for cell in result.cells] == [cell.name for cell in LAB]
    assert all(cell.passed for cell in result.cells)
    assert list(result.references) == ["double"], "an exercise without trials needs no reference run"
    assert result.references["double"].passed


def test_each_trial_starts_from_the_state_before_its_exercise(tmp_path):
    result = run(
        tmp_path,
        double("def double(x):\n    return x + x"),
        double("factor = 3\ndef double(x):\n    return factor * x"),
        double("def double(x):\n    return factor * x"),
        Trial("quad", {"quad": "def quad(x):\n    return 2 * double(x)"}, ("quad-visible",), patience=2.0),
        Trial("quad", {"quad": "def quad(x):\n    return double(x)"}, ("quad-visible",), patience=2.0),
    )

    assert [trial.passed for trial in result.trials] == [True, False, True, True, False]
    assert result.trials[1].complaint("double-visible") == "AssertionError: twice one is two"


def test_tests_can_be_run_after_the_others_whatever_these_say(tmp_path):
    asked = "def double(x):\n    asked.append(x)\n    return {}"
    lab = (
        Cell("asked", "asked = []", "", False),
        Cell("double", asked.format("2 * x"), "double", False),
        Cell("double-visible", "assert double(1) == 2 and asked in ([1], [4, 5, 1]), asked", "double", True),
        Cell("between", "doubled = double(4)", "", False),
        Cell("double-hidden", "assert double(5) == 10 and doubled == 8, asked", "double", True),
    )
    answers = ("2 * x", "x + 1", "2 * x if x > 1 else __import__('time').sleep(60)")
    trials = [
        Trial("double", {"double": asked.format(each)}, ("double-hidden",), 2.0, then=("double-visible",))
        for each in answers
    ]

    right, wrong, endless = run(tmp_path, *trials, lab=lab).trials

    assert right.passed
    assert right.verdicts() == {"double-hidden": "", "double-visible": ""}
    assert wrong.verdicts() == {"double-hidden": "AssertionError: [4, 5]", "double-visible": ""}
    assert list(endless.verdicts()) == ["double-hidden", "double-visible"]
    assert endless.complaint("double-hidden") == ""
    assert endless.complaint("double-visible").startswith("took longer")


def test_of_a_test_after_the_one_that_ended_it_nothing_is_known(tmp_path):
    [trial] = run(tmp_path, double("import os\ndef double(x):\n    os._exit(0)")).trials

    assert trial.verdicts() == {"double-visible": "ended the interpreter"}


def test_each_test_is_reported_by_itself(tmp_path):
    [trial] = run(tmp_path, double("def double(x):\n    return 2 if x == 1 else 8")).trials

    assert not trial.passed
    assert trial.complaint("double-visible") == ""
    assert trial.complaint("double-hidden").startswith("AssertionError")
    assert [cell.name for cell in trial.solution] == ["double"]


def test_a_trial_may_end_at_its_first_failure(tmp_path):
    wrong = "def double(x):\n    return 0"

    all_tests, first_only = run(tmp_path, double(wrong), double(wrong, until_failure=True)).trials

    assert [cell.name for cell in all_tests.tests] == list(TESTS)
    assert [cell.name for cell in first_only.tests] == ["double-visible"]
    assert not first_only.passed
    assert first_only.complaint("double-hidden") == "was not run"


def test_what_a_test_writes_to_stderr_fails_it(tmp_path):
    noises = (
        "import sys; print('careful', file=sys.stderr)",
        "import os; os.write(2, b'careful')",
        "import subprocess; subprocess.run(['sh', '-c', 'echo careful >&2'])",
        "import logging; logging.warning('careful')",
        "import warnings; warnings.warn('careful')",
    )

    results = run(
        tmp_path, *[double(f"def double(x):\n    {noise}\n    return 2 * x") for noise in noises]
    ).trials

    for trial in results:
        assert not trial.passed
        assert trial.complaint("double-visible").startswith("wrote to stderr")
        assert "careful" in trial.complaint("double-visible")


def test_an_endless_loop_is_killed_and_the_others_go_on(tmp_path):
    endless = double("def double(x):\n    while x > 2:\n        pass\n    return 2")

    results = run(tmp_path, endless, endless, double("def double(x):\n    return 2 * x")).trials

    for trial in results[:2]:
        assert trial.stopped == "took longer than 2 s"
        assert not trial.passed
        assert trial.complaint("double-hidden") == "took longer than 2 s"
    assert results[2].passed


def test_a_process_that_a_trial_leaves_behind_is_killed_with_it(tmp_path):
    note = tmp_path / "pid"
    source = (
        "import subprocess\n"
        "left = subprocess.Popen(['sleep', '600'])\n"
        f"Path({str(note)!r}).write_text(str(left.pid))\n"
        "def double(x):\n    return 2 * x"
    )

    assert run(tmp_path, double(source)).trials[0].passed

    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", note.read_text()], capture_output=True, text=True
    ).stdout
    assert state.strip() in ("", "Z", "Z+"), "gone, or dead and waiting for its parent to notice"


def test_a_trial_that_ends_its_process_fails(tmp_path):
    ends = ("import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)")

    for trial in run(tmp_path, *[double(f"def double(x):\n    {end}") for end in ends]).trials:
        assert not trial.passed
        assert trial.stopped == "ended the interpreter"


def test_cells_run_inside_an_event_loop_as_in_a_kernel(tmp_path):
    lab = (
        Cell("1", "import asyncio\nqueue = asyncio.Queue()\nawait queue.put(1)", "", False),
        *LAB[1:2],
        Cell("double-visible", "await asyncio.sleep(0)\nassert await queue.get() == 1", "double", True),
    )
    good = Trial("double", {"double": "await asyncio.sleep(0)"}, ("double-visible",), patience=2.0)
    nested = Trial("double", {"double": "asyncio.run(asyncio.sleep(0))"}, ("double-visible",), patience=2.0)

    result = run(tmp_path, good, good, nested, lab=lab)

    assert [cell.complaint for cell in result.cells if cell.name != "double"] == ["", ""]
    assert result.trials[0].passed
    assert result.trials[1].passed
    assert "cannot be called from a running event loop" in result.trials[2].solution[0].error


def test_a_trial_writes_into_a_folder_of_its_own(tmp_path):
    files = tmp_path / "phase"
    files.mkdir()
    (files / "orders.csv").write_text("id\n1\n")
    (files / "lab.md").write_text("the solution")
    lab = (
        Cell("1", "from pathlib import Path", "", False),
        Cell("double", "Path('orders.csv').open('a').write('2\\n')", "double", False),
        Cell("double-visible", "assert Path('orders.csv').read_text() == 'id\\n1\\n2\\n'", "double", True),
        Cell("5", "assert not Path('lab.md').exists()", "", False),
    )
    append = Trial("double", {"double": lab[1].source}, ("double-visible",), patience=2.0)

    result = run(tmp_path, append, append, append, lab=lab, files=files)

    assert [trial.passed for trial in result.trials] == [True, True, True]
    assert all(cell.passed for cell in result.cells)
    assert (files / "orders.csv").read_text() == "id\n1\n"


def test_a_thread_of_the_lab_does_not_hang_its_trials(tmp_path):
    serve = (
        "import threading, time\n"
        "threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(10**6)], daemon=True).start()"
    )
    lab = (Cell("0", serve, "", False), *LAB)

    result = run(tmp_path, *[double("def double(x):\n    return x + x")] * 6, lab=lab)

    assert all(trial.passed for trial in result.trials)


def test_nothing_is_learned_where_the_reference_fails(tmp_path):
    lab = tuple(
        Cell(cell.name, "assert False, 'broken'", *("double", True)) if cell.name == "double-hidden" else cell
        for cell in LAB
    )

    result = run(tmp_path, double("def double(x):\n    return x + x"), lab=lab)

    assert result.trials == (None,)
    assert not result.references["double"].passed
    assert [cell.name for cell in result.cells if not cell.passed] == ["double-hidden"]


def test_the_seed_decides_what_is_random_and_the_order_of_sets(tmp_path):
    lab = (Cell("double", "", "double", False), Cell("double-visible", "", "double", True))
    show = "import random\nraise ValueError(random.random(), hash('order'))"
    trial = Trial("double", {"double": show}, ("double-visible",), patience=2.0)

    def shown(seed: int) -> list[str]:
        [result] = run(tmp_path, trial, lab=lab, seed=seed).trials
        return result.solution[0].error.split(",")

    first, again, other = shown(1), shown(1), shown(2)

    assert first == again
    assert first[0] != other[0], "random"
    assert first[1] != other[1], "hash of a text"


def test_a_lab_that_ends_its_own_process_is_reported(tmp_path):
    lab = (Cell("1", "import os; os._exit(3)", "", False),)

    with pytest.raises(CourseError, match="its process ended before its last cell"):
        run(tmp_path, lab=lab)


def test_a_lab_that_stalls_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "STALLED", 1.5)
    lab = (Cell("1", "while True: pass", "", False),)

    with pytest.raises(CourseError, match="a cell said nothing"):
        run(tmp_path, lab=lab)


def test_a_system_without_fork_is_refused(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "fork")

    with pytest.raises(CourseError, match="WSL"):
        run(tmp_path)
