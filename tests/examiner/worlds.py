"""Runs a test cell beside a solution in one process, and through the examiner in two: the verdicts must be the same."""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import io
import json
import linecache
import logging
import os
import signal
import socket
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import pandas  # noqa: F401 - imported once, not in every process

from course.examiner import seeds, student
from course.examiner.checks import CheckNoter
from course.examiner.recording import Recording
from course.examiner.session import Session

SECONDS = 10.0  # that one run may take


@dataclass(frozen=True)
class Verdict:
    """What became of a test cell."""

    passed: bool
    why: str
    seconds: float = 0.0


def alone(solution: str, test: str) -> Verdict:
    """Run the test where the solution has run, as in a notebook."""

    def run() -> dict[str, Any]:
        async def both() -> str:
            module = notebook()
            await cell(solution, module.__dict__, "<solution>")
            return await outcome(cell(test, module.__dict__, "<test>"))

        return verdict(both())

    return Verdict(**answer_of(run))


def examined(solution: str, test: str, recording: Recording | None) -> Verdict:
    """Run the test in a process of its own, with stand-ins for what the solution has defined."""
    return Verdict(**in_two(solution, test, recording, record=False))


def record(reference: str, test: str) -> Recording:
    """What a run with the reference solution shows; it must pass."""
    said = in_two(reference, test, None, record=True)
    assert said["passed"], f"the reference fails: {said['why']}"
    return Recording.from_json(said["why"])


def in_two(
    solution: str, test: str, recording: Recording | None, *, record: bool, seconds: float = SECONDS
) -> dict[str, Any]:
    """Run the solution and the test in processes of their own, with a line between them."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        plain_python()
        as_student(solution, theirs)
    theirs.close()
    try:
        return answer_of(lambda: as_examiner(test, ours, recording, record, seconds))
    finally:
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def session_with(
    solution: str, recording: Recording | None = None, *, record: bool = False, seconds: float = SECONDS
) -> Iterator[Session]:
    """A session of this process with a kernel of its own, in which a solution has run."""
    ours, theirs = socket.socketpair()
    limit = sys.getrecursionlimit()
    pid = os.fork()
    if pid == 0:
        ours.close()
        plain_python()
        as_student(solution, theirs)
    theirs.close()
    try:
        with ours:
            yield Session(ours, recording, record=record, until=time.monotonic() + seconds)
    finally:
        sys.setrecursionlimit(limit)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def run_in(session: Session, test: str) -> dict[str, Any]:
    """Run a test in this process; its names."""
    namespace = {"__name__": "__main__", "__builtins__": session.names()}
    exec(compile(textwrap.dedent(test), "<test>", "exec", dont_inherit=True), namespace)
    return namespace


def as_student(solution: str, line: socket.socket) -> NoReturn:
    """Be the student's kernel."""

    async def live() -> None:
        module = notebook()
        try:
            await cell(solution, module.__dict__, "<solution>")
        except Exception:
            traceback.print_exc()
        await student.serve(line, module.__dict__, asyncio.get_running_loop())

    try:
        asyncio.run(live())
    finally:
        os._exit(0)


def as_examiner(
    test: str, line: socket.socket, recording: Recording | None, recording_now: bool, seconds: float
) -> dict[str, Any]:
    """Be the examiner."""
    session = Session(line, recording, record=recording_now, until=time.monotonic() + seconds)

    seeds.share(session)

    async def examine() -> str:
        session.waits.attach(asyncio.get_running_loop())
        module = notebook()
        try:
            module.__dict__["__builtins__"] = session.names()
            why = await outcome(cell(test, module.__dict__, "<test>", CheckNoter().visit))
        except BaseException as error:
            why = describe(error)
        if session.failed is not None:
            return describe(session.failed)
        return why or (describe(session.swallowed) if session.swallowed is not None else "")

    said = verdict(examine())
    if recording_now and said["passed"]:
        said["why"] = session.recorded().as_json()
    session.close()
    return said


def plain_python() -> None:
    """Take back what pytest does to logging, threads and warnings."""
    threading.excepthook = threading.__excepthook__
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    warnings.simplefilter("default")
    warnings.showwarning = show_warning


def show_warning(message: Any, category: Any, file: Any, line: Any, *more: Any) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, file, line))


def notebook() -> types.ModuleType:
    """A new namespace for cells."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return module


async def cell(
    source: str, namespace: dict[str, Any], file: str, change: Callable[[ast.AST], Any] = lambda tree: tree
) -> None:
    """Run a cell, which may await, with a change to its syntax tree."""
    source = textwrap.dedent(source)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    tree = change(ast.parse(source, file))
    code = compile(tree, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)
    else:
        exec(code, namespace)


async def outcome(run: Any) -> str:
    """Why a cell failed, or ""."""
    try:
        await run
    except BaseException as error:
        return describe(error)
    return ""


def describe(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"


def verdict(run: Any) -> dict[str, Any]:
    """As nbgrader judges a cell: whatever it writes to stderr costs all points."""
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    start = time.monotonic()
    why = asyncio.run(run) or sys.stderr.getvalue()
    return {"passed": not why, "why": why[-2000:], "seconds": time.monotonic() - start}


def answer_of(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a function returns in a process of its own."""
    hears, says = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(int(2 * SECONDS))
            plain_python()
            os.write(says, json.dumps(run()).encode())
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(says)
    with os.fdopen(hears, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(said or '{"passed": false, "why": "no answer"}')
