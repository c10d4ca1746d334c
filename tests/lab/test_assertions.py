from __future__ import annotations

import ast
import gc
import weakref

import pytest

from course.lab.assertions import MISSING, AssertNamer, PartValues


def named(source: str) -> str:
    return ast.unparse(AssertNamer().visit(ast.parse(source)))


def run(source: str, **names: object) -> dict[str, object]:
    tree = ast.fix_missing_locations(AssertNamer().visit(ast.parse(source)))
    exec(compile(tree, "<cell>", "exec"), names)
    return names


def test_each_computed_part_gets_a_name_and_loses_it_again():
    assert named("assert f(x) == 3") == "assert (@2 := ((@1 := f(x)) == 3))\n@1 = @2 = None"


@pytest.mark.parametrize(
    "source", ["assert ready", "assert True, 'always'", "assert (f(x), 'no message')", "x = 1"]
)
def test_what_needs_no_names_stays_as_it_is(source):
    assert named(source) == source


@pytest.mark.parametrize(
    "source",
    [
        "assert ask(1) < ask(2) < ask(3)",
        "assert not ask(5) < ask(4) < ask(3)",  # Python stops before asking for 3
        "assert ask(0) or ask(1)",
        "assert not (ask(0) and ask(1))",
        "assert [ask(1), {'a': ask(2)}][0] in (ask(1), *[ask(3)])",
        "assert (y := ask(2)) == 2 and y == ask(2)",
        "assert all(ask(n) for n in (1, 2))",
        "assert (lambda n: ask(n))(3) == 3",
        "assert f'{ask(1)}' == '1'",
        "assert ask(n=ask(1)) == 1",
        "assert max(*[ask(1)], **{'default': ask(2)}) == 1 if False else ask(1)",
        "assert [1, 2, 3][ask(0):ask(2)] == [1, 2]",
        "assert -ask(1) + ask(2) == 1",
        "class A:\n    x = ask(1)\n    assert x == ask(1)\n",
        "def g(n):\n    assert ask(n) == n\ng(4)",
    ],
)
def test_parts_are_evaluated_once_and_in_pythons_order(source):
    def asker():
        asked: list[int] = []

        def ask(n: int) -> int:
            asked.append(n)
            return n

        return ask, asked

    plain, plainly = asker()
    exec(source, {"ask": plain})
    ask, asked = asker()
    run(source, ask=ask)
    assert asked == plainly


def test_the_error_is_the_one_python_raises():
    with pytest.raises(AssertionError) as caught:
        run("assert 1 + 1 == 3, {'code': 404}")
    assert caught.value.args == ({"code": 404},)
    with pytest.raises(AssertionError) as caught:
        run("assert 1 + 1 == 3")
    assert caught.value.args == ()


def test_objects_do_not_live_longer_than_without_names():
    class Order: ...

    orders: weakref.WeakSet[Order] = weakref.WeakSet()

    def make() -> Order:
        order = Order()
        orders.add(order)
        return order

    run("assert make() is not None", make=make)
    gc.collect()
    assert len(orders) == 0


def test_values_are_read_from_the_frame_without_running_anything():
    source = "assert double(n) == 5 and never() == 1"
    with pytest.raises(AssertionError) as caught:
        run(source, double=lambda n: 2 * n, n=2, never=None)
    statement = ast.parse(source).body[0]
    assert isinstance(statement, ast.Assert)
    values = PartValues(statement, caught.traceback[-1].frame.raw)
    match statement.test:
        case ast.BoolOp(values=[ast.Compare(left=double, comparators=[five]), ast.Compare(left=never)]):
            assert (values[double], values[five], values[never]) == (4, 5, MISSING)
        case _:
            pytest.fail("the statement is another one")
