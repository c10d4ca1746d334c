"""The folder through which a class hands in its work and gets feedback: nbgrader's exchange.

`COURSE_EXCHANGE` names it, for teacher and students alike. Without it a teacher's is `exchange/` in the course folder,
and a student learns alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from course.errors import CourseError

VARIABLE = "COURSE_EXCHANGE"
_OPEN = 0o777


def named() -> Path | None:
    """The folder that the environment names, if it does."""
    name = os.environ.get(VARIABLE)
    return Path(name).expanduser().absolute() if name else None


def make_ready(folder: Path) -> None:
    """Make the teacher's exchange, open to every account of the machine, as nbgrader wants it.

    What students hand in lies in a folder in it that they can write to and not list. Raises CourseError where the folder
    cannot be made or opened.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & _OPEN != _OPEN:
            folder.chmod(_OPEN)
    except OSError as error:
        raise CourseError(
            f"The exchange {folder} cannot be made ready ({error.strerror}). Your account must own it: ask whoever runs "
            f"this machine to make it yours, or name another folder in {VARIABLE}."
        ) from error


def must_be_there(folder: Path) -> None:
    """Raises CourseError, for a student, where the exchange is missing or closed."""
    if not folder.is_dir():
        raise CourseError(
            f"There is no folder {folder} to hand in to. Check its name (it stands in {VARIABLE}), or ask your teacher."
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise CourseError(
            f"You may not write to {folder}, where work is handed in. Ask your teacher to open it."
        )
