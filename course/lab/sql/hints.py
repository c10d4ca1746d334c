"""Friendly hints for the commonest SQL mistakes, whatever the engine calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from course.lab.sql.statements import CLAUSES, tokens

Schema = Mapping[str, list[str]]  # table -> its columns

INVISIBLE = "There is a character that cannot be seen, perhaps pasted: delete it, or type the line anew."
MISSING_LINE = "A line is missing here: write it in the place of the comment."


@dataclass(frozen=True)
class _Failed:
    """The statement that failed, the tables that it could have read, and the words on the way to the engine's place.

    `before` is the word before that place, `clauses` are the first words of the clauses of its SELECT up to there; both
    are empty where the engine names no place.
    """

    sql: str
    schema: Schema
    before: str
    clauses: list[str]

    @property
    def clause(self) -> str:
        """The clause that the engine complains of."""
        return self.clauses[-1] if self.clauses else ""


def hint(message: str, sql: str, schema: Schema, position: int | None) -> str:
    """What to try; empty where nothing is known.

    `message` is the engine's own, `sql` the statement that failed, `position` the character of it that the message is
    about.
    """
    failed = _Failed(sql, schema, *_way_to(position or 0, sql))
    for pattern, advise in _ADVICE:
        if found := re.search(pattern, message, re.IGNORECASE):
            return advise(found, failed)
    return ""


def misspelt(word: str) -> str:
    """Which word may have been meant; empty where `word` resembles none, or is right."""
    close = get_close_matches(word.upper(), ["SELECT", *CLAUSES, "JOIN"], n=1, cutoff=0.7)
    return f"Is {word} meant to be {close[0]}?" if close and close[0] != word.upper() else ""


def _way_to(position: int, sql: str) -> tuple[str, list[str]]:
    """The word before a place in `sql`, and the first words of the clauses, up to there, of the SELECT around it."""
    brackets: list[list[str]] = [[]]
    before = ""
    for token in tokens(sql):
        if token.start >= position:
            break
        before = token.text.upper()
        if before == "(":
            brackets.append([])
        elif before == ")" and len(brackets) > 1:
            brackets.pop()
        elif before == "SELECT":
            brackets[-1] = [before]
        elif before in CLAUSES:
            brackets[-1].append(before)
    return before, next((words for words in reversed(brackets) if words[:1] == ["SELECT"]), [])


def _no_column(found: re.Match[str], failed: _Failed) -> str:
    sql, schema = failed.sql, failed.schema
    name = found[1].strip('"').split(".")[-1].strip('"')
    if f'"{name}"' in sql:
        return f"Double quotes mean a column name. For text write single quotes: '{name}'"
    owners = [table for table, columns in schema.items() if name.lower() in map(str.lower, columns)]
    used = {token.text.lower() for token in tokens(sql)}
    if owners and not any(owner.lower() in used for owner in owners):
        return f"{name} is a column of {_either(owners)}, which this query does not read: JOIN it."
    if re.search(rf"\bAS\s+{re.escape(name)}\b", sql, re.IGNORECASE):
        return f"{name} is a name that SELECT gives. WHERE, GROUP BY and HAVING may not know it yet: write its expression there."
    if owners:
        return f"{name} is a column of {_either(owners)}: is the name or alias before the dot the right one?"
    read = {table: columns for table, columns in schema.items() if table.lower() in used}
    columns = [column for columns in (read or schema).values() for column in columns]
    may_be_alias = failed.clause in ("HAVING", "ORDER") and "." not in found[1]
    if may_be_alias and (name.lower() in map(str.lower, schema) or not _similar(name, columns, 0.8)):
        if failed.clause == "ORDER":
            return f"ORDER BY uses the name {name}, but no column in SELECT has it: write AS {name}."
        return f"HAVING uses the name {name}, but there is no such column: write what is meant, such as count(...), in its place."
    return _similar(name, columns) or " ".join(
        f"{table} has the columns {', '.join(columns)}." for table, columns in read.items()
    )


def _not_grouped(found: re.Match[str], failed: _Failed) -> str:
    name = found[1].split(".")[-1]
    if failed.clause == "HAVING" and not any(name in columns for columns in failed.schema.values()):
        return _no_column(found, failed)  # DuckDB says the same of a column that does not exist
    if failed.clause == "HAVING":
        return f"HAVING chooses among groups, and the rows of a group may differ in {name}. A condition on single rows belongs in WHERE."
    if failed.clause == "ORDER":
        return f"One result row is made for each group, and its rows may differ in {name}: sort by what stands in GROUP BY, or by an aggregate."
    return "With an aggregate, every other column in SELECT must stand in GROUP BY: one result row is made for each group."


def _no_table(found: re.Match[str], failed: _Failed) -> str:
    schema = failed.schema
    close = _similar(found[1].strip('"').split(".")[-1], list(schema))
    tables = (
        f"This database has the tables {', '.join(schema)}." if schema else "This database has no tables yet."
    )
    return close or tables


def _similar(name: str, known: list[str], cutoff: float = 0.6) -> str:
    words = list(dict.fromkeys(word.lower() for word in known))
    close = get_close_matches(name.lower(), words, n=2, cutoff=cutoff)
    return f"Did you mean {_either(close)}?" if close else ""


def _either(names: list[str]) -> str:
    return " or ".join(names)


def _syntax(found: re.Match[str], failed: _Failed) -> str:
    near, before = found[1].upper(), failed.before
    if near == ":":
        return "A parameter like :name gets its value where the query is run: run(query, on=db, name=...)."
    if before == "," and near in (*CLAUSES, ")"):
        return f"There is a comma too many before {found[1]}."
    if near in ("WHERE", "HAVING") and near in failed.clauses:
        return f"Only one {near}: put AND between its conditions."
    if near in CLAUSES:
        order = [word for word in [*failed.clauses, near] if word in CLAUSES]
        if order != sorted(order, key=CLAUSES.index):
            return "Clauses have a fixed order: SELECT, FROM, JOIN ... ON, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT."
    if meant := misspelt(before):
        return meant
    return misspelt(found[1]) or (
        f"Look at what stands just before {found[1]}: a comma, bracket, quote or keyword may be missing or misspelt there."
    )


def _say(text: str) -> Callable[[re.Match[str], _Failed], str]:
    return lambda _found, _failed: text


_ADVICE: list[tuple[str, Callable[[re.Match[str], _Failed], str]]] = [
    (r"no such column: (\S+)", _no_column),
    (r"Referenced column (\"[^\"]+\")", _no_column),
    (r"column (\S+) does not exist", _no_column),
    (r"does not have a column named (\S+)", _no_column),
    (r"no such table: (\S+)", _no_table),
    (r"Table with name (\S+) does not exist", _no_table),
    (r"relation (\S+) does not exist", _no_table),
    (r"missing FROM-clause entry for table (\S+)|Referenced table (\S+) not found",
     _say("The name before the dot must be a table of this query, by its alias if it has one.")),
    (r"misuse of aggregate|WHERE clause cannot contain aggregates|aggregate functions are not allowed in WHERE",
     _say("WHERE looks at one row at a time, before there are groups. A condition on count(), sum(), avg(), min() or max() belongs in HAVING.")),
    (r"column \"([^\"]+)\" must appear in the GROUP BY clause", _not_grouped),
    (r"ambiguous column|ambiguous reference|is ambiguous",
     _say("Several tables of this query have a column of that name: write the table or its alias before it, as in c.name.")),
    (r"(?:incomplete input|at end of input)", _say("The text ends too early: is a bracket, a quote or the end of a clause missing?")),
    (r"unrecognized token: [\"']|unterminated (?:quoted|string)", _say("A quote that was opened is never closed.")),
    (r"near \"([^\"]+)\"", _syntax),
    (r"did not supply a value for binding", _say("A parameter like :name gets its value where the query is run: run(query, on=db, name=...).")),
    (r"no such function|Function with name|function .* does not exist", _say("Is the function's name spelt right, and does this engine have it? Engines differ here.")),
    (r"UNIQUE constraint|duplicate key", _say("A row with that value is there already, and it may occur only once.")),
    (r"NOT NULL constraint|violates not-null", _say("This column must have a value: name it in the INSERT and give it one.")),
    (r"foreign key constraint", _say("The row points to a row of another table that does not exist, or is pointed to by one.")),
    (r"out of memory|temp_file_limit", _say("The statement needs too much memory: is a join condition missing?")),
    (r"read-?only", _say("This data set is open for reading only.")),
    (r"same number of result columns|must have the same number of columns",
     _say("Both sides of UNION, INTERSECT or EXCEPT must have as many columns as each other.")),
]  # fmt: skip
