"""Open JupyterLab on the course home, as a student sees it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from course.classroom.home import HOME

_PROFILES = Path(__file__).with_name("profiles")


def jupyterlab_command(work: Path, *, port: int | None = None, headless: bool = False) -> list[str]:
    """The command line of a student's JupyterLab on `work`.

    A named port must be free (JupyterLab says so if it is not); otherwise the first free one from 8888 is taken.
    """
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={work}"]
    command.append(f"--LabApp.default_url=/lab/tree/{HOME}")
    if port is not None:
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
