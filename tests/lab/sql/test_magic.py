"""`%%sql` in a real shell: what it shows, what it binds, and what it says when it cannot run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

from course.lab.services import Postgres
from course.lab.sql import Query, SQLError, run, sqlite
from course.lab.sql.magic import load_magic


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own there
    shell = InteractiveShell.instance()
    load_magic(shell)
    db = sqlite()
    db.run(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO people VALUES (1, 'Ada'), (2, NULL)"
    )
    shell.user_ns["db"] = db
    yield shell
    db.close()
    shell.reset(new_session=False)
    InteractiveShell.clear_instance()


def shown(shell: InteractiveShell, cell: str) -> list[RichOutput]:
    with capture_output() as output:
        shell.run_cell(cell).raise_error()
    assert output.stderr == ""
    return output.outputs


def text(output: RichOutput) -> str:
    return str(output.data["text/plain"])


def test_the_result_is_shown_and_the_query_kept(shell: InteractiveShell) -> None:
    (table,) = shown(shell, "%%sql db --name everybody\nSELECT * FROM people ORDER BY id\n")
    assert text(table).splitlines() == ["id | name", "---+-----", " 1 | Ada", " 2 | NULL", "2 rows"]
    assert "<table>" in table.data["text/html"]
    assert shell.user_ns["everybody"] == Query("everybody", "SELECT * FROM people ORDER BY id")
    assert run(shell.user_ns["everybody"], on=shell.user_ns["db"]) == [(1, "Ada"), (2, None)]


def test_without_a_name_nothing_is_bound(shell: InteractiveShell) -> None:
    before = {name for name in shell.user_ns if not name.startswith("_")}
    shown(shell, "%%sql db\nSELECT 1")
    assert {name for name in shell.user_ns if not name.startswith("_")} == before


def test_several_statements_show_several_results(shell: InteractiveShell) -> None:
    outputs = shown(
        shell,
        "%%sql db\nINSERT INTO people VALUES (3, 'Cy'), (4, 'Di'), (5, 'Ed');\nUPDATE people SET name = 'Al' WHERE id = 1;\n"
        "SELECT count(*) AS n FROM people;\nCREATE TABLE t (x INT);\nEXPLAIN QUERY PLAN SELECT * FROM people",
    )
    assert [text(output).splitlines()[0] for output in outputs[:2]] == ["3 rows changed", "1 row changed"]
    assert text(outputs[2]).splitlines()[2] == "5"
    assert text(outputs[3]) == "CREATE: done"
    assert "SCAN people" in text(outputs[4])
    assert shell.user_ns["db"].run("SELECT count(*) FROM people") == [(5,)]  # committed


def test_results_before_an_error_stay_visible(shell: InteractiveShell) -> None:
    with capture_output() as output:
        result = shell.run_cell("%%sql db --name two\nSELECT 1 AS one; SELECT nonsense")
    assert isinstance(result.error_in_exec, SQLError)
    assert text(output.outputs[0]).startswith("one")
    assert shell.user_ns["two"].text == "SELECT 1 AS one; SELECT nonsense"


def test_a_stub_binds_an_empty_query_and_raises_nothing(shell: InteractiveShell) -> None:
    (said,) = shown(shell, "%%sql db --name todo\n-- Write your SQL here\n")
    assert "write your SQL" in text(said)
    assert shell.user_ns["todo"] == Query("todo", "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%sql", "Write %%sql and the name of a database"),
        ("%%sql db --nam q", "Write %%sql and the name of a database"),
        ("%%sql db --name 2q", "Write %%sql and the name of a database"),
        ("%%sql nowhere", "There is no variable nowhere"),
        ("%%sql number", "number is not a database"),
    ],
)
def test_a_wrong_first_line_says_what_to_write(shell: InteractiveShell, line: str, words: str) -> None:
    shell.user_ns["number"] = 3
    with capture_output():
        error = shell.run_cell(f"{line}\nSELECT 1").error_in_exec
    assert isinstance(error, SQLError)
    assert words in error._failure_details_()["text"]


def test_a_missing_database_names_those_there_are(shell: InteractiveShell) -> None:
    with capture_output():
        error = shell.run_cell("%%sql nowhere\nSELECT 1").error_in_exec
    assert isinstance(error, SQLError)
    assert error.hint == "Databases here: db."


def test_without_the_panel_the_whole_story_is_printed_and_no_traceback(shell: InteractiveShell) -> None:
    with capture_output() as output:
        shell.run_cell("%%sql db\nSELECT nam FROM people")
    assert "Did you mean name?" in output.stdout
    assert "Traceback" not in output.stdout


def test_a_query_that_is_not_written_yet_is_said_in_one_line(shell: InteractiveShell) -> None:
    with capture_output() as output:
        shell.run_cell("%%sql db --name todo\n-- Write your SQL here")
        shell.run_cell("from course.lab import run\nrun(todo, on=db)")
    assert output.stdout.strip() == (
        "EmptyQuery: The query is empty: write your SQL in the cell above and run it first."
    )


def test_a_running_server_is_a_database(shell: InteractiveShell, server: Postgres) -> None:
    shell.user_ns["pg"] = server
    (version,) = shown(shell, "%%sql pg\nSHOW server_version")
    assert text(version).startswith("server_version")
    shown(shell, "%%sql pg\nBEGIN")
    assert server.database().run("SELECT now() = statement_timestamp() AS a") is not None
    shown(shell, "%%sql pg\nROLLBACK")


def test_only_the_first_rows_of_many_are_kept(shell: InteractiveShell) -> None:
    (table,) = shown(
        shell,
        "%%sql db\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n",
    )
    assert text(table).endswith("first 20 of 5,000 rows")


def test_the_magic_is_cheap_to_import() -> None:
    """Nothing heavy comes with it: no pandas, no engine."""
    heavy = "{'pandas', 'duckdb', 'psycopg', 'sqlalchemy', 'sqlite3', 'numpy'}"
    code = f"import sys, course.lab.sql.magic, course.lab.sql; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
