"""Name the parts of an `assert`, so that a failing one can show what each part was.

`assert total(cart) == 30` runs as `assert (@1 := total(cart)) == 30`. Everything is evaluated once and in Python's own
order, and what is raised is what plain Python raises; the values wait in the frame for whoever explains the failure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

MISSING = object()
"""The value of a part that was not evaluated."""


class AssertNamer(ast.NodeTransformer):
    """An IPython AST transformer that names the parts of every `assert` in a cell."""

    def visit(self, node: ast.AST) -> Any:  # noqa: ANN401, D102
        return node if isinstance(node, ast.expr) else super().visit(node)  # no statement is in an expression

    def visit_Assert(self, node: ast.Assert) -> ast.stmt | list[ast.stmt]:  # noqa: D102
        names = part_names(node)
        if not names or isinstance(node.test, ast.Tuple):  # Python itself warns of assert (claim, "message")
            return node
        named = ast.Assert(test=_Namer(names).named(node.test), msg=node.msg)
        # Objects must not live longer than they would have without us: a lab may count them.
        forget = ast.Assign(targets=[_store(name) for name in names.values()], value=ast.Constant(None))
        return [ast.copy_location(new, node) for new in (named, forget)]  # IPython places what is in them


def part_names(statement: ast.Assert) -> dict[ast.expr, str]:
    """The computed parts of the assert's test, each with the name that its value gets."""
    return {part: f"@{number}" for number, part in enumerate(_conditions(statement.test), start=1)}


class PartValues:
    """The values that the parts of a failing assert had, read from its frame without running anything again."""

    def __init__(self, statement: ast.Assert, frame: FrameType) -> None:
        self._names = part_names(statement)
        self._frame = frame

    def __getitem__(self, part: ast.expr) -> object:
        """The part's value, or MISSING."""
        match part:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) | ast.NamedExpr(target=ast.Name(id=name)):
                return lookup(name, self._frame)
            case _ if part in self._names:
                return lookup(self._names[part], self._frame)
            case _:
                return MISSING

    def computed(self) -> Iterator[tuple[ast.expr, object]]:
        """Every named part with its value."""
        for part in self._names:
            value = self[part]
            if value is not MISSING:
                yield part, value


def lookup(name: str, frame: FrameType) -> object:
    """What a name means in a frame, or MISSING."""
    for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
        with suppress(KeyError):  # not `in`: where the examiner runs a test, builtins are looked up elsewhere
            return scope[name]
    return MISSING


def _conditions(test: ast.expr) -> Iterator[ast.expr]:
    """The parts of a test. `and`, `or` and `not` have no name: to keep their value is to ask once more whether it is true."""
    match test:
        case ast.BoolOp(values=operands):
            for operand in operands:
                yield from _conditions(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _conditions(operand)
        case _:
            yield from _parts(test)


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    """Inner parts first. Parts with a scope or a flow of their own (lambda, comprehension, if-else) count as one."""
    match node:
        case ast.Name() | ast.Constant():
            return
        case ast.NamedExpr(value=value) | ast.Starred(value=value):
            yield from _parts(value)
            return
        case ast.Call(func=func, args=args, keywords=keywords):
            # A method looked up for its call is not a value worth showing.
            yield from _parts(func.value if isinstance(func, ast.Attribute) else func)
            for argument in [*args, *(keyword.value for keyword in keywords)]:
                yield from _parts(argument)
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
            yield from _parts(value)
        case ast.Compare(left=left, comparators=rest):
            for operand in [left, *rest]:
                yield from _parts(operand)
        case (
            ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values) | ast.Set(elts=values)
        ):
            for value in values:
                yield from _parts(value)
        case ast.Dict(keys=keys, values=values):
            for value in [*filter(None, keys), *values]:
                yield from _parts(value)
        case ast.UnaryOp(operand=operand):
            yield from _parts(operand)
        case ast.BinOp(left=left, right=right):
            yield from _parts(left)
            yield from _parts(right)
    yield node


class _Namer(ast.NodeTransformer):
    def __init__(self, names: dict[ast.expr, str]) -> None:
        self._names = names

    def named(self, node: ast.expr) -> ast.expr:
        """The expression with a name for each of its parts."""
        new: ast.expr = self.generic_visit(node)  # type: ignore[assignment] # an expression stays one
        name = self._names.get(node)
        return ast.copy_location(ast.NamedExpr(target=_store(name), value=new), node) if name else new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.named(node) if isinstance(node, ast.expr) else self.generic_visit(node)


def _store(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Store())
