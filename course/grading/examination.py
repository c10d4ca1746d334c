"""Have a submission's test cells run at a desk of its own: in a cell beside the one of the student's kernel."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty
from types import TracebackType
from typing import Any, Self

import nbformat
import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from nbformat import NotebookNode

from course.cage.cell import Cell
from course.examiner import packets
from course.examiner.kernel import REQUEST
from course.grading import spares
from course.grading.results import is_hidden
from course.grading.spares import Request
from course.publishing.exercises import grade_id

ENVIRONMENT = {"NBGRADER_EXECUTION": "autograde"}
"""What nbgrader tells a notebook: that it is being graded."""

# What a desk may take beyond a test's own time, to end the test and say so.
_DESK_SECONDS = 30.0
# What a kernel may take to let go of a test that is over, before it is interrupted, and afterwards.
_RELEASE_SECONDS = 5.0
# A test that the machine kept waiting for this share of its time runs once more, with so many times as much.
_STARVED_SHARE = 0.2
_SECOND_CHANCE = 3


@dataclass(frozen=True)
class Verdict:
    """What came of a test cell.

    `stopped` is "" where it ran to its end or failed, "time", "died" or "protocol"; `complaint` says in words what was
    wrong with the answers of the student's code. `released` is whether the kernel is ready for the next cell.
    """

    passed: bool
    outputs: list[NotebookNode] = field(default_factory=list)
    stopped: str = ""
    complaint: str = ""
    recording: dict[str, Any] | None = None
    released: bool = True


class Examiner:
    """The desk of one submission, open for as long as the context lasts."""

    def __init__(self, imports: Sequence[str], student: Cell, client: AsyncKernelClient) -> None:
        """`student` is the cell of the kernel that `client` talks to, `imports` are its lab's. Raises CageError."""
        self._imports = imports
        self._student = student
        student.door.settimeout(_RELEASE_SECONDS)  # a kernel that takes nothing from it must not hold us up
        self._client = client
        self._desk = self._open()

    async def examine(
        self,
        cell: NotebookNode,
        *,
        recording: dict[str, Any] | None,
        record: bool,
        seconds: float,
        verbose: bool,
    ) -> Verdict:
        """Run a test cell against the student's kernel.

        With `record`, the verdict has what the examiner needs to know of this test, learned from the reference
        solution; `recording` is what it learned then. `verbose` asks for the course's panels instead of a traceback.
        """
        job = {
            "source": cell.source,
            "name": str(grade_id(cell)),
            "recording": recording,
            "record": record,
            "seed": None,
            "verbose": verbose,
            "hidden": is_hidden(cell),
        }
        before = self._starved()
        verdict = await self._examine(job | {"seconds": seconds})
        if (
            verdict.stopped == "time"
            and verdict.released
            and self._starved() - before > _STARVED_SHARE * seconds
        ):
            verdict = await self._examine(job | {"seconds": _SECOND_CHANCE * seconds})
        return verdict

    async def _examine(self, job: dict[str, Any]) -> Verdict:
        token = secrets.token_hex(8)
        here, there = socket.socketpair()
        with here, there:
            try:
                socket.send_fds(self._student.door, [token.encode()], [there.fileno()])
            except OSError:  # its kernel has gone, or closed what it was given
                return Verdict(
                    False, stopped="died", complaint="the notebook's kernel is gone", released=False
                )
            request = self._client.session.msg(REQUEST, {"line": token})
            try:
                self._client.shell_channel.send(request)
            except zmq.Again:
                return Verdict(
                    False, stopped="died", complaint="the notebook's kernel takes no messages", released=False
                )
            there.close()
            said = self._ask_desk(job, here)
        stopped = said["stopped"]
        released = await self._is_released(request["header"]["msg_id"], at_once=bool(stopped))
        return Verdict(
            passed=said["passed"],
            outputs=[nbformat.from_dict(output) for output in said["outputs"]],
            stopped=stopped,
            complaint=said["complaint"],
            recording=said.get("recording"),
            released=released,
        )

    def _ask_desk(self, job: dict[str, Any], line: socket.socket) -> dict[str, Any]:
        self._desk.door.settimeout(job["seconds"] + _DESK_SECONDS)
        try:
            packets.send(self._desk.door, job, [line.fileno(), self._student.porter.fileno()])
            received = packets.receive(self._desk.door)
        except (OSError, packets.BadMessage):
            received = None
        if received is not None:
            return received[0]
        self._desk.kill()
        self._desk = self._open()
        return {
            "passed": False,
            "outputs": [],
            "stopped": "died",
            "complaint": "the process that ran the test ended without a verdict",
        }

    async def _is_released(self, request: str, *, at_once: bool) -> bool:
        """Whether the kernel comes back after a test. One that is still busy with it is interrupted, once and again."""
        if at_once:
            self._student.interrupt()
        for _ in range(2):
            until = time.monotonic() + _RELEASE_SECONDS
            while self._student.alive() and time.monotonic() < until:
                with suppress(Empty):
                    reply = await self._client.shell_channel.get_msg(timeout=0.5)
                    if reply["parent_header"].get("msg_id") == request:
                        return True
            self._student.interrupt()
        return False

    def _open(self) -> Cell:
        return spares.take(Request(self._imports, "course.examiner.desk:main", {}), _options).cell

    def _starved(self) -> float:
        return self._student.starved() + self._desk.starved()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._desk.kill()


def _options() -> dict[str, Any]:
    return {"environment": ENVIRONMENT}
