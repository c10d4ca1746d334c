"""Run a rebuilt notebook: the student's cells in a caged kernel, the test cells in the examiner."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack, suppress
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute
from nbgrader.preprocessors.execute import UnresponsiveKernelError
from traitlets import Dict, Integer, List, Unicode

from course.cage import CageError
from course.errors import CourseError
from course.grading.examination import Examiner, Verdict
from course.grading.provisioner import NAME, CageProvisioner
from course.grading.results import is_hidden
from course.publishing.exercises import grade_id, is_test

DEAD = "DeadKernelError"

_READY_SECONDS = 60.0
_LISTEN_SECONDS = 0.05
# What an interrupted kernel may take to come back.
_GRACE_SECONDS = 5.0
# A cell that the machine kept waiting for this share of its time gets its time again, this many times.
_STARVED_SHARE = 0.2
_EXTENSIONS = 2
# The largest message that is read from a kernel, in bytes.
_MESSAGE_BYTES = 30_000_000
# How many messages may wait to be read; the kernel keeps the others, within its own memory.
_MESSAGES = 30
# What a kernel says that is an output, or that a cell has run; what widgets say to each other is neither.
_OUTPUTS = ("stream", "display_data", "execute_result", "update_display_data", "error")
_HEARD = (*_OUTPUTS, "clear_output", "execute_input", "status")
_LONGEST_NAME, _LONGEST_WORDS, _LONGEST_TRACE = 200, 10_000, 100_000  # characters of an error
# These change what an earlier cell has put out, which its student is shown, from what was seen of hidden tests since.
_REWRITES = ("update_display_data", "clear_output")


class CagedExecute(Execute):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's Execute with the student's cells caged, and the test cells run where the student's code is not.

    A kernel that dies or cannot be interrupted costs its student the points of the tests that come after, and is told
    in `resources["course_notes"]`: a list of (kind, cell) with the kinds "timeout", "dead", "unresponsive", "examiner".

    Raises CageError where there is no cage, and CourseError for a test that nothing was learned of.
    """

    recordings = Dict(
        help="What each test may ask of the student's objects: recordings by the digest of its source."
    )
    imports = List(Unicode(), help="Modules that are imported before kernels are forked.")
    recording = False
    """Whether this is the reference solution, of which to learn what tests may ask."""
    examined = True
    """Whether tests run in the examiner; else they run in the kernel, as they do for the student and under nbgrader."""

    output_bytes = Integer(1_000_000, help="How much of a cell's outputs is kept, in bytes.").tag(config=True)
    output_count = Integer(1_000, help="How many outputs of a cell are kept.").tag(config=True)
    notebook_bytes = Integer(20_000_000, help="How much of all outputs is kept, in bytes.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, km: None = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run all cells of `nb`, in place."""
        self.nb = nb
        self.km: AsyncKernelManager = km  # type: ignore[assignment]  # made in `_start`
        self.kc: AsyncKernelClient = None  # type: ignore[assignment]  # nbclient asks for it
        self.owns_km = True
        self.shutdown_kernel = "immediate"
        self.store_widget_state = False
        self.reset_execution_trackers()
        self._check_assign_resources(resources if resources is not None else {})
        self._notes: list[tuple[str, str]] = []
        self._dead = ""
        self._verbose = self._tested_hidden = False
        self._kept = self._size = self._all = 0
        run_sync(self._run)()
        self.resources["course_notes"] = self._notes
        return nb, self.resources

    async def _run(self) -> None:
        await self._start()
        try:
            with ExitStack() as stack:
                examiner = stack.enter_context(self._desk()) if self.examined else None
                for index, cell in enumerate(self.nb.cells):
                    if cell.cell_type == "code":
                        await self._run_cell(cell, index, examiner)
            if self.recording and not self._dead:
                await self._learn_imports()
        finally:
            await self._async_cleanup_kernel()

    def _desk(self) -> Examiner:
        cell = self._provisioner.cell
        assert cell is not None
        return Examiner(self.imports, cell, self.kc)

    # --- the kernel -----------------------------------------------------------------------------------------------------

    @property
    def _provisioner(self) -> CageProvisioner:
        found = self.km.provisioner
        assert isinstance(found, CageProvisioner)
        return found

    async def _start(self) -> None:
        self.create_kernel_manager()
        spec = self.km.kernel_spec
        if spec is None or spec.language != "python":
            raise CageError(
                f"{self.kernel_name} is no Python kernel; only Python notebooks are graded in the cage"
            )
        spec.metadata["kernel_provisioner"] = {
            "provisioner_name": NAME,
            "config": {"imports": list(self.imports)},
        }
        await self.async_start_new_kernel()
        self.kc = self.km.client()
        # what is larger is not read: the connection is closed, and the cell runs into its time limit
        self.kc.context.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_BYTES)
        self.kc.context.setsockopt(zmq.RCVHWM, _MESSAGES)
        # a kernel that has broken its connections takes no message: sending would wait for ever
        self.kc.context.setsockopt(zmq.SNDTIMEO, round(1000 * _GRACE_SECONDS))
        self.kc.start_channels(stdin=False, hb=False)
        self.kc.allow_stdin = False
        await self._until_it_answers()

    async def _until_it_answers(self) -> None:
        """Ask until both an answer and its echo on iopub have come: from then on no output is missed."""
        until = time.monotonic() + _READY_SECONDS
        while (
            time.monotonic() < until and self._provisioner.cell is not None and self._provisioner.cell.alive()
        ):
            self.kc.kernel_info()
            with suppress(Empty):
                reply = await self.kc.shell_channel.get_msg(timeout=1)
                await self.kc.iopub_channel.get_msg(timeout=_LISTEN_SECONDS)
                self.nb.metadata["language_info"] = reply["content"]["language_info"]
                return
        raise UnresponsiveKernelError("A kernel was started, and does not answer")

    async def _learn_imports(self) -> None:
        """What the reference solution has imported by now."""
        cell = NotebookNode(
            cell_type="code", source="import sys\nprint(*sorted(sys.modules))", metadata={}, outputs=[]
        )
        self.nb.cells.append(cell)
        await self.async_execute_cell(cell, len(self.nb.cells) - 1)
        self.nb.cells.pop()
        text = "".join(output.get("text", "") for output in cell.outputs)
        self.imports = text.split()

    # --- cells ----------------------------------------------------------------------------------------------------------

    async def _run_cell(self, cell: NotebookNode, index: int, examiner: Examiner | None) -> None:
        cell.outputs = []
        cell.execution_count = None
        self._kept = self._size = 0
        if not cell.source.strip():
            return
        if self._dead:
            cell.outputs = [_error(DEAD, self._dead)] if is_test(cell) else []
        elif examiner is not None and is_test(cell):
            await self._examine(cell, examiner)
        else:
            await self._execute(cell, index)

    async def _execute(self, cell: NotebookNode, index: int) -> None:
        """Run a cell of the student's or the course's own in the kernel."""
        self._starved, self._extended, self._stopped = self._starved_seconds(), 0, False
        try:
            await self.async_execute_cell(cell, index)
        except DeadKernelError:
            self._die(cell, index, "dead")
        except Exception as error:  # whatever a kernel that is not ours sends
            self.log.warning("A kernel broke the rules: %r", error)
            self._die(cell, index, "unresponsive")
        else:
            if self._stopped:
                self._notes.append(("timeout", _name(cell, index)))
                if not await self._answers():
                    self._die(cell, index, "unresponsive")
            elif cell.source.lstrip().startswith("%load_ext course"):
                self._verbose = True

    async def _examine(self, cell: NotebookNode, examiner: Examiner) -> None:
        """Run a test cell in the examiner, which asks the kernel for what the test asks of the student's code."""
        name = str(grade_id(cell))
        self._tested_hidden = self._tested_hidden or is_hidden(cell)
        recording = None if self.recording else self.recordings.get(digest(cell.source))
        if recording is None and not self.recording:
            raise CourseError(
                f"The test {name} was never run with the reference solution: its source and the gradebook's "
                "differ; run nbgrader generate_assignment again"
            )
        verdict = await examiner.examine(
            cell,
            recording=recording,
            record=self.recording,
            seconds=float(self.timeout or 30),
            verbose=self._verbose,
        )
        if verdict.recording is not None:
            self.recordings = {**self.recordings, digest(cell.source): verdict.recording}
        cell.outputs = _outputs_of(verdict)
        if verdict.stopped:
            self._notes.append(("timeout" if verdict.stopped == "time" else "examiner", name))
        if not verdict.released and not await self._answers():
            self._die(cell, 0, "dead" if not self._alive() else "unresponsive")

    def _die(self, cell: NotebookNode, index: int, kind: str) -> None:
        """From here on there is no kernel: the tests that come get no points."""
        killed = self._provisioner.cell.why_dead() if self._provisioner.cell is not None else ""
        why = "memory" if killed == "memory" else kind
        self._notes.append((why, _name(cell, index)))
        self._dead = {
            "memory": "The notebook took more memory than there is, and was stopped",
            "dead": "A cell of the notebook ended Python",
            "unresponsive": "A cell of the notebook did not stop when it was told to",
        }[why]
        cell.outputs = [*cell.outputs, _error(DEAD, self._dead)]
        if self._provisioner.cell is not None:
            self._provisioner.cell.kill()

    def _alive(self) -> bool:
        cell = self._provisioner.cell
        return cell is not None and cell.alive()

    async def _answers(self) -> bool:
        """Whether the kernel comes back after an interrupt."""
        until = time.monotonic() + _GRACE_SECONDS
        try:
            asked = self.kc.kernel_info()
        except zmq.Again:
            return False
        while self._alive() and time.monotonic() < until:
            with suppress(Empty):
                reply = await self.kc.shell_channel.get_msg(timeout=0.5)
                if reply["parent_header"].get("msg_id") == asked:
                    return True
                continue
            if self._provisioner.cell is not None:
                self._provisioner.cell.interrupt()
        return False

    # --- time, as nbclient asks for it ----------------------------------------------------------------------------------

    async def _async_check_alive(self) -> None:
        if not self._alive():
            raise DeadKernelError("Kernel died")

    async def _async_handle_timeout(
        self, timeout: int, cell: NotebookNode | None = None
    ) -> dict[str, Any] | None:
        """Stop a cell at its time limit, unless the machine was too busy to run it: then it gets its time again."""
        starved = self._starved_seconds()
        if starved - self._starved > _STARVED_SHARE * timeout and self._extended < _EXTENSIONS:
            self._starved = starved
            self._extended += 1
            return None
        self._stopped = True
        reply: dict[str, Any] | None = await super()._async_handle_timeout(timeout, cell)
        return reply

    def _starved_seconds(self) -> float:
        cell = self._provisioner.cell
        return cell.starved() if cell is not None else 0.0

    # --- what a kernel puts out -----------------------------------------------------------------------------------------

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Keep a cell's outputs while there is room for them.

        Once a hidden test has run nothing changes what an earlier cell has put out, which its student is shown: neither
        an update, nor something that is displayed under the same name.
        """
        kind, content = msg["msg_type"], msg["content"]
        if kind not in _HEARD or (self._tested_hidden and kind in _REWRITES):
            return None
        if type(content.get("execution_count")) is not int and "execution_count" in content:
            content["execution_count"] = None
        if self._tested_hidden:
            content.pop("transient", None)
        if kind == "error":
            content = msg["content"] = _short(content)
        if kind in _OUTPUTS and not self._has_room(content) and not _is_first_error(kind, cell):
            return None
        output: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return output

    def _has_room(self, content: dict[str, Any]) -> bool:
        """Whether what a message puts out can be kept, as often as it is shown; it counts in any case."""
        name = (content.get("transient") or {}).get("display_id")
        shown = 1 + sum(map(len, self._display_id_map.get(name, {}).values()))
        size = shown * _size(content)
        self._kept += 1
        self._size += size
        if self._kept > self.output_count or self._size > self.output_bytes:
            return False
        self._all += size
        return self._all <= self.notebook_bytes


def _is_first_error(kind: str, cell: NotebookNode) -> bool:
    """Whether a message says first that its cell has failed: without it a test would have passed."""
    return kind == "error" and not any(output.output_type == "error" for output in cell.outputs)


def _short(content: dict[str, Any]) -> dict[str, Any]:
    """An error as it is kept, whatever its own text is."""
    name, words, trace = (content.get(part) for part in ("ename", "evalue", "traceback"))
    lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
    kept = lines if sum(map(len, lines)) <= _LONGEST_TRACE else [f"{words}"[:_LONGEST_WORDS]]
    return {"ename": f"{name}"[:_LONGEST_NAME], "evalue": f"{words}"[:_LONGEST_WORDS], "traceback": kept}


def _outputs_of(verdict: Verdict) -> list[NotebookNode]:
    """A verdict as nbgrader reads it: with an error wherever the cell did not run to its end."""
    failed = any(output.output_type == "error" for output in verdict.outputs)
    if verdict.passed or failed:
        return verdict.outputs
    return [*verdict.outputs, _error("TestStopped", verdict.complaint)]


def digest(source: str) -> str:
    """What names a test cell's source among recordings."""
    return hashlib.sha256(source.encode(errors="replace")).hexdigest()


def _size(content: object) -> int:
    """About how many characters there are in a message."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(len(key) + _size(value) for key, value in content.items())
    return sum(map(_size, content)) if isinstance(content, list) else 8


def _name(cell: NotebookNode, index: int) -> str:
    return grade_id(cell) or f"cell {index + 1}"


def _error(name: str, value: str, traceback: list[str] | None = None) -> NotebookNode:
    return NotebookNode(
        output_type="error", ename=name, evalue=value, traceback=traceback or [f"{name}: {value}"]
    )
