"""Clear away what earlier cells have dropped, so that what Python says of it is not said in a test.

A coroutine that was never awaited and a task that never ended are reported when the garbage collector comes upon them, at
any time: on stderr, for which nbgrader takes a test's points.
"""

from __future__ import annotations

import gc
import logging
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_ASYNCIO = logging.getLogger("asyncio")


def clear_leftovers(shell: InteractiveShell) -> None:
    """Collect the garbage of a notebook, in silence; only where it has coroutines, as this takes some 30 ms."""
    history = shell.history_manager
    if history is None or not any("async" in source for source in history.input_hist_raw):
        return
    before = _ASYNCIO.disabled
    _ASYNCIO.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        _ASYNCIO.disabled = before
