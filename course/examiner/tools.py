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


def _run_program(program: Any, typing: tuple[str, ...], given: tuple[tuple[str, object], ...]) -> object:  # noqa: ANN401
    from course.lab.programs import outcome

    printed, asked, names = outcome(program, typing, dict(given))
    return printed, tuple(asked), tuple(names.items())


def _run_commands(text: str, contents: tuple[tuple[str, str], ...], name: str, start: str) -> object:
    from course.lab.terminal.outcome import told

    return told(text, dict(contents), name, start)


TOOLS: dict[str, Callable[..., Any]] = {
    "serve": _serve,
    "last_traceback": _last_traceback,
    "run_program": _run_program,
    "run_commands": _run_commands,
}
"""Each takes and returns what travels over a line."""
