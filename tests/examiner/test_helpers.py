"""The names of course.lab in tests that run beside the student's kernel: each test agrees with what a notebook would say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from course.lab.failures import MIME
from tests.examiner.jobs import panel_of, text_of
from tests.examiner.submission import Submission


@pytest.fixture(scope="module")
def submission(zygote) -> Iterator[Submission]:
    with Submission(zygote) as submission:
        submission.run("%load_ext course")
        yield submission


@pytest.fixture
def check(submission):
    """Run a student's cell, then a test on it: first as when it is released, then as when it is graded."""

    def check(cell: str, test: str, **more: Any) -> dict[str, Any]:
        submission.run(cell)
        recorded = submission.examine(test, record=True, **more)
        graded = submission.examine(test, recording=recorded.pop("recording"), **more)
        assert graded["passed"] == recorded["passed"], (graded, recorded)
        return graded

    return check


# --- course.lab.testing ---------------------------------------------------------------------------------------------


def test_printed(check):
    verdict = check(
        "def greet(name, *, mark='!'):\n    print('Hello', name + mark)",
        "from course.lab import printed\n"
        "greet('before')\n"
        "assert printed(greet, 'Ada', mark='?') == 'Hello Ada?\\n'\n"
        "def own():\n    print('own')\n"
        "assert printed(own) == 'own\\n'\n"
        "print('after')",
    )
    assert verdict["passed"]
    assert text_of(verdict) == "Hello before!\nafter\n"


def test_what_the_students_code_prints_is_not_told_of_a_hidden_test(check):
    cell = "def greet():\n    print('LEAK')\n    return 1"
    verdict = check(
        cell,
        "from course.lab import printed\nassert greet() == 1 and printed(greet) == 'LEAK\\n'\nprint('own')",
        hidden=True,
    )
    assert verdict["passed"]
    assert text_of(verdict) == "own\n"
    failed = check(cell, "assert greet() == 2, 'no'", hidden=True)
    assert "LEAK" not in str(failed)


def test_what_the_students_code_writes_to_stderr_is_always_told_of(check):
    """nbgrader gives no points for a test cell with anything on stderr, whoever wrote it."""
    cell = "import sys\ndef warn():\n    print('LEAK', file=sys.stderr)"
    assert text_of(check(cell, "warn()"), "stderr") == "LEAK\n"
    hidden = text_of(check(cell, "warn()", hidden=True), "stderr")
    assert hidden
    assert "LEAK" not in hidden


def test_typing_in(check):
    cell = "def ask():\n    return [input('? '), input()]"
    test = (
        "from course.lab import typing_in\nimport pytest\n"
        "with typing_in('a', 'b'):\n"
        "    assert ask() == ['a', 'b']\n"
        "with typing_in('a'), pytest.raises(EOFError):\n"
        "    ask()\n"
    )
    assert check(cell, test)["passed"]


def test_given(check):
    cell = "per_cent = 5\ndef rate(amount):\n    return amount * per_cent // 100"
    test = (
        "from course.lab import given\n"
        "def test():\n"
        "    given(per_cent=7)\n"
        "    assert rate(200) == 14\n"
        "    assert per_cent == 7\n"
        "test()"
    )
    assert check(cell, test)["passed"]


def test_until(check):
    cell = (
        "import threading, time\n"
        "def later(call):\n"
        "    def run():\n        time.sleep(0.05)\n        call()\n"
        "    threading.Thread(target=run).start()"
    )
    test = (
        "from course.lab import until\n"
        "calls = []\n"
        "later(lambda: calls.append(1))\n"
        "assert until(lambda: calls, seconds=20) is True\n"
        "assert until(lambda: len(calls) > 1, seconds=0.05) is False"
    )
    assert check(cell, test)["passed"]


def test_files_are_the_students(check):
    cell = (
        "from pathlib import Path\n"
        "def copy(source, target):\n    Path(target).write_bytes(Path(source).read_bytes())"
    )
    test = (
        "from course.lab import read_file, write_file\nimport os, pytest\n"
        "write_file('in.txt', 'é\\r\\nb\\n')\n"
        "copy('in.txt', 'out.txt')\n"
        "assert read_file('out.txt') == 'é\\r\\nb\\n'\n"
        "assert not os.path.exists('out.txt')\n"
        "with pytest.raises(FileNotFoundError):\n    read_file('none.txt')"
    )
    assert check(cell, test)["passed"]


def test_shared(check):
    cell = (
        "class Timer:\n"
        "    def __init__(self, clock):\n        self.clock = clock; self.began = clock.now()\n"
        "    def passed(self):\n        self.clock.looks += 1; return self.clock.now() - self.began"
    )
    test = (
        "from course.lab import shared\n"
        "@shared\nclass Clock:\n"
        "    def __init__(self):\n        self.time = 10; self.looks = 0\n"
        "    def now(self):\n        return self.time\n"
        "clock = Clock()\ntimer = Timer(clock)\nclock.time += 5\n"
        "assert timer.passed() == 5 and clock.looks == 1"
    )
    assert check(cell, test)["passed"]


# --- servers --------------------------------------------------------------------------------------------------------

APP = """
from fastapi import FastAPI
app = FastAPI()

@app.get("/double/{number}")
def double(number: int) -> int:
    print("doubling")
    return 2 * number

@app.get("/broken")
def broken() -> int:
    return len(5)
"""


def test_serve_serves_the_students_app_where_it_lives(check):
    test = (
        "from course.lab import serve\nimport requests\n"
        "with serve(app, name='test') as server:\n"
        "    answer = requests.get(f'{server.url}/double/4', timeout=20)\n"
        "    server.docs()\n"
        "    logs = server.logs()\n"
        "assert answer.json() == 8 and 'doubling' in logs\n"
        "assert server.name == 'test' and server.url == f'http://127.0.0.1:{server.port}'\n"
        "try:\n    requests.get(server.url, timeout=20)\n"
        "except requests.ConnectionError:\n    pass\n"
        "else:\n    assert False, 'it should have been stopped'"
    )
    verdict = check(APP, test)
    assert verdict["passed"], verdict["outputs"]
    assert verdict["outputs"] == []


def test_the_panel_of_a_500_shows_what_the_app_raised(check):
    test = (
        "from course.lab import serve\nimport requests\n"
        "with serve(app) as server:\n"
        "    answer = requests.get(f'{server.url}/broken', timeout=20)\n"
        "assert answer.status_code == 200, 'Your code broke.'"
    )
    verdict = check(APP, test)
    assert not verdict["passed"]
    assert "TypeError: object of type 'int' has no len()" in panel_of(verdict)
    assert "return len(5)" in panel_of(verdict)


def test_what_is_no_app_is_refused_as_in_a_notebook(check):
    for cell in ("app = 5", "class App:\n    pass\napp = App()"):
        verdict = check(cell, "from course.lab import serve\nserve(app)")
        assert verdict["error"][0] == "ServeError"
        assert "is not an app" in verdict["error"][1]


def test_an_app_that_fails_to_start_says_so(check):
    cell = (
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    raise RuntimeError('no database')\n    yield\n"
        "app = FastAPI(lifespan=lifespan)"
    )
    verdict = check(cell, "from course.lab import serve\nserve(app)")
    assert verdict["error"][0] == "ServeError"
    assert "no database" in verdict["error"][1]


def test_a_server_that_is_gone_is_explained(check):
    test = (
        "from course.lab import serve\nimport requests\n"
        "with serve(app) as server:\n    url = server.url\n"
        "assert requests.get(url, timeout=20).status_code == 200"
    )
    failure = check(APP, test)["outputs"][0]["data"][MIME]
    assert failure["error"] == "ConnectionError"
    assert failure["message"].startswith("No server answers at this address")


def test_the_students_code_calls_a_server_of_the_test(check):
    cell = "import httpx\ndef ask(url):\n    return httpx.get(f'{url}/double/21', timeout=20).json()"
    test = (
        f"from course.lab import serve\n{APP}\nwith serve(app) as server:\n    assert ask(server.url) == 42"
    )
    assert check(cell, test)["passed"]


def test_a_server_with_a_forged_address_is_no_server(check):
    cell = f"{APP}\nfrom course.lab.serving.server import Server\nServer.port = property(lambda self: 'x', lambda self, port: None)"
    test = "from course.lab import serve\nserve(app)"
    try:
        assert not check(cell, test)["passed"]
    finally:
        check("del Server.port", "None")


# --- databases ------------------------------------------------------------------------------------------------------


def test_a_query_of_the_students_runs_on_the_tests_database(check):
    cell = "%%sql db --name cheap\nSELECT name FROM products WHERE price < 10 ORDER BY name"
    check("from course.lab.datasets import shop\ndb = shop()", "None")
    test = (
        "from course.lab import check_rows, run\nfrom course.lab.datasets import shop\n"
        "with shop(seed=3) as db:\n"
        "    expected = sorted(db.run('SELECT name FROM products WHERE price < 10'))\n"
        "    check_rows(run(cheap, on=db), expected, columns=['name'], ordered=True, message='Cheap ones.')"
    )
    assert check(cell, test)["passed"]
    wrong = check(cell.replace("<", ">"), test)
    assert wrong["error"][0] == "RowsDiffer"
    assert wrong["outputs"][0]["data"][MIME]["kind"] == "rows"
    assert wrong["outputs"][0]["data"][MIME]["message"] == "Cheap ones."


def test_a_query_runs_on_the_students_own_database(check):
    cell = (
        "from course.lab import sqlite\nmine = sqlite()\n"
        "mine.run('CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, \\'x\\')')"
    )
    test = (
        "from course.lab import check_rows, run\n"
        "rows = run('SELECT a, b FROM t', on=mine)\n"
        "assert rows.columns == ['a', 'b']\n"
        "check_rows(rows, [(1, 'x')])"
    )
    assert check(cell, test)["passed"]


def test_a_students_query_in_duckdb_reaches_no_file(check):
    check("from course.lab import duckdb\nlake = duckdb()", "None")
    cell = "%%sql lake --name numbers\nSELECT content FROM read_text('/proc/self/environ')"
    test = (
        "from course.lab import duckdb, run\n"
        "with duckdb() as db:\n"
        "    db.run(\"SELECT content FROM read_text('/proc/self/cmdline')\")\n"  # the test's own statements may
        "    run(numbers, on=db)"
    )
    name, message = check(cell, test)["error"]
    assert name == "SQLError"
    assert "disabled by configuration" in message


def test_the_students_code_uses_a_postgres_of_the_test(check):
    cell = (
        "import psycopg\n"
        "def insert(url, word):\n"
        "    with psycopg.connect(url) as db:\n        db.execute('INSERT INTO words VALUES (%s)', [word])"
    )
    test = (
        "from course.lab import postgres\n"
        "with postgres() as server:\n"
        "    server.database().run('CREATE TABLE words (word TEXT)')\n"
        "    insert(server.url, 'hello')\n"
        "    assert server.database().run('SELECT word FROM words') == [('hello',)]"
    )
    verdict = check(cell, test)
    assert verdict["passed"], verdict["outputs"]


# --- requests written by hand ---------------------------------------------------------------------------------------

ECHO = """
from course.lab import ask, serve
def echo(environ, start):
    answer = f"{word} {environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
"""


def test_a_request_of_the_students_goes_to_the_tests_server(check):
    check(f"word = 'theirs'\n{ECHO}\nshop = serve(echo, name='shop')", "None")
    test = (
        f"{ECHO}\nword = 'own'\n"
        "with serve(echo, name='test') as server:\n    answer = ask(mine, on=server)\n"
        "assert answer.status == 200 and answer.body == 'own GET /orders', 'Ask for the orders.'"
    )
    assert check("%%http shop --name mine\nGET /orders", test)["passed"]
    wrong = check("%%http shop --name mine\nGET /order", test)
    assert "own GET /order" in panel_of(wrong)
    assert check("%%http shop --name mine\nGTE /orders", test)["error"][0] == "HttpError"
    assert check("%%http shop --name mine\n# Write your request here", test)["error"][0] == "EmptyRequest"


def test_a_request_of_the_tests_goes_to_the_students_server(check):
    check(f"word = 'theirs'\n{ECHO}\nshop = serve(echo, name='shop')", "None")
    assert check("None", "from course.lab import ask\nassert ask('GET /', on=shop).body == 'theirs GET /'")[
        "passed"
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "class Text(str):\n    pass\nmine = Text('GET /orders')",
        "from course.lab.http import Request\nclass Mine(Request):\n    pass\nmine = Mine('mine', 'GET /orders')",
        "mine = 5",
    ],
)
def test_what_only_looks_like_a_request_is_refused(check, cell):
    test = f"{ECHO}\nword = 'own'\nwith serve(echo) as server:\n    ask(mine, on=server)"
    assert not check(cell, test)["passed"]


# --- what is shown of the student's objects -------------------------------------------------------------------------


def test_a_panel_shows_the_students_values(check):
    cell = "basket = ['tea', 'milk']\nclass Order:\n    def __repr__(self):\n        return '<b>Order</b>'\norder = Order()"
    failure = check(cell, "assert basket == ['tea'], 'Only tea.'")["outputs"][0]["data"][MIME]
    assert (failure["got"], failure["expected"]) == ("['tea', 'milk']", "['tea']")
    shown = check(cell, "assert order is None, 'None.'")["outputs"][0]["data"]
    assert "&lt;b&gt;Order&lt;/b&gt;" in shown["text/html"]
    assert "<b>Order</b>" not in shown["text/html"]


def test_a_panel_shows_where_the_students_code_raised(check, submission):
    cell = (
        "class Mine(Exception):\n    pass\n"
        "def deep(n):\n    if n:\n        return deep(n - 1)\n    raise Mine('my words')\n"
        "def shallow(x):\n    return x.missing\n"
        "async def later():\n    raise KeyError('late')\n"
        "def unsolved():\n    raise NotImplementedError('Write your code here, then delete this line')"
    )
    for test, name, line, steps in (
        ("assert deep(2) == 1", "Mine", "raise Mine('my words')", 3),
        ("assert shallow(1) == 1", "AttributeError", "return x.missing", 1),
        ("assert await later() == 1", "KeyError", "raise KeyError('late')", 1),
        ("import pytest\nwith pytest.raises(KeyError):\n    deep(0)", "Mine", "raise Mine('my words')", 1),
    ):
        failure = check(cell, test)["outputs"][0]["data"][MIME]
        assert failure["error"] == name
        assert failure["raised_line"]["code"] == line
        assert failure["raised_line"]["where"].startswith("In[")
        assert failure["traceback"].count("  In[") == steps + 1
        assert "course/examiner" not in failure["traceback"]
    failure = check(cell, "assert unsolved() == 1")["outputs"][0]["data"][MIME]
    assert failure["kind"] == "unsolved"
    assert failure["message"].startswith("You have not solved unsolved yet")


def test_an_error_of_the_students_cannot_draw_its_own_panel(check):
    cell = (
        "class Mine(AssertionError):\n"
        "    message = 'LEAK'\n"
        "    def _failure_details_(self):\n        return {'kind': 'rows', 'html': '<script>LEAK</script>', 'text': 'LEAK'}\n"
        "    def _render_traceback_(self):\n        return ['LEAK']\n"
        "def fail():\n    raise Mine('my words')"
    )
    for readable in (True, False):
        verdict = check(cell, "assert fail()", verbose=readable)
        assert verdict["error"] == ["Mine", "my words"]
        assert "LEAK" not in str(verdict)


def test_a_librarys_error_with_the_students_objects_in_it_is_shown_as_text(check):
    cell = (
        "from course.lab.sql.errors import SQLError\n"
        "class Title:\n"
        "    def replace(self, *_):\n        return '<script>LEAK</script>'\n"
        "    def __str__(self):\n        return 'a title'\n"
        "def fail():\n"
        "    error = SQLError('a title', 'a message')\n"
        "    error.title = error.message = error.hint = Title()\n"
        "    raise error"
    )
    verdict = check(cell, "assert fail()")
    assert not verdict["passed"]
    assert "LEAK" not in str(verdict)


def test_an_object_of_the_students_is_shown_by_its_repr_only(check):
    cell = "class Page:\n    def _repr_html_(self):\n        return '<script>LEAK</script>'\npage = Page()"
    verdict = check(cell, "page")
    assert "Page object" in verdict["outputs"][0]["data"]["text/plain"], verdict
    assert "LEAK" not in str(verdict)


@pytest.mark.parametrize("body", ["raise ValueError('no')", "return 5", "import os; os._exit(1)"])
def test_a_repr_that_fails_does_not_hide_the_failure(zygote, body):
    with Submission(zygote) as fresh:
        fresh.run(f"class Odd:\n    def __repr__(self):\n        {body}\nodd = Odd()")
        verdict, _ = fresh.begin("assert odd is None, 'It should be None.'", record=True)
    assert not verdict["passed"]
    assert verdict["outputs"][-1]["output_type"] == "error"
    assert verdict["error"] == ["AssertionError", "It should be None."]


def test_half_a_letter_can_be_stored(check):
    verdict = check("def odd():\n    print('\\ud800')\n    return '\\ud800'", "assert odd() == 'x', 'no'")
    assert not verdict["passed"]
    str(verdict).encode()


def test_a_test_that_takes_no_notice_of_a_foul_fails(submission):
    test = "try:\n    found = same == 5\nexcept BaseException:\n    pass"
    submission.run("same = 5")
    recording = submission.recorded(test)
    submission.run("class Same:\n    def __eq__(self, other):\n        return True\nsame = Same()")
    verdict = submission.examine(test, recording=recording)
    assert not verdict["passed"]
    assert "expected plain data" in verdict["complaint"]
    assert verdict["outputs"][-1]["output_type"] == "error"


# --- course.lab.programs --------------------------------------------------------------------------------------------

TILL = "%%program till\nname = input('Product? ')\ncount = int(input('How many? '))\ntotal = count * price\nprint(name, total)"


def test_run_program(check):
    verdict = check(
        TILL,
        "from course.lab import run_program\n"
        "ran = run_program(till, typing=['Mug', '3'], price=7)\n"
        "assert (ran.printed, ran.asked) == ('Mug 21\\n', ['Product? ', 'How many? '])\n"
        "assert ran.names['total'] == 21 and type(ran.names['total']) is int\n"
        "assert run_program(till, ['Cable', '1'], price=2).printed == 'Cable 2\\n'",
    )
    assert verdict["passed"], verdict


def test_run_program_raises_what_the_program_raises(check):
    verdict = check(
        TILL,
        "import pytest\nfrom course.lab import run_program\n"
        "with pytest.raises(ValueError):\n    run_program(till, typing=['Mug', 'three'], price=7)\n"
        "with pytest.raises(EOFError):\n    run_program(till, price=7)",
    )
    assert verdict["passed"], verdict


def test_run_program_of_something_else(check):
    verdict = check(
        "till = 'print(1)'",
        "from course.lab import run_program\nassert run_program(till).printed == '1\\n'",
    )
    assert not verdict["passed"]
    assert "%%program" in str(panel_of(verdict))
