"""Where the student's browser reaches a port of this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path


def browser_url(port: int) -> str:
    """The address of a port as the browser sees it, without a slash at its end.

    Inside Jupyter that is a path of the Jupyter server itself, through jupyter-server-proxy: it works on the same machine,
    on a hub and on Binder alike. Outside Jupyter it is the port on 127.0.0.1.
    """
    base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX") or _jupyter_base_url()
    return f"{base}proxy/{port}" if base else f"http://127.0.0.1:{port}"


def _jupyter_base_url() -> str | None:
    """The base_url of the Jupyter server that started this kernel, as its runtime file tells; None without one."""
    server = os.environ.get("JPY_PARENT_PID")
    if not server:
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    try:
        about = json.loads((Path(jupyter_runtime_dir()) / f"jpserver-{server}.json").read_text())
        return str(about["base_url"])
    except (OSError, ValueError, KeyError):  # started by something else: nbclient, an editor, a grader
        return None
