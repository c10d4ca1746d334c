"""Wait until a JupyterLab that a test has started answers."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import requests


def address_of(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The address of a server, when it answers; its own file in the runtime folder tells which port it took."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            url = str(json.loads((runtime / f"jpserver-{process.pid}.json").read_text())["url"])
            requests.get(url + "api/status", timeout=5).raise_for_status()
        except (OSError, ValueError):
            time.sleep(0.05)
        else:
            return url
    raise AssertionError(f"it did not start:\n{log.read_text()}")
