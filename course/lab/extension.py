"""Switch the course on in a notebook's kernel, through IPython's own hooks."""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.error import UsageError
from IPython.display import display

from course.grade_ids import exercise_of, exercise_tested, kind_of
from course.lab import panels, progress
from course.lab.advice import advice
from course.lab.assertions import AssertNamer
from course.lab.failures import MIME, explain, is_stub, own_steps, steps_of, unsolved
from course.lab.hints import Hints, hints_due, hints_in
from course.lab.leftovers import clear_leftovers
from course.lab.progress import Try

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_LIBRARIES = [Path(__file__).parents[1], *map(Path, (sys.prefix, *sysconfig.get_paths().values()))]
_DEEPEST = 5
_NOTHING_RAN = (
    "Python could not read this cell, so none of it has run: look at the line shown, and at the one before."
)
_LINES_ABOVE_RAN = "Python could not take this statement. Those above it have run, the others have not."
_MAGICS = {
    "sql": "course.lab.sql.magic",
    "program": "course.lab.programs",
    "http": "course.lab.http.magic",
    "terminal": "course.lab.terminal.magic",
}
"""Our cell magics, and the modules whose `load_magic(shell)` registers them."""

_EMPTY_FIELD = re.compile(r'[^\W\d]\w* = ""(\s+#.*)?')


def load(shell: InteractiveShell) -> None:
    """Switch on readable failures, progress on disk and our cell magics. Loading twice is loading once."""
    if shell not in _loaded:
        _loaded[shell] = _Extension(shell)


def unload(shell: InteractiveShell) -> None:
    """Leave the shell as it was before `load`."""
    extension = _loaded.pop(shell, None)
    if extension:
        extension.remove()


class _Extension:
    """What one shell has of us."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._running: list[ExecutionInfo] = []  # a cell can run another one
        self._shown: BaseException | None = None
        self._untried = False  # whether the failure shown last was no try
        self._broken: dict[str, str] = {}  # cells of answers that ended with an error when they last ran
        self._empty: set[str] = (
            set()
        )  # cells of answers that were forms with nothing filled in when they last ran
        self._folder = Path.cwd()  # the notebook's: a cell may go elsewhere
        self._namer = AssertNamer()
        self._before = shell.custom_exceptions, getattr(shell, "CustomTB", None)
        self._cell_magics = dict(shell.magics_manager.magics["cell"])
        shell.ast_transformers.append(self._namer)
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        shell.set_custom_exc((BaseException,), self._show_error)  # type: ignore[no-untyped-call]
        shell.showsyntaxerror = self._show_late_syntax_error  # type: ignore[method-assign]
        for name, home in _MAGICS.items():
            shell.magics_manager.register_function(partial(self._load_and_run, name, home), "cell", name)

    def remove(self) -> None:
        shell = self._shell
        shell.ast_transformers.remove(self._namer)
        shell.events.unregister("pre_run_cell", self._begin)
        shell.events.unregister("post_run_cell", self._end)
        shell.custom_exceptions, shell.CustomTB = self._before  # type: ignore[assignment]
        del shell.showsyntaxerror  # ours, which hid the class's
        magics = shell.magics_manager.magics["cell"]
        for name in _MAGICS:
            magics.pop(name)
            if name in self._cell_magics:
                magics[name] = self._cell_magics[name]

    def _load_and_run(self, name: str, home: str, line: str, cell: str) -> None:
        """Run a cell magic of ours: the magic itself, which imports more, takes this one's place at its first use."""
        import_module(home).load_magic(self._shell)
        self._shell.run_cell_magic(name, line, cell)  # type: ignore[no-untyped-call]

    # --- a cell's life ------------------------------------------------------------------------------------------------

    def _begin(self, info: ExecutionInfo) -> None:
        self._running.append(info)
        self._untried = False
        if self._in_test():
            clear_leftovers(self._shell)

    def _end(self, result: ExecutionResult | None) -> None:
        if self._running:
            self._running.pop()
        if self._shown is not None:  # from now on %tb shows all of it
            vars(self._shown).pop("_render_traceback_", None)
            self._shown = None
        for name in [each for each in self._shell.user_ns if each.startswith("@")]:  # an assert's parts
            del self._shell.user_ns[name]
        info = result.info if result else None
        exercise = exercise_tested(info.cell_id) if info else None
        if result and info and info.cell_id and not exercise:
            error = result.error_before_exec or result.error_in_exec
            self._note_answer(info.cell_id, info.raw_cell or "", error)
        if not (result and info and exercise) or isinstance(result.error_in_exec, KeyboardInterrupt):
            return
        if _is_comment(info.raw_cell):
            self._publish(panels.later_html(), panels.later_text())
            return
        if result.success and (broken := self._answer_broken_by(exercise)):
            self._publish(panels.stale_html(exercise, broken), panels.stale_text(exercise, broken))
            return
        tries = _tries_with(info.cell_id, passed=True) if result.success else []
        trouble = _record(info.cell_id, result.success, tried=not self._untried)
        if result.success:
            shown = exercise, trouble, tries
            self._publish(panels.passed_html(*shown), panels.passed_text(*shown))
        elif trouble:
            print(trouble)

    def _note_answer(self, cell: str, source: str, error: BaseException | None) -> None:
        """Keep in mind how a cell that is no test ended: with an error, or as a form that nobody has filled in.

        A program's text (%%) is read by its test.
        """
        self._broken.pop(cell, None)
        self._empty.discard(cell)
        if _is_empty_form(source):
            self._empty.add(cell)
        if not source.lstrip().startswith("%%") and isinstance(error, Exception) and not is_stub(error):
            self._broken[cell] = type(error).__name__

    def _answer_broken_by(self, exercise: str) -> str:
        """The type of the error with which an exercise's own cell ended; "" where it ended well, or was not run."""
        return next((error for cell, error in self._broken.items() if exercise_of(cell) == exercise), "")

    def _show_error(
        self,
        shell: InteractiveShell,
        etype: type[BaseException],
        error: BaseException,
        tb: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        """IPython calls this in place of printing a traceback."""
        sys.last_type, sys.last_value, sys.last_traceback = etype, error, tb  # for %tb and %debug
        if sys.version_info >= (3, 12):
            sys.last_exc = error
        try:
            below = self._below_magic(tb)
            if below is not tb:
                error.__traceback__ = below
            shown = self._explained(etype, error, below)
        except Exception:
            shown = False  # a fault of ours must not hide the student's error
        if not shown:
            shell.showtraceback((etype, error, tb))

    def _explained(self, etype: type[BaseException], error: BaseException, tb: TracebackType) -> bool:
        """Show the error our way; False where IPython's own way is better."""
        if isinstance(error, UsageError):
            return False
        own = own_steps(tb, self._label)
        if isinstance(error, SyntaxError) and all(_calls_magic(step) for step in own):
            self._show_syntax_error(error, _NOTHING_RAN)
            return True
        if not own:
            return False
        if isinstance(error, KeyboardInterrupt):
            self._show_short_traceback(etype, error)
            return True
        if is_stub(error) or hasattr(error, "_failure_details_") or self._in_test():
            self._show_failure(error)
            return True
        if isinstance(error, (SyntaxError, BaseExceptionGroup)) or hasattr(error, "_render_traceback_"):
            return False
        self._show_short_traceback(etype, error)
        return True

    # --- how errors are shown -----------------------------------------------------------------------------------------

    def _in_test(self) -> bool:
        """Whether a test cell is running: by its grade_id, or (nbgrader's kernels know none) because it asserts."""
        if not self._running:
            return False
        info = self._running[-1]
        return exercise_tested(info.cell_id) is not None or _asserts(info.transformed_cell or "")

    def _show_failure(self, error: BaseException) -> None:
        cell = self._running[-1].cell_id if self._running else None
        exercise = exercise_tested(cell)
        failure = explain(error, cell if exercise else None, self._label)
        if exercise and not failure.untried and (broken := self._answer_broken_by(exercise)):
            message = "\n".join(filter(None, [panels.stale(broken), failure.message]))
            failure = replace(failure, message=message)
        if exercise and any(exercise_of(cell) == exercise for cell in self._empty):
            failure = unsolved(failure)
        self._untried = failure.untried
        shown = failure, *(([], Hints()) if self._untried else _help_with(cell))
        self._publish(panels.failure_html(*shown), panels.failure_text(*shown), {MIME: failure.as_json()})
        in_terminal = getattr(self._shell, "kernel", None) is None  # there the panel's text says it all
        self._show_lines(error, [] if in_terminal else [panels.verdict(failure)])

    def _show_short_traceback(self, etype: type[BaseException], error: BaseException) -> None:
        """IPython's own traceback without the libraries' frames."""
        chain = list(_chain(error))
        full = [each.__traceback__ for each in chain]
        hidden = 0
        try:
            for each in chain:
                each.__traceback__, left_out = self._own_frames(each.__traceback__)
                hidden += left_out
            with _exact_lines():
                lines = self._shell.InteractiveTB.structured_traceback(
                    etype, error, error.__traceback__, tb_offset=0
                )
        finally:
            for each, tb in zip(chain, full, strict=True):
                each.__traceback__ = tb
        own = own_steps(error.__traceback__, self._label)
        if words := advice(error, own[-1] if own else None):
            lines = [*lines, f"\n{words}"]
        if hidden:
            lines = [
                *lines,
                f"\n({hidden} more steps, mostly inside libraries, are hidden: run %tb in a cell to see them.)",
            ]
        self._show_lines(error, lines)

    def _show_syntax_error(self, error: SyntaxError, what_ran: str) -> None:
        lines = self._shell.SyntaxTB.structured_traceback(type(error), error, [])  # type: ignore[arg-type]
        self._show_lines(error, [*lines, "\n" + " ".join(filter(None, [what_ran, advice(error, None)]))])

    def _show_late_syntax_error(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as IPython calls it
        """In place of IPython's, which shows what is found when a statement is compiled: `return` in no function."""
        error = sys.exc_info()[1]
        if isinstance(error, SyntaxError) and not own_steps(error.__traceback__, self._label):
            self._show_syntax_error(error, _LINES_ABOVE_RAN)
        else:
            type(self._shell).showsyntaxerror(self._shell, *args, **named)  # type: ignore[no-untyped-call]

    def _show_lines(self, error: BaseException, lines: list[str]) -> None:
        """Put lines out as the error's traceback, and let IPython's history keep them instead of making its own."""
        if lines:
            self._shell._showtraceback(type(error), error, lines)
        with suppress(AttributeError, TypeError):  # a class with slots: then it is only slower
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            self._shown = error

    def _own_frames(self, tb: TracebackType | None) -> tuple[TracebackType | None, int]:
        """A traceback with the student's frames only, and the number of frames left out below the first of them."""
        steps = list(steps_of(tb))
        own = own_steps(tb, self._label)
        below = len(steps) - steps.index(own[0]) if own else 0
        if len(own) > 2 * _DEEPEST:  # an endless recursion
            own = own[:_DEEPEST] + own[-_DEEPEST:]
        short: TracebackType | None = None
        for step in reversed(own):
            short = TracebackType(short, step.tb_frame, step.tb_lasti, step.tb_lineno)
        return short, below - len(own)

    def _below_magic(self, tb: TracebackType) -> TracebackType:
        """A traceback from the first line of a cell that its magic line runs: that call nobody wrote."""
        steps = list(steps_of(tb))
        start = next((place for place, step in enumerate(steps) if _calls_magic(step)), len(steps))
        for step in steps[start + 1 :]:
            if self._label(step.tb_frame.f_code.co_filename):
                return step
        return tb

    def _label(self, filename: str) -> str | None:
        """The name of a cell (`In[3]`) or of a file beside the notebook; None for code that is not the student's."""
        cell = self._shell.compile.format_code_name(filename)
        if cell:
            return str(cell[1])
        path = Path(filename)
        beside = path.is_relative_to(self._folder) and path.is_file()
        library = any(path.is_relative_to(folder) for folder in _LIBRARIES)
        return str(path.relative_to(self._folder)) if beside and not library else None

    def _publish(self, html: str, text: str, more: dict[str, Any] | None = None) -> None:
        display({"text/html": html, "text/plain": text, **(more or {})}, raw=True)  # type: ignore[no-untyped-call]


_loaded: WeakKeyDictionary[InteractiveShell, _Extension] = WeakKeyDictionary()


def _calls_magic(step: TracebackType) -> bool:
    """Whether a step is the call that IPython makes of a cell with a magic line: nobody wrote it."""
    return "run_cell_magic" in step.tb_frame.f_code.co_names


def _is_empty_form(source: str) -> bool:
    """Whether a cell is a form as it is released: comments, and `name = ""` in every other line."""
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and all(map(_EMPTY_FIELD.fullmatch, lines))


def _help_with(test: str | None) -> tuple[list[Try], Hints]:
    """The tries of a test that fails now, and the hints that they have earned."""
    tries = _tries_with(test, passed=False)
    notebook = progress.running_notebook(test) if tries else None
    return tries, hints_due(hints_in(notebook, test), tries) if notebook and test else Hints()


def _tries_with(test: str | None, *, passed: bool) -> list[Try]:
    """All tries of a visible test, the running one included; none where no progress is kept."""
    if not test or kind_of(test) != "visible":
        return []
    try:
        before = progress.tries_of(test)
    except OSError:
        before = None
    return [] if before is None else [*before, Try(passed, datetime.now(UTC))]


def _record(test: str, passed: bool, *, tried: bool) -> str:
    """Record a run; what went wrong with it, in words, else ""."""
    try:
        progress.record(test, passed, tried)
    except OSError as error:
        return f"This result could not be kept: {error}. Your answer itself is safe in the notebook."
    return ""


@lru_cache(maxsize=4)  # asked several times of the cell that runs
def _asserts(source: str) -> bool:
    """Whether a cell checks something when it runs: at its top, or in a function that it defines and calls there."""
    if "assert" not in source and "raises" not in source:
        return False
    try:
        cell = ast.parse(source)
    except SyntaxError:
        return False
    functions = {
        node.name: node for node in cell.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    called = (functions.get(_name_called(node)) for node in cell.body)
    return _checks([cell]) or any(_checks(function.body) for function in called if function)


def _name_called(statement: ast.stmt) -> str:
    """The function that a statement calls, and does nothing else: `test()`, `await test()`; "" for any other."""
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Name(id=name)) | ast.Await(value=ast.Call(func=ast.Name(id=name)))
        ):
            return name
    return ""


def _checks(nodes: Sequence[ast.AST]) -> bool:
    """Whether statements check something themselves, not only in functions that they define."""
    todo = list(nodes)
    while todo:
        match todo.pop():
            case ast.Assert() | ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr="raises"))):
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.expr():
                continue
            case node:
                todo.extend(ast.iter_child_nodes(node))
    return False


def _is_comment(source: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") for line in source.splitlines())


@contextmanager
def _exact_lines() -> Iterator[None]:
    """Have IPython's arrow point to where an error came from.

    IPython 9 counts the lines of a file to see whether it is too long to be read with care; that fails for a cell, and
    then the arrow points to the line that ran last in a frame, which may be one of its `finally`.
    """
    ultratb: Any = import_module("IPython.core.ultratb")
    before = ultratb.get_line_number_of_frame
    ultratb.get_line_number_of_frame = lambda frame: 1
    try:
        yield
    finally:
        ultratb.get_line_number_of_frame = before


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those before it that Python shows with it."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and not any(each is other for other in found):
        found.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return found
