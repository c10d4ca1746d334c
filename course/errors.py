"""The error that tells a user what is wrong and what to do about it."""

from __future__ import annotations


class CourseError(Exception):
    """Something a student, instructor or author can mend; `str(error)` says how.

    The command line shows it as one message without a traceback.
    """
