"""Notes where a test's own checks fail: an error alone can be swallowed by the student's code, on its way to the cell's end.

`assert total == 6, "six"` runs as `assert total == 6 or @failed(), "six"`, and before `raise AssertionError` stands a line
`@failed()`. No student's code can write that name, and only the names of a session know it.
"""

from __future__ import annotations

import ast
from typing import Any

FAILED = "@failed"
"""The name of a function that notes the place of its call, and returns False."""


class CheckNoter(ast.NodeTransformer):
    """Has each failing check of a cell noted before it raises its error."""

    def visit(self, node: ast.AST) -> Any:  # noqa: ANN401, D102
        return node if isinstance(node, ast.expr) else super().visit(node)  # no statement is in an expression

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:  # noqa: D102
        if isinstance(node.test, ast.Tuple):  # never fails; Python itself warns of assert (claim, "message")
            return node
        test = ast.copy_location(ast.BoolOp(ast.Or(), [node.test, _note(node)]), node)
        return ast.copy_location(ast.Assert(test, node.msg), node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt | list[ast.stmt]:  # noqa: D102
        match node.exc:
            case ast.Name("AssertionError") | ast.Call(ast.Name("AssertionError")):
                return [ast.copy_location(ast.Expr(_note(node)), node), node]
        return node


def _note(where: ast.stmt) -> ast.expr:
    name = ast.copy_location(ast.Name(FAILED, ast.Load()), where)
    return ast.copy_location(ast.Call(name, [], []), where)
