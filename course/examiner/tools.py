"""What a test may ask of the course's own tools in the student's kernel, by name: nothing else of them can be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _serve(app: object, name: str, port: int) -> object:
    from course.lab.serving.server import serve

    return serve(app, name, port)


def _last_traceback(port: int) -> str:
    from course.lab.serving.server import last_traceback

    return str(last_traceback(port))


TOOLS: dict[str, Callable[..., Any]] = {"serve": _serve, "last_traceback": _last_traceback}
"""Each takes and returns what travels over a line."""
