"""Mutants: each kind of slip is made, nothing that no test could see is, and no mutant is broken code."""

import ast

import pytest

from course.proof.mutants import line_changes, line_diff
from course.proof.mutants.http import http_mutants
from course.proof.mutants.python import python_mutants
from course.proof.mutants.sql import rendered, sql_mutants


def python_changes(source: str) -> set[str]:
    """The lines that mutants put in."""
    return {
        line[2:].strip()
        for mutant in python_mutants(source)
        for line in mutant.diff.splitlines()
        if line[0] == "+"
    }


def sql_queries(source: str) -> set[str]:
    """The mutants of a query, each in one line."""
    return {
        " ".join(mutant.source.split("\n", 1)[1].split()) for mutant in sql_mutants(f"%%sql shop\n{source}")
    }


@pytest.mark.parametrize(
    ("line", "mutated"),
    [
        ("x = a == b", "x = a != b"),
        ("x = a < b", "x = a <= b"),
        ("x = a < b", "x = a >= b"),
        ("x = a in b", "x = a not in b"),
        ("x = a is b", "x = a is not b"),
        ("x = a + b", "x = a - b"),
        ("x = a // b", "x = a / b"),
        ("x += 2", "x -= 2"),
        ("x += 2", "pass"),
        ("x = a and b", "x = a or b"),
        ("x = a and b", "x = a"),
        ("x = not a", "x = a"),
        ("x = -a", "x = a"),
        ("x = a if b else c", "x = a if not b else c"),
        ("x = 0", "x = 1"),
        ("x = 1", "x = 0"),
        ("x = 7", "x = 8"),
        ("x = 1.5", "x = 2.5"),
        ("x = 'paid'", "x = 'paidx'"),
        ("x = ''", "x = 'x'"),
        ("x = f'order {n}'", "x = f'order x{n}'"),
        ("x = True", "x = False"),
        ("raise ValueError", "pass"),
        ("save(x)", "pass"),
        ("seen[x] = 1", "pass"),
        ("await save(x)", "save(x)"),
        ("x = a[1:n]", "x = a[:n]"),
        ("x = a[1:n]", "x = a[1:n + 1]"),
        ("x = [a for a in b if a]", "x = [a for a in b]"),
        ("x = {'a': 1, 'b': 2}", "x = {'a': 1}"),
        ("x.append(a)", "x.insert(0, a)"),
        ("x = a.strip()", "x = a.lstrip()"),
        ("x = a.get(b, 0)", "x = a.get(b)"),
        ("x = min(a)", "x = max(a)"),
        ("x = any(a)", "x = all(a)"),
        ("x = sorted(a, key=f, reverse=True)", "x = sorted(a, reverse=True)"),
        ("x = sorted(a)", "x = list(a)"),
    ],
)
def test_each_slip_in_python_is_made(line, mutated):
    assert mutated in python_changes(line)


@pytest.mark.parametrize(
    ("source", "mutated"),
    [
        ("def f(n=10):\n    return n", "def f(n=11):"),
        ("def f(n=10):\n    return n", "def f(n):"),
        ("def f(n):\n    return n", "return None"),
        ("for a in b:\n    break", "continue"),
        ("for a in b:\n    continue", "break"),
        ("class A:\n    name: str\n    city: str", "pass"),
        ("class A:\n    @property\n    def f(self):\n        return 1", ""),
    ],
)
def test_each_slip_in_a_block_is_made(source, mutated):
    assert mutated in python_changes(source) or (
        mutated == "" and "decorator dropped" in {mutant.description for mutant in python_mutants(source)}
    )


def test_the_slips_of_web_code_are_made():
    changes = python_changes(
        '@app.get("/orders/{id}", response_model=Order, status_code=201)\n'
        "async def read(id: int, limit: Annotated[int, Query(ge=1, max_length=5)] = 10):\n"
        "    if id not in orders:\n"
        '        raise HTTPException(404, detail="no order")\n'
        "    raise HTTPException(status.HTTP_404_NOT_FOUND)\n"
    )

    assert {
        '@app.post("/orders/{id}", response_model=Order, status_code=201)',
        '@app.get("/orders/{id}", response_model=Order, status_code=200)',
        '@app.get("/orders/{id}", status_code=201)',
        '@app.get("/orders/{id}", response_model=Order)',
        "async def read(id: int, limit: Annotated[int, Query(gt=1, max_length=5)] = 10):",
        "async def read(id: int, limit: Annotated[int, Query(max_length=5)] = 10):",
        "async def read(id: int, limit: Annotated[int, Query(ge=2, max_length=5)] = 10):",
        "async def read(id: int, limit: Annotated[int, Query(ge=1)] = 10):",
        "async def read(id: int, limit: Annotated[int, Query(ge=1, max_length=5)] = 11):",
        'raise HTTPException(400, detail="no order")',
        'raise HTTPException(404, detail="no orderx")',
        "raise HTTPException(status.HTTP_400_BAD_REQUEST)",
        "pass",
    } <= changes


@pytest.mark.parametrize(
    "source",
    [
        "import json\nfrom math import pi",
        'def f(x: int | None) -> "Order":\n    """One order."""\n    ...',
        "x: list[int]",
        "print('order', 1)",
        "logger.info('order %s', 1)",
        "logging.getLogger('orders').warning('late')",
        "x = Field(description='an order', timeout=5)",
    ],
)
def test_what_no_test_could_see_stays(source):
    assert python_changes(source) <= {"pass", "x = Field()"}


def test_only_the_solution_is_broken():
    source = "limit = 10\n### BEGIN SOLUTION\nx = limit + 1\n### END SOLUTION\ny = 10\n"

    assert python_changes(source) == {"x = limit - 1", "x = limit + 2", "x = limit + 0"}
    assert all(mutant.source.startswith("limit = 10\n### BEGIN") for mutant in python_mutants(source))


def test_python_mutants_are_code_and_differ_from_each_other_and_the_reference():
    source = (
        "async def total(cart, *, tax=0.1, strict=True):\n"
        "    if not cart and strict:\n"
        "        raise ValueError(f'empty {cart!r}')\n"
        "    prices = [item['price'] for item in cart if item['price'] > 0]\n"
        "    while len(prices) > 10:\n"
        "        prices = prices[1:]\n"
        "    return round(sum(prices) * (1 + tax), 2)\n"
        "await total([])\n"
    )
    mutants = python_mutants(source)
    trees = [ast.dump(ast.parse(mutant.source)) for mutant in mutants]

    assert len(mutants) > 25
    assert len(set(trees)) == len(trees)
    assert ast.dump(ast.parse(source)) not in trees
    for mutant in mutants:
        compile(mutant.source, "mutant", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert mutant.diff == line_diff(source, mutant.source) != ""


def test_a_cell_magic_stays_and_a_cell_that_is_no_python_has_no_mutants():
    [mutant] = python_mutants("%%writefile app.py\nx = 5\n")

    assert mutant.source == "%%writefile app.py\nx = 6\n"
    assert python_mutants("!pip list") == []
    assert python_mutants("def f(:") == []


@pytest.mark.parametrize(
    ("query", "mutated"),
    [
        ("SELECT a FROM t JOIN u ON t.id = u.id", "SELECT a FROM t LEFT JOIN u ON t.id = u.id"),
        ("SELECT a FROM t LEFT JOIN u ON t.id = u.id", "SELECT a FROM t INNER JOIN u ON t.id = u.id"),
        ("SELECT a FROM t JOIN u ON t.id = u.id AND u.x > 1", "SELECT a FROM t JOIN u ON t.id = u.id"),
        ("SELECT a FROM t WHERE a < 3", "SELECT a FROM t WHERE a <= 3"),
        ("SELECT a FROM t WHERE a < 3", "SELECT a FROM t WHERE a < 4"),
        ("SELECT a FROM t WHERE a < 3", "SELECT a FROM t"),
        ("SELECT a FROM t WHERE a = 'x'", "SELECT a FROM t WHERE a = 'xx'"),
        ("SELECT a FROM t WHERE a AND b", "SELECT a FROM t WHERE a OR b"),
        ("SELECT a FROM t WHERE a AND b", "SELECT a FROM t WHERE b"),
        ("SELECT a FROM t WHERE NOT a", "SELECT a FROM t WHERE a"),
        ("SELECT a FROM t WHERE a IS NULL", "SELECT a FROM t WHERE NOT a IS NULL"),
        ("SELECT a FROM t WHERE a IS NOT NULL", "SELECT a FROM t WHERE a IS NULL"),
        ("SELECT a FROM t WHERE a IN (1, 2)", "SELECT a FROM t WHERE NOT a IN (1, 2)"),
        ("SELECT a, SUM(b) FROM t GROUP BY a, c", "SELECT a, SUM(b) FROM t GROUP BY a"),
        ("SELECT a, SUM(b) FROM t GROUP BY a", "SELECT a, SUM(b) FROM t"),
        ("SELECT a, SUM(b) FROM t GROUP BY a", "SELECT a, SUM(b) FROM t GROUP BY a, b"),
        ("SELECT a, SUM(b) FROM t GROUP BY a", "SELECT a, AVG(b) FROM t GROUP BY a"),
        ("SELECT a, MIN(b) FROM t GROUP BY a", "SELECT a, MAX(b) FROM t GROUP BY a"),
        ("SELECT a FROM t GROUP BY a HAVING COUNT(*) > 1", "SELECT a FROM t GROUP BY a"),
        ("SELECT a FROM t GROUP BY a HAVING COUNT(*) > 1", "SELECT a FROM t GROUP BY a HAVING COUNT(*) <= 1"),
        ("SELECT a FROM t ORDER BY a, b DESC", "SELECT a FROM t"),
        ("SELECT a FROM t ORDER BY a, b DESC", "SELECT a FROM t ORDER BY a DESC, b DESC"),
        ("SELECT a FROM t ORDER BY a, b DESC", "SELECT a FROM t ORDER BY a"),
        ("SELECT a FROM t LIMIT 3", "SELECT a FROM t LIMIT 4"),
        ("SELECT a FROM t LIMIT 3", "SELECT a FROM t"),
        ("SELECT DISTINCT a FROM t", "SELECT a FROM t"),
        ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
        (
            "SELECT COUNT(u.a) FROM t LEFT JOIN u ON t.id = u.id",
            "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id",
        ),
        (
            "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id",
            "SELECT COUNT(u.id) FROM t LEFT JOIN u ON t.id = u.id",
        ),
        ("SELECT COUNT(DISTINCT a) FROM t", "SELECT COUNT(a) FROM t"),
        ("SELECT COALESCE(a, 0) FROM t", "SELECT a FROM t"),
        ("SELECT COALESCE(a, 0) FROM t", "SELECT COALESCE(a, 1) FROM t"),
        ("SELECT ROUND(a, 1) FROM t", "SELECT a FROM t"),
        ("SELECT a AS b FROM t ORDER BY b", "SELECT a AS b_x FROM t ORDER BY b_x"),
        ("SELECT a, b FROM t", "SELECT a FROM t"),
        ("SELECT a + b FROM t", "SELECT a - b FROM t"),
        ("SELECT a FROM t UNION SELECT a FROM u", "SELECT a FROM t UNION ALL SELECT a FROM u"),
        ("SELECT a FROM t EXCEPT SELECT a FROM u", "SELECT a FROM t INTERSECT SELECT a FROM u"),
        ("SELECT SUM(a) OVER (PARTITION BY b) FROM t", "SELECT SUM(a) OVER () FROM t"),
        ("SELECT CASE WHEN a THEN 'b' ELSE 'c' END FROM t", "SELECT CASE WHEN a THEN 'b' END FROM t"),
    ],
)
def test_each_slip_in_sql_is_made(query, mutated):
    assert mutated in sql_queries(query)


def test_slips_that_change_nothing_are_not_made():
    grouped = sql_queries(
        "SELECT c.id, c.name, COUNT(o.id) AS n FROM c LEFT JOIN o ON o.customer_id = c.id "
        "WHERE c.city = 'Oslo' GROUP BY c.id, c.name"
    )

    assert {
        query.split("GROUP BY ")[1] for query in grouped if "c.name, " in query.split("GROUP BY ")[1]
    } == {"c.id, c.name, o.id"}, "all others follow from the id"
    assert not any(query.endswith("GROUP BY c.id") for query in grouped), "the name follows from the id"
    assert any(query.endswith("GROUP BY c.name") for query in grouped)
    assert not any("SELECT DISTINCT" in query for query in grouped), "there is one row for each id"
    assert not any("<>" in query for query in sql_queries("SELECT a FROM t JOIN u ON t.id = u.id"))


def test_only_one_query_that_sqlglot_can_read_has_mutants():
    assert sql_mutants("%%sql shop\nSELECT FROM WHERE (") == []
    assert sql_mutants("%%sql shop\n") == []
    assert sql_mutants("%%sql shop\nSELECT 1; SELECT 2") == []
    assert rendered("%%sql shop\nSELECT FROM WHERE (") is None


def test_the_reference_is_laid_out_as_its_mutants_are():
    source = "%%sql shop --name q\n-- BEGIN SOLUTION\nselect a from t -- all\nwhere a > 1\n-- END SOLUTION\n"

    assert rendered(source) == "%%sql shop --name q\nSELECT\n  a\nFROM t\nWHERE\n  a > 1"
    assert all(mutant.source.startswith("%%sql shop --name q\nSELECT") for mutant in sql_mutants(source))
    assert "- WHERE\n-   a > 1" in [mutant.diff for mutant in sql_mutants(source)]


def test_a_query_is_read_in_the_dialect_it_is_written_in():
    assert "CAST" not in str(
        rendered("%%sql duck\nSELECT a FROM t WHERE b ILIKE 'x%' QUALIFY row_number() OVER () = 1")
    )
    assert any(
        "a::INT" in query or "CAST(a AS INT" in query for query in sql_queries("SELECT a::INT, b FROM t")
    )


def test_changed_lines_leave_out_context_headers_and_indentation():
    diff = "--- reference\n+++ mutant\n@@ -1 +1 @@\n kept\n-    a < b\n+    a <= b\n"

    assert line_changes(diff) == ("-a < b", "+a <= b")


def test_slips_in_requests() -> None:
    source = (
        "%%http shop --name placed\n# BEGIN SOLUTION\nPOST /orders/12?word=cable&page=2 HTTP/1.1\nAccept: text\n\n"
        "id=3\n# END SOLUTION"
    )
    changes = {mutant.diff for mutant in http_mutants(source)}
    line = "POST /orders/12?word=cable&page=2 HTTP/1.1"
    for broken in (
        "GET /orders/12?word=cable&page=2 HTTP/1.1",
        "POST /orders/13?word=cable&page=2 HTTP/1.1",
        "POST /order/12?word=cable&page=2 HTTP/1.1",
        "POST /orders?word=cable&page=2 HTTP/1.1",
        "POST /orders/12 HTTP/1.1",
        "POST /orders/12?page=2 HTTP/1.1",
        "POST /orders/12?word=cabl&page=2 HTTP/1.1",
        "POST /orders/12?word=cable&page=3 HTTP/1.1",
    ):
        assert f"- {line}\n+ {broken}" in changes
    assert {f"- {line}", "- Accept: text", "- ", "- id=3", "- id=3\n+ id=4"} <= changes
    assert "- Accept: text\n+ Accept: tex" in changes
    assert all("SOLUTION" not in change and "%%http" not in change for change in changes)


def test_a_request_without_marks_keeps_its_magic_line() -> None:
    assert all(mutant.source.startswith("%%http shop") for mutant in http_mutants("%%http shop\nGET /orders"))
