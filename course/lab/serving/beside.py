"""Tell JupyterLab of a running server, so that it shows the server's page and log beside the notebook."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from course.lab.serving.browser import browser_url

if TYPE_CHECKING:
    from comm.base_comm import BaseComm

    from course.lab.serving.log import Log

PLACE = "COURSE_JUPYTERLAB"
"""Set in the environment of kernels whose JupyterLab has such a place, by the course's part of the Jupyter server."""

_TARGET = "course.server"  # lab-view.js of the JupyterLab extension listens to it
_LINES = 500
_SECONDS = 0.3  # the log is sent at most this often


def show_beside(name: str, port: int, path: str, title: str, log: Log) -> Beside | None:
    """Show a server beside the notebook, its page at `path` under `title`.

    None where there is no such place, as where a notebook is graded.
    """
    loop = getattr(_kernel(), "io_loop", None)
    if loop is None or not os.environ.get(PLACE):
        return None
    from comm import create_comm

    about = {
        "name": name,
        "title": title,
        "page": f"{browser_url(port)}{path}",
    }
    comm = create_comm(target_name=_TARGET, data={**about, "log": log.tail(_LINES)})
    return Beside(comm, about, log, loop)


class Beside:
    """A server's place beside the notebook, which follows its log until it is closed."""

    def __init__(self, comm: BaseComm, about: dict[str, str], log: Log, loop: Any) -> None:  # noqa: ANN401 - tornado's
        self._comm = comm
        self._about = about
        self._log = log
        self._loop = loop
        self._due = False
        self._open = True
        comm.on_msg(lambda _: self._send())  # a page that was loaded anew asks
        log.follow(self._changed)

    def close(self) -> None:
        """The server is stopped: say so beside the notebook."""
        self._open = False
        self._log.follow(None)
        self._comm.close()

    def _changed(self) -> None:
        """Called by any thread of the server; the kernel's own thread sends."""
        if not self._due:
            self._due = True
            self._loop.add_callback(self._loop.call_later, _SECONDS, self._send)

    def _send(self) -> None:
        self._due = False
        if self._open:
            self._comm.send({**self._about, "log": self._log.tail(_LINES)})


def _kernel() -> object:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)
