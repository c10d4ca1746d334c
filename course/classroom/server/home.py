"""`GET course/home`: the map of the course with the student's progress, for the home page."""

from __future__ import annotations

import json
from dataclasses import asdict

from tornado import web

from course.classroom import home
from course.classroom.server.handler import CourseHandler


class HomeHandler(CourseHandler):
    """The home as JSON: see `course.classroom.home.Home`."""

    @web.authenticated
    def get(self) -> None:
        self.finish(json.dumps(asdict(home.look(self.root))))
