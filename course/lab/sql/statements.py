"""Read the text of a SQL cell: its statements, its words, its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

STUB = "-- Write your SQL here"
"""What stands in a released cell in place of the SQL that a student is to write."""

CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT")
"""The first words of a query's clauses after SELECT, in their order."""

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n\r]* | /\*.*?(?:\*/|\Z) )
    | (?P<text>    '(?:[^']|'')*(?:'|\Z) | \$(?P<tag>[A-Za-z_]\w*)\$.*?(?:\$(?P=tag)\$|\Z) | \$\$.*?(?:\$\$|\Z) )
    | (?P<quoted>  "(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) )
    | (?P<cast>    :: )
    | (?P<name>    :[A-Za-z_]\w* )
    | (?P<number>  \d[\w.]* )
    | (?P<word>    [^\W\d]\w* )
    | (?P<end>     ; )
    | (?P<other>   \S )
    """,
    re.VERBOSE | re.DOTALL,
)

# What a tested query may consist of, as words with one space between them.
_TESTED = re.compile(
    r"""
    (?: EXPLAIN\ (?: QUERY\ PLAN\ | ANALYZE\ | VERBOSE\ | \(\ [^()]*\)\ )* )?
    (?: \(\ )*
    (?:
        SELECT | WITH | VALUES | TABLE | FROM | PIVOT | UNPIVOT | DESCRIBE | SHOW | SUMMARIZE
      | INSERT | UPDATE | DELETE | MERGE | REPLACE | TRUNCATE
      | (?: CREATE | ALTER | DROP )\  (?: (?: OR\ REPLACE | TEMP | TEMPORARY | UNIQUE | RECURSIVE | MATERIALIZED )\ )*
        (?: TABLE | VIEW | INDEX | SEQUENCE | SCHEMA | TYPE | DOMAIN | TRIGGER | FUNCTION | MACRO )
    )\b
    """,
    re.VERBOSE,
)
_FIRST_OF_TWO = ("EXPLAIN", "CREATE", "ALTER", "DROP")


@dataclass(frozen=True)
class Token:
    """A word, literal or sign of SQL: its kind (a group of `_TOKEN`), text and place."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the next character stands."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Statement:
    """One statement of a cell: its text without the semicolon, where it starts in the cell, and its first word."""

    text: str
    start: int
    verb: str


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of `sql` without white space and comments; an unclosed quote reaches to the end."""
    for found in _TOKEN.finditer(sql):
        if found.lastgroup != "comment":
            yield Token(str(found.lastgroup), found[0], found.start())


def is_empty(sql: str) -> bool:
    """Whether there is nothing to run: white space, comments and semicolons only."""
    return all(token.kind == "end" for token in tokens(sql))


def missing_line(sql: str) -> int | None:
    """Where the stub still stands with nothing written below it before the next clause; None where it does not."""
    for found in re.finditer(re.escape(STUB), sql):
        after = next(tokens(sql[found.end() :]), None)
        if after is None or after.kind == "end" or after.text.upper() in (")", *CLAUSES):
            return found.start()
    return None


def untestable(statement: Statement) -> str:
    """What of a statement may not be part of a tested query; empty where it may.

    What may is listed, not what may not: engines have many verbs, and each skips other invisible characters before them.
    """
    first, *more = islice(tokens(statement.text), 100)
    words = [token.text.upper() if token.kind in ("word", "other") else "''" for token in (first, *more)]
    if _TESTED.match(" ".join(words)):
        return ""
    if first.kind != "word":
        return ascii(first.text[:20])
    return " ".join(words[: 2 if words[0] in _FIRST_OF_TWO else 1])


def split(sql: str) -> list[Statement]:
    """The statements of a cell. A semicolon in quotes, in a comment or in a trigger's body ends none."""
    statements: list[Statement] = []
    pending: list[Token] = []
    for token in tokens(sql):
        if token.kind == "end" and not _in_body(pending):
            statements += _statement(sql, pending)
            pending = []
        else:
            pending.append(token)
    return statements + _statement(sql, pending)


def _statement(sql: str, pending: list[Token]) -> list[Statement]:
    if not pending:
        return []
    start = pending[0].start
    return [Statement(sql[start : pending[-1].end], start, pending[0].text.upper())]


def _in_body(pending: list[Token]) -> bool:
    """Whether a semicolon here belongs to a body `CREATE ... BEGIN statement; statement; END`."""
    words = [token.text.upper() for token in pending]
    if (
        words[:1] != ["CREATE"]
        or "BEGIN" not in words
        or not {"TRIGGER", "FUNCTION", "PROCEDURE"} & set(words[:5])
    ):
        return False
    return words[-2:] != [";", "END"]


def replace_names(sql: str, mark: Callable[[str], str | None]) -> str:
    """Replace each parameter `:name` by `mark("name")`; where that is None it stays as it is."""
    parts: list[str] = []
    end = 0
    for token in tokens(sql):
        new = mark(token.text[1:]) if token.kind == "name" else None
        if new is not None:
            parts += [sql[end : token.start], new]
            end = token.end
    return "".join([*parts, sql[end:]])
