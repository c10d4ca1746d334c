"""The `%%program NAME` cell magic: a small program that asks and prints, and how a test runs it again with other data."""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from course.errors import CourseError
from course.lab.testing import answering

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MOST_STEPS = 5_000_000  # of Python's machine, about a second's: beyond, a loop is taken to have no end
MOST_PRINTED = 100_000  # characters

_NO_MORE = "the program asks for more than the test types in"
_LINE = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*")


class ProgramError(CourseError):
    """A program that cannot be run, or that does not end; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """The text of a `%%program` cell, the name it was given, and the notebook's names, which it may use.

    `file` is the name under which tracebacks know the cell.
    """

    name: str
    text: str
    file: str = field(compare=False, default="<program>")
    notebook: dict[str, Any] = field(compare=False, default_factory=dict)

    def __repr__(self) -> str:
        return f"<Program {self.name}>"


@dataclass(frozen=True)
class Ran:
    """What a program did: all that it printed, the prompts of its `input()`s in their order, and the names it made."""

    printed: str
    asked: list[str]
    names: dict[str, Any]


def load_magic(shell: InteractiveShell) -> None:
    """Register `%%program` with a shell."""

    def program(line: str, cell: str) -> None:
        """Run the cell as a program, and keep it: %%program NAME

        It runs as any cell does. NAME becomes a variable that holds the program, also where it fails, so that tests
        can run it again with other data.
        """
        asked = _LINE.fullmatch(line)
        if asked is None:
            raise ProgramError(
                "The first line of this cell names the program: leave it as it was, as in %%program till"
            )
        names = shell.user_ns
        shown = f"%%program {line}\n{cell}"
        file = shell.compile.cache(shown, _number_of_cell(shell))
        kept = Program(asked["name"], "\n" + cell, file, names)  # the magic is line 1
        names[kept.name] = kept
        with _unanswered():
            _run(kept, names)

    shell.magics_manager.register_function(program, "cell", "program")


def _number_of_cell(shell: InteractiveShell) -> int:
    """The number of the running cell: IPython's own counter may be one ahead."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        label = shell.compile.format_code_name(frame.f_code.co_filename)
        if label is not None:
            return int(re.sub(r"\D", "", label[1]))
        frame = frame.f_back
    return shell.execution_count


def run_program(program: Program, typing: Sequence[str] = (), **given: object) -> Ran:
    """Run a program again, without a screen.

    `typing` is what its `input()`s get, one after the other; after the last, `input()` raises EOFError. `given` are
    names set before its first line. It may use the notebook's names, and changes none of them. Raises what the program
    raises, ProgramError where it does not end.
    """
    return Ran(*outcome(program, typing, given))


def outcome(
    program: Program, typing: Sequence[str], given: dict[str, object]
) -> tuple[str, list[str], dict[str, Any]]:
    """What `run_program` finds, as plain data. Raises ProgramError for what is no program."""
    if not isinstance(program, Program):
        raise ProgramError(
            "A test found something else under the name of your program. Leave the first line of its cell, %%program, "
            "as it was, use its name for nothing else, and run the cell again."
        )
    names = _Noting({**program.notebook, **given})
    with (
        redirect_stdout(io.StringIO()) as out,
        answering(typing, _NO_MORE) as asked,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", SyntaxWarning)  # they were shown where the program was written
        _run(program, names.all, names)
    return out.getvalue(), asked, names.made()


class _Noting(Mapping[str, Any]):
    """The names of a running program; notes those that it makes."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.all = names
        self._made: set[str] = set()

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - whatever the name holds
        return self.all[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.all[name] = value
        self._made.add(name)

    def __delitem__(self, name: str) -> None:
        del self.all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def made(self) -> dict[str, Any]:
        """What the program's names hold; modules, which can be imported anywhere, are left out."""
        return {
            name: self.all[name]
            for name in sorted(self._made & set(self.all))
            if not isinstance(self.all[name], ModuleType)
        }


class _Paper(io.TextIOBase):
    """Prints what a program prints, until it is too much."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._left = MOST_PRINTED

    def write(self, text: str, /) -> int:
        self._left -= len(text)
        if self._left < 0:
            raise ProgramError(
                "Your program was stopped: it printed 100,000 characters and did not end. Look at its loops: what must "
                "change so that each one ends?"
            )
        return self._out.write(text)

    def flush(self) -> None:
        self._out.flush()


def _run(program: Program, names: dict[str, Any], local: Mapping[str, Any] | None = None) -> None:
    """Run a program in `names`; `local` sees what it does with them. Raises ProgramError where it does not end."""
    code = compile(program.text, program.file, "exec")
    steps = 0

    def count(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - a trace function
        nonlocal steps
        if frame.f_code.co_filename != program.file:
            return None
        frame.f_trace_opcodes = True  # not lines: `while True: pass` is one that never ends
        if event == "opcode":
            steps += 1
            if steps > MOST_STEPS:
                raise ProgramError(
                    "Your program was stopped: it ran five million steps and did not end. Look at its loops: what must "
                    "change so that each one ends?"
                )
        return count

    before = sys.gettrace()
    with redirect_stdout(_Paper(sys.stdout)):
        sys.settrace(count)
        try:
            exec(code, names, names if local is None else local)  # noqa: S102 - it is the student's own program, in the student's own kernel
        finally:
            sys.settrace(before)


@contextmanager
def _unanswered() -> Iterator[None]:
    """End a program quietly at its first `input()` where nobody sits at the notebook, as when it is graded."""
    from IPython.core.error import StdinNotImplementedError

    try:
        yield
    except (StdinNotImplementedError, EOFError):
        print("This program asks for something, and nobody is here to answer. It is kept.")
