from __future__ import annotations

from dataclasses import dataclass

import pytest

from course.lab.differences import Difference, differences, show


@dataclass
class Order:
    id: int
    items: list[str]


@pytest.mark.parametrize(
    ("got", "expected", "found"),
    [
        ([1, 2, 3], [1, 2, 4], [("[2]", "3", "4")]),
        ([1], [1, 2], [("[1]", "nothing", "2")]),
        ((1, 2, 3), (1, 2), [("[2]", "3", "nothing")]),
        ({"a": [{"price": "4"}]}, {"a": [{"price": 4}]}, [("['a'][0]['price']", "'4'", "4")]),
        ({"a": 1}, {"b": 1}, [("['a']", "1", "nothing"), ("['b']", "nothing", "1")]),
        ({1, 2}, {2, 3}, [("in the set", "1", "nothing"), ("in the set", "nothing", "3")]),
        ("a\nb\nc", "a\nB\nc", [("line 2", "'b\\n'", "'B\\n'")]),
        (
            "The order was shipped",
            "The order was skipped",
            [("around character 16", "'er was shipped'", "'er was skipped'")],
        ),
        (Order(1, ["tea"]), Order(1, ["milk"]), [(".items[0]", "'tea'", "'milk'")]),
        (3, 4, []),
        ("tea", "milk", []),
        ([1], (1,), []),
        ([True, 1.0], [1, 1], []),
    ],
)
def test_the_place_that_differs(got, expected, found):
    assert differences(got, expected) == [Difference(*each) for each in found]


def test_only_the_first_ten_are_listed():
    assert len(differences(list(range(100_000)), [None] * 100_000)) == 10


def test_a_students_own_equality_is_never_asked():
    class Sly:
        def __eq__(self, other):
            raise AssertionError("asked")

        def __repr__(self):
            return "Sly()"

    assert differences([Sly()], [Sly()]) == []
    assert differences([Sly()], [1]) == [Difference("[0]", "Sly()", "1")]


def test_show_keeps_values_short_and_survives_a_broken_repr():
    class Broken:
        def __repr__(self):
            raise ValueError("no")

    assert show([Broken()]) == "[<Broken object whose repr raised ValueError>]"
    assert len(show("x" * 100_000)) < 1300
    assert len(show(list(range(1_000_000)))) < 400
    assert show({"rows": [list(range(50))] * 3, "kind": "a long list of short lists"}).count("\n") == 0
    nested: list[object] = []
    nested.append(nested)
    assert show(nested).startswith("[[")
    assert show({"b": 1, "a": 2}) == "{'b': 1, 'a': 2}"
    assert show([{"name": "Ines", "city": None, "id": number} for number in range(3)]).count("\n") == 2
