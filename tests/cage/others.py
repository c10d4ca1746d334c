"""A Python for tests that are run again as somebody else."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def anybody() -> int:
    """An ordinary user that every system has, with a name, which PostgreSQL wants."""
    return pwd.getpwnam("nobody").pw_uid


def open_to_others(path: Path) -> bool:
    """Whether everybody can run a file, or enter a folder."""
    return all(part.stat().st_mode & 0o001 for part in [path, *path.parents])


def python_for_all() -> tuple[str, str]:
    """A Python of this version that everybody can run, and the PYTHONPATH with which it finds what we have."""
    path = os.pathsep.join(
        [place for place in sys.path if place.endswith("site-packages")] + [str(REPOSITORY)]
    )
    version = "import sys; print(sys.version_info[:2])"
    for python in map(Path, (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")):
        if python.exists() and open_to_others(python.resolve()) and open_to_others(REPOSITORY):
            found = subprocess.run([python, "-c", version], capture_output=True, text=True).stdout.strip()
            if found == str(sys.version_info[:2]):
                return str(python), path
    pytest.skip("no Python of this version that everybody can run")
