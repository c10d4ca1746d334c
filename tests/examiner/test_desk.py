"""A desk in a real cell: how test cells are run, and what becomes of those that misbehave."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from course.examiner import packets
from course.examiner.cellrun import MAYBE_MAGIC
from course.lab.failures import MIME
from course.publishing.layout import labs
from course.publishing.notebook import read_lab
from tests.examiner.jobs import panel_of, text_of
from tests.examiner.submission import Submission

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def submission(zygote) -> Iterator[Submission]:
    with Submission(zygote) as submission:
        yield submission


@pytest.fixture
def verdict_on(submission) -> Callable[..., dict[str, Any]]:
    """The verdict on an empty notebook."""
    return submission.examine


def test_a_test_that_ends_passes(verdict_on):
    verdict = verdict_on("total = 1 + 1\nassert total == 2, 'two'")
    assert verdict == {"passed": True, "error": None, "outputs": [], "stopped": "", "complaint": ""}


def test_a_cell_runs_as_in_a_notebook(verdict_on):
    verdict = verdict_on(
        "import asyncio, sys\n"
        "async def double(x):\n"
        "    await asyncio.sleep(0)\n"
        "    return 2 * x\n"
        "print(__name__, await double(4))\n"
        "print('careful', file=sys.stderr)\n"
        "'value'"
    )
    assert verdict["passed"]
    assert text_of(verdict) == "__main__ 8\n"
    assert text_of(verdict, "stderr") == "careful\n"
    assert verdict["outputs"][-1]["data"] == {"text/plain": "'value'"}


def test_what_is_taken_for_pythons_own_ipython_leaves_as_it_is():
    plain = [
        cell.source
        for lab in labs(REPOSITORY)
        for cell in read_lab(lab.text).cells
        if cell.cell_type == "code" and not MAYBE_MAGIC.search(cell.source)
    ]
    assert len(plain) > 1000
    for source in plain:
        assert TransformerManager().transform_cell(source).rstrip("\n") == source.rstrip("\n")


@pytest.mark.parametrize(
    "source",
    [
        "%time 1",
        "x = 1\n%time 1",
        "if x:\n    %time 1",
        "y = %time 1",
        "y = !ls",
        "!ls",
        "!!ls",
        "?len",
        "len?",
        "x = 1\nlen??",
        "%%time\n1",
        "/len x",
        ",len x",
        ";len x",
        ">>> x = 1\n>>> x",
        "In [1]: x = 1",
        "    x = 1\n    y = 2",
        "\n\n%time 1",
    ],
)
def test_what_ipython_reads_in_its_own_way_it_gets(source):
    assert TransformerManager().transform_cell(source).rstrip("\n") != source, "else it tells nothing"
    assert MAYBE_MAGIC.search(source)


def test_programs_that_a_test_starts_are_heard_too(verdict_on):
    verdict = verdict_on("import subprocess\nsubprocess.run('echo out; echo err >&2', shell=True)\nNone")
    assert (text_of(verdict), text_of(verdict, "stderr")) == ("out\n", "err\n")


def test_a_failure_shows_the_courses_panel_and_then_the_error(verdict_on):
    verdict = verdict_on("def add(a, b):\n    return a - b\nassert add(1, 2) == 3, 'One and two are three.'")
    shown, error = verdict["outputs"]
    assert not verdict["passed"]
    assert verdict["error"] == ["AssertionError", "One and two are three."]
    assert set(shown["data"]) == {"text/html", "text/plain", MIME}
    failure = shown["data"][MIME]
    assert (failure["message"], failure["call"], failure["got"], failure["expected"]) == (
        "One and two are three.",
        "add(1, 2)",
        "-1",
        "3",
    )
    assert error["ename"] == "AssertionError"
    assert error["traceback"] == ["✗ Not yet. See above."]
    assert "The test stopped in In[1], line 3" in panel_of(verdict)


def test_without_the_extension_errors_are_ipythons_own(verdict_on):
    verdict = verdict_on("assert 1 == 2, 'no'", verbose=False)
    (error,) = verdict["outputs"]
    assert error["output_type"] == "error"
    assert "Traceback (most recent call last)" in "".join(error["traceback"])


def test_a_check_that_fails_fails_the_test_wherever_its_error_goes(submission):
    submission.run("def attempt(f):\n    try: f()\n    except AssertionError: pass")
    test = "def check():\n    assert one() + 1 == 2, 'no'\nattempt(check)"
    submission.run("def one(): return 1")
    recording = submission.recorded(test)
    for verbose in (True, False):
        submission.run("def one(): return 1")
        assert submission.examine(test, recording=recording, verbose=verbose)["passed"]
        submission.run("def one(): return 0")
        verdict = submission.examine(test, recording=recording, verbose=verbose)
        words = "A check of this test failed, and the submission's code carried on as if it had not."
        assert (verdict["passed"], verdict["error"]) == (False, ["AssertionError", words])
        assert verdict["complaint"] == ""
        assert verdict["outputs"][-1]["evalue"] == words


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise SystemExit(1)", "SystemExit"),
        ("raise ExceptionGroup('several', [ValueError(1)])", "ExceptionGroup"),
        ("%no_such_magic", "UsageError"),
        ("x = (", "SyntaxError"),
        ("nobody_defined_this", "NameError"),
    ],
)
def test_whatever_ends_a_cell_is_an_error_output(verdict_on, source, error):
    verdict = verdict_on(source)
    assert not verdict["passed"]
    assert [o["ename"] for o in verdict["outputs"] if o["output_type"] == "error"] == [error]


def test_outputs_are_what_the_notebook_format_wants(verdict_on):
    outputs = verdict_on("print(1)\n2\nassert [1] == [2]")["outputs"]
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(output) for output in outputs])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))


def test_much_text_is_cut(verdict_on):
    verdict = verdict_on("for _ in range(100): print('x' * 100_000)")
    assert verdict["passed"]
    assert 200_000 <= len(text_of(verdict)) < 201_000
    assert text_of(verdict).endswith("(more was printed than is shown)\n")


def test_a_notebook_may_have_any_number_of_tests(verdict_on):
    count = "import os\nprint(len(os.listdir('/proc/self/fd')))"
    few = verdict_on(count)["outputs"]
    for _ in range(20):
        verdict_on("print('something')")
    assert verdict_on(count)["outputs"] == few


def test_names_of_one_test_are_not_those_of_the_next(verdict_on):
    assert verdict_on("left_over = 1")["passed"]
    verdict = verdict_on("left_over")
    assert verdict["error"][0] == "NameError"


def test_chance_follows_the_seed(verdict_on):
    verdict_on("import numpy")
    source = "import random, numpy\nprint(random.random(), numpy.random.random())"
    first, again, other, free, free_too = (
        text_of(verdict_on(source, seed=seed)) for seed in (1, 1, 2, None, None)
    )
    assert first == again
    assert len({first, other, free, free_too}) == 4


# --- tests that misbehave -------------------------------------------------------------------------------------------

_FLOOD = """
import os, stat
for number in range(3, 100):
    try:
        pipe = stat.S_ISFIFO(os.fstat(number).st_mode)
    except OSError:
        continue
    while pipe:
        os.write(number, {})
"""


@pytest.mark.parametrize(
    ("source", "seconds", "stopped"),
    [
        ("import os; os._exit(0)", 60, "died"),
        ("import os; os.abort()", 60, "died"),
        ("while True: pass", 0.5, "time"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", 0.5, "time"),
        ("import os, signal; os.kill(0, signal.SIGSTOP)", 0.5, "time"),
        (_FLOOD.format("b'x' * 60_000"), 60, "protocol"),
        (_FLOOD.format('b\'{"passed": true, "nonce": ""}\\n\''), 60, "protocol"),
        (_FLOOD.format("b'[' * 60_000 + b'\\n'"), 60, "protocol"),
    ],
)
def test_a_test_without_a_verdict_fails(verdict_on, source, seconds, stopped):
    verdict = verdict_on(source, seconds=seconds)
    assert (verdict["passed"], verdict["stopped"]) == (False, stopped)
    assert verdict["error"] == [verdict["outputs"][0]["ename"], verdict["complaint"]]
    assert verdict_on("1")["passed"], "the desk is ready for the next one"


def test_memory_is_bounded(verdict_on):
    assert verdict_on("'x' * 6 * 2**30")["error"][0] == "MemoryError"


def test_processor_time_is_bounded(verdict_on):
    verdict = verdict_on("import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])", seconds=7)
    assert 14 <= int(text_of(verdict)) < 30


def test_nothing_that_a_test_started_outlives_it(verdict_on):
    start = (
        "import os, subprocess\n"
        "for more in ({}, {'start_new_session': True}):\n"
        "    print(subprocess.Popen(['sleep', '1000'], **more).pid)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        import time; time.sleep(1000)\n"
        "    os._exit(0)\n"
    )
    assert verdict_on(start, seconds=20)["passed"]
    look = (
        "import os\n"
        "for process in filter(str.isdecimal, os.listdir('/proc')):\n"
        "    print(open(f'/proc/{process}/stat').read().split()[0], end=' ')\n"
    )
    processes = text_of(verdict_on(look)).split()
    assert len(processes) == 3, "the cell's first process, the desk, and the test itself"


def test_the_temporary_folder_of_a_test_goes_with_it(verdict_on):
    verdict = verdict_on(
        "import os, tempfile\n"
        "folder = tempfile.mkdtemp()\n"
        "open(f'{folder}/left', 'w').close()\n"
        "assert os.path.dirname(folder) == os.environ['TMPDIR']\n"
        "print(folder)"
    )
    folder = text_of(verdict).strip()
    assert folder
    assert verdict_on(f"import os; assert not os.path.exists(os.path.dirname({folder!r}))")["passed"]


def test_no_other_process_can_look_into_a_desk(verdict_on):
    source = "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')"
    assert verdict_on(source)["error"][0] == "PermissionError"


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def doors() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


def test_a_message_of_any_size_arrives_with_its_descriptors(doors):
    import os
    import threading

    message = {"text": "ä" * 1_000_000, "n": 1}
    sender = threading.Thread(target=packets.send, args=(doors[0], message, [0, 1]))
    sender.start()
    received, fds = packets.receive(doors[1])
    sender.join()
    assert received == message
    assert len(fds) == 2
    for fd in fds:
        os.close(fd)


def test_the_other_side_is_gone(doors):
    doors[0].close()
    assert packets.receive(doors[1]) is None


@pytest.mark.parametrize("packet", [b".", b".[]", b".{", b"." + b"[" * 50_000])
def test_what_is_no_message_is_refused(doors, packet):
    doors[0].send(packet)
    with pytest.raises(packets.BadMessage):
        packets.receive(doors[1])
