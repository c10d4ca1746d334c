"""The modules that every kernel and every desk needs; a lab's own are learned from its reference solution."""

from __future__ import annotations

PRELOAD = (
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "hashlib",
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "tornado.platform.asyncio",
    "course.examiner.desk",
    "course.examiner.kernel",
    "course.examiner.undebugged",
    "course.lab.extension",
    "course.lab.programs",
    "course.lab.serving.server",
    "course.lab.services",
    "course.lab.sql.drivers.duckdb",
    "course.lab.terminal.outcome",
    "course.lab.testing",
    "pytest",
)

LAST = "course.examiner.first_error"
"""What is imported after all the others, as it looks at them."""
