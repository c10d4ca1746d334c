"""Open JupyterLab as a student or as an instructor sees it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from course.classroom import exchange
from course.errors import CourseError

_PROFILES = Path(__file__).with_name("profiles")


def jupyterlab_command(folder: Path, *, port: int | None = None, headless: bool = False) -> list[str]:
    """The command line of a JupyterLab on `folder`.

    Without a port, JupyterLab takes the first free one from 8888. Raises CourseError where the named one is taken.
    """
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={folder}"]
    # What was open is remembered in the folder, not for all JupyterLabs of a user: those know other files.
    command.append(f"--LabApp.workspaces_dir={folder / '.cache' / 'workspaces'}")
    if port is not None:
        _must_be_free(port)
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if headless:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def student_environment() -> dict[str, str]:
    """The environment in which JupyterLab opens the course home, and shows a student's menus only.

    Where an exchange is named, with the way to hand in. Raises CourseError where that folder is missing or closed.
    """
    handing_in = exchange.named()
    if handing_in is None:
        return _environment("student")
    exchange.must_be_there(handing_in)
    return _environment("classroom", "student")


def instructor_environment() -> dict[str, str]:
    """The environment in which JupyterLab shows formgrader and nbgrader's other pages."""
    return _environment("instructor")


def _environment(*profiles: str) -> dict[str, str]:
    """The environment with these profiles, those named first before the others."""
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    folders = [str(_PROFILES / profile) for profile in profiles] + ([others] if others else [])
    handing_in = exchange.named()
    named = {exchange.VARIABLE: str(handing_in)} if handing_in else {}  # absolute: nbgrader changes folders
    return {**os.environ, **named, "JUPYTER_CONFIG_PATH": os.pathsep.join(folders)}


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
