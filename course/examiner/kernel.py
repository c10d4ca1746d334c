"""The student's kernel in a cage: an ordinary IPython kernel that also serves test cells which run elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from tornado.ioloop import IOLoop
from traitlets.config import Config

from course.examiner import student
from course.lab.leftovers import clear_leftovers

if TYPE_CHECKING:
    from ipykernel.zmqshell import ZMQInteractiveShell
    from jupyter_client.session import Session

    from course.cage.inside.cell import Inside

REQUEST = "examine_request"
"""The shell message that asks to serve one test cell; its content is {"line": TOKEN}.

Before it, a packet TOKEN with the line's file descriptor goes to the kernel's door. The reply, when the line is done with,
is an `examine_reply` with {"status": "ok"}, or "error" where no such line had come.
"""

_LINE_SECONDS = 10.0  # the line was sent before the request
# Messages that may wait for a busy reader. What is more is lost, and with it that a cell has ended; ZeroMQ's own 1,000
# are less than a chatty loop puts out in a second.
_WAITING_OUTPUTS = 20_000
_TURN_OF_THE_LOOP: CodeType = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_STEP_OF_A_TASK: CodeType = asyncio.Handle._run.__code__


class ExaminedKernel(IPythonKernel):
    """A kernel whose objects a test can use from another process, over a line."""

    parent: _ExaminedApp
    session: Session
    shell: ZMQInteractiveShell

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - whatever a kernel takes
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.shell_handlers[REQUEST] = self.examine_request

    async def examine_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:  # noqa: ANN401
        """Serve the line that a request names, until the other side says that it is done, goes, or is interrupted."""
        with _uninterrupted():  # an interrupt that comes when the line is done with must not cost the reply
            line = _line(self.parent.door, str(parent["content"].get("line", "")))
            if line is not None:
                with suppress(KeyboardInterrupt), line, self._silent(), _interruptible():
                    clear_leftovers(self.shell)
                    await student.serve(line, self.shell.user_ns, asyncio.get_running_loop())
            reply = {"status": "error" if line is None else "ok"}
            self.session.send(stream, "examine_reply", reply, parent, ident=ident)

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """Keep from the notebook what the student's code writes meanwhile, also from its threads."""
        thread = self.iopub_thread
        send = thread.send_multipart

        def send_status(parts: list[Any], *args: object, **kwargs: object) -> None:
            if bytes(parts[0]).endswith(b".status"):
                send(parts, *args, **kwargs)

        thread.send_multipart = send_status
        try:
            yield
        finally:
            for output in (
                self._stdout,
                self._stderr,
            ):  # by their first names: a cell may have put others there
                with suppress(Exception):
                    output.flush()
            thread.send_multipart = send


class QuietStream(OutStream):
    """A kernel's stdout or stderr that is flushed only where something was written.

    ipykernel flushes both several times for each cell, and each time has a thread do it and waits for that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - whatever a stream takes
        self._turn = threading.RLock()  # held by the thread while it sends what it has taken
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Send what was written; what comes after it is sent later."""
        if not self._is_empty():
            super().flush()  # type: ignore[no-untyped-call]

    def _flush(self) -> None:
        if self._is_fork():
            super()._flush()  # type: ignore[no-untyped-call]
            return
        with self._turn:
            super()._flush()  # type: ignore[no-untyped-call]

    def _is_empty(self) -> bool:
        """Whether all that was written is on its way; False where that cannot be found out in time."""
        if self._is_fork() or not self._turn.acquire(timeout=self.flush_timeout):
            return False
        try:
            return not self._buffers
        finally:
            self._turn.release()

    def _is_fork(self) -> bool:
        """In a fork there is nobody else whose turn it could be, as the thread was not forked."""
        return os.getpid() != self._master_pid


class _ExaminedApp(IPKernelApp):
    """The kernel's application: it takes its connection as data, reads no files and survives any interrupt."""

    name = "ipython-kernel"
    door: socket.socket
    connection: dict[str, Any]

    def load_config_file(self, *args: object, **kwargs: object) -> None:
        """A student's home has none."""

    def init_connection_file(self) -> None:
        """Take the connection from our options."""
        self.load_connection_info(self.connection)  # type: ignore[arg-type]

    def write_connection_file(self, **kwargs: object) -> None:
        """Whoever made the connection knows it."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Let many outputs wait for a busy reader."""
        context.setsockopt(zmq.SNDHWM, _WAITING_OUTPUTS)
        super().init_iopub(context)  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Run until a shutdown is asked for."""
        self.kernel.start()
        self.io_loop = IOLoop.current()
        while True:
            try:
                self.io_loop.start()
            except KeyboardInterrupt:  # it has ended a task of the student's, which is what it was for
                continue
            return


def main(here: Inside) -> None:
    """Run a kernel in a cell until it is shut down.

    Options: `connection`, what a connection file holds (over ipc, with ports given), `argv`, more arguments for the
    kernel's command line, and `environment`, more variables for it.
    """
    os.environ.update(here.options.get("environment", {}))
    # IPython asks for modules that there are not: none that was handed in runs before we are ready
    handed_in = sys.path.pop()
    asyncio.set_event_loop(
        asyncio.new_event_loop()
    )  # one made before the fork is shared with all other cells
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.IPKernelApp.outstream_class = f"{__name__}.{QuietStream.__name__}"
    config.IPKernelApp.parent_handle = 1  # no parent to watch: the cage ends with its cell's PID 1
    app = _ExaminedApp.instance(config=config, kernel_class=ExaminedKernel)
    connection = here.options["connection"]
    app.door, app.connection = here.door, connection | {"ip": str(here.ipc / Path(connection["ip"]).name)}
    app.initialize(list(here.options.get("argv", ())))  # type: ignore[no-untyped-call]
    here.ready()
    sys.path.append(handed_in)
    app.start()


def _line(door: socket.socket, token: str) -> socket.socket | None:
    """The line that was sent with a token; those of earlier requests that nobody took are closed."""
    door.settimeout(_LINE_SECONDS)
    while True:
        try:
            packet, fds, _, _ = socket.recv_fds(door, 256, 1)
        except OSError:
            return None
        line = socket.socket(fileno=fds[0]) if fds else None
        if line is None or packet == token.encode():
            return line
        line.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Take no notice of interrupts."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt raise KeyboardInterrupt in the code that runs, or, where none runs, end the waiting for more.

    Either way the body is left without an error.
    """
    waiting = asyncio.current_task()
    assert waiting is not None
    stopped = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if _runs_code(frame):
            raise KeyboardInterrupt
        stopped = True
        waiting.get_loop().call_soon_threadsafe(waiting.cancel)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    except asyncio.CancelledError:
        if not stopped:
            raise
        waiting.uncancel()
    finally:
        signal.signal(signal.SIGINT, before)


def _runs_code(frame: FrameType | None) -> bool:
    """Whether the event loop is in the middle of a step, and not waiting for something to do."""
    while frame is not None:
        if frame.f_code is _STEP_OF_A_TASK:
            return True
        if frame.f_code is _TURN_OF_THE_LOOP:
            return False
        frame = frame.f_back
    return True
