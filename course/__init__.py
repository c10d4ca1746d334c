"""The Backend Course: its labs' tools, their publishing, and their grading.

`%load_ext course` in a notebook calls `load_ipython_extension` below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Switch the course on in a notebook: readable failures, progress, `%%sql`."""
    from course.lab.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back that `load_ipython_extension` switched on."""
    from course.lab.extension import unload

    unload(shell)
