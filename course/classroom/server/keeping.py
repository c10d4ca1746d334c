"""A student's work as a zip file and back, and how long the session lasts: `course/work.zip`, `course/work`, `course/session`."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from tornado import web

from course.classroom import keeping
from course.classroom.server.handler import CourseHandler

BINDER_LIMIT = 600
"""Seconds without activity after which Binder ends a session, as it publishes."""

_LAST_SEEN = "course_last_activity"
"""A setting whose name ends so counts as the server's own activity."""


class WorkZipHandler(CourseHandler):
    """All of the student's work and progress; the header `Course-Work` says in JSON of which copy, and what is not in it."""

    @web.authenticated
    async def get(self) -> None:
        root = self.root
        work = await asyncio.to_thread(keeping.students_work, root)
        content = await asyncio.to_thread(keeping.save, root, work)
        left_out = [name.as_posix() for name in work.left_out]
        self.set_header("Content-Disposition", f'attachment; filename="{keeping.zip_name(date.today())}"')
        told = {
            "copy": keeping.copy_id(root),
            "files": len(work.files),
            "left_out": {"number": len(left_out), "names": left_out[:10]},
        }
        self.set_header("Course-Work", json.dumps(told))
        await self.finish(content, set_content_type="application/zip")


class WorkHandler(CourseHandler):
    """What there is of the student's, and the way back from a zip file."""

    @web.authenticated
    async def get(self) -> None:
        work = await asyncio.to_thread(keeping.students_work, self.root)
        await self.finish(json.dumps({"copy": keeping.copy_id(self.root), "files": len(work.files)}))

    @web.authenticated
    async def post(self) -> None:
        restored = await asyncio.to_thread(keeping.restore, self.root, self.request.body)
        await self.finish(json.dumps(asdict(restored)))


class SessionHandler(CourseHandler):
    """Seconds since the student or their code did anything, and after how many the session ends (null: it does not).

    JupyterLab's own requests do not count: they come by themselves as long as its page can be seen.
    """

    _track_activity = False

    @web.authenticated
    def get(self) -> None:
        limit = self.serverapp.shutdown_no_activity_timeout if self.serverapp else 0
        if not limit and "BINDER_LAUNCH_HOST" in os.environ:
            limit = BINDER_LIMIT
        busy = any(kernel.execution_state == "busy" for kernel in self._kernels())
        seen = self.settings.get(_LAST_SEEN, self.settings["started"])
        last = max(seen, self.kernel_manager.last_kernel_activity)
        idle = 0.0 if busy else (datetime.now(UTC) - last).total_seconds()
        self.finish(json.dumps({"limit": limit or None, "idle": idle}))

    @web.authenticated
    def post(self) -> None:
        """The student is here: neither the server nor a kernel is idle."""
        now = self.settings[_LAST_SEEN] = datetime.now(UTC)
        for kernel in self._kernels():
            kernel.last_activity = now
        self.get()

    def _kernels(self) -> list[Any]:
        manager = self.kernel_manager
        return [manager.get_kernel(name) for name in manager.list_kernel_ids()]
