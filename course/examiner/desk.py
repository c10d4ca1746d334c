"""Run test cells in a forked process, and say what came of them: the trusted side of a submission.

The process serves one job after the other, as a fork of all that is imported costs more than most tests. It is replaced
when a job has left anything of itself: a thread, a task, a process, much memory, or no verdict.

A job comes over the desk's door as a message (course.examiner.packets) with two file descriptors, the line to the
student's kernel and the porter of the student's cage. The answer is a message too:

    job      source, name, recording, record, seconds, seed, verbose, hidden
    verdict  passed, error, outputs, recording (of a job with `record`), stopped, complaint
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import functools
import gc
import json
import os
import random
import resource
import secrets
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from course.examiner import helpers, packets, seeds
from course.examiner.cellrun import CellRun, Output, Runner, error_output
from course.examiner.network import Network
from course.examiner.recording import Recording
from course.examiner.session import Session
from course.examiner.shared_names import known_exception
from course.examiner.wire import Broken

if TYPE_CHECKING:
    from course.cage.inside.cell import Inside

Job = Mapping[str, Any]
Verdict = dict[str, Any]

_MOST_VERDICT = 16 * 1024 * 1024  # bytes
_ADDRESS_SPACE = 4 * 1024**3  # bytes
_REAP_SECONDS = 5.0
_MOST_GROWTH = 256 * 1024**2  # bytes of memory that earlier jobs may have left a child with

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_libc = ctypes.CDLL(None, use_errno=True)

_STOPPED = {
    "time": ("CellTimeoutError", "The test ran too long and was stopped."),
    "died": ("DeadTestError", "The process that ran the test ended without a verdict."),
    "protocol": ("DeadTestError", "The process that ran the test said something that is no verdict."),
}


def main(here: Inside) -> None:
    """Examine one job after the other, until the other side of the door is gone.

    Option: `environment`, more variables for the tests.
    """
    os.environ.update(here.options.get("environment", {}))
    _protect()
    here.ready()
    runner = Runner()
    known_exception("any")  # learns all that are loaded, so that a child need not
    gc.collect()
    gc.freeze()  # a child leaves the parent's objects alone
    child: _Child | None = None
    while True:
        received = packets.receive(here.door)
        if received is None:
            return
        job, fds = received
        child = child or _Child(runner, here.door)
        verdict, clean = child.examine(job, fds)
        if not clean:
            child.end()
            child = None
        packets.send(here.door, verdict)


def _protect() -> None:
    """Let no other process look into this one, and become the parent of whatever a test leaves behind."""
    _libc.prctl(_PR_SET_DUMPABLE, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


# --- a job, seen from the desk --------------------------------------------------------------------------------------


class _Child:
    """The process that runs tests, as the desk sees it."""

    def __init__(self, runner: Runner, door: socket.socket) -> None:
        hears, says = os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            for end in (door, ours):
                end.close()
            os.close(hears)
            _be_child(runner, theirs, says)
        os.close(says)
        theirs.close()
        self._door, self._hears = ours, hears
        self._memory = _memory(self._pid)

    def examine(self, job: Job, fds: Sequence[int]) -> tuple[Verdict, bool]:
        """What came of a job, and whether it has left nothing behind; `fds` are closed."""
        nonce = secrets.token_hex(16)
        until = time.monotonic() + job["seconds"]
        folder = tempfile.mkdtemp(prefix="test-")
        try:
            packets.send(self._door, {**job, "nonce": nonce, "folder": folder, "until": until}, fds)
            said, stopped = _listen(self._hears, self._pid, until)
        except OSError:
            said, stopped = b"", "died"
        finally:
            for fd in fds:
                os.close(fd)
            shutil.rmtree(folder, ignore_errors=True)
        verdict = _verdict(said, nonce) if not stopped else _no_verdict(stopped)
        idle = bool(verdict.pop("idle", False))
        return verdict, idle and not verdict["stopped"] and self._left_nothing()

    def _left_nothing(self) -> bool:
        return _descendants() == [self._pid] and _memory(self._pid) - self._memory < _MOST_GROWTH

    def end(self) -> None:
        """Leave nothing of it, nor of what it has started."""
        self._door.close()
        os.close(self._hears)
        _end_family(self._pid)


def _memory(process: int) -> int:
    """What a process has in memory, in bytes; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def _listen(hears: int, child: int, until: float) -> tuple[bytes, str]:
    """What the child says, and why it was stopped before it had said it all, or ""."""
    said = bytearray()
    ended = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(hears, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    try:
        while (left := until - time.monotonic()) > 0:
            ready = {fd for fd, _ in waiting.poll(ceil(1000 * left))}
            if hears in ready:
                part = os.read(hears, 1 << 20)
                said += part
                if len(said) > _MOST_VERDICT:
                    return b"", "protocol"
                if said.endswith(b"\n"):  # JSON has no line ends of its own
                    return bytes(said), ""
                if not part:
                    return b"", "died"
            elif ended in ready:  # and had nothing more to say
                return b"", "died"
        return b"", "time"
    finally:
        os.close(ended)


def _verdict(said: bytes, nonce: str) -> Verdict:
    try:
        verdict = json.loads(said)
        if verdict.pop("nonce") != nonce:
            return _no_verdict("protocol")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return _no_verdict("protocol")
    return dict(verdict)


def _no_verdict(stopped: str) -> Verdict:
    name, words = _STOPPED[stopped]
    return {
        "passed": False,
        "error": [name, words],
        "outputs": [error_output(name, words, [])],
        "stopped": stopped,
        "complaint": words,
    }


def _end_family(child: int) -> None:
    """Kill the child and all that it started, wherever these went, and wait for their end."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    until = time.monotonic() + _REAP_SECONDS
    while time.monotonic() < until:
        for process in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _descendants() -> list[int]:
    """The processes that descend from this one."""
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return list(found - {os.getpid()})


# --- a job, seen from its child -------------------------------------------------------------------------------------


def _be_child(runner: Runner, door: socket.socket, says: int) -> NoReturn:
    """Run jobs and say what came of each, until the desk has no more; leave without any clean-up: the desk sees to that."""
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        while (received := packets.receive(door)) is not None:
            job, (line, porter) = received
            _limit(job["seconds"])
            _move_to(job["folder"])
            _seed(job["seed"])
            loop = asyncio.new_event_loop()
            with _as_before():
                verdict = _run(runner, job, line, porter, loop, job["until"])
            idle = threading.active_count() == 1 and not asyncio.all_tasks(loop)
            if idle:
                loop.close()
            _write(says, _packed({**verdict, "nonce": job["nonce"], "idle": idle}) + b"\n")
    finally:
        os._exit(0)


@contextmanager
def _as_before() -> Iterator[None]:
    """Put back what a job has replaced for its time: the helpers, the ways into the network, the seeds, and its own."""
    places: list[tuple[Any, str]] = [*helpers.places(), *seeds.places(), *Network.places()]
    before = [(place, name, getattr(place, name)) for place, name in places]
    environment, folder = dict(os.environ), Path.cwd()
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)


def _write(pipe: int, text: bytes) -> None:
    while text:
        text = text[os.write(pipe, text) :]


def _packed(verdict: Verdict) -> bytes:
    """A verdict as JSON on one line. Text that no file could hold (half a surrogate pair) is replaced."""
    text = json.dumps(verdict, ensure_ascii=False, default=_as_text)
    return text.encode(errors="replace")


def _as_text(value: object) -> str:
    """What is no JSON in an output: a picture's bytes, as notebooks have them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else repr(value)


def _limit(seconds: float) -> None:
    for limit, most in (
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, ceil(time.process_time() + 2 * seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(limit, (most, hard))


def _move_to(folder: str) -> None:
    """Have temporary files made where the desk throws them away."""
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


def _seed(seed: int | None) -> None:
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):  # unlike Python's, its generator goes on in a fork
        numpy.random.seed(seed)


def _run(
    runner: Runner, job: Job, line: int, porter: int, loop: asyncio.AbstractEventLoop, until: float
) -> Verdict:
    with socket.socket(fileno=line) as to_kernel, socket.socket(fileno=porter) as to_porter:
        try:
            return _run_over(runner, job, to_kernel, to_porter, loop, until)
        finally:
            with suppress(OSError):  # whoever still holds it: the kernel waits for the end of its line
                to_kernel.shutdown(socket.SHUT_RDWR)


def _run_over(
    runner: Runner,
    job: Job,
    line: socket.socket,
    porter: socket.socket,
    loop: asyncio.AbstractEventLoop,
    until: float,
) -> Verdict:
    recording = None if job["recording"] is None else Recording.from_json(job["recording"])
    session = Session(line, recording, record=job["record"], until=until)
    session.printed, session.warned = runner.student_printed, runner.student_warned
    network = Network(porter)
    helpers.install(session, network)
    seeds.share(session)
    network.join()
    run = _run_cell(runner, job, session, loop)
    trouble = session.failed
    session.close()
    if trouble is not None and time.monotonic() >= until:
        return _no_verdict("time")
    verdict = _judged(run, trouble, session.swallowed)
    if job["record"]:
        verdict["recording"] = session.recorded().as_json()
    return verdict


def _run_cell(runner: Runner, job: Job, session: Session, loop: asyncio.AbstractEventLoop) -> CellRun:
    session.waits.attach(loop)
    try:
        names = session.names()
    except Broken as broken:
        return _ended_by(broken, [])
    raised = functools.partial(session.ask, "raised")
    return runner.run(job["source"], names, loop, raised, readable=job["verbose"], hidden=job["hidden"])


def _judged(run: CellRun, trouble: BaseException | None, swallowed: BaseException | None) -> Verdict:
    unnoticed = trouble or swallowed
    if unnoticed is not None and run.error is None:  # the test took no notice of it
        run = _ended_by(unnoticed, run.outputs)
    return {
        "passed": run.error is None,
        "error": None if run.error is None else list(run.error),
        "outputs": run.outputs,
        "stopped": "",
        "complaint": "" if trouble is None else str(trouble),
    }


def _ended_by(trouble: BaseException, outputs: list[Output]) -> CellRun:
    """A cell that did not pass because of an error that none of its outputs shows."""
    name, words = type(trouble).__name__, str(trouble)
    return CellRun((name, words), [*outputs, error_output(name, words, [words])])
