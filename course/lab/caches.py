"""Where the labs keep what takes long to make: databases, and the data directory of a new server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SHARED = "COURSE_CACHE"
"""The environment variable that names a folder of such things which somebody else has made, and which is only read."""


def kept(name: str) -> Path:
    """Where the thing of this name is, or is to be made."""
    shared = os.environ.get(SHARED)
    if shared and (Path(shared) / name).exists():
        return Path(shared) / name
    place = _own_folder() / name
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def _own_folder() -> Path:
    from platformdirs import user_cache_path

    folder = user_cache_path("backend-course")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # no home, or one that is read-only: what is built then lasts until the machine restarts
        user = os.getuid() if hasattr(os, "getuid") else "user"
        folder = Path(tempfile.gettempdir()) / f"backend-course-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder
