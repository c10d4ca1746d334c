"""One submission in two cells, as the grader runs it: a student's kernel and a desk."""

from __future__ import annotations

import itertools
import queue
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from jupyter_client import BlockingKernelClient

from course.cage.host import Zygote
from course.examiner.kernel import REQUEST
from tests.examiner.jobs import examine, job

_PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
_SECONDS = 120


@dataclass
class Ran:
    """What one of the student's cells came to."""

    status: str
    outputs: list[tuple[str, dict[str, Any]]]

    @property
    def text(self) -> str:
        return "".join(content["text"] for kind, content in self.outputs if kind == "stream")

    @property
    def error(self) -> str:
        return "".join(content["ename"] for kind, content in self.outputs if kind == "error")


class Kernel:
    """A student's kernel in a cell."""

    def __init__(self, zygote: Zygote) -> None:
        connection = {
            "transport": "ipc",
            "key": secrets.token_hex(),
            "signature_scheme": "hmac-sha256",
            **_PORTS,
        }
        self.cell = zygote.spawn(
            "course.examiner.kernel:main", {"connection": {**connection, "ip": "/ipc/k"}}, ipc=True
        )
        self.client = BlockingKernelClient()
        self.client.load_connection_info({**connection, "ip": f"{self.cell.ipc}/k"})
        self.client.start_channels(hb=False)
        self.client.wait_for_ready(timeout=_SECONDS)
        self._tokens = map(str, itertools.count())

    def run(self, source: str) -> Ran:
        """Run a cell of the student's."""
        outputs = []
        reply = self.client.execute_interactive(
            source,
            allow_stdin=False,
            stop_on_error=False,
            timeout=_SECONDS,
            output_hook=lambda message: outputs.append((message["msg_type"], message["content"])),
        )
        return Ran(reply["content"]["status"], outputs)

    def iopub(self) -> list[tuple[str, dict[str, Any]]]:
        """What has come on the kernel's output channel and was not read yet."""
        found = []
        with suppress(queue.Empty):
            while True:
                message = self.client.get_iopub_msg(timeout=0.5)
                found.append((message["msg_type"], message["content"]))
        return found

    def serve(self, line: socket.socket) -> str:
        """Have the kernel serve a line; the id of the request, for `reply`."""
        token = next(self._tokens)
        socket.send_fds(self.cell.door, [token.encode()], [line.fileno()])
        message = self.client.session.msg(REQUEST, {"line": token})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def reply(self, request: str) -> dict[str, Any]:
        """The kernel's reply to a request."""
        while True:
            message = self.client.get_shell_msg(timeout=_SECONDS)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def close(self) -> None:
        self.client.stop_channels()
        self.cell.kill()


class Submission:
    """A kernel with a desk."""

    def __init__(self, zygote: Zygote) -> None:
        self.kernel = Kernel(zygote)
        self.desk = zygote.spawn("course.examiner.desk:main", {})

    def run(self, source: str) -> Ran:
        """Run a cell of the student's."""
        return self.kernel.run(source)

    def examine(self, source: str, **more: Any) -> dict[str, Any]:
        """Run a test cell on what the student's cells have made; the verdict."""
        verdict, request = self.begin(source, **more)
        if verdict["stopped"]:
            self.kernel.cell.interrupt()
        assert self.kernel.reply(request) == {"status": "ok"}
        return verdict

    def begin(self, source: str, **more: Any) -> tuple[dict[str, Any], str]:
        """As `examine`, but the kernel may not live long enough to reply to the request, whose id is the second value."""
        here, there = socket.socketpair()
        with here, there:
            request = self.kernel.serve(there)
            there.close()
            wanted, porter = job(source, **more), self.kernel.cell.porter
            return examine(self.desk.door, wanted, here.fileno(), porter.fileno()), request

    def recorded(self, source: str, **more: Any) -> dict[str, Any]:
        """What running a test cell on the reference solution tells of it."""
        verdict = self.examine(source, record=True, **more)
        assert verdict["passed"], verdict
        return verdict["recording"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kernel.close()
        self.desk.kill()
