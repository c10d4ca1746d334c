"""Notes where a test's own checks fail: an error alone can be swallowed by the student's code, on its way to the cell's end.

`assert total == 6, "six"` runs as `assert total == 6 or @failed(), "six"`, and before `raise AssertionError` stands a line
`@failed()`. No student's code can write that name, and only the names of a session know it.
"""

from __future__ import annotations

import ast

FAILED = "@failed"
"""The name of a function that notes the place of its call, and returns False."""


class CheckNoter(ast.NodeTransformer):
    """Has each failing check of a cell noted before it raises its error."""

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:  # noqa: D102
        if isinstance(node.test, ast.Tuple):  # never fails; Python itself warns of assert (claim, "message")
            return node
        test = ast.BoolOp(ast.Or(), [node.test, _note()])
        return _placed(ast.Assert(test, node.msg), node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt | list[ast.stmt]:  # noqa: D102
        match node.exc:
            case ast.Name("AssertionError") | ast.Call(ast.Name("AssertionError")):
                return [_placed(ast.Expr(_note()), node), node]
        return node


def _note() -> ast.expr:
    return ast.Call(ast.Name(FAILED, ast.Load()), [], [])


def _placed(new: ast.stmt, node: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(new, node))
