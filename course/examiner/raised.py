"""Where the student's code raised an error that ended a test: told by the student's kernel, shown in the test's traceback.

All of it is text to be shown; nothing is decided by it.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from IPython.core.getipython import get_ipython

from course.lab.failures import steps_of

MOST_STEPS = 12  # of which half are the last ones
_MOST_TEXT = 500  # characters of a name or a line
_MOST_LINES = 100_000
_MARK = "<submission "

Told = tuple[tuple[str, int, str, str], ...]
"""Steps, outermost first: the cell or file, the line's number, the function, and the line itself."""


def steps_told(error: BaseException) -> Told:
    """The steps of an error's traceback that are in the notebook's cells or in files beside it. In the student's kernel."""
    try:
        return tuple(_shortened(list(_steps(error))))
    except Exception:  # whatever the notebook has done to its folder or to IPython
        return ()


def _steps(error: BaseException) -> Iterator[tuple[str, int, str, str]]:
    for step in steps_of(error.__traceback__):
        code = step.tb_frame.f_code
        where = _where(code.co_filename)
        if where:
            line = linecache.getline(code.co_filename, step.tb_lineno).rstrip("\n")
            yield where, step.tb_lineno, code.co_name, line[:_MOST_TEXT]


def _shortened(steps: list[tuple[str, int, str, str]]) -> list[tuple[str, int, str, str]]:
    half = MOST_STEPS // 2
    return steps if len(steps) <= MOST_STEPS else [*steps[:half], *steps[-half:]]


def _where(filename: str) -> str:
    shell = get_ipython()
    cell = shell.compile.format_code_name(filename) if shell is not None else None
    if cell:
        return str(cell[1])
    path = Path(filename)
    beside = path.is_relative_to(Path.cwd()) and path.is_file()
    return str(path.relative_to(Path.cwd())) if beside else ""


@dataclass(frozen=True)
class _Step:
    where: str
    number: int
    function: str
    line: str


def with_steps(trace: TracebackType | None, told: Any) -> TracebackType | None:  # noqa: ANN401 - whatever was told
    """A traceback that goes on with the steps told; those that are malformed are left out."""
    found = _read(told)
    lines: dict[str, dict[int, str]] = {}
    for step in found:
        lines.setdefault(_filename(step), {})[step.number] = step.line
    for filename, by_number in lines.items():
        text = [by_number.get(number, "") + "\n" for number in range(1, max(by_number) + 1)]
        linecache.cache[filename] = (sum(map(len, text)), None, text, filename)
    end: TracebackType | None = None
    for step in reversed(found):
        end = _made(step, end)
    for each in reversed(list(steps_of(trace))):
        end = TracebackType(end, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return end


def label(filename: str) -> str | None:
    """The name of the student's cell or file that a step made here is in; None for any other file."""
    return filename[len(_MARK) : -1] if filename.startswith(_MARK) else None


def _read(told: Any) -> Sequence[_Step]:  # noqa: ANN401
    steps: list[_Step] = []
    for part in told if type(told) is tuple else ():
        match part:
            case (where, number, function, line) if [*map(type, part)] == [str, int, str, str]:
                if 0 < number < _MOST_LINES:
                    steps.append(_Step(where[:_MOST_TEXT], number, function[:_MOST_TEXT], line[:_MOST_TEXT]))
    return steps[:MOST_STEPS]


def _filename(step: _Step) -> str:
    return f"{_MARK}{step.where}>"


def _made(step: _Step, rest: TracebackType | None) -> TracebackType:
    """A step of a traceback: they are made by raising only."""
    code: CodeType = compile("raise KeyError", _filename(step), "exec")
    try:
        exec(code.replace(co_firstlineno=step.number, co_name=step.function), {})  # noqa: S102
    except KeyError as error:
        trace = error.__traceback__
        assert trace is not None
        made = trace.tb_next
        assert made is not None
        return TracebackType(rest, made.tb_frame, made.tb_lasti, step.number)
    raise AssertionError("unreachable")
