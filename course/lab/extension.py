"""Switch the course on in a notebook's kernel, through IPython's own hooks."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.error import UsageError
from IPython.display import display

from course.grade_ids import exercise_tested, kind_of
from course.lab import panels, progress
from course.lab.assertions import AssertNamer
from course.lab.failures import MIME, explain, is_stub, steps_of
from course.lab.hints import Hints, hints_due, hints_in
from course.lab.progress import Try

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_LIBRARIES = [Path(__file__).parents[1], *map(Path, (sys.prefix, *sysconfig.get_paths().values()))]
_DEEPEST = 5


def load(shell: InteractiveShell) -> None:
    """Switch on readable failures, progress on disk and `%%sql`. Loading twice is loading once."""
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
        self._folder = Path.cwd()  # the notebook's: a cell may go elsewhere
        self._namer = AssertNamer()
        self._before = shell.custom_exceptions, getattr(shell, "CustomTB", None)
        self._cell_magics = dict(shell.magics_manager.magics["cell"])
        shell.ast_transformers.append(self._namer)
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        shell.set_custom_exc((BaseException,), self._show_error)  # type: ignore[no-untyped-call]
        shell.magics_manager.register_function(self._sql, "cell", "sql")

    def remove(self) -> None:
        shell = self._shell
        shell.ast_transformers.remove(self._namer)
        shell.events.unregister("pre_run_cell", self._begin)
        shell.events.unregister("post_run_cell", self._end)
        shell.custom_exceptions, shell.CustomTB = self._before  # type: ignore[assignment]
        shell.magics_manager.magics["cell"].pop("sql")
        if "sql" in self._cell_magics:
            shell.magics_manager.magics["cell"]["sql"] = self._cell_magics["sql"]

    def _sql(self, line: str, cell: str) -> None:
        """Run SQL on a database: the magic itself, which imports more, takes this one's place at its first use."""
        from course.lab.sql.magic import load_magic

        load_magic(self._shell)
        self._shell.run_cell_magic("sql", line, cell)  # type: ignore[no-untyped-call]

    # --- a cell's life ------------------------------------------------------------------------------------------------

    def _begin(self, info: ExecutionInfo) -> None:
        self._running.append(info)
        self._untried = False

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
        if not (result and info and exercise) or isinstance(result.error_in_exec, KeyboardInterrupt):
            return
        if _is_comment(info.raw_cell):
            self._publish(panels.later_html(), panels.later_text())
            return
        tries = _tries_with(info.cell_id, passed=True) if result.success else []
        trouble = _record(info.cell_id, result.success, tried=not self._untried)
        if result.success:
            shown = exercise, trouble, tries
            self._publish(panels.passed_html(*shown), panels.passed_text(*shown))
        elif trouble:
            print(trouble)

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
            shown = self._explained(etype, error, tb)
        except Exception:
            shown = False  # a fault of ours must not hide the student's error
        if not shown:
            shell.showtraceback((etype, error, tb))

    def _explained(self, etype: type[BaseException], error: BaseException, tb: TracebackType) -> bool:
        """Show the error our way; False where IPython's own way is better."""
        if isinstance(error, (KeyboardInterrupt, UsageError)):
            return False
        if not any(self._label(step.tb_frame.f_code.co_filename) for step in steps_of(tb)):
            return isinstance(error, SyntaxError) and self._show_syntax_error(error)
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
        failure = explain(error, cell if exercise_tested(cell) else None, self._label)
        self._untried = failure.untried
        shown = failure, *(([], Hints()) if failure.untried else _help_with(cell))
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
            lines = self._shell.InteractiveTB.structured_traceback(
                etype, error, error.__traceback__, tb_offset=0
            )
        finally:
            for each, tb in zip(chain, full, strict=True):
                each.__traceback__ = tb
        if hidden:
            lines = [
                *lines,
                f"\n({hidden} more steps, mostly inside libraries, are hidden: run %tb in a cell to see them.)",
            ]
        self._show_lines(error, lines)

    def _show_syntax_error(self, error: SyntaxError) -> bool:
        lines = self._shell.SyntaxTB.structured_traceback(type(error), error, [])  # type: ignore[arg-type]
        advice = "Python could not read this cell, so none of it has run: look at the line shown, and at the one before."
        self._show_lines(error, [*lines, f"\n{advice}"])
        return True

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
        own = [step for step in steps if self._label(step.tb_frame.f_code.co_filename)]
        below = len(steps) - steps.index(own[0]) if own else 0
        if len(own) > 2 * _DEEPEST:  # an endless recursion
            own = own[:_DEEPEST] + own[-_DEEPEST:]
        short: TracebackType | None = None
        for step in reversed(own):
            short = TracebackType(short, step.tb_frame, step.tb_lasti, step.tb_lineno)
        return short, below - len(own)

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


def _asserts(source: str) -> bool:
    """Whether a cell checks something when it runs: at its top, or in a function that it defines and calls there."""
    if "assert" not in source and "raises" not in source:
        return False
    try:
        cell = ast.parse(source)
    except SyntaxError:
        return False
    functions = {node.name: node for node in cell.body if isinstance(node, ast.FunctionDef)}
    called = (
        functions.get(node.value.func.id)
        for node in cell.body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    )
    return _checks([cell]) or any(_checks(function.body) for function in called if function)


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


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those before it that Python shows with it."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and not any(each is other for other in found):
        found.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return found
