"""What a test cell needs to look at a student's code from outside: what it prints, reads, waits for.

The same cell gives the same verdict wherever it runs: where tests run in a process of their own, names of that process
stand in place of these.
"""

from __future__ import annotations

import builtins
import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TypeVar

_PAUSE = 0.01  # seconds between two looks at a condition

_Class = TypeVar("_Class", bound=type)


def printed(function: Callable[..., object], *args: object, **kwargs: object) -> str:
    """What `function(*args, **kwargs)` prints; what it returns is dropped, what it raises is raised."""
    with redirect_stdout(io.StringIO()) as out:
        function(*args, **kwargs)
    return out.getvalue()


@contextmanager
def typing_in(*answers: str) -> Iterator[None]:
    """Inside `with typing_in("a", "b"):` each `input()` returns the next of these; after the last, it raises EOFError."""
    with answering(answers, "EOF when reading a line"):
        yield


@contextmanager
def answering(answers: Iterable[str], at_the_end: str) -> Iterator[list[str]]:
    """Answer each `input()` with the next answer, and note what it asks; then it raises EOFError with these words."""
    waiting = iter(answers)
    asked: list[str] = []

    def answer(prompt: object = "", /) -> str:
        asked.append(str(prompt))
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError(at_the_end) from None

    before, builtins.input = builtins.input, answer
    try:
        yield asked
    finally:
        builtins.input = before


def given(**names: object) -> None:
    """Set global names of the notebook, which the student's functions read."""
    sys._getframe(1).f_globals.update(names)


def until(condition: Callable[[], object], seconds: float = 2.0) -> bool:
    """Wait for what the student's threads or servers do: whether `condition()` came true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


def read_file(path: str | Path) -> str:
    """The text of a file that the student's code wrote: UTF-8, line ends as they are. Raises OSError, UnicodeDecodeError."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return file.read()


def write_file(path: str | Path, text: str) -> None:
    """Write a file that the student's code is to read: UTF-8, line ends as they are. Raises OSError."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def shared(cls: _Class) -> _Class:
    """Decorate a class of the test whose instances the student's code uses: a fake clock, a listener."""
    return cls
