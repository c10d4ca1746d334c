"""Find in a test's source the messages that its author wrote for whoever fails it.

An exception that the student's code raises carries whatever they want, the test's data included. So of an error's text
only that is shown which stands in the source as a message: behind an assert's comma, as an argument `message=...`, in
`pytest.fail(...)` or in a raised AssertionError; directly, or by way of names: a loop's, a function's parameter, a table's.
The fields of an f-string are data, and never shown; so is what is added to a text with `+`, unless its name is `message`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from typing import Literal

_LEAST_TEXT = 10  # characters of its own that an f-string needs, to be told from any other text
_LONGEST = 2_000  # characters of a message
_MOST_SUMS = 4  # texts added to each other
_DEEPEST = 12  # steps into a value
_FIELD = "…"
_UNCHANGED = ("list", "tuple", "sorted", "reversed", "iter")  # what gives the elements of what it is given

_Step = int | Literal["element", "value"]
"""One step into a value: a position in it, any element of it (of a mapping: a key), any value of it."""

_Part = str | None
"""A part of a message: words of its author, or data (None)."""


def authors_words(text: str, source: str) -> str:
    """What of an error's `text` the author of the test `source` wrote as a message; empty where nothing is."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return ""
    try:
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return ""
    written = _Written(tree)
    fitting = (_shown(text, parts) for message in _messages(tree) for parts in written.texts(message))
    return next(filter(None, fitting), "")


def _messages(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are messages by where they stand."""
    for node in ast.walk(tree):
        match node:
            case ast.Assert(msg=ast.expr() as message):
                yield message
            case ast.keyword(arg="message", value=message):
                yield message
            case ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError"), args=[message, *_])):
                yield message
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="fail"), args=[message, *_]):
                yield message


def _shown(text: str, parts: list[_Part]) -> str:
    """What may be shown of a text that these parts may have given; empty where they have not."""
    if None not in parts:
        return text if "".join(part for part in parts if part).strip() == text else ""
    if sum(len(part.strip()) for part in parts if part) < _LEAST_TEXT or not _fits(text, parts):
        return ""
    return "".join(_FIELD if part is None else part for part in parts).strip()


def _fits(text: str, parts: list[_Part]) -> bool:
    """Whether a text has these parts in this order, and anything where there is None."""
    if parts[-1] is not None:
        last = parts[-1].rstrip()
        if not text.endswith(last):
            return False
        text, parts = text[: len(text) - len(last)], parts[:-1]
    position = 0
    for index, part in enumerate(parts):
        if part is None:
            continue
        part = part.lstrip() if index == 0 else part
        found = text.find(part, position)
        if found < 0 or (index == 0 and found > 0):
            return False
        position = found + len(part)
    return True


class _Written:
    """What names of a test may hold, as far as its source says so."""

    def __init__(self, tree: ast.AST) -> None:
        self._bound: dict[str, list[tuple[ast.expr, tuple[_Step, ...]]]] = {}
        functions = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind(target, value, ())
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._bind(target, value, ())
                case ast.NamedExpr(target=target, value=value):
                    self._bind(target, value, ())
                case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                    self._bind(target, value, ("element",))
                case ast.Call(func=ast.Name(id=name)) if name in functions:
                    self._bind_arguments(functions[name], node)

    def texts(self, value: ast.expr, depth: int = 0) -> Iterator[list[_Part]]:
        """The parts of each text that a value may be."""
        todo: list[tuple[ast.expr, tuple[_Step, ...]]] = [(value, ())]
        seen = set()
        while todo:
            inner, path = todo.pop()
            if (id(inner), path) in seen or len(path) > _DEEPEST:
                continue
            seen.add((id(inner), path))
            match inner, path:
                case ast.Constant(value=str(text)), ():
                    yield [text]
                case ast.JoinedStr(values=parts), ():
                    yield [str(part.value) if isinstance(part, ast.Constant) else None for part in parts]
                case ast.BinOp(left=left, op=ast.Add(), right=right), () if depth < _MOST_SUMS:
                    for one, two in product(self._summand(left, depth), self._summand(right, depth)):
                        yield [*one, *two]
                case _:
                    todo += self._steps(inner, path)

    def _summand(self, value: ast.expr, depth: int) -> Iterator[list[_Part]]:
        """The parts of what is added to a text; what has another name than `message` is data."""
        written = isinstance(value, ast.Constant | ast.JoinedStr | ast.BinOp)
        if written or (isinstance(value, ast.Name) and value.id == "message"):
            yield from self.texts(value, depth + 1)
        else:
            yield [None]

    def _steps(
        self, value: ast.expr, path: tuple[_Step, ...]
    ) -> Iterator[tuple[ast.expr, tuple[_Step, ...]]]:
        """One step nearer to the texts."""
        match value, path:
            case ast.Name(id=name), _:
                yield from ((bound, way + path) for bound, way in self._bound.get(name, []))
            case ast.IfExp(body=body, orelse=orelse), _:
                yield from ((body, path), (orelse, path))
            case ast.Subscript(value=table), _:
                yield table, ("value", *path)
            case ((ast.Tuple(elts=elements) | ast.List(elts=elements)), (int(place), *rest)):
                yield from ((element, tuple(rest)) for element in elements[place : place + 1])
            case ((ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements)), (_, *rest)):
                yield from ((element, tuple(rest)) for element in elements)
            case ast.Dict(keys=keys), ("element", *rest):
                yield from ((key, tuple(rest)) for key in keys if key is not None)
            case ast.Dict(values=values), ("value", *rest):
                yield from ((each, tuple(rest)) for each in values)
            case ast.Call(), _:
                yield from self._call_steps(value, path)

    def _call_steps(
        self, call: ast.Call, path: tuple[_Step, ...]
    ) -> Iterator[tuple[ast.expr, tuple[_Step, ...]]]:
        """Into what loops go over: `.items()`, `enumerate(...)`, `zip(...)`."""
        match call, path:
            case ast.Call(func=ast.Attribute(value=table, attr="items")), ("element", 0, *rest):
                yield table, ("element", *rest)
            case ast.Call(func=ast.Attribute(value=table, attr="items")), ("element", 1, *rest):
                yield table, ("value", *rest)
            case ast.Call(func=ast.Attribute(value=table, attr="values")), ("element", *rest):
                yield table, ("value", *rest)
            case ast.Call(func=ast.Attribute(value=table, attr="get")), _:
                yield table, ("value", *path)
            case ast.Call(func=ast.Name(id="enumerate"), args=[counted, *_]), ("element", 1, *rest):
                yield counted, ("element", *rest)
            case ast.Call(func=ast.Name(id="zip"), args=args), ("element", int(place), *rest):
                yield from ((each, ("element", *rest)) for each in args[place : place + 1])
            case ast.Call(func=ast.Name(id=name), args=[inner, *_]), ("element", *_) if name in _UNCHANGED:
                yield inner, path

    def _bind(self, target: ast.expr, value: ast.expr, path: tuple[_Step, ...]) -> None:
        if isinstance(target, ast.Name):
            self._bound.setdefault(target.id, []).append((value, path))
        elif isinstance(target, ast.Tuple | ast.List):
            for place, each in enumerate(target.elts):
                self._bind(each, value, (*path, place))

    def _bind_arguments(self, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> None:
        names = [each.arg for each in [*function.args.posonlyargs, *function.args.args]]
        for name, value in zip(names, call.args, strict=False):
            self._bound.setdefault(name, []).append((value, ()))
        for keyword in call.keywords:
            if keyword.arg:
                self._bound.setdefault(keyword.arg, []).append((keyword.value, ()))
