"""Mutants of SQL queries: the errors that persist in studies of students, put into a correct query one at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import sqlglot
from sqlglot import expressions as sql
from sqlglot.errors import SqlglotError

from course.proof.mutants import Mutant, line_diff

_DIALECTS = ("sqlite", "duckdb", "postgres")
_MARKER = re.compile(r"^\s*-- (?:BEGIN|END) SOLUTION\s*$", re.MULTILINE)

_COMPARISONS: dict[type[sql.Expr], list[type[sql.Expr]]] = {
    sql.EQ: [sql.NEQ],
    sql.NEQ: [sql.EQ],
    sql.LT: [sql.LTE, sql.GTE],
    sql.LTE: [sql.LT, sql.GT],
    sql.GT: [sql.GTE, sql.LTE],
    sql.GTE: [sql.GT, sql.LT],
}
_SWAPS: dict[type[sql.Expr], type[sql.Expr]] = {
    sql.Add: sql.Sub,
    sql.Sub: sql.Add,
    sql.Mul: sql.Div,
    sql.Div: sql.Mul,
    sql.Sum: sql.Avg,
    sql.Avg: sql.Sum,
    sql.Min: sql.Max,
    sql.Max: sql.Min,
    sql.Except: sql.Intersect,
    sql.Intersect: sql.Except,
}

# What can be done to a node, with a description each: a function that does it to the node's copy, in a broken query.
_Change = Callable[[sql.Expr], object]
_Changes = Iterator[tuple[str, _Change]]


def sql_mutants(source: str) -> list[Mutant]:
    """The mutants of a `%%sql` cell; empty for text that sqlglot cannot read as one query.

    Their queries are laid out anew by sqlglot, and so is the reference in their diffs: see `rendered`.
    """
    magic, _, text = source.partition("\n")
    parsed = _parse(text)
    if parsed is None:
        return []
    query, dialect = parsed
    before = _render(query, dialect)
    found: dict[str, Mutant] = {}
    for place, node in enumerate(query.walk()):
        for description, change in _changes(node):
            broken = sql.Paren(this=query.copy())  # so that the query as a whole can be replaced too
            change(list(broken.this.walk())[place])
            after = _render(broken.this, dialect)
            if after != before and after not in found:
                found[after] = Mutant(f"{magic}\n{after}", description, line_diff(before, after))
    return list(found.values())


def rendered(source: str) -> str | None:
    """The reference as its mutants are laid out: were its tests to fail, they would say nothing about mutants either.

    None for text that sqlglot cannot read as one query.
    """
    magic, _, text = source.partition("\n")
    parsed = _parse(text)
    return f"{magic}\n{_render(*parsed)}" if parsed else None


def _parse(text: str) -> tuple[sql.Expr, str] | None:
    """A query and its dialect: the first in which it comes out as it was written, else the first that reads it."""
    plain = _MARKER.sub("", text)
    read: list[tuple[sql.Expr, str]] = []
    for dialect in _DIALECTS:
        try:
            statements = [query for query in sqlglot.parse(plain, dialect=dialect) if query is not None]
        except SqlglotError:
            continue
        if len(statements) == 1 and isinstance(statements[0], sql.Query):
            read.append((statements[0], dialect))
    for query, dialect in read:
        if _letters(_render(query, dialect)) == _letters(plain):
            return query, dialect
    return read[0] if read else None


def _letters(text: str) -> str:
    return re.sub(r"\s+", "", re.sub(r"--.*", "", text)).rstrip(";").lower()


def _render(query: sql.Expr, dialect: str) -> str:
    # Function names stay as written: they name columns that have no alias.
    return query.sql(dialect, pretty=True, normalize_functions=False, comments=False)


def _changes(node: sql.Expr) -> _Changes:
    for kinds, changes in _OPERATORS:
        if isinstance(node, kinds):
            yield from changes(node)


def _comparison(node: sql.Expr) -> _Changes:
    # Joined on "not equal", every row meets nearly every other: slow, and no slip of a student.
    if not _is_join_condition(node):
        for other in _COMPARISONS.get(type(node), []):
            yield "comparison changed", _becomes(other)


def _swap(node: sql.Expr) -> _Changes:
    yield f"{node.key} swapped", _becomes(_SWAPS[type(node)])


def _connector(node: sql.Expr) -> _Changes:
    if not _is_join_condition(node):
        yield "AND/OR swapped", _becomes(sql.Or if isinstance(node, sql.And) else sql.And)
    yield "second condition dropped", _unwrap
    yield "first condition dropped", lambda copy: copy.replace(copy.expression)


def _not(node: sql.Expr) -> _Changes:
    yield "NOT dropped", _unwrap


def _test(node: sql.Expr) -> _Changes:
    if node.args.get("negate"):
        yield "NOT dropped", _sets(negate=None)
    elif not isinstance(node.parent, sql.Not):
        yield f"{node.key} negated", lambda copy: copy.replace(sql.Not(this=copy.copy()))


def _literal(node: sql.Expr) -> _Changes:
    if isinstance(node.parent, sql.Limit | sql.Offset):
        return
    if node.is_string:
        yield "text changed", _sets(this=f"{node.this}x")
    else:
        yield "number changed", _sets(this=str(int(node.this) + 1 if node.is_int else float(node.this) + 1))


def _join(node: sql.Expr) -> _Changes:
    if node.args.get("on") is None and not node.args.get("using"):
        return
    if side := node.args.get("side"):
        yield f"{side} JOIN became INNER", _sets(side=None, kind="INNER")
    else:
        yield "INNER JOIN became LEFT", _sets(side="LEFT", kind=None)


def _group(node: sql.Expr) -> _Changes:
    keys = {key.sql() for key in node.expressions}
    for place, key in enumerate(node.expressions):
        if not _is_determined(key, keys - {key.sql()}, node.parent_select):
            yield "GROUP BY key dropped", partial(_drop, place=place)
    results = _result_names(node.parent_select)
    for column in _columns(node.parent_select):
        if column.sql() not in results and not _is_determined(column, keys, node.parent_select):
            yield "GROUP BY key added", partial(_append, column=column)


def _is_determined(key: sql.Expr, others: set[str], select: sql.Select | None) -> bool:
    """Whether rows that agree in the other keys agree in this one too, so that it changes nothing.

    That is so where it is one of them, equal to one of them or to a constant, or in a row whose id is.
    """
    known = set(others)
    for equality in _equalities(select):
        sides = equality.this, equality.expression
        for one, other in (sides, sides[::-1]):
            if isinstance(other, sql.Literal) or other.sql() in known:
                known.add(one.sql())
    return key.sql() in known or (isinstance(key, sql.Column) and f"{key.table}.id" in known)


def _equalities(select: sql.Select | None) -> list[sql.Expr]:
    """The equalities that every row of a query fulfils, in its joins and its WHERE."""
    clauses = [*(select.args.get("joins") or []), select.args.get("where")] if select else []
    found = [equality for clause in clauses if clause for equality in clause.find_all(sql.EQ)]
    return [equality for equality in found if not equality.find_ancestor(sql.Or, sql.Not, sql.Case)]


def _order(node: sql.Expr) -> _Changes:
    yield "ORDER BY dropped", _remove
    if len(node.expressions) > 1:
        for place, _ in enumerate(node.expressions):
            yield "ORDER BY key dropped", partial(_drop, place=place)


def _ordered(node: sql.Expr) -> _Changes:
    # sqlglot notes where NULLs go; turned too, that stays what the database does anyway.
    yield "order flipped", _sets(desc=not node.args.get("desc"), nulls_first=not node.args.get("nulls_first"))


def _limit(node: sql.Expr) -> _Changes:
    yield f"{node.key.upper()} dropped", _remove
    if isinstance(node.expression, sql.Literal):
        yield (
            f"{node.key.upper()} changed",
            _sets(expression=sql.Literal.number(int(node.expression.this) + 1)),
        )


def _clause(node: sql.Expr) -> _Changes:
    yield f"{node.key.upper()} dropped", _remove


def _select(node: sql.Expr) -> _Changes:
    if node.args.get("distinct"):
        yield "DISTINCT dropped", _sets(distinct=None)
    elif not _has_distinct_rows(node):
        yield "DISTINCT added", _sets(distinct=sql.Distinct())
    if len(node.expressions) > 1:
        for place, _ in enumerate(node.expressions):
            yield "expression dropped", partial(_drop, place=place)


def _has_distinct_rows(select: sql.Expr) -> bool:
    """Whether DISTINCT would change nothing: one row, or one for each of the keys shown."""
    group = select.args.get("group")
    shown = {expression.unalias().sql() for expression in select.expressions}
    if group is not None:
        return all(key.sql() in shown or key.is_int for key in group.expressions)
    return any(expression.find(sql.AggFunc) for expression in select.expressions)


def _alias(node: sql.Expr) -> _Changes:
    if node.parent is node.root():
        yield "column renamed", partial(_rename, name=f"{node.alias}_x")


def _count(node: sql.Expr) -> _Changes:
    if isinstance(node.this, sql.Distinct):
        yield "DISTINCT dropped", _sets(this=node.this.expressions[0])
    elif isinstance(node.this, sql.Star):
        for column in _optional_columns(node.parent_select):
            yield "count(*) became count(column)", _sets(this=column)
    else:
        yield "count(column) became count(*)", _sets(this=sql.Star())
        yield "DISTINCT added", _sets(this=sql.Distinct(expressions=[node.this]))


def _wrapper(node: sql.Expr) -> _Changes:
    yield f"{node.key} dropped", _unwrap


def _case(node: sql.Expr) -> _Changes:
    if node.args.get("default"):
        yield "ELSE dropped", _sets(default=None)
    if len(node.args["ifs"]) > 1:
        for place, _ in enumerate(node.args["ifs"]):
            yield "WHEN dropped", partial(_drop, place=place, argument="ifs")


def _union(node: sql.Expr) -> _Changes:
    yield "UNION/UNION ALL swapped", _sets(distinct=not node.args.get("distinct"))


def _window(node: sql.Expr) -> _Changes:
    if node.args.get("partition_by"):
        yield "PARTITION BY dropped", _sets(partition_by=None)


_OPERATORS: list[tuple[tuple[type[sql.Expr], ...], Callable[[sql.Expr], _Changes]]] = [
    (tuple(_COMPARISONS), _comparison),
    (tuple(_SWAPS), _swap),
    ((sql.And, sql.Or), _connector),
    ((sql.Not,), _not),
    ((sql.Is, sql.In, sql.Between, sql.Like, sql.ILike, sql.Exists), _test),
    ((sql.Literal,), _literal),
    ((sql.Join,), _join),
    ((sql.Group,), _group),
    ((sql.Order,), _order),
    ((sql.Ordered,), _ordered),
    ((sql.Limit, sql.Offset), _limit),
    ((sql.Where, sql.Having), _clause),
    ((sql.Select,), _select),
    ((sql.Alias,), _alias),
    ((sql.Count,), _count),
    ((sql.Coalesce, sql.Round, sql.Cast, sql.Lower, sql.Upper, sql.Trim, sql.Abs, sql.Nullif), _wrapper),
    ((sql.Case,), _case),
    ((sql.Union,), _union),
    ((sql.Window,), _window),
]


def _is_join_condition(node: sql.Expr) -> bool:
    return isinstance(node.find_ancestor(sql.Join, sql.Select), sql.Join)


def _columns(select: sql.Select | None) -> list[sql.Column]:
    """The columns a query names, each once, in a copy of their own."""
    columns = select.find_all(sql.Column) if select else []
    return list({column.sql(): column.copy() for column in columns}.values())


def _result_names(select: sql.Select | None) -> list[str]:
    """The names a query gives to its result's columns."""
    return [expression.alias for expression in select.expressions if expression.alias] if select else []


def _optional_columns(select: sql.Select | None) -> list[sql.Column]:
    """A column of each table that a LEFT JOIN may leave empty."""
    joins = select.args.get("joins") or [] if select else []
    tables = {join.alias_or_name for join in joins if join.args.get("side") == "LEFT"}
    return list({column.table: column for column in _columns(select) if column.table in tables}.values())


def _sets(**arguments: object) -> _Change:
    """A change of a node's arguments."""

    def change(copy: sql.Expr) -> None:
        for name, value in arguments.items():
            copy.set(name, value.copy() if isinstance(value, sql.Expr) else value)

    return change


def _becomes(kind: type[sql.Expr]) -> _Change:
    """A change into a node of another kind with the same arguments."""
    return lambda copy: copy.replace(kind(**copy.copy().args))


def _unwrap(copy: sql.Expr) -> None:
    copy.replace(copy.this)


def _remove(copy: sql.Expr) -> None:
    copy.pop()


def _append(copy: sql.Expr, column: sql.Column) -> None:
    copy.append("expressions", column.copy())


def _drop(copy: sql.Expr, place: int, argument: str = "expressions") -> None:
    """Take one of a node's expressions away, and the node itself with its last."""
    kept = [other for position, other in enumerate(copy.args[argument]) if position != place]
    if kept:
        copy.set(argument, kept)
    else:
        copy.pop()


def _rename(copy: sql.Expr, name: str) -> None:
    """Give a column of the result another name, where the query sorts by it too."""
    order = copy.parent.args.get("order") if copy.parent else None
    for column in list(order.find_all(sql.Column)) if order else []:
        if column.name == copy.alias and not column.table:
            column.set("this", sql.to_identifier(name))
    copy.set("alias", sql.to_identifier(name))
