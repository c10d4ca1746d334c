"""Names and objects: identity, copies, changes, bounds, and classes that misbehave."""

from __future__ import annotations

import copy
import gc
import weakref
from collections import defaultdict
from typing import Any

import pytest

from course.lab.pictures import memory
from course.lab.pictures.memory import show_names


@pytest.fixture(autouse=True)
def nothing_drawn_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_last", None)


def test_two_names_of_one_list_point_to_one_object() -> None:
    a = [1, 2]
    said = repr(show_names(a=a, b=a, other=[1, 2]))
    assert "a → #1\nb → #1\nother → #2" in said
    assert "a and b are names of the same object, #1." in said


def test_a_shallow_copy_shares_what_a_deep_one_copies() -> None:
    a = [[1]]
    picture = show_names(a=a, shallow=copy.copy(a), deep=copy.deepcopy(a))
    inner = {row.key: picture.things[int(row.value)].rows[0].value for row in picture.names}
    assert inner["a"] == inner["shallow"] != inner["deep"]


def test_the_next_picture_says_what_has_changed() -> None:
    a, n, unchanged = {"k": 1, "gone": 0}, 1, [1]
    show_names(a=a, n=n, unchanged=unchanged)
    a["k"] = 2
    a["new"] = 3
    del a["gone"]
    n += 1
    picture = show_names(a=a, n=n, unchanged=unchanged, fresh=[0])
    assert "n = 2   [was 1]" in repr(picture)
    assert "#1 (dict) is changed: 'k' was 1, 'new' added, 'gone' gone." in picture.sentences()
    assert picture.things[2].note == ""
    assert picture.things[3].note == "new"


def test_a_set_says_what_came_and_went() -> None:
    a = {1, 2}
    show_names(a=a)
    a ^= {2, 3}
    assert "#1 (set) is changed: 3 added, 2 gone." in show_names(a=a).sentences()


def test_a_rebound_name_points_to_a_new_object() -> None:
    a = [1]
    show_names(a=a)
    a = [*a, 2]
    assert "a → #2   [was → #1]" in repr(show_names(a=a))


def test_pictures_are_bounded_and_say_so() -> None:
    picture = show_names(long=list(range(105)), many=[[[i, [i]] for i in range(8)] for _ in range(8)])
    assert "... 97 more" in repr(picture)
    assert len(picture.things) == memory._MOST_OBJECTS
    assert "the rest is not drawn" in repr(picture)


def test_a_list_that_holds_itself_is_drawn_once() -> None:
    a: list[Any] = []
    a.append(a)
    picture = show_names(a=a)
    assert len(picture.things) == 1
    assert "<path" in picture._repr_html_()


def test_no_method_of_a_students_class_is_called_and_no_text_is_html() -> None:
    class Loud(dict[str, int]):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

        __iter__ = __len__ = __eq__ = __repr__ = __getitem__ = items = __getattribute__  # type: ignore[assignment]
        __hash__ = None  # type: ignore[assignment]

    class Slotted:
        __slots__ = ("never", "x")

        def __init__(self) -> None:
            self.x = "<b>"

    counted = defaultdict(list)
    html = show_names(loud=Loud(k=1), slotted=Slotted(), counted=counted)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert not counted


def test_only_the_last_picture_keeps_objects_alive() -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    picture = show_names(thing=thing)
    del thing
    show_names(other=[])
    gc.collect()
    assert gone() is None
    assert "Thing" in repr(picture)


def test_what_objects_share_is_said_in_words() -> None:
    class Cart:
        def __init__(self, coupons: list[str]) -> None:
            self.coupons = coupons

    coupons = ["SPRING"]
    one, two = Cart(coupons), Cart(coupons)
    said = show_names(one=one, two=two).sentences()
    assert "coupons of #1 and coupons of #3 lead to the same object, #2." in said
    assert (
        "rows and item 0 of #2 lead to the same object, #1."
        in show_names(rows=coupons, table=[coupons]).sentences()
    )
