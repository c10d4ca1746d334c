"""Say why an app cannot be served."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import TracebackType

from course.errors import CourseError

_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_OURS = str(Path(__file__).parent)


class ServeError(CourseError):
    """The app cannot be served; the message says why and what to do, `__cause__` is the app's own error."""


def app_failed(phase: str, error: BaseException) -> ServeError:
    """The error to raise for what the app raised in its own start-up or shutdown."""
    error.__traceback__ = from_own_code(error.__traceback__)
    return ServeError(
        f"The app's own {phase} failed: {type(error).__name__}: {error}. Mend the app (look in its lifespan), run its"
        " cell, then run this cell again."
    )


def from_own_code(trace: TracebackType | None) -> TracebackType | None:
    """A traceback that begins at the first line outside Python's and the installed libraries."""
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith((*_LIBRARIES, _OURS, "<frozen")):
        own = own.tb_next
    return own or trace
