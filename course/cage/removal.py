"""Remove what a cell wrote, whatever it did to keep it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def remove(*paths: Path) -> None:
    """Remove files, and folders with all that is in them; what is not there is fine.

    The system's tools do it: they go as deep as folders can go, and follow no links. No process of the cell's may be
    left.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), os.defpath])
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run(
            [*command, "--", *paths], env={"PATH": path}, stdin=subprocess.DEVNULL, capture_output=True
        )
