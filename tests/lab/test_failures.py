"""Each way in which a test cell fails, in a real kernel."""

from __future__ import annotations

from dataclasses import fields
from textwrap import dedent

import pytest

from course.grade_ids import exercise_tested
from course.lab.failures import Failure

SOLUTIONS = """\
import asyncio, collections, decimal
from dataclasses import dataclass

def status_class(code):
    return "2xx" if code < 300 else "err"

def total(cart):
    return sum(line["price"] for line in cart)

def average(prices):
    count = len(prices)
    return sum(prices) / count

def unsolved(order):
    raise NotImplementedError("Write your code here, then delete this line")

def parse(text):
    import json
    return json.loads(text)

def nothing(order):
    pass

def own_check(n):
    assert n > 0, "n must be positive"

async def fetch(order):
    return {"id": order}

class Shape:
    def area(self):
        raise NotImplementedError("a shape that has no area of its own")
"""


@pytest.fixture(scope="module", autouse=True)
def _solutions(kernel):
    kernel.run(SOLUTIONS)


def fails(kernel, source: str, cell: str | None = "orders-visible") -> Failure:
    """Run a cell that must fail without a word on stderr, and the failure that it shows."""
    ran = kernel.run(dedent(source), cell)
    assert ran.stream("stderr") == ""
    assert len(ran.error["traceback"]) == 1
    assert set(ran.failure) == {field.name for field in fields(Failure)}
    return Failure(**ran.failure)


ASSERTS = [
    ("assert status_class(404) == '4xx'", "status_class(404)", "'err'", "'4xx'"),
    ("assert '4xx' == status_class(404)", "status_class(404)", "'err'", "'4xx'"),
    ("expected = '4xx'\nassert expected == status_class(404)", "status_class(404)", "'err'", "'4xx'"),
    ("assert status_class(code=404) != 'err'", "status_class(code=404)", "'err'", "anything but 'err'"),
    ("assert status_class(404) in ('4xx', '5xx')", "status_class(404)", "'err'", "one of ('4xx', '5xx')"),
    ("assert '4' in status_class(404)", "status_class(404)", "'err'", "something that contains '4'"),
    ("assert 'e' not in status_class(404)", "status_class(404)", "'err'", "something without 'e'"),
    ("assert nothing(3) is not None", "nothing(3)", "None", "anything but None"),
    ("assert average([1, 2]) > 2", "average([1, 2])", "1.5", "more than 2"),
    ("assert 2 < average([1, 2])", "average([1, 2])", "1.5", "more than 2"),
    ("assert 1 < average([1, 2]) <= 1.4", "average([1, 2])", "1.5", "at most 1.4"),
    ("assert 1.6 < average([1, 2]) <= 2", "average([1, 2])", "1.5", "more than 1.6"),
    ("assert average([4]) == 4 and average([2]) == 3", "average([2])", "2.0", "3"),
    (
        "assert average([4]) == 4 and (average([2]) == 3 or not 5)",
        "average([2]) == 3 or not 5",
        "False",
        "True",
    ),
    ("assert average([4]) in (1, 2) or average([4]) == 7", "average([4])", "4.0", "one of (1, 2) or 7"),
    ("assert isinstance(average([4]), int)", "average([4])", "4.0", "a value of type int"),
    ("assert isinstance(average([4]), (int, str))", "average([4])", "4.0", "a value of type int or str"),
    ("assert not status_class(404)", "status_class(404)", "'err'", "False (or nothing: empty, 0, None)"),
    ("assert status_class(404).startswith('4')", "status_class(404).startswith('4')", "False", "True"),
    ("assert nothing(1)", "nothing(1)", "None", "not nothing"),
    ("assert parse('[1, 2]')[0] == 2", "parse('[1, 2]')[0]", "1", "2"),
    ("assert (await fetch(7))['id'] == 8", "(await fetch(7))['id']", "7", "8"),
    ("from __future__ import annotations\nassert average([1]) == 2", "average([1])", "1.0", "2"),
    ("def check(n):\n    assert average([n]) == 2\ncheck(7)", "average([7])", "7.0", "2"),
    ("%matplotlib --list\nassert average([1]) == 2", "average([1])", "1.0", "2"),
    ("x = 1; assert x; assert average([1]) == 2; assert 1 == 3", "average([1])", "1.0", "2"),
    ("assert (answer := average([1])) == 2", "(answer := average([1]))", "1.0", "2"),
    ("assert '€' == status_class(\n    404\n)", "status_class(404)", "'err'", "'€'"),
]


@pytest.mark.parametrize(("source", "call", "got", "expected"), ASSERTS)
def test_an_assert_shows_call_got_and_expected(kernel, source, call, got, expected):
    failure = fails(kernel, source)
    assert (failure.kind, failure.error) == ("assert", "AssertionError")
    assert (failure.call, failure.got, failure.expected) == (call, got, expected)


def test_without_a_cell_id_an_assert_is_explained_too(kernel):
    failure = fails(kernel, "assert status_class(404) == '4xx', 'Look at the first digit'", cell=None)
    assert (failure.cell, failure.headline, failure.message) == (None, "Not yet", "Look at the first digit")
    assert failure.got == "'err'"


def test_names_are_shown_with_their_values(kernel):
    failure = fails(
        kernel,
        """
        cart = [{"price": price} for price in range(20)]
        for code, want in [(200, "2xx"), (404, "4xx")]:
            assert total(cart) == 190
            assert status_class(code) == want, f"{code} is a client error"
        """,
    )
    assert failure.call == "status_class(404)"
    assert failure.names == {"code": "404"}
    assert failure.message == "404 is a client error"
    assert failure.expected == "'4xx'"
    assert failure.test_line == {
        "where": failure.test_line["where"],
        "number": 4,
        "code": "assert status_class(code) == want",
    }
    failure = fails(kernel, "assert total(cart) == 191")
    assert failure.call == "total(cart)"  # too long to stand in the call
    assert failure.names["cart"].startswith("[{'price': 0},")


def test_types_are_named_where_they_differ(kernel):
    failure = fails(kernel, "assert parse('\"3\"') == 3")
    assert (failure.got_type, failure.expected_type) == ("str", "int")
    failure = fails(kernel, "assert parse('4') == 3")
    assert (failure.got_type, failure.expected_type) == ("", "")


def test_containers_show_the_place_that_differs(kernel):
    failure = fails(kernel, "assert parse('{\"items\": [{\"price\": \"4\"}]}') == {'items': [{'price': 4}]}")
    assert failure.differences == [{"at": "['items'][0]['price']", "got": "'4'", "expected": "4"}]


def test_nothing_of_the_students_is_run_twice(kernel):
    kernel.run(
        dedent("""
        log = []
        class Sly:
            def __eq__(self, other): log.append("eq"); return False
            def __lt__(self, other): log.append("lt"); return False
            def __bool__(self): log.append("bool"); return False
            __hash__ = None
        def sly(n): log.append(n); return Sly()
        """)
    )
    for claim, log in [
        ("sly(1) == sly(2)", [1, 2, "eq"]),
        ("[sly(1)] == [3]", [1, "eq"]),
        ("sly(1) < sly(2) < sly(3)", [1, 2, "lt"]),
        ("sly(1) and sly(2)", [1, "bool"]),
        ("sly(1)", [1, "bool"]),
        ("sly(1) or not (1 and sly(2) or 3)", [1, "bool", 2, "bool"]),
    ]:
        kernel.run("log.clear()")
        fails(kernel, f"assert {claim}")
        assert kernel.run("print(log)").stream("stdout") == f"{log}\n"


def test_the_errors_own_words_are_the_authors(kernel):
    error = kernel.run("assert status_class(404) == '4xx', 'Look at the first digit'", "orders-visible").error
    assert (error["ename"], error["evalue"]) == ("AssertionError", "Look at the first digit")
    assert error["traceback"] == ["✗ orders-visible: not yet. See above."]


def test_an_unsolved_exercise(kernel):
    failure = fails(kernel, "assert unsolved(3) == 4, 'An order has a total'", "order-total-visible")
    assert failure.kind == "unsolved"
    assert failure.headline == "Not solved yet: order-total"
    assert failure.message.startswith(
        "You have not solved order-total yet: write your code in the cell above"
    )
    assert fails(kernel, "unsolved(3)", None).message.startswith("You have not solved unsolved yet")
    itself = fails(
        kernel, 'raise NotImplementedError("Write your code here, then delete this line")', "order-total"
    )
    assert itself.message.startswith("Write your code in place of the line")


def test_a_not_implemented_error_of_the_students_own_is_no_stub(kernel):
    failure = fails(kernel, "assert Shape().area() == 3")
    assert failure.kind == "raised"
    assert failure.got == "NotImplementedError: a shape that has no area of its own"


def test_a_name_that_does_not_exist(kernel):
    failure = fails(kernel, "assert orders_per_customer == 3")
    assert failure.kind == "missing"
    assert (
        failure.message
        == "`orders_per_customer` does not exist yet. Run the cell above first. If it ends with an error, mend that. "
        "Then run this test again."
    )
    assert "There is a `status_class`" in fails(kernel, "assert statusclass(3) == 3").message


def test_an_error_in_the_students_code_names_their_line(kernel):
    failure = fails(kernel, "assert average([]) == 0, 'No prices: the average is 0'")
    assert failure.kind == "raised"
    assert failure.headline == "Your code raised a ZeroDivisionError"
    assert "No prices" not in failure.message  # the author's words are about another mistake
    assert (failure.call, failure.got) == ("average([])", "ZeroDivisionError: division by zero")
    assert failure.expected == "0"
    assert failure.raised_line["number"] == 12
    assert failure.raised_line["code"] == "return sum(prices) / count"
    assert "Traceback (most recent call last)" in failure.traceback
    assert "interactiveshell" not in failure.traceback
    assert "  In[" in failure.traceback
    assert "/ipykernel_" not in failure.traceback


def test_an_error_in_a_case_comes_with_the_cases_message(kernel):
    test = (
        "def test():\n    for prices, message in [([2], 'One price'), ([], 'No prices: the average is 0')]:\n"
    )
    failure = fails(kernel, test + "        found = average(prices)\n        assert found, message\ntest()")
    assert failure.headline == "Your code raised a ZeroDivisionError"
    assert failure.message == "No prices: the average is 0"
    test += "        def call():\n            return average(prices)\n        assert call(), message\ntest()"
    assert fails(kernel, test).message == "No prices: the average is 0"
    cases = "def test():\n    message = 'Without prices'\n    found = average([])\n    assert found, message\ntest()"
    assert fails(kernel, cases).message == "Without prices"
    again = "    try:\n        average([])\n    except ZeroDivisionError:\n        message = 'No prices'\n        raise\n"
    assert (
        fails(kernel, f"def test():\n    message = 'x'\n    average([2])\n{again}test()").message
        == "No prices"
    )
    stale = cases.replace("found = average([])", "found = average([2])\n    average([])")
    assert "Without prices" not in fails(kernel, stale).message
    fails(kernel, "message = 'a name of the student'\naverage([])")
    assert "a name of" not in fails(kernel, "average([])").message


def test_an_error_inside_a_library_names_the_students_line(kernel):
    failure = fails(kernel, "assert parse('{') == {}")
    assert failure.raised_line["code"] == "return json.loads(text)"


def test_an_error_in_the_test_itself(kernel):
    failure = fails(kernel, "assert nothing(3)['id'] == 3")
    assert failure.headline == "The test stopped with a TypeError"
    assert failure.call == "nothing(3)['id']"
    assert failure.raised_line is None
    failure = fails(kernel, "code = 3\nresult = status_class(code, 4)")
    assert failure.call == "result = status_class(3, 4)"


def test_a_students_own_assert_is_their_error(kernel):
    failure = fails(kernel, "assert own_check(-1) is None")
    assert failure.headline == "Your code raised an AssertionError"
    assert failure.got == "AssertionError: n must be positive"


def test_an_exception_that_did_not_come(kernel):
    failure = fails(kernel, "import pytest\nwith pytest.raises(ValueError):\n    average([1])")
    assert (failure.kind, failure.call, failure.got, failure.expected) == (
        "raises",
        "average([1])",
        "no exception",
        "ValueError",
    )
    failure = fails(kernel, "import pytest\nwith pytest.raises(ValueError):\n    average([])")
    assert failure.got == "ZeroDivisionError: division by zero"
    assert failure.raised_line["code"] == "return sum(prices) / count"
    failure = fails(
        kernel, "import pytest\nwith pytest.raises(ZeroDivisionError, match='empty'):\n    average([])"
    )
    assert failure.got == "ZeroDivisionError: division by zero"
    assert failure.expected == "ZeroDivisionError with a message like 'empty'"


def test_an_exception_with_details_of_its_own(kernel):
    kernel.run(
        dedent("""
        class RowsDiffer(AssertionError):
            message = "One row is missing"
            def _failure_details_(self):
                return {"kind": "rows", "html": "<table id='rows'></table>", "text": "- Ines"}
        """)
    )
    ran = kernel.run("raise RowsDiffer('One row is missing\\nand more')", "orders-visible")
    assert ran.failure["kind"] == "rows"
    assert ran.failure["message"] == "One row is missing"
    assert "<table id='rows'></table>" in ran.html
    assert "  - Ines" in ran.text


def test_an_unwritten_query_is_unsolved(kernel):
    kernel.run("from course.lab import run, sqlite\nfrom course.lab.sql import Query\ndb = sqlite()")
    failure = fails(kernel, "run(Query('orders', ''), on=db)")
    assert (failure.kind, failure.headline) == ("unsolved", "Not solved yet: orders")
    assert failure.message.startswith("The query is empty: write your SQL")
    failure = fails(kernel, "run(Query('orders', 'SELECT 1 AS one,\\n-- Write your SQL here\\nFROM'), on=db)")
    assert failure.kind == "sql"
    assert failure.untried
    assert not fails(kernel, "run(Query('orders', 'SELEC 1'), on=db)").untried


ANSWER = """
import json
import requests

def answered(body, status=200, **headers):
    answer = requests.Response()
    answer.status_code, answer._content, answer._content_consumed = status, body.encode(), True
    answer.headers.update(headers)
    answer.request = requests.Request("GET", "http://shop.example/orders/7").prepare()
    return answer

order = answered('{"id": 7, "total": 5}', 200, location="/orders/7")
"""


@pytest.mark.parametrize(
    ("claim", "part", "place", "expected"),
    [
        ("order.status_code == 201", "Status", "", "201 Created"),
        ("201 == order.status_code", "Status", "", "201 Created"),
        ("answered('').status_code != 200", "Status", "", "anything but 200 OK"),
        ("order.status_code in (201, 202)", "Status", "", "one of (201 Created, 202 Accepted)"),
        ("order.json() == {'id': 7, 'paid': True}", "Body", "", '{"id": 7, "paid": true}'),
        ("order.json() == {7}", "Body", "", "{7}"),
        ("order.json()['total'] == 6", "Body", "json()['total']", "6"),
        ("set(order.json()) == {'id'}", "Body", "set(order.json())", "{'id'}"),
        ("'paid' in order.json()", "Body", "", "something that contains 'paid'"),
        ("order.text == 'fine'", "Body", "", "fine"),
        ("order.content == b''", "Body", "", "(empty)"),
        ("order.text.startswith('f')", "Body", "text.startswith('f')", "True"),
        ("order.headers['location'] == '/orders/8'", "Header location", "", "'/orders/8'"),
        ("order.headers.get('Content-Type') == 'text/plain'", "Content type", "", "'text/plain'"),
        ("'etag' in order.headers", "Headers", "", "something that contains 'etag'"),
        ("order.status_code == 200 and order.json() == []", "Body", "", "[]"),
    ],
)
def test_what_was_expected_of_a_response(kernel, claim, part, place, expected):
    kernel.run(ANSWER)
    (exchange,) = fails(kernel, f"assert {claim}").exchanges
    assert exchange["status"] == 200
    found = exchange["expectation"]
    assert (found["part"], found["place"], found["expected"]) == (part, place, expected)


def test_the_response_in_question_comes_first(kernel):
    kernel.run(ANSWER)
    first, second = fails(kernel, "other = answered('[]')\nassert other.json() == [order.json()]").exchanges
    assert (first["received"], second["expectation"]) == ("[]", None)
    assert first["expectation"]["expected"] == '[{"id": 7, "total": 5}]'
    (exchange,) = fails(kernel, "assert order.elapsed is None").exchanges
    assert exchange["expectation"] is None


def test_an_http_exchange_is_shown(kernel):
    kernel.run(
        dedent("""
        import requests, threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        class Orders(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(422)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"detail": [{"loc": ["body", "customer"], "msg": "Field required", "type": "missing"}]}')
            def do_GET(self):
                released.wait(10)
            def log_message(self, *args): pass
        released = threading.Event()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Orders)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        """)
    )
    for source in [
        "answer = requests.post(f'{url}/orders?dry=1', json={'customer': 'Ines'})\nassert answer.status_code == 201",
        "assert requests.post(f'{url}/orders?dry=1', json={'customer': 'Ines'}).status_code == 201",
        "answer = requests.post(f'{url}/orders?dry=1', json={'customer': 'Ines'})\nassert answer.json()['id'] == 1",
    ]:
        (exchange,) = fails(kernel, source).exchanges
        assert (exchange["method"], exchange["path"], exchange["sent"]) == (
            "POST",
            "/orders?dry=1",
            '{"customer": "Ines"}',
        )
        assert (exchange["status"], exchange["content_type"]) == (422, "application/json")
        assert '"msg": "Field required"' in exchange["received"]
    failure = fails(kernel, "answer = requests.get(f'{url}/slow', timeout=0.05)")
    assert failure.message.startswith("The server did not answer in time.")
    assert [(each["method"], each["path"], each["status"]) for each in failure.exchanges] == [
        ("GET", "/slow", None)
    ]
    kernel.run("released.set(); server.shutdown(); server.server_close()")
    assert fails(kernel, "requests.get(url)").message.startswith("No server answers at this address")


@pytest.mark.parametrize(
    ("cell", "exercise"),
    [
        ("orders-visible", "orders"),
        ("orders-hidden", "orders"),
        ("orders-hidden-ties", "orders"),
        ("orders", None),
        ("5f9d-visibly", None),
        (None, None),
    ],
)
def test_the_exercise_of_a_cell(cell, exercise):
    assert exercise_tested(cell) == exercise


TASKS = """\
import asyncio
async def stopped(order):
    raise LookupError(f"no order {order}")

async def together(orders, ask=stopped):
    async with asyncio.TaskGroup() as group:
        for order in orders:
            group.create_task(ask(order))
"""
STUBBED = """\
async def unsolved_order(order):
    raise NotImplementedError("Write your code here, then delete this line")
"""


def test_of_a_group_the_first_error_is_shown(kernel):
    kernel.run(TASKS)
    failure = fails(kernel, "async def test():\n    assert await together([7, 8]) is None\nawait test()")
    assert failure.headline == "Your code raised a LookupError"
    assert (failure.error, failure.got) == ("LookupError", "LookupError: no order 7")
    assert failure.raised_line["number"] == 3
    assert failure.raised_line["code"] == 'raise LookupError(f"no order {order}")'
    assert "(2 sub-exceptions)" in failure.traceback


def test_a_stub_in_a_group_is_a_stub(kernel):
    kernel.run(TASKS + STUBBED)
    failure = fails(kernel, "async def test():\n    await together([7], unsolved_order)\nawait test()")
    assert failure.kind == "unsolved"


def test_an_asynchronous_test_is_known_without_an_id(kernel):
    failure = fails(
        kernel, "async def test():\n    assert (await fetch(7))['id'] == 8\nawait test()", cell=None
    )
    assert (failure.got, failure.expected) == ("7", "8")


def test_of_a_with_statement_its_first_line_is_shown(kernel):
    kernel.run("class Door:\n    def __enter__(self): return self\n    def __exit__(self): pass")
    test = "text = 'other'\nwith Door() as door:\n    text = 'inside'\n    assert text == 'inside'"
    failure = fails(kernel, test)
    assert failure.call == "with Door() as door:\n    ..."
    assert failure.names == {}


def test_where_a_test_has_no_words_for_an_error_the_course_has(kernel):
    kernel.run("def share(n): return 1 // n\ndef report(n):\n    share = share(n)\n    return share")
    assert fails(kernel, "assert share(0) == 1").message.startswith("Nothing can be divided by 0")
    case = (
        "def test():\n    for n, message in [(0, 'For 0 it is 1.')]:\n        assert {} == 1, message\ntest()"
    )
    assert fails(kernel, case.format("share(n)")).message == "For 0 it is 1."
    assert fails(kernel, case.format("report(n)")).message.startswith("share is the name of a function")


@pytest.mark.parametrize("condition", ["asked", "not silent"])
def test_a_yes_or_no_with_a_message_needs_no_values(kernel, condition):
    failure = fails(kernel, f"asked, silent = False, True\nassert {condition}, 'Ask first.'")
    assert (failure.message, failure.call, failure.got, failure.expected) == ("Ask first.", "", "", "")
    assert fails(kernel, f"asked, silent = False, True\nassert {condition}").got in ("False", "True")


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("run_program(nobody_yet)", "begins with the line `%%program nobody_yet`"),
        ("run_commands(nobody_yet, on=3)", "ends with `--name nobody_yet`"),
        ("ask(nobody_yet, on=3)", "ends with `--name nobody_yet`"),
        ("run_commands('x', on=nobody_yet)", ""),
        ("assert noted_only == 890", "Write a `=` after it: `noted_only = ...`"),
    ],
)
def test_why_a_name_may_be_missing(kernel, test, why):
    kernel.run("noted_only: 890")
    message = fails(kernel, f"from course.lab import ask, run_commands, run_program\n{test}").message
    assert why in message
    assert ("--name" in message) == ("--name" in why)
