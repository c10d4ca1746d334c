"""The course's part of the Jupyter server: what its JupyterLab extension asks for, under `<base>/course/`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "course.classroom.server"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the course's addresses to a server whose root folder is a working copy."""
    from jupyter_server.utils import url_path_join

    from course.classroom.server.grading import FeedbackHandler, GradeHandler
    from course.classroom.server.home import HomeHandler
    from course.classroom.server.keeping import SessionHandler, WorkHandler, WorkZipHandler
    from course.lab.serving.beside import PLACE

    os.environ[PLACE] = "1"  # for the kernels
    addresses = [
        (r"home", HomeHandler),
        (r"grade", GradeHandler),
        (r"feedback/([^/]+)/([^/]+)", FeedbackHandler),
        (r"work", WorkHandler),
        (r"work\.zip", WorkZipHandler),
        (r"session", SessionHandler),
    ]
    base = str(server.web_app.settings["base_url"])
    server.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$", [(url_path_join(base, "course", path), handler) for path, handler in addresses]
    )
