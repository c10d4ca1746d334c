"""Read the plans of PostgreSQL, DuckDB and SQLite as steps in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course.lab.sql.statements import tokens

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        words: what happens, in plain words.
        detail: the condition, key or index that the database names.
        term: what the database calls the step.
        inputs: the steps whose rows it takes.
        rows: how many rows it passed on; None where that is not known.
        read: how many rows it read from a table; None where it reads none, or that is not known.
        turns: how many times it was done.
        by_index: whether it finds its rows by an index.
    """

    words: str
    detail: str = ""
    term: str = ""
    inputs: tuple[Step, ...] = ()
    rows: int | None = None
    read: int | None = None
    turns: int = 1
    by_index: bool = False

    def with_inputs(self) -> Iterator[Step]:
        """This step after all that come before it."""
        for each in self.inputs:
            yield from each.with_inputs()
        yield self


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgresql_step(node: Said) -> Step:
    """The steps of a node of EXPLAIN (FORMAT JSON)."""
    kind = node["Node Type"]
    turns = int(node.get("Actual Loops", 1))
    ran = "Actual Rows" in node
    rows = round(node["Actual Rows"] * turns) if ran else None
    removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck")) * turns
    reads = kind in _POSTGRESQL_SCANS and rows is not None
    conditions = [node[key] for key in _POSTGRESQL_CONDITIONS if key in node]
    keys = [", ".join(node[key]) for key in ("Sort Key", "Group Key") if key in node]
    words = _POSTGRESQL.get(kind)
    when = {"SubPlan": "For each row of the outer query: ", "InitPlan": "First, once: "}
    return Step(
        words=when.get(node.get("Parent Relationship", ""), "") + (words(node) if words else kind),
        detail=_simple(" and ".join(dict.fromkeys([*conditions, *keys]))),
        term=" ".join(filter(None, [kind, node.get("Index Name")])),
        inputs=tuple(postgresql_step(each) for each in node.get("Plans", ())),
        rows=None if kind == "Bitmap Index Scan" else rows,
        read=(rows or 0) + round(removed) if reads else None,
        turns=max(turns, 1),
        by_index="Index" in kind,
    )


_TYPED = re.compile(r"(?P<value>'(?:[^']|'')*')::(?P<type>[a-z]+\d*(?: [a-z]+)*)")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_POSTGRESQL_SCANS = (
    "Seq Scan",
    "Index Scan",
    "Index Only Scan",
    "Bitmap Heap Scan",
    "Tid Scan",
    "Sample Scan",
)
_POSTGRESQL_CONDITIONS = ("Index Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter")


def _simple(condition: str) -> str:
    """A condition without the types of its values: '7'::smallint is simply 7."""

    def untyped(found: re.Match[str]) -> str:
        return found["value"][1:-1] if found["type"] in _NUMBERS else found["value"]

    return _TYPED.sub(untyped, condition)


def _named(words: str) -> Callable[[Said], str]:
    """Words with the names that a node tells in their places."""
    return lambda node: words.format(
        table=node.get("Relation Name", "the table"), index=node.get("Index Name", "an index")
    )


def _aggregate(node: Said) -> str:
    if node.get("Strategy") == "Plain":
        return "Makes one row of all rows: counts, sums or the like"
    return "Groups the rows: those with the same key become one row"


def _modify(node: Said) -> str:
    verb = {"Insert": "Adds rows to", "Update": "Changes rows of", "Delete": "Deletes rows of"}
    return f"{verb.get(node.get('Operation', ''), 'Changes')} {node.get('Relation Name', 'the table')}"


_POSTGRESQL: dict[str, Callable[[Said], str]] = {
    "Seq Scan": _named("Reads the table {table} row by row"),
    "Index Scan": _named("Finds rows of {table} by the index {index}"),
    "Index Only Scan": _named("Finds all it needs of {table} in the index {index} alone"),
    "Bitmap Index Scan": _named("Looks in the index {index} where the rows are"),
    "Bitmap Heap Scan": _named("Fetches just these rows of {table}"),
    "Hash": _named("Puts the rows into a hash table, to find each at once by its key"),
    "Hash Join": _named("Joins: looks the partners of each row up in the hash table"),
    "Nested Loop": _named("Joins: for each row of the first, looks for partners in the second"),
    "Merge Join": _named("Joins two sorted lists, going through both at once"),
    "Sort": _named("Sorts the rows"),
    "Incremental Sort": _named("Sorts the rows that are sorted in part already"),
    "Aggregate": _aggregate,
    "Group": _aggregate,
    "WindowAgg": _named("Computes the window functions"),
    "Limit": _named("Stops as soon as there are enough rows"),
    "Unique": _named("Leaves out rows that occur again"),
    "Append": _named("Puts the rows one after the other"),
    "Merge Append": _named("Merges sorted rows"),
    "Subquery Scan": _named("Takes the rows of the inner query"),
    "CTE Scan": _named("Takes the rows of the WITH query"),
    "Function Scan": _named("Takes the rows that a function makes"),
    "Values Scan": _named("Takes the rows that stand in the query"),
    "Result": _named("Makes a row without reading a table"),
    "Materialize": _named("Keeps the rows, to read them again"),
    "Memoize": _named("Keeps what was found, for rows that ask for the same"),
    "Gather": _named("Collects the rows of several workers"),
    "Gather Merge": _named("Collects the sorted rows of several workers"),
    "SetOp": _named("Compares two sets of rows"),
    "ModifyTable": _modify,
}


# --- DuckDB -----------------------------------------------------------------------------------------------------------


def duckdb_step(node: Said) -> Step | None:
    """The steps of a node of EXPLAIN (FORMAT json); None where there is only packing."""
    kind = str(node.get("type") or node.get("name")).strip()
    inputs = tuple(filter(None, (duckdb_step(each) for each in node.get("children", ()))))
    if kind in _DUCKDB_PACKING:  # passes the rows on as they are
        return inputs[0] if inputs else None
    told = node.get("extra_info", {})
    by_index = told.get("Type") == "Index Scan"
    table = str(told.get("Table", "")).split(".")[-1]
    if kind in ("TABLE_SCAN", "SEQ_SCAN") and table:
        words = f"Finds rows of {table} by an index" if by_index else f"Reads the table {table} row by row"
    else:
        words = _DUCKDB.get(kind, kind.replace("_", " ").capitalize())
    return Step(
        words=words,
        detail=" and ".join(_listed(told[key]) for key in _DUCKDB_DETAILS if key in told),
        term=f"{kind} {told['Type']}" if table and "Type" in told else kind,
        inputs=inputs,
        rows=None if kind in _DUCKDB_UNCOUNTED else node.get("intermediate_rows"),
        read=node.get("rows_scanned") if table else None,
        by_index=by_index,
    )


_DUCKDB_PACKING = ("RESULT_COLLECTOR", "EXPLAIN_ANALYZE", "PROJECTION", "STREAMING_LIMIT_PERCENT")
_DUCKDB_UNCOUNTED = ("CTE", "RECURSIVE_CTE", "UNION")  # DuckDB says 0 of them
_DUCKDB_DETAILS = ("Filters", "Conditions", "Expression", "Order By")
_DUCKDB = {
    "FILTER": "Keeps the rows that fit a condition",
    "HASH_JOIN": "Joins: puts the second rows into a hash table and looks the partners up there",
    "NESTED_LOOP_JOIN": "Joins: compares each row with each",
    "BLOCKWISE_NL_JOIN": "Joins: compares each row with each",
    "PIECEWISE_MERGE_JOIN": "Joins two sorted lists, going through both at once",
    "IE_JOIN": "Joins by comparing sorted rows",
    "CROSS_PRODUCT": "Pairs each row with each",
    "HASH_GROUP_BY": "Groups the rows: those with the same key become one row",
    "PERFECT_HASH_GROUP_BY": "Groups the rows: those with the same key become one row",
    "UNGROUPED_AGGREGATE": "Makes one row of all rows: counts, sums or the like",
    "SIMPLE_AGGREGATE": "Makes one row of all rows: counts, sums or the like",
    "ORDER_BY": "Sorts the rows",
    "TOP_N": "Keeps the first rows in the order asked for",
    "LIMIT": "Stops as soon as there are enough rows",
    "STREAMING_LIMIT": "Stops as soon as there are enough rows",
    "WINDOW": "Computes the window functions",
    "STREAMING_WINDOW": "Computes the window functions",
    "UNION": "Puts the rows one after the other",
    "CTE": "Keeps the rows of the WITH query",
    "CTE_SCAN": "Takes the rows of the WITH query",
    "DUMMY_SCAN": "Makes a row without reading a table",
    "COLUMN_DATA_SCAN": "Takes the rows that stand in the query",
    "EMPTY_RESULT": "Sees that no row can fit, and reads nothing",
    "INSERT": "Adds the rows to the table",
    "UPDATE": "Changes the rows in the table",
    "DELETE": "Deletes the rows from the table",
}


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- SQLite -----------------------------------------------------------------------------------------------------------


def sqlite_step(
    said: Sequence[tuple[int, int, str]], tables: Mapping[str, str], sizes: Mapping[str, int]
) -> Step | None:
    """The steps of EXPLAIN QUERY PLAN's rows (id, parent, detail).

    `tables` tells which table a name in the plan stands for, `sizes` how many rows that has.
    """

    def level(parent: int) -> Step | None:
        """SQLite lists nested loops one below the other: each takes the rows of the one before."""
        before: Step | None = None
        looping = False
        for number, above, detail in said:
            if above != parent:
                continue
            inputs = (before,) if before else ()
            before = _sqlite(detail, (*inputs, *within(number, detail)), tables, sizes, looping=looping)
            looping = looping or detail.startswith(("SCAN", "SEARCH"))
        return before

    def within(number: int, detail: str) -> Iterable[Step]:
        if detail.startswith(("COMPOUND", "MULTI-INDEX", "MERGE")):  # branches side by side
            found = [
                _sqlite(each, (inner,) if (inner := level(child)) else (), tables, sizes, looping=False)
                for child, above, each in said
                if above == number
            ]
        else:
            found = [inner] if (inner := level(number)) else []
        return found

    return level(0)


_SCAN = re.compile(r"SCAN (\S+)(?: USING (?:(COVERING) )?INDEX (\S+))?")
_SEARCH = re.compile(
    r"SEARCH (\S+) USING (?:(AUTOMATIC) )?(?:PARTIAL )?(?:(COVERING) )?(?:INDEX (\S+)|INTEGER PRIMARY KEY) ?(\(.*\))?"
)
_SQLITE = [
    (r"USE TEMP B-TREE FOR (?:LAST TERM OF |RIGHT PART OF )?ORDER BY", "Sorts the rows"),
    (r"USE TEMP B-TREE FOR GROUP BY", "Sorts the rows, so that those with the same key stand together, and groups them"),
    (r"USE TEMP B-TREE FOR", "Leaves out rows that occur again"),
    (r"CO-ROUTINE", "Gives the rows of an inner query, one at a time"),
    (r"MATERIALIZE", "Keeps the rows of an inner query"),
    (r"CORRELATED", "For each row: runs an inner query"),
    (r"(SCALAR|LIST) SUBQUERY", "Runs an inner query once"),
    (r"COMPOUND|MERGE", "Puts the results of several queries together"),
    (r"LEFT-MOST SUBQUERY", "Takes the rows of the first query"),
    (r"(UNION|EXCEPT|INTERSECT)", "Takes the rows of the next query"),
    (r"MULTI-INDEX OR", "Collects the rows of several indexes, each row once"),
    (r"INDEX \d+", "Takes the rows of one index"),
    (r"BLOOM FILTER", "Makes a quick filter that leaves out rows without partners"),
    (r"SCAN CONSTANT ROW", "Makes a row without reading a table"),
]  # fmt: skip


def _sqlite(
    detail: str,
    inputs: tuple[Step, ...],
    tables: Mapping[str, str],
    sizes: Mapping[str, int],
    *,
    looping: bool,
) -> Step:
    for pattern, words in _SQLITE:
        if re.match(pattern, detail):
            return Step(words, "", detail, inputs)
    each = "For each of these rows: " if looping else ""
    if found := _SCAN.match(detail):
        name, covering, index = found.groups()
        table = tables.get(name, name)
        size = f", from the first to the last of its {sizes[name]:,}" if name in sizes else ""
        how = (
            f"reads the index {index} from end to end" if covering
            else f"reads the table {table} in the order of the index {index}" if index
            else f"reads the table {table} row by row{size}"
        )  # fmt: skip
        return Step(_sentence(each + how), "", detail, inputs)
    if found := _SEARCH.match(detail):
        name, automatic, covering, index, key = found.groups()
        table = tables.get(name, name)
        if automatic:
            how = f"finds rows of {table} by an index that it makes for this query only"
        elif covering:
            how = f"finds all it needs of {table} in the index {index} alone"
        else:
            how = f"finds rows of {table} by {f'the index {index}' if index else 'its primary key'}"
        return Step(_sentence(each + how), (key or "").strip("()"), detail, inputs, by_index=True)
    return Step(_sentence(detail.lower()), "", detail, inputs)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def table_of(name: str, sql: str, tables: Iterable[str]) -> str | None:
    """The table that a name in a plan stands for: its own, or the one it is an alias of in the query."""
    known = {table.lower(): table for table in tables}
    if name.lower() in known:
        return known[name.lower()]
    words = [token.text.strip('"`').lower() for token in tokens(sql)]
    for at, word in enumerate(words):
        alias = [each for each in words[at + 1 : at + 3] if each != "as"][:1]
        if word in known and alias == [name.lower()]:
            return known[word]
    return None
