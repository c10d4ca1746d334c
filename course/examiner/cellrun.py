"""Run a test cell in this process as a notebook's kernel would, and keep what a notebook would show."""

from __future__ import annotations

import ast
import asyncio
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets.config import Config

from course.examiner.checks import CheckNoter
from course.examiner.mirrors import mro, stands_in
from course.examiner.raised import label, with_steps
from course.examiner.session import Session
from course.examiner.waiting import Waits
from course.examiner.wire import Broken
from course.lab import extension
from course.lab.differences import show
from course.lab.failures import steps_of

Output = dict[str, Any]
"""An output of a cell, as the notebook format (version 4) has it."""

_MOST_TEXT = 200_000  # characters that a cell may print
_MOST_PARTS = 10_000  # of an error, that are looked at
_MOST_WORDS = 10_000  # characters of an error's own text
_WARNED = "Your code wrote to stderr while this test ran.\n"
_CUT = "\n... (more was printed than is shown)\n"


@dataclass(frozen=True)
class CellRun:
    """What became of a cell: its outputs, and the class name and text of the error that ended it, or None."""

    error: tuple[str, str] | None
    outputs: list[Output]


class Outputs:
    """The outputs of the cell that runs, in the order in which they come; any thread may write."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._kept: list[Output] = []
        self._left = _MOST_TEXT

    def add(self, output: Output) -> None:
        """Add one output."""
        with self._turn:
            self._kept.append(output)

    def write(self, stream: str, text: str) -> None:
        """Add text to "stdout" or "stderr"; beyond a limit it is dropped."""
        with self._turn:
            if self._left <= 0:
                return
            kept, self._left = text[: self._left], self._left - len(text)
            kept += _CUT if self._left < 0 else ""
            last = self._kept[-1] if self._kept else {}
            if last.get("output_type") == "stream" and last["name"] == stream:
                last["text"].append(kept)
            else:
                self._kept.append({"output_type": "stream", "name": stream, "text": [kept]})

    def take(self) -> list[Output]:
        """All outputs so far; nothing more is kept of them."""
        with self._turn:
            kept, self._kept = self._kept, []
        for output in kept:
            if output["output_type"] == "stream":
                output["text"] = "".join(output["text"])
        return kept


class Stream(io.TextIOBase):
    """A test's own stdout or stderr."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, outputs: Outputs, name: str) -> None:
        self._outputs = outputs
        self._name = name

    def writable(self) -> bool:  # noqa: D102
        return True

    def write(self, text: str) -> int:  # noqa: D102
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._outputs.write(self._name, text)
        return len(text)


class Shell(InteractiveShell):
    """IPython, as a notebook's kernel has it, with its outputs kept in place of being sent."""

    kernel = True  # the course's extension shows panels where there is one

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.raised: Callable[[], object] = tuple  # asks where the student's code raised its last error
        config = Config()
        config.HistoryManager.enabled = False  # its thread and its database would not survive a fork
        # A word alone on a line is a magic where no name means it: but not all of the notebook's names are here.
        config.InteractiveShell.automagic = False
        super().__init__(  # type: ignore[no-untyped-call]
            config=config,
            compiler_class=_Compiler,
            display_pub_class=_Publisher,
            displayhook_class=_Hook,
        )
        for name in ("exit", "open", "quit"):  # IPython's own, which would come before the student's
            self.user_ns.pop(name, None)

    def init_display_formatter(self) -> None:
        """An object of the student's is shown by its repr only: pictures and HTML of theirs are none of a test's."""
        self.display_formatter = _Formatter(parent=self)

    def transform_ast(self, node: ast.Module) -> ast.Module:
        """As IPython's; failing checks are noted whatever else a transformer makes of them."""
        changed: ast.Module = CheckNoter().visit(super().transform_ast(node))  # type: ignore[no-untyped-call]
        return changed

    def set_custom_exc(self, exc_tuple: tuple[type[BaseException], ...], handler: Any) -> None:  # noqa: ANN401
        """As IPython's, but the handler meets no error that the student's code could make it stumble over."""

        def careful(shell: Shell, kind: object, error: BaseException, *args: Any, **more: Any) -> None:  # noqa: ANN401
            try:
                if isinstance(error, Broken):
                    raise error
                trace, theirs = _without_us(error.__traceback__)
                shown = _harmless(error.with_traceback(with_steps(trace, self.raised()) if theirs else trace))
                handler(shell, type(shown), shown, *args, **more)
            except Broken as broken:
                words = words_of(broken if broken is error else error)
                shell.outputs.add(error_output(type(error).__name__, words, [words]))

        super().set_custom_exc(exc_tuple, careful if handler else None)  # type: ignore[no-untyped-call]

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        self.outputs.add(error_output(etype.__name__, words_of(evalue), stb))


class _Compiler(CachingCompiler):
    """Knows the student's cells too, as far as errors came from there."""

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        theirs = label(name)
        found: tuple[str, str] | None = super().format_code_name(name)
        return ("Cell", theirs) if theirs else found


class _Formatter(DisplayFormatter):
    def format(self, obj: object, include: Any = None, exclude: Any = None) -> Any:  # noqa: ANN401
        if stands_in(obj):
            return {"text/plain": show(obj)}, {}
        return super().format(obj, include=include, exclude=exclude)  # type: ignore[no-untyped-call]


class _Publisher(DisplayPublisher):
    """Keeps what `display` shows."""

    shell: Shell

    def publish(self, data: Any, metadata: Any = None, *args: object, **kwargs: object) -> None:  # noqa: ANN401
        output = {"output_type": "display_data", "data": data, "metadata": metadata or {}}
        self.shell.outputs.add(output)


class _Hook(DisplayHook):
    """Keeps the value of a cell's last line."""

    shell: Shell

    def write_output_prompt(self) -> None:
        """No prompt: the notebook has its own."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:  # noqa: ANN401
        output = {
            "output_type": "execute_result",
            "data": format_dict,
            "metadata": md_dict or {},
            "execution_count": self.prompt_count,
        }
        self.shell.outputs.add(output)

    def finish_displayhook(self) -> None:
        """Nothing to print after it."""
        self._is_active = False


def error_output(name: str, words: str, traceback: list[str]) -> Output:
    """An output that says which error ended a cell."""
    return {"output_type": "error", "ename": name, "evalue": words, "traceback": traceback}


def words_of(error: BaseException) -> str:
    """An error's own text, cut to a length that can be shown; an error of the student's may say anything, or raise."""
    try:
        words = str(error)
    except (Exception, Broken) as trouble:
        return f"(its text raised {type(trouble).__name__})"
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]} ..."


def _harmless(error: BaseException) -> BaseException:
    """The error itself, or one that looks like it where it holds objects of the student's: these are not to be asked how
    they want to be shown.
    """
    if not _holds_stand_in(error):
        return error
    words = words_of(error)
    base = next(kind for kind in mro(type(error)) if kind.__module__ == "builtins" and kind not in _GROUPS)
    body = {"__module__": "__main__", "__str__": lambda self: words}
    look_alike: BaseException = type(type(error).__name__, (base,), body)(words)
    look_alike.__cause__, look_alike.__context__ = error.__cause__, error.__context__
    look_alike.__suppress_context__ = error.__suppress_context__
    return look_alike.with_traceback(error.__traceback__)


def _without_us(tb: TracebackType | None) -> tuple[TracebackType | None, bool]:
    """A traceback without the steps that a test takes in this package, which are none in a notebook's kernel.

    The second value says whether the error came from the student's kernel.
    """
    steps = list(steps_of(tb))
    kept = [step for step in steps if Path(step.tb_frame.f_code.co_filename).parent != _US]
    short: TracebackType | None = None
    for step in reversed(kept):
        short = TracebackType(short, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return short, bool(steps) and steps[-1].tb_frame.f_code in _HEARD


def _holds_stand_in(error: BaseException) -> bool:
    """Whether an error, or what it holds, stands in for an object of the student's."""
    waiting_for: list[object] = [error]
    seen: set[int] = set()
    while waiting_for:
        value = waiting_for.pop()
        if stands_in(value) or len(seen) > _MOST_PARTS:
            return True
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, BaseException):
            waiting_for += [value.args, vars(value)]
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting_for += value
        elif isinstance(value, dict):
            waiting_for += [*value, *value.values()]
    return False


def _show_plainly(
    shell: Shell, kind: type[BaseException], error: BaseException, tb: TracebackType, **_: object
) -> None:
    shell.showtraceback((kind, error, tb))


# What IPython may read in its own way: magics, questions, other prefixes, prompts, an indented first line. All else is
# Python as it is, which IPython takes longer to find out than most tests run.
MAYBE_MAGIC = re.compile(r"\A\s|^\s*[%!?,;/]|=\s*[%!]|\?\s*$|^\s*(>>>|\.\.\.|In ?\[)", re.MULTILINE)

_US = Path(__file__).parent
# What the student's kernel raised is raised here:
_HEARD = (Session._answer_to.__code__, Session.hear.__code__, Waits._outcome.__code__)
_GROUPS = (BaseExceptionGroup, ExceptionGroup)


class Runner:
    """A shell that runs cells, each with names of its own."""

    def __init__(self) -> None:
        self._shell = Shell.instance()
        self._shell.transform_cell("0")  # type: ignore[no-untyped-call] # compiles what every cell needs
        self._fresh = dict(self._shell.user_ns)
        self._hidden = self._told = False

    def student_printed(self, text: str) -> None:
        """Show what the student's code prints, where the test listens or the student may see it."""
        if not (self._hidden and isinstance(sys.stdout, Stream)):
            sys.stdout.write(text)

    def student_warned(self, text: str) -> None:
        """The same for stderr, but that something was written is always told: nbgrader gives no points then."""
        if not (self._hidden and isinstance(sys.stderr, Stream)):
            sys.stderr.write(text)
        elif not self._told:
            self._told = True
            sys.stderr.write(_WARNED)

    def run(
        self,
        source: str,
        names: Mapping[str, Any],
        loop: asyncio.AbstractEventLoop,
        raised: Callable[[], object],
        *,
        readable: bool,
        hidden: bool,
    ) -> CellRun:
        """Run a cell in an event loop; its builtins are `names`. `raised` tells where the student's last error came from.

        The loop is left as it is: what a test has started may still be there. `readable` says that the
        notebook has switched the course's failures on. Of a hidden test, nothing that the student's code prints is kept.
        """
        shell = self._shell
        shell.user_ns.clear()  # what an earlier test has called so is not this one's
        shell.user_ns.update(self._fresh)
        shell.outputs, self._told = Outputs(), False
        shell.execution_count = 1
        if readable:
            extension.load(shell)
        else:
            extension.unload(shell)  # an earlier test may have wanted it
            shell.set_custom_exc((BaseException,), _show_plainly)
        shell.user_module.__dict__["__builtins__"] = names
        self._hidden, shell.raised = hidden, raised
        with self._streams():
            result = loop.run_until_complete(_run(shell, source))
        error = result.error_before_exec or result.error_in_exec
        outputs = shell.outputs.take()
        if error is None:
            return CellRun(None, outputs)
        name, words = type(error).__name__, words_of(error)
        if not any(output["output_type"] == "error" for output in outputs):  # a group of errors, a SystemExit
            outputs.append(error_output(name, words, []))
        return CellRun((name, words), outputs)

    @contextmanager
    def _streams(self) -> Iterator[None]:
        """Keep what is written to stdout and stderr, by this process and by those that it starts."""
        files = {name: os.memfd_create(name) for name in ("stdout", "stderr")}
        for number, file in enumerate(files.values(), start=1):
            os.dup2(file, number)
        sys.stdout, sys.stderr = (Stream(self._shell.outputs, name) for name in files)
        try:
            yield
        finally:
            for name, file in files.items():
                written = os.pread(file, _MOST_TEXT, 0).decode(errors="replace")
                os.close(file)
                if written:
                    self._shell.outputs.write(name, written)


async def _run(shell: Shell, source: str) -> ExecutionResult:
    """Run a cell as a kernel does: in a running event loop, with IPython's magics."""
    try:
        plain = shell.transform_cell(source) if MAYBE_MAGIC.search(source) else source  # type: ignore[no-untyped-call]
        trouble = None
    except Exception:
        plain, trouble = source, sys.exc_info()
    result = await shell.run_cell_async(
        source, store_history=True, transformed_cell=plain, preprocessing_exc_tuple=trouble
    )
    shell.events.trigger("post_execute")
    shell.events.trigger("post_run_cell", result)
    return result
