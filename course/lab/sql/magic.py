"""The `%%sql DB [--name NAME]` cell magic. Importing it is cheap; the engines are imported by the first database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course.lab.magic_line import read_line, variables_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from course.lab.sql.database import Database, Result

_USAGE = "Write %%sql and the name of a database, as in: %%sql shop --name my_query"


def load_magic(shell: InteractiveShell) -> None:
    """Register `%%sql` with a shell."""

    def sql(line: str, cell: str) -> None:
        """Run the cell's SQL on a database of the notebook: %%sql DB [--name NAME]

        DB is a variable that holds a Database or a running Postgres server. NAME becomes a variable that holds the
        text of the query, also where it fails, so that tests can run it on other data.
        """
        run_cell(line, cell, shell.user_ns)

    shell.magics_manager.register_function(sql, "cell", "sql")


def run_cell(line: str, cell: str, names: dict[str, Any]) -> None:
    """Run one `%%sql` cell: bind the query's name in `names`, then show what its statements return.

    Raises SQLError where the database refuses a statement, or where the line names no database.
    """
    from course.lab.sql.errors import SQLError
    from course.lab.sql.query import Query
    from course.lab.sql.statements import is_empty

    asked = read_line(line)
    if asked is None:
        raise SQLError("%%sql did not understand its line", f"%%sql {line}".strip(), hint=_USAGE)
    empty = is_empty(cell)
    if asked.name:
        names[asked.name] = Query(asked.name, "" if empty else cell.strip())
    if empty:
        _show_text("Nothing to run yet: write your SQL in this cell, then run it.")
        return
    for result in _database(asked.on, names).results(cell):
        _show(result)


def _database(name: str, names: Mapping[str, Any]) -> Database:
    from course.lab.sql.database import Database
    from course.lab.sql.errors import SQLError

    value = names.get(name)
    if isinstance(value, Database):
        return value
    database = getattr(value, "database", None)  # a running service
    if callable(database) and isinstance(found := database(), Database):
        return found
    known = variables_of(Database, names)
    raise SQLError(
        f"{name} is not a database" if name in names else f"There is no variable {name} in this notebook",
        "",
        hint=f"Databases here: {', '.join(known)}."
        if known
        else "Run the cell above that opens the database first.",
    )


def _show(result: Result) -> None:
    from course.lab.sql import tables

    rows = result.rows
    if rows is None:
        _show_text(_done(result))
        return
    drawn = (rows.columns, rows, rows.kinds, result.total)
    _display(tables.result_html(*drawn, more=result.more), tables.result_text(*drawn, more=result.more))


def _done(result: Result) -> str:
    if result.changed is None:
        return f"{result.verb}: done"
    return "1 row changed" if result.changed == 1 else f"{result.changed:,} rows changed"


def _show_text(text: str) -> None:
    from course.lab.sql import tables

    _display(tables.block(tables.note(text)), text)


def _display(html: str, text: str) -> None:
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]
