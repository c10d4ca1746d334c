"""What all of the course's handlers share: the working copy, and errors in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler

from course.errors import CourseError


class CourseHandler(APIHandler):
    """A handler that knows whose work it is about; a CourseError becomes an answer 400 with its message."""

    @property
    def root(self) -> Path:
        """The folder that holds `work/` and `release/`."""
        return Path(self.settings["server_root_dir"]).expanduser().resolve().parent

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 - tornado's signature
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, CourseError):
            self.set_status(400)
            self.finish(json.dumps({"message": str(error)}))
        else:
            super().write_error(status_code, **kwargs)
