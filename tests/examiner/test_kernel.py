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


def test_what_is_put_out_keeps_its_order(fresh):
    ran = fresh.run(
        "import sys, threading\n"
        "for n in range(50):\n"
        "    print(n)\n"
        "    if n % 10 == 0:\n"
        "        display(n)\n"
        "thread = threading.Thread(target=print, args=('from a thread',), kwargs={'flush': True})\n"
        "thread.start(); thread.join()\n"
        "print('warned', file=sys.stderr)\n"
        "50"
    )
    shown = [
        content["text"] if kind == "stream" else content["data"]["text/plain"]
        for kind, content in ran.outputs
        if kind in ("stream", "display_data", "execute_result")
    ]
    numbers = "\n".join(f"{n}\n{n}" if n % 10 == 0 else str(n) for n in range(50))
    text = "\n".join(part.strip() for part in shown if part != "warned\n")
    assert text == f"{numbers}\nfrom a thread\n50"
    assert "warned\n" in shown


def test_what_is_printed_after_a_cell_comes_without_being_asked_for(fresh):
    """Also where a flush before it has found nothing to send."""
    fresh.run("import sys, threading")
    for turn in range(3):
        said = fresh.run(
            f"threading.Timer(0.1, print, args=('later {turn}',)).start(); sys.stdout.flush()"
        ).text
        until = time.monotonic() + 10
        while f"later {turn}\n" not in said and time.monotonic() < until:
            said += "".join(c["text"] for kind, c in fresh.kernel.iopub() if kind == "stream")
        assert said == f"later {turn}\n"


def test_much_that_is_flushed_arrives(fresh):
    ran = fresh.run(
        "import threading\n"
        "def say(word):\n"
        "    for n in range(3000):\n"
        "        print(f'{word} ', end='', flush=True)\n"
        "other = threading.Thread(target=say, args=('there',))\n"
        "other.start(); say('here'); other.join()"
    )
    assert sorted(ran.text.split()) == ["here"] * 3000 + ["there"] * 3000


def test_what_a_busy_reader_has_not_read_yet_is_not_lost(fresh):
    """Above all not the last message, which says that the cell has ended."""
    client = fresh.kernel.client
    asked = client.execute("for n in range(8000):\n    print(n, flush=True)")
    fresh.kernel.reply(asked)  # all is written by now, and nothing read
    received = fresh.kernel.iopub()
    assert received[-1] == ("status", {"execution_state": "idle"})
    assert "".join(c["text"] for kind, c in received if kind == "stream").split() == [*map(str, range(8000))]


def test_a_forked_process_prints_too(fresh):
    ran = fresh.run(
        "import multiprocessing\n"
        "print('before', flush=True)\n"
        "fork = multiprocessing.get_context('fork').Process(target=print, args=('in a fork',))\n"
        "fork.start(); fork.join()\n"
        "print('after')"
    )
    texts = ran.text + "".join(c["text"] for kind, c in fresh.kernel.iopub() if kind == "stream")
    assert sorted(texts.splitlines()) == ["after", "before", "in a fork"]


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
