"""Open JupyterLab as a student or as an instructor sees it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from course.errors import CourseError

_PROFILES = Path(__file__).with_name("profiles")


def jupyterlab_command(folder: Path, *, port: int | None = None, headless: bool = False) -> list[str]:
    """The command line of a JupyterLab on `folder`.

    Without a port, JupyterLab takes the first free one from 8888. Raises CourseError where the named one is taken.
    """
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={folder}"]
    if port is not None:
        _must_be_free(port)
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if headless:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def student_environment() -> dict[str, str]:
    """The environment in which JupyterLab opens the course home, and shows a student's menus only."""
    return _environment("student")


def instructor_environment() -> dict[str, str]:
    """The environment in which JupyterLab shows formgrader and nbgrader's other pages."""
    return _environment("instructor")


def _environment(profile: str) -> dict[str, str]:
    folder = str(_PROFILES / profile)
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join([folder, others] if others else [folder])}


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
