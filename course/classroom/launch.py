"""Open JupyterLab on the course home, as a student sees it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from course.classroom.home import HOME
from course.errors import CourseError

_PROFILES = Path(__file__).with_name("profiles")


def jupyterlab_command(work: Path, *, port: int | None = None, headless: bool = False) -> list[str]:
    """The command line of a student's JupyterLab on `work`.

    Without a port, JupyterLab takes the first free one from 8888. Raises CourseError where the named one is taken.
    """
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={work}"]
    command.append(f"--LabApp.default_url=/lab/tree/{HOME}")
    if port is not None:
        _must_be_free(port)
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if headless:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def student_environment() -> dict[str, str]:
    """The environment in which JupyterLab shows a student's menus only."""
    profile = str(_PROFILES / "student")
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join([profile, others] if others else [profile])}


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":  # as JupyterLab does: a port that was just closed is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CourseError(
                f"port {port} is in use. Choose another, or name none and the first free one is taken: make lab"
            ) from None
