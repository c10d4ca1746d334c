"""`POST course/grade`: grade one's own work; `GET course/feedback/<phase>/<lab>`: the page it wrote."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress

from tornado import web

from course.classroom.own_work import feedback, results_file
from course.classroom.server.handler import CourseHandler
from course.errors import CourseError

_NAME = re.compile(r"\w[\w.+-]*")
_PATIENCE = 10
"""Seconds that grading has to clean up when it is stopped."""


class GradeHandler(CourseHandler):
    """Grades a phase of `work/` as it is saved now; the answer is `course.classroom.own_grading.OwnGrades`.

    It stops when the client goes away; who asks meanwhile waits until it has.
    """

    _running: GradeHandler | None = None  # of the whole server: all gradings share one folder

    def initialize(self) -> None:
        self._client_gone = asyncio.Event()
        self._ended = asyncio.Event()

    @web.authenticated
    async def post(self) -> None:
        phase = str((self.get_json_body() or {}).get("phase", ""))
        if not _NAME.fullmatch(phase) or not (self.root / "work" / phase).is_dir():
            raise CourseError(f"There is no phase {phase!r} among your labs.")
        while other := GradeHandler._running:
            if not other._client_gone.is_set():
                raise CourseError(
                    "Your work is being graded already. Wait until that is done, then try again."
                )
            await other._ended.wait()
        GradeHandler._running = self
        try:
            results = results_file(self.root)
            results.unlink(missing_ok=True)
            status, errors = await self._grade(phase)
        finally:
            GradeHandler._running = None
            self._ended.set()
        if self._client_gone.is_set():
            return
        if not results.exists():
            raise CourseError(_in_words(status, errors))
        self.finish(results.read_bytes())

    async def _grade(self, phase: str) -> tuple[int, str]:
        """Run the grading to its end, or until the client goes away: its exit status and what it says is wrong."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "course.classroom.own_grading", phase),
            cwd=self.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        gone = asyncio.create_task(self._stop_without_client(process))
        try:
            _, errors = await process.communicate()
        finally:
            gone.cancel()
        return process.returncode or 0, errors.decode(errors="replace")

    async def _stop_without_client(self, process: asyncio.subprocess.Process) -> None:
        await self._client_gone.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal
            await asyncio.sleep(_PATIENCE)
            os.killpg(process.pid, signal.SIGKILL)

    def on_connection_close(self) -> None:
        self._client_gone.set()


class FeedbackHandler(CourseHandler):
    """A feedback page. It holds what the student's code put out, so it may do nothing but be looked at."""

    @property
    def content_security_policy(self) -> str:
        return "; ".join(
            [
                "default-src 'none'",
                "img-src data:",
                "style-src 'unsafe-inline'",
                "frame-ancestors 'self'",
                "sandbox allow-popups allow-popups-to-escape-sandbox",
            ]
        )

    @web.authenticated
    def get(self, phase: str, lab: str) -> None:
        found = feedback(self.root, phase) / f"{lab}.html"
        if not (_NAME.fullmatch(phase) and _NAME.fullmatch(lab) and found.is_file()):
            raise CourseError("There is no feedback page yet. Press Grade my work in the lab's notebook.")
        self.finish(found.read_bytes(), set_content_type="text/html; charset=utf-8")


def _in_words(status: int, errors: str) -> str:
    last = errors.strip().splitlines()[-1:] or [f"it ended with status {status}"]
    return errors.strip() if status == 2 else f"Grading stopped before its end: {last[0]}"
