"""Run Python functions in cells: processes that share nothing with this machine or with each other.

`host.Zygote` builds a cage, imports what its cells need once, and forks a cell for each request.
"""

from __future__ import annotations

from course.errors import CourseError


class CageError(CourseError):
    """The cage, or a cell in it, cannot be built; `str(error)` says what to install or to allow."""


class CellFailed(CageError):
    """This one cell could not be begun; with other files, another may."""


class ZygoteDied(CageError):
    """The process that forks the cells is gone: a new Zygote can do what this one could not."""
