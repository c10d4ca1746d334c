"""Explain why a cell failed: what was called, what came back, what was expected, and what to do."""

from __future__ import annotations

import ast
import copy
import linecache
import operator
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from types import FrameType, TracebackType
from typing import Any

from course.grade_ids import exercise_tested
from course.lab import exchanges
from course.lab.advice import advice, general_advice
from course.lab.assertions import MISSING, PartValues, lookup
from course.lab.differences import Difference, differences, show, type_name
from course.lab.exchanges import Exchange

MIME = "application/vnd.course.failure+json"
"""The mime type under which a failure travels in a notebook's outputs."""

STUB = "Write your code here, then delete this line"
"""What the released stub of an unsolved exercise raises, as a NotImplementedError."""

NOTHING_YET = ("EmptyQuery", "EmptyRequest", "NoCommands")
"""The errors of a test that ran a cell in another language while nothing is written in it yet."""

Label = Callable[[str], str | None]
"""Turns a code object's file name into the name that the student knows (`In[3]`, `shop.py`), or None for a library's."""

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_ORDERINGS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "in": "contains", "not in": "does not contain"}
_IN_WORDS = {
    "==": "{}",
    "is": "{}",
    "!=": "anything but {}",
    "is not": "anything but {}",
    "<": "less than {}",
    "<=": "at most {}",
    ">": "more than {}",
    ">=": "at least {}",
    "in": "one of {}",
    "not in": "none of {}",
    "contains": "something that contains {}",
    "does not contain": "something without {}",
}


@dataclass(frozen=True)
class Line:
    """A line of the student's own code: where it stands and what it says."""

    where: str
    number: int
    code: str


@dataclass(frozen=True)
class Failure:
    """Why a cell failed, in plain data.

    `headline` and `message` are safe to show for a hidden test: the first names the kind of failure, the second is the
    author's message or a standing advice. All other fields may hold a test's data. `kind` is one of "assert",
    "raises" (an expected exception did not come), "raised" (an unexpected one did), "unsolved", "missing" (a name
    does not exist) or what the exception's own `_failure_details_` says, "rows" for a query's result.
    """

    kind: str
    headline: str
    message: str = ""
    error: str = ""
    cell: str | None = None
    call: str = ""
    names: dict[str, str] = field(default_factory=dict)
    operator: str = ""
    got: str = ""
    expected: str = ""
    got_type: str = ""
    expected_type: str = ""
    differences: list[Difference] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    details: dict[str, Any] | None = None
    test_line: Line | None = None
    raised_line: Line | None = None
    traceback: str = ""

    @property
    def untried(self) -> bool:
        """Whether there was no answer to test yet: the stub still stands, or the cell above has not been run."""
        if self.kind == "sql" and self.details:
            from course.lab.sql.hints import MISSING_LINE

            return bool(self.details["summary"]["hint"] == MISSING_LINE)
        if self.kind == "http" and self.details:
            return bool(self.details["summary"]["untried"])
        return self.kind in ("unsolved", "missing")

    def as_json(self) -> dict[str, Any]:
        """The failure as JSON-able data, the payload of MIME."""
        return asdict(self)


def is_stub(error: BaseException) -> bool:
    """Whether the error comes from the stub of an exercise that nobody has solved yet."""
    return isinstance(error, NotImplementedError) and error.args == (STUB,)


def unsolved(failure: Failure) -> Failure:
    """The same failure where there is no answer yet."""
    return replace(
        failure, kind="unsolved", headline=_titled("Not solved yet", exercise_tested(failure.cell))
    )


def explain(error: BaseException, cell: str | None, label: Label) -> Failure:
    """Explain an error that ended a test cell.

    `cell` is the test cell's grade_id where it is known. `label` tells the student's own code from libraries; at least
    one frame of the error's traceback must be the student's own.
    """
    steps = own_steps(error.__traceback__, label)
    test_file = steps[0].tb_frame.f_code.co_filename
    in_file = [step for step in steps if step.tb_frame.f_code.co_filename == test_file]
    test = in_file[-1]
    statement = _statement(test)
    in_test = steps[-1] is test
    known = Failure(
        kind="raised",
        headline=_titled("Not yet", exercise_tested(cell)),
        error=type_name(error),
        cell=cell,
        test_line=_test_line(test, statement, label),
        raised_line=_unreadable_line(error, label) if in_test else _line(steps[-1], label),
        exchanges=_exchanges(error, statement, test.tb_frame),
        traceback=_traceback(error, steps, label),
    )
    cause = _first_of(error)
    if is_stub(cause):
        return _unsolved(known, steps[-1], in_test)
    if known.error in NOTHING_YET:
        return unsolved(replace(known, message=str(error)))
    if hasattr(error, "_failure_details_"):
        return _detailed(known, error)
    if known.error == "ProgramError":
        return replace(known, message="\n".join(filter(None, [str(error), _case_message(steps)])))
    if isinstance(error, NameError) and in_test:
        return _missing(known, error, test)
    if isinstance(error, AssertionError) and in_test and isinstance(statement, ast.Assert):
        return _asserted(known, error, statement, test.tb_frame)
    expected = _raises_block(test)
    if expected is not None:
        return _raises(known, error, expected, test)
    if isinstance(error, AssertionError) and in_test:  # from a library that checks: a mock, a query's runner
        return replace(known, kind="assert", message=str(error))
    own = None if in_test else steps[-1]
    if cause is not error and (inside := own_steps(cause.__traceback__, label, outside=test_file)):
        own = inside[-1]
        known = replace(known, raised_line=_line(own, label))
    return _raised(replace(known, error=type_name(cause)), cause, statement, in_file, own)


def steps_of(tb: TracebackType | None) -> Iterator[TracebackType]:
    """The steps of a traceback, outermost first."""
    while tb is not None:
        yield tb
        tb = tb.tb_next


def own_steps(tb: TracebackType | None, label: Label, outside: str = "") -> list[TracebackType]:
    """The steps of a traceback in the student's own code, those in the file `outside` left out."""
    files = ((step, step.tb_frame.f_code.co_filename) for step in steps_of(tb))
    return [step for step, file in files if label(file) and file != outside]


def _first_of(error: BaseException) -> BaseException:
    """The error itself, or the first one of a group, as a TaskGroup raises it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# --- the kinds of failure -------------------------------------------------------------------------------------------


def _unsolved(known: Failure, step: TracebackType, in_cell_itself: bool) -> Failure:
    exercise = exercise_tested(known.cell)
    if in_cell_itself:
        message = f'Write your code in place of the line `raise NotImplementedError("{STUB}")`, and run the cell again.'
    else:
        name = exercise or step.tb_frame.f_code.co_name
        message = (
            f"You have not solved {'this exercise' if name == '<module>' else name} yet: write your code in the cell above, in "
            "place of the line `raise NotImplementedError(...)`, run it, and run this test again."
        )
    return unsolved(replace(known, message=message))


def _missing(known: Failure, error: NameError, test: TracebackType) -> Failure:
    name = error.name or str(error)
    return replace(
        known,
        kind="missing",
        headline=_titled("Not ready yet", exercise_tested(known.cell)),
        message=f"`{name}` does not exist yet. Run the cell above first. If it ends with an error, mend that. "
        f"Then run this test again.{_why_missing(name, test)}",
    )


def _why_missing(name: str, test: TracebackType) -> str:
    frame = test.tb_frame
    for node in ast.walk(_tree(test)):
        match node:
            case ast.Call(func=ast.Name(id=runs), args=[ast.Name(id=first), *_]) if first == name:
                if runs == "run_program":
                    return f" The cell begins with the line `%%program {name}`, with nothing above it."
                if runs in ("run_commands", "ask"):
                    return f" The cell's first line ends with `--name {name}`, and nothing stands above it."
    annotated = frame.f_globals.get("__annotations__")
    if isinstance(annotated, dict) and name in annotated:
        return f" (A colon gives a name no value. Write a `=` after it: `{name} = ...`)"
    asked_for = {
        *frame.f_code.co_names,
        *frame.f_code.co_varnames,
    }  # by the test: one of them is no misspelling
    others = [
        each for each in frame.f_globals if not each.startswith(("_", "test_")) and each not in asked_for
    ]
    close = get_close_matches(name, others, n=1, cutoff=0.8)
    return f" (There is a `{close[0]}`: is it the same thing, spelt differently?)" if close else ""


def _detailed(known: Failure, error: BaseException) -> Failure:
    details = error._failure_details_()  # type: ignore[attr-defined]
    known = replace(known, kind=details.get("kind", "details"), details=details)
    if isinstance(error, AssertionError):
        return replace(known, message=getattr(error, "message", ""))
    return known if known.cell else replace(known, headline="This cell stopped before its end")


def _asserted(known: Failure, error: AssertionError, statement: ast.Assert, frame: FrameType) -> Failure:
    values = PartValues(statement, frame)
    message = "\n".join(map(str, error.args))
    if message and _is_yes_or_no(statement.test, values):
        return replace(known, kind="assert", message=message)
    claim = _claim(statement.test, values)
    both = claim.operator == "==" and claim.got is not MISSING and claim.expected is not MISSING
    types = type_name(claim.got), type_name(claim.expected)
    typed = (both and type(claim.got) is not type(claim.expected)) or claim.operator == "isinstance"
    return replace(
        _called(known, claim, frame),
        kind="assert",
        message=message,
        got="" if claim.got is MISSING else show(claim.got),
        got_type=types[0] if typed else "",
        expected_type=types[1] if typed and both else "",
        differences=differences(claim.got, claim.expected) if both else [],
        exchanges=_judged(known.exchanges, claim, values),
    )


def _is_yes_or_no(test: ast.expr, values: PartValues) -> bool:
    """Whether a test asserts a name of its own for a condition, which its message puts into words."""
    name = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else test
    return isinstance(name, ast.Name) and isinstance(values[name], bool)


def _judged(shown: list[Exchange], claim: _Claim, values: PartValues) -> list[Exchange]:
    """The exchanges; the one whose response the claim is about comes first, with what was expected of it."""
    for part in ast.walk(claim.subject):
        if isinstance(part, ast.Attribute) and (about := exchanges.of([values[part.value]])):
            wanted = claim.expected if claim.operator == "==" else MISSING
            expectation = exchanges.expectation(claim.subject, part, claim.got, wanted, claim.words)
            judged = replace(about[0], expectation=expectation)
            return [judged, *(each for each in shown if each != about[0])]
    return shown


def _raises(known: Failure, error: BaseException, block: _RaisesBlock, test: TracebackType) -> Failure:
    # Where only the message differs, pytest asserts that, in the context of the exception that came.
    came = (error.__context__ if isinstance(error, AssertionError) else None) or error
    got = "no exception" if type_name(error) == "Failed" else f"{type_name(came)}: {came}"
    call, names = _evaluated(block.body, test.tb_frame)
    return replace(
        known, kind="raises", call=call, names=names, got=got, operator="raises", expected=block.expected
    )


def _raised(
    known: Failure,
    error: BaseException,
    statement: ast.stmt | None,
    steps: list[TracebackType],
    own: TracebackType | None,
) -> Failure:
    """`steps` are those in the test's own cell, the innermost last; `own` is the innermost one of the student's code."""
    frame = steps[-1].tb_frame
    by = "Your code raised" if known.raised_line else "The test stopped with"
    unanswered = exchanges.advice(error)  # its words are about sockets and pools, and stand in the traceback
    failure = replace(
        known,
        kind="raised",
        headline=f"{by} {a(type_name(error))}",
        message=advice(error, own) or _case_message(steps) or unanswered or general_advice(error),
        got=type_name(error) if unanswered else f"{type_name(error)}: {error}",
    )
    if isinstance(statement, ast.Assert):
        return _called(failure, _claim(statement.test, PartValues(statement, frame)), frame)
    if statement is None:
        return failure
    call, names = _evaluated(statement, frame)
    return replace(failure, call=call, names=names)


def _case_message(steps: list[TracebackType]) -> str:
    """What a test function that goes through cases would say of this one: its own name `message`."""
    for step in reversed(steps):
        found = step.tb_frame.f_locals.get("message")
        if isinstance(found, str) and step.tb_frame.f_code.co_name != "<module>" and _is_of_case(step):
            return found
    return ""


def _is_of_case(step: TracebackType) -> bool:
    """Whether `message` belongs to what was running.

    It is a loop's or a parameter, or set by the statement right before, or where the error was caught and raised again.
    """
    running = _running(step)
    for node in running:
        match node:
            case ast.For(target=names) | ast.AsyncFor(target=names) | ast.FunctionDef(args=names):
                if _binds_message(names):
                    return True
            case ast.Try(handlers=handlers):
                if any(_sets_message(each) for handler in handlers for each in ast.walk(handler)):
                    return True
    blocks = [block for node in running for _, block in ast.iter_fields(node) if isinstance(block, list)]
    pairs = [pair for block in blocks for pair in pairwise(block)]
    return any(_sets_message(before) and after in running for before, after in pairs)


def _sets_message(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Assign) and any(map(_binds_message, statement.targets))


def _binds_message(names: ast.AST) -> bool:
    return any(
        (isinstance(each, ast.Name) and each.id == "message")
        or (isinstance(each, ast.arg) and each.arg == "message")
        for each in ast.walk(names)
    )


# --- what an assert claims ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Claim:
    """The part of an assert that did not hold: something was got, and something else was expected of it."""

    subject: ast.expr
    got: object
    operator: str
    expected: object
    words: str


def _claim(test: ast.expr, values: PartValues) -> _Claim:
    match test:
        case ast.BoolOp(op=ast.And(), values=operands):
            return _claim(next((each for each in operands if _failed(each, values)), operands[-1]), values)
        case ast.BoolOp(values=operands):
            claims = [_claim(each, values) for each in operands]
            if len({ast.unparse(claim.subject) for claim in claims}) == 1:
                return replace(claims[0], operator="or", words=" or ".join(claim.words for claim in claims))
            return _Claim(test, False, "or", MISSING, "True")
        case ast.Compare(left=left, ops=ops, comparators=rest):
            return _comparison([left, *rest], ops, values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _Claim(operand, values[operand], "not", MISSING, "False (or nothing: empty, 0, None)")
        case ast.Call(func=ast.Name(id="isinstance"), args=[subject, kind]):
            return _Claim(subject, values[subject], "isinstance", MISSING, _kinds(values[kind], kind))
        case _:
            got = values[test]
            return _Claim(
                test, got, "", MISSING, "True" if isinstance(got, bool) or got is MISSING else "not nothing"
            )


def _comparison(operands: list[ast.expr], ops: list[ast.cmpop], values: PartValues) -> _Claim:
    """The pair that failed: in a < b < c the first one that does not hold, which is where Python stopped."""
    pair = next(i for i in range(len(ops)) if i + 1 == len(ops) or not _holds(operands, ops, values, i))
    left, sign, right = operands[pair], _OPERATORS[type(ops[pair])], operands[pair + 1]
    if _is_given(left) and not _is_given(right):
        left, right, sign = right, left, _MIRRORED.get(sign, sign)
    expected = values[right]
    words = _IN_WORDS[sign].format(ast.unparse(right) if expected is MISSING else show(expected))
    return _Claim(left, values[left], sign, expected, words)


def _holds(operands: list[ast.expr], ops: list[ast.cmpop], values: PartValues, pair: int) -> bool:
    """Whether a pair within a chain held. Only plain values are compared again, a student's objects never."""
    left, right = values[operands[pair]], values[operands[pair + 1]]
    ordering = _ORDERINGS.get(type(ops[pair]))
    if ordering is None or {type(left), type(right)} - {int, float, str}:
        return True
    return (type(left) is str) == (type(right) is str) and ordering(left, right)


def _is_given(node: ast.expr) -> bool:
    """Whether the author wrote this side down, rather than asking the student's code for it."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.startswith(("expected", "want"))
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_given, parts))
        case ast.Dict(keys=keys, values=parts):
            return all(key is not None and _is_given(key) for key in keys) and all(map(_is_given, parts))
        case ast.UnaryOp(operand=operand):
            return _is_given(operand)
        case _:
            return False


def _failed(condition: ast.expr, values: PartValues) -> bool:
    """Whether a condition did not hold. A student's own `__bool__` is not asked a second time."""
    match condition:
        case ast.BoolOp(op=ast.And(), values=operands):
            return any(_failed(each, values) for each in operands)
        case ast.BoolOp(values=operands):
            return all(_failed(each, values) for each in operands)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _failed(operand, values)
        case _:
            value = values[condition]
            unknown = value is MISSING or value is None
            return unknown or (type(value) in (bool, int, float, str, list, tuple, dict, set) and not value)


def _kinds(kinds: object, node: ast.expr) -> str:
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    names = [each.__name__ if isinstance(each, type) else ast.unparse(node) for each in listed]
    return "a value of type " + " or ".join(names)


# --- calls with the values they were made with ----------------------------------------------------------------------


def _called(failure: Failure, claim: _Claim, frame: FrameType) -> Failure:
    call, names = _evaluated(claim.subject, frame)
    return replace(failure, call=call, names=names, operator=claim.operator, expected=claim.words)


def _evaluated(code: ast.AST, frame: FrameType) -> tuple[str, dict[str, str]]:
    """Source with short argument values put in, and the values of the names that stand in it."""
    names: dict[str, str] = {}
    if isinstance(code, ast.stmt):
        code = _without_body(code)
    mode = "eval" if isinstance(code, ast.expr) else "exec"
    text = ast.unparse(_PutIn(frame, names).visit(ast.parse(ast.unparse(code), mode=mode)))
    names.pop(text, None)  # a call that is only a name is shown by its value anyway
    return text, names


def _without_body(statement: ast.stmt) -> ast.stmt:
    """A `with`, a loop and the like as its first line alone: that is where it stopped."""
    head = copy.copy(statement)
    for part in ("body", "orelse", "finalbody"):
        if getattr(head, part, None):
            setattr(head, part, [ast.Expr(ast.Constant(...))] if part == "body" else [])
    return head


class _PutIn(ast.NodeTransformer):
    """Replaces the names in arguments by their values, where these are short and plain data."""

    def __init__(self, frame: FrameType, names: dict[str, str]) -> None:
        self._frame = frame
        self._names = names
        self._in_arguments = False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Attribute):
            node.func.value = self._visited(node.func.value, in_arguments=False)
        node.args = [self._visited(each, in_arguments=True) for each in node.args]
        for keyword in node.keywords:
            keyword.value = self._visited(keyword.value, in_arguments=True)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = lookup(node.id, self._frame)
        if not isinstance(node.ctx, ast.Load) or value is MISSING or callable(value) or _is_module(value):
            return node
        text = show(value, 600)
        if text.startswith("<"):  # an object that says nothing about itself
            return node
        self._names[node.id] = text
        short = self._in_arguments and len(text) <= 40 and type(value).__module__ == "builtins"
        return ast.Name(id=text, ctx=ast.Load()) if short else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node.value = self._visited(node.value, in_arguments=False)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self._visited(node.value, in_arguments=False)
        node.slice = self._visited(node.slice, in_arguments=True)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment]

    def _visited(self, node: ast.expr, *, in_arguments: bool) -> ast.expr:
        before, self._in_arguments = self._in_arguments, in_arguments
        new: ast.expr = self.visit(node)
        self._in_arguments = before
        return new


def _is_module(value: object) -> bool:
    return type_name(value) == "module"


# --- places in the student's code -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _RaisesBlock:
    """A `with pytest.raises(...)` block: its body, and the exception that it waits for."""

    body: ast.Module
    expected: str


def _line(step: TracebackType, label: Label) -> Line:
    filename = step.tb_frame.f_code.co_filename
    code = linecache.getline(filename, step.tb_lineno).strip()
    return Line(label(filename) or filename, step.tb_lineno, code)


def _unreadable_line(error: BaseException, label: Label) -> Line | None:
    """Where Python could not read a program that a test ran."""
    if not isinstance(error, SyntaxError) or not (where := label(error.filename or "")):
        return None
    return Line(where, error.lineno or 0, (error.text or "").strip())


def _test_line(step: TracebackType, statement: ast.stmt | None, label: Label) -> Line:
    """The line where the test stopped; of an assert only what it asserts, as its message is shown anyway."""
    line = _line(step, label)
    return (
        replace(line, code=f"assert {ast.unparse(statement.test)}")
        if isinstance(statement, ast.Assert)
        else line
    )


def _tree(step: TracebackType) -> ast.Module:
    source = "".join(linecache.getlines(step.tb_frame.f_code.co_filename))
    try:
        return ast.parse(source)
    except (
        SyntaxError
    ):  # a cell is Python once its magics are; a file of the student's may have changed meanwhile
        return ast.Module(body=[], type_ignores=[])


def _statement(step: TracebackType) -> ast.stmt | None:
    """The innermost statement that was running."""
    running = _running(step)
    return running[-1] if running else None


def _running(step: TracebackType) -> list[ast.stmt]:
    """The statements that were running, each within the one before."""
    position = _position(step)
    return [
        node for node in ast.walk(_tree(step)) if isinstance(node, ast.stmt) and _contains(node, position)
    ]


def _raises_block(step: TracebackType) -> _RaisesBlock | None:
    position = _position(step)
    for node in ast.walk(_tree(step)):
        if isinstance(node, (ast.With, ast.AsyncWith)) and _contains(node, position):
            for item in node.items:
                match item.context_expr:
                    case (
                        ast.Call(
                            func=ast.Attribute(attr="raises") | ast.Name(id="raises"), args=[kind, *_]
                        ) as call
                    ):
                        match = [
                            f" with a message like {ast.unparse(k.value)}"
                            for k in call.keywords
                            if k.arg == "match"
                        ]
                        return _RaisesBlock(ast.Module(node.body, []), ast.unparse(kind) + "".join(match))
    return None


def _position(step: TracebackType) -> tuple[int, int]:
    """Line and column (in bytes) of what was running."""
    positions = list(step.tb_frame.f_code.co_positions())[step.tb_lasti // 2]
    line, column = positions[0], positions[2]
    return (step.tb_lineno, 0) if line is None or column is None else (line, column)


def _contains(node: ast.stmt, position: tuple[int, int]) -> bool:
    last = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return (node.lineno, node.col_offset) <= position <= last


def _exchanges(error: BaseException, statement: ast.stmt | None, frame: FrameType) -> list[Exchange]:
    """The HTTP requests that the failing statement names, or that the error itself is about."""
    values: list[object] = [error]
    if isinstance(statement, ast.Assert):
        values += [value for _, value in PartValues(statement, frame).computed()]
    if statement is not None:
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        values += [lookup(name.id, frame) for name in names if isinstance(name.ctx, ast.Load)]
    return exchanges.of(values)


def _traceback(error: BaseException, steps: list[TracebackType], label: Label) -> str:
    """The full traceback from the cell on, without the notebook's machinery above it."""
    text = "".join(traceback.format_exception(type(error), error, steps[0]))
    for filename in {step.tb_frame.f_code.co_filename for step in steps}:
        text = text.replace(f'File "{filename}"', str(label(filename)))
    return text if len(text) < 20_000 else f"{text[:10_000]}\n  ...\n{text[-10_000:]}"


def _titled(words: str, exercise: str | None) -> str:
    return f"{words}: {exercise}" if exercise else words


def a(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
