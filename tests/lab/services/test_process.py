"""A server program lives exactly as long as the notebook needs it."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from course.errors import CourseError
from course.lab.services.process import Process, free_port, reachable, scratch_folder

SERVER = "import http.server as h, sys; h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def serve(folder: Path, code: str = SERVER, **options: object) -> tuple[Process, int]:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return Process(command, name="web", ready=lambda: answers(port), folder=folder, **options), port  # type: ignore[arg-type]


def test_it_answers_when_it_is_made_and_is_gone_when_stopped(tmp_path: Path) -> None:
    process, port = serve(tmp_path)
    assert answers(port)
    assert process.running
    process.stop()
    assert not answers(port)
    assert not process.running
    process.stop()


def test_it_stops_when_nothing_refers_to_it(tmp_path: Path) -> None:
    process, _port = serve(tmp_path)
    pid = process.pid
    del process
    gc.collect()
    assert not alive(pid)


def test_an_interrupt_of_the_kernel_leaves_it_alone(tmp_path: Path) -> None:
    process, _port = serve(tmp_path)
    assert os.getsid(process.pid) != os.getsid(0)
    process.stop()


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_process import serve
process, port = serve(Path({folder!r}))
print(process.pid, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["sys.exit()", "raise ValueError", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_ends_with_its_kernel_however_that_ends(tmp_path: Path, end: str) -> None:
    code = CHILD.format(here=str(Path(__file__).parent), folder=str(tmp_path), end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().isdigit(), done.stderr
    until(lambda: not alive(int(done.stdout)))


def test_a_forked_child_leaves_it_running(tmp_path: Path) -> None:
    process, port = serve(tmp_path)
    pid = os.fork()
    if pid == 0:
        process.stop()
        os._exit(0 if process.running else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert answers(port)
    process.stop()


def test_a_program_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"web ended while starting \(exit status 3\)") as caught:
        serve(tmp_path, code="print('the disk is full', flush=True); raise SystemExit(3)")
    assert "the disk is full" in str(caught.value)


def test_a_program_that_never_answers_is_stopped_and_reported(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(CourseError, match=r"did not answer within 0\.5 seconds") as caught:
        serve(tmp_path, code=code, seconds=0.5)
    assert not alive(int(str(caught.value).splitlines()[-1]))


def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="web could not be started"):
        Process([tmp_path / "nothing"], name="web", ready=lambda: True, folder=tmp_path)


def test_a_program_that_ignores_the_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    process = Process(
        [sys.executable, "-c", code],
        name="web",
        ready=lambda: process_log(tmp_path) != "",
        folder=tmp_path,
        patience=0.2,
    )
    grandchild = int(process_log(tmp_path))
    process.stop()
    assert not process.running
    until(lambda: not alive(grandchild))


def process_log(folder: Path) -> str:
    log = folder / "web.log"
    return log.read_text().strip() if log.exists() else ""


def test_its_output_goes_to_the_log_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = f"import sys; print('one'); print('two', file=sys.stderr, flush=True); {SERVER}"
    process, _port = serve(tmp_path, code=code, env={"PYTHONUNBUFFERED": "1"})
    assert process.logs() == "one\ntwo"
    assert process.logs(1) == "two"
    process.stop()
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_while_starting_stops_it(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupted() -> bool:
        if log := process_log(tmp_path):
            pids.append(int(log))
            signal.raise_signal(signal.SIGINT)
        return False

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        Process([sys.executable, "-c", code], name="web", ready=interrupted, folder=tmp_path)
    assert not alive(pids[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_user_can_reach_a_scratch_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(private))
    assert not reachable(private)
    folder = scratch_folder("test-", user=65534)
    assert reachable(folder.parent)
    assert folder.stat().st_uid == 65534
    folder.rmdir()
