"""A student's kernel in a real cell: it is IPython's own, and serves tests whatever its notebook does to its names."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.examiner.submission import Kernel, Ran, Submission


@pytest.fixture(scope="module")
def submission(zygote) -> Iterator[Submission]:
    with Submission(zygote) as submission:
        yield submission


@pytest.fixture
def fresh(zygote) -> Iterator[Submission]:
    """For a test that leaves traces in its kernel."""
    with Submission(zygote) as submission:
        yield submission


def test_cells_run_as_in_any_notebook(submission):
    ran = submission.run(
        "import asyncio, subprocess\nawait asyncio.sleep(0)\nprint(1 + 1)\nsubprocess.run(['echo', 'from a program'])\nNone"
    )
    late = Ran(
        "ok", submission.kernel.iopub()
    )  # what a program says may come after the cell's end, as in any notebook
    assert (ran.status, (ran.text + late.text).splitlines()) == ("ok", ["2", "from a program"])
    assert submission.run("1 // 0").error == "ZeroDivisionError"
    assert submission.run("%load_ext course\n!echo shell").text.strip() == "shell"


def test_history_stays_in_memory(submission):
    ran = submission.run("print(get_ipython().history_manager.hist_file, In[-1][:5])")
    assert ran.text == ":memory: print\n"


def test_a_test_uses_what_the_cells_have_made(submission):
    submission.run("def add(a, b):\n    return a + b")
    assert submission.examine("assert add(1, 2) == 3", record=True)["passed"]
    assert submission.examine("assert add(1, 2) == 4", record=True)["error"][0] == "AssertionError"
    assert submission.run("print(add(3, 4))").text == "7\n", "and the kernel goes on"


def test_beginners_bind_any_name(fresh):
    fresh.run(
        "add = lambda a, b: a + b\n"
        "print = 3; input = 'x'; list = [1]; str = 'a'; dict = {}; type = len = isinstance = None\n"
        "object = Exception = BaseException = getattr = tuple = set = int = super = repr = open = 0\n"
        "get_ipython = In = Out = exit = _ = __name__ = sys = asyncio = socket = json = 'mine'"
    )
    assert fresh.examine("assert add('a', 'b') == 'ab' and add([1], [2]) == [1, 2]", record=True)["passed"]
    assert fresh.run("add(1, 1) == 2").status == "ok"


def test_stdout_may_be_anything(fresh):
    fresh.run(
        "import io, sys\n"
        "kept = sys.stdout, sys.stderr\n"
        "sys.stdout = sys.stderr = io.StringIO()\n"
        "def greet():\n    print('hello')\n    return 1"
    )
    assert fresh.examine("assert greet() == 1", record=True)["passed"]
    fresh.run("sys.stdout, sys.stderr = kept")
    assert fresh.run("print('back')").text == "back\n"


def test_what_the_students_code_writes_meanwhile_is_not_shown_in_the_notebook(fresh):
    fresh.run(
        "import os, sys, threading\n"
        "from IPython.display import display\n"
        "done = threading.Event()\n"
        "def talk():\n"
        "    print('LEAK'); print('LEAK', file=sys.stderr); os.write(1, b'LEAK'); display('LEAK')\n"
        "    os.system('echo LEAK')\n"
        "    threading.Thread(target=lambda: (print('LEAK'), done.set())).start()\n"
        "    return done.wait(5)"
    )
    assert fresh.examine("assert talk()", hidden=True, record=True)["passed"]
    shown = fresh.kernel.iopub() + fresh.run("print('own')").outputs + fresh.kernel.iopub()
    assert "own" in str(shown)
    assert "LEAK" not in str(shown)


def test_an_interrupt_ends_a_call_and_the_kernel_lives(fresh):
    fresh.run("count = 0\ndef spin():\n    global count\n    while True:\n        count += 1")
    verdict = fresh.examine("spin()", record=True, seconds=1.0)
    assert verdict["stopped"] == "time"
    assert fresh.run("count > 1000").status == "ok"
    assert fresh.examine("assert isinstance(count, int)", record=True)["passed"]


@pytest.mark.parametrize("call", ["spin()", "asyncio.create_task(spin())"])
def test_an_interrupt_ends_a_coroutine_that_never_waits(fresh, call):
    fresh.run(
        "import asyncio\n"
        "async def spin():\n    while True:\n        pass\n"
        f"async def start():\n    await {call}"
    )
    assert fresh.examine("await start()", record=True, seconds=1.0)["stopped"] == "time"
    assert fresh.run("print('alive')").text == "alive\n"


def test_an_interrupt_ends_the_waiting_for_a_test_that_says_nothing(fresh):
    kernel = fresh.kernel
    here, there = socket.socketpair()
    with here, there:
        request = kernel.serve(there)
        interrupting = threading.Event()

        def interrupt() -> None:
            while not interrupting.wait(0.05):  # the kernel may not be there yet
                kernel.cell.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            assert kernel.reply(request) == {"status": "ok"}
        finally:
            interrupting.set()
            thread.join()
    assert kernel.run("print('alive')").text == "alive\n"


def test_a_line_that_nobody_took_is_dropped(fresh):
    kernel = fresh.kernel
    old, old_end = socket.socketpair()
    with old, old_end:
        socket.send_fds(kernel.cell.door, [b"of a request that never came"], [old_end.fileno()])
    here, there = socket.socketpair()
    with there:
        request = kernel.serve(there)
    here.close()
    assert kernel.reply(request) == {"status": "ok"}


def test_the_other_side_may_just_go(submission):
    here, there = socket.socketpair()
    with there:
        request = submission.kernel.serve(there)
    here.close()
    assert submission.kernel.reply(request) == {"status": "ok"}


def test_a_shutdown_ends_the_cell(zygote):
    kernel = Kernel(zygote)
    try:
        kernel.client.shutdown()
        assert kernel.cell.wait(30)
    finally:
        kernel.close()


def test_a_kernel_starts_quickly(zygote):
    """Generous: a busy machine is no fault of ours. A kernel that imports anew takes seconds."""
    kernels, took = [], []
    try:
        for _ in range(3):
            began = time.perf_counter()
            kernels.append(Kernel(zygote))
            took.append(time.perf_counter() - began)
    finally:
        for kernel in kernels:
            kernel.close()
    assert min(took) < 1.0
