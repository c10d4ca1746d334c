"""Mutants of Python code: the slips that students make, put into a correct solution one at a time."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from course.proof.mutants import Mutant, line_diff, solution_lines

_COMPARISONS: dict[type[cst.BaseCompOp], list[cst.BaseCompOp]] = {
    cst.Equal: [cst.NotEqual()],
    cst.NotEqual: [cst.Equal()],
    cst.LessThan: [cst.LessThanEqual(), cst.GreaterThanEqual()],
    cst.LessThanEqual: [cst.LessThan(), cst.GreaterThan()],
    cst.GreaterThan: [cst.GreaterThanEqual(), cst.LessThanEqual()],
    cst.GreaterThanEqual: [cst.GreaterThan(), cst.LessThan()],
    cst.In: [cst.NotIn()],
    cst.NotIn: [cst.In()],
    cst.Is: [cst.IsNot()],
    cst.IsNot: [cst.Is()],
}
_ARITHMETIC: dict[type[cst.BaseBinaryOp], cst.BaseBinaryOp] = {
    cst.Add: cst.Subtract(),
    cst.Subtract: cst.Add(),
    cst.Multiply: cst.Divide(),
    cst.Divide: cst.FloorDivide(),
    cst.FloorDivide: cst.Divide(),
    cst.Modulo: cst.FloorDivide(),
    cst.Power: cst.Multiply(),
    cst.BitAnd: cst.BitOr(),
    cst.BitOr: cst.BitAnd(),
}
_ASSIGNMENTS: dict[type[cst.BaseAugOp], cst.BaseAugOp] = {
    cst.AddAssign: cst.SubtractAssign(),
    cst.SubtractAssign: cst.AddAssign(),
    cst.MultiplyAssign: cst.DivideAssign(),
    cst.DivideAssign: cst.MultiplyAssign(),
}
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "reversed": "list",
    "set": "list",
    "round": "int",
}
_METHODS = {
    "strip": ["lstrip", "rstrip"],
    "lower": ["upper"],
    "upper": ["lower"],
    "startswith": ["endswith"],
    "endswith": ["startswith"],
    "keys": ["values"],
    "values": ["keys"],
    "union": ["intersection"],
    "intersection": ["union"],
    "find": ["rfind"],
    "split": ["rsplit"],
    "append": ["extend"],
    "extend": ["append"],
    "setdefault": ["get"],
    "add": ["discard"],
}
_HTTP_METHODS = {"get": "post", "post": "put", "put": "post", "patch": "put", "delete": "post"}
_STATUS = {200: 201, 201: 200, 202: 200, 204: 200, 400: 404, 404: 400, 422: 400, 401: 403, 403: 401, 409: 400}
_STATUS_NAME = re.compile(r"HTTP_(\d{3})_\w+")
_STATUS_NAMES = {
    200: "HTTP_200_OK",
    201: "HTTP_201_CREATED",
    400: "HTTP_400_BAD_REQUEST",
    401: "HTTP_401_UNAUTHORIZED",
    403: "HTTP_403_FORBIDDEN",
    404: "HTTP_404_NOT_FOUND",
}
_BOUNDS = {"ge": "gt", "gt": "ge", "le": "lt", "lt": "le"}
# Keyword arguments that change what a call does, not whether it works.
_OPTIONAL = {
    *_BOUNDS,
    "min_length",
    "max_length",
    "pattern",
    "multiple_of",
    "response_model",
    "status_code",
    "response_model_exclude_unset",
    "response_model_exclude_none",
    "exclude_unset",
    "extra",
    "strict",
    "headers",
    "key",
    "reverse",
    "default",
}
# What is written for readers, and how long to wait: nobody's tests look at it.
_UNTESTED = {"title", "description", "summary", "examples", "example", "timeout"}
_LOGGING = re.compile(r"(print|log|logger|logging|warnings)\b")


def python_mutants(source: str) -> list[Mutant]:
    """The mutants of a solution cell: between its solution markers, or all of it where there are none.

    Docstrings, annotations (but not the calls in them, such as `Query(ge=1)`), imports and log lines stay as they are.
    Empty for a cell that is not plain Python, such as one with shell commands.
    """
    magic, newline, body = source.partition("\n") if source.startswith("%%") else ("", "", source)
    try:
        wrapper = MetadataWrapper(cst.parse_module(body))
    except cst.ParserSyntaxError:
        return []
    found: dict[str, Mutant] = {}
    reference = _meaning(body)
    collector = _Collector(_region(body))
    wrapper.visit(collector)
    for node in collector.nodes:
        for replacement, description in _OPERATORS[type(node)](node):
            code = _replaced(wrapper.module, node, replacement)
            meaning = _meaning(code) if code else None
            if code and meaning and meaning != reference and meaning not in found:
                found[meaning] = Mutant(magic + newline + code, description, line_diff(body, code))
    return list(found.values())


def _replaced(module: cst.Module, node: cst.CSTNode, replacement: cst.CSTNode) -> str | None:
    """The code with a node replaced, or None where that is no code any more."""
    try:
        return cst.ensure_type(module.deep_replace(node, replacement), cst.Module).code
    except cst.CSTValidationError:
        return None


def _region(source: str) -> range:
    """The lines, from 1, that are the solution."""
    places = solution_lines(source.splitlines())
    return range(places.start + 1, places.stop + 1)


def _meaning(source: str) -> str | None:
    """The syntax tree as text, or None for code that does not compile."""
    try:
        tree = ast.parse(source)
        compile(source, "<mutant>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return None
    return ast.dump(tree)


_Item = TypeVar("_Item", cst.Arg, cst.BaseDictElement)

# What could stand in a node's place, with a description each.
_Changes = Iterator[tuple[cst.CSTNode, str]]


class _Collector(cst.CSTVisitor):
    """The nodes of the solution's lines that may be broken."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, region: range) -> None:
        super().__init__()
        self.nodes: list[cst.CSTNode] = []
        self._region = region
        self._annotated = [False]

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_for_readers(node):
            return False
        # An annotation is only a name for what is there, but `Query(ge=1)` in one does something.
        if isinstance(node, cst.Annotation | cst.Call):
            self._annotated.append(isinstance(node, cst.Annotation))
        if not self._annotated[-1] and type(node) in _OPERATORS and self._is_inside(node):
            self.nodes.append(node)
        return True

    def _is_inside(self, node: cst.CSTNode) -> bool:
        place = self.get_metadata(PositionProvider, node)
        return isinstance(place, CodeRange) and place.start.line in self._region

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.Annotation | cst.Call) and not _is_for_readers(original_node):
            self._annotated.pop()


def _is_for_readers(node: cst.CSTNode) -> bool:
    """Whether a node is an import, a docstring, a log line, a question, or documentation given as an argument."""
    match node:
        case cst.Import() | cst.ImportFrom():
            return True
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()):
            return True
        case cst.Expr(value=cst.Call(func=function)):
            return _LOGGING.match(_code(function)) is not None
        case cst.Call(func=cst.Name(value="input")):
            return True
        case cst.Arg(keyword=cst.Name(value=name)):
            return name in _UNTESTED
    return False


def _comparison(node: cst.Comparison) -> _Changes:
    for place, target in enumerate(node.comparisons):
        for operator in _COMPARISONS.get(type(target.operator), []):
            changed = [*node.comparisons]
            changed[place] = target.with_changes(operator=operator)
            yield node.with_changes(comparisons=changed), "comparison changed"


def _binary(node: cst.BinaryOperation) -> _Changes:
    texts = cst.SimpleString | cst.FormattedString | cst.ConcatenatedString
    if (
        type(node.operator) in _ARITHMETIC
        and not isinstance(node.left, texts)
        and not isinstance(node.right, texts)
    ):
        yield node.with_changes(operator=_ARITHMETIC[type(node.operator)]), "arithmetic changed"


def _augmented(node: cst.AugAssign) -> _Changes:
    if type(node.operator) in _ASSIGNMENTS:
        yield node.with_changes(operator=_ASSIGNMENTS[type(node.operator)]), "arithmetic changed"
    yield cst.Pass(), "statement deleted"


def _boolean(node: cst.BooleanOperation) -> _Changes:
    other = cst.Or() if isinstance(node.operator, cst.And) else cst.And()
    yield node.with_changes(operator=other), "and/or swapped"
    yield _grouped(node.left), "second condition dropped"
    yield _grouped(node.right), "first condition dropped"


def _unary(node: cst.UnaryOperation) -> _Changes:
    if isinstance(node.operator, cst.Not | cst.Minus):
        yield _grouped(node.expression), f"{_code(node.operator).strip()} dropped"


def _condition(node: cst.If | cst.While | cst.IfExp | cst.CompIf) -> _Changes:
    # A comparison, a `not` or an and/or is changed as such.
    if isinstance(node.test, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.NamedExpr):
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), _grouped(node.test))), "condition negated"


def _integer(node: cst.Integer) -> _Changes:
    value = int(node.value, 0)
    if value in _STATUS:
        yield cst.Integer(str(_STATUS[value])), "status code changed"
    else:
        yield cst.Integer(str(value + 1)), "number changed"
        if value == 1:
            yield cst.Integer("0"), "number changed"


def _float(node: cst.Float) -> _Changes:
    yield cst.Float(str(float(node.value) + 1)), "number changed"


def _string(node: cst.SimpleString) -> _Changes:
    end = len(node.value) - len(node.quote)
    yield node.with_changes(value=f"{node.value[:end]}x{node.quote}"), "text changed"


def _string_part(node: cst.FormattedStringText) -> _Changes:
    yield node.with_changes(value=f"{node.value}x"), "text changed"


def _name(node: cst.Name) -> _Changes:
    if node.value in ("True", "False"):
        yield node.with_changes(value=str(node.value == "False")), "True/False swapped"


def _attribute(node: cst.Attribute) -> _Changes:
    code = _STATUS_NAME.fullmatch(node.attr.value)
    if code and (other := _STATUS_NAMES.get(_STATUS.get(int(code[1]), 200))):
        yield node.with_changes(attr=cst.Name(other)), "status code changed"


def _return(node: cst.Return) -> _Changes:
    if node.value is not None:
        nothing = node.with_changes(value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" "))
        yield nothing, "return value dropped"


def _statement(node: cst.Expr | cst.Raise | cst.Del) -> _Changes:
    yield cst.Pass(), "statement deleted"


def _assignment(node: cst.Assign) -> _Changes:
    # Without its assignment a plain name does not exist: any test sees that.
    if any(isinstance(target.target, cst.Attribute | cst.Subscript) for target in node.targets):
        yield cst.Pass(), "statement deleted"


def _break(node: cst.Break) -> _Changes:
    yield cst.Continue(), "break/continue swapped"


def _continue(node: cst.Continue) -> _Changes:
    yield cst.Break(), "break/continue swapped"
    yield cst.Pass(), "statement deleted"


def _await(node: cst.Await) -> _Changes:
    yield _grouped(node.expression), "await dropped"


def _slice(node: cst.Slice) -> _Changes:
    for bound in ("lower", "upper"):
        value = getattr(node, bound)
        if value is None:
            continue
        yield node.with_changes(**{bound: None}), f"{bound} bound dropped"
        if not isinstance(value, cst.Integer):
            next_one = cst.BinaryOperation(_grouped(value), cst.Add(), cst.Integer("1"))
            yield node.with_changes(**{bound: next_one}), f"{bound} bound off by one"


def _filters(node: cst.CompFor) -> _Changes:
    for dropped in node.ifs:
        yield node.with_changes(ifs=[kept for kept in node.ifs if kept is not dropped]), "filter dropped"


def _dictionary(node: cst.Dict) -> _Changes:
    for dropped in node.elements:
        yield node.with_changes(elements=_without(node.elements, dropped)), "entry dropped"


def _parameter(node: cst.Param) -> _Changes:
    if node.default is not None:
        yield node.with_changes(default=None, equal=cst.MaybeSentinel.DEFAULT), "default dropped"


def _call(node: cst.Call) -> _Changes:
    match node.func:
        case cst.Name(value=name) if name in _FUNCTIONS:
            yield node.with_changes(func=cst.Name(_FUNCTIONS[name])), f"{name} swapped"
        case cst.Attribute(attr=cst.Name(value="append")) if len(node.args) == 1:
            first = cst.Arg(cst.Integer("0"), comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
            func = node.func.with_changes(attr=cst.Name("insert"))
            yield node.with_changes(func=func, args=[first, *node.args]), "append became insert"
        case cst.Attribute(attr=cst.Name(value="get")) if len(node.args) == 2 and not node.args[1].keyword:
            yield node.with_changes(args=_without(node.args, node.args[1])), "default dropped"
        case cst.Attribute(attr=cst.Name(value=name)) if name in _METHODS:
            for other in _METHODS[name]:
                yield node.with_changes(func=node.func.with_changes(attr=cst.Name(other))), f"{name} swapped"
    for argument in node.args:
        if argument.keyword is not None and argument.keyword.value in _OPTIONAL:
            yield node.with_changes(args=_without(node.args, argument)), f"{argument.keyword.value} dropped"


def _argument(node: cst.Arg) -> _Changes:
    if node.keyword is not None and node.keyword.value in _BOUNDS:
        yield node.with_changes(keyword=cst.Name(_BOUNDS[node.keyword.value])), "bound shifted"


def _function(node: cst.FunctionDef) -> _Changes:
    for place, decorator in enumerate(node.decorators):
        match decorator.decorator:
            case cst.Call(func=cst.Attribute(attr=cst.Name(value=name))) as call if name in _HTTP_METHODS:
                func = cst.ensure_type(call.func, cst.Attribute).with_changes(
                    attr=cst.Name(_HTTP_METHODS[name])
                )
                changed = decorator.with_changes(decorator=call.with_changes(func=func))
                decorators = [*node.decorators[:place], changed, *node.decorators[place + 1 :]]
                yield node.with_changes(decorators=decorators), "HTTP method changed"
            case _:
                decorators = [*node.decorators[:place], *node.decorators[place + 1 :]]
                yield node.with_changes(decorators=decorators), "decorator dropped"


def _class(node: cst.ClassDef) -> _Changes:
    for field in node.body.body:
        if isinstance(field, cst.SimpleStatementLine) and isinstance(
            field.body[0], cst.AnnAssign | cst.Assign
        ):
            nothing = field.with_changes(body=[cst.Pass()])
            body = [nothing if other is field else other for other in node.body.body]
            yield node.with_changes(body=node.body.with_changes(body=body)), "field deleted"


_OPERATORS: dict[type[cst.CSTNode], Callable[..., _Changes]] = {
    cst.Comparison: _comparison,
    cst.BinaryOperation: _binary,
    cst.AugAssign: _augmented,
    cst.BooleanOperation: _boolean,
    cst.UnaryOperation: _unary,
    cst.If: _condition,
    cst.While: _condition,
    cst.IfExp: _condition,
    cst.CompIf: _condition,
    cst.Integer: _integer,
    cst.Float: _float,
    cst.SimpleString: _string,
    cst.FormattedStringText: _string_part,
    cst.Name: _name,
    cst.Attribute: _attribute,
    cst.Return: _return,
    cst.Expr: _statement,
    cst.Raise: _statement,
    cst.Del: _statement,
    cst.Assign: _assignment,
    cst.Break: _break,
    cst.Continue: _continue,
    cst.Await: _await,
    cst.Slice: _slice,
    cst.CompFor: _filters,
    cst.Dict: _dictionary,
    cst.Param: _parameter,
    cst.Call: _call,
    cst.Arg: _argument,
    cst.FunctionDef: _function,
    cst.ClassDef: _class,
}


def _without(items: Sequence[_Item], dropped: _Item) -> list[_Item]:
    """The items of a call or a dict but one, with no comma after the last."""
    kept = [item for item in items if item is not dropped]
    if kept:
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return kept


def _grouped(node: cst.BaseExpression) -> cst.BaseExpression:
    """An expression in brackets where it needs them to stand anywhere."""
    simple = cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.Integer
    if isinstance(node, simple) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
