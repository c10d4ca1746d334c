"""What a session gives a test: names, stand-ins and their ends, and when it may ask an object to judge."""

from __future__ import annotations

import asyncio
import builtins
import gc
import json
import math
import pickle
import time
import types
import weakref
from pathlib import Path
from typing import Any

import pytest

from course.examiner.mirrors import handle_of, stands_in
from course.examiner.recording import Recording
from course.examiner.session import MOST_PRINTED, Session
from course.examiner.wire import Broken
from tests.examiner.worlds import alone, examined, record, run_in, session_with

THINGS = """
import weakref
class Thing:
    alive = weakref.WeakSet()
    def __init__(self, n=0):
        self.n = n
        Thing.alive.add(self)
    def __eq__(self, other): return self.n == getattr(other, "n", other)
    def __hash__(self): return hash(self.n)
class Number(int):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __lt__(self, other): return True
kept = Thing(1)
def alive(): return len(Thing.alive)
def same(x): return x
def size(x): return len(x)
"""


# --- names ----------------------------------------------------------------------------------------------------------


def test_builtins_come_before_the_notebooks_names() -> None:
    with session_with("def len(x): return 'mine'\nx = 5") as session:
        assert run_in(session, "n, y = len([1]), x") | {"n": 1, "y": 5} == run_in(
            session, "n, y = len([1]), x"
        )


def test_a_redefined_builtin_is_the_notebooks_where_the_recording_says_so() -> None:
    solution = "def sum(x): return 'mine'\nmax = 3"
    with session_with(solution, record=True) as session:
        assert run_in(session, "n = sum([1])")["n"] == "mine"
        assert session.recorded().names == {"sum"}
    with session_with(solution, Recording(names=frozenset(["sum"]))) as session:
        names = session.names()
        assert stands_in(names["sum"])
        assert names["max"] is max


def test_what_does_not_exist_is_a_name_error_in_pythons_words() -> None:
    with session_with("") as session, pytest.raises(NameError, match=r"^name 'solve' is not defined$"):
        run_in(session, "solve(3)")


def test_modules_of_the_notebook_are_imported_by_the_examiner() -> None:
    test = "assert math.sqrt(4) == 2 and m.pi > 3"
    recording = record("import math, math as m", test)
    assert recording.modules == {"math": "math", "m": "math"}
    with session_with("class math: sqrt = lambda x: 2\nm = math", recording) as session:
        assert session.names()["math"] is math


def test_a_module_that_the_student_wrote_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop_of_mine.py").write_text(
        "class NotFound(LookupError):\n    pass\nclass Shop:\n    def find(self, x): raise NotFound(x)\n"
    )
    solution = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport shop_of_mine as shop"
    test = """
    import pytest, types
    assert isinstance(shop, types.ModuleType) and shop.__name__ == "shop_of_mine"
    with pytest.raises(shop.NotFound, match="pen"):
        shop.Shop().find("pen")
    """
    recording = record(solution, test)
    assert recording.modules == {}
    assert alone(solution, test).passed
    assert examined(solution, test, recording).passed


# --- judging --------------------------------------------------------------------------------------------------------


def test_sites_are_places_in_the_source() -> None:
    with session_with(THINGS, record=True) as session:
        run_in(
            session, "def check(x):\n    return [each == 1 for each in [x]]\nassert check(kept) == [True]\n"
        )
        assert session.recorded() == Recording(frozenset(["2:12-2:21 compare"]))


def test_a_recording_survives_as_json() -> None:
    recording = Recording(frozenset(["3:1-3:9 call", "1:2-1:3 compare"]), {"m": "math"}, frozenset(["sum"]))
    assert Recording.from_json(json.loads(json.dumps(recording.as_json()))) == recording


def test_an_object_judges_only_where_the_reference_has_one() -> None:
    test = "assert kept == 1"
    recorded = record(THINGS, test)
    with session_with(THINGS, recorded) as session:
        run_in(session, test)
        assert session.failed is None
    with session_with(THINGS, recorded) as session:
        with pytest.raises(Broken, match="expected plain data here, got an object of class Thing"):
            run_in(session, "pass\n" + test)
        assert session.failed is not None
        with pytest.raises(Broken):
            run_in(session, test)


@pytest.mark.parametrize(
    "test",
    [
        "1 in [kept]",
        "kept in [1]",
        "kept != 2",
        "2 == kept",
        "[kept] == [1]",
        "{'a': kept} == {'a': 1}",
        "same(1)",
        "kept.__eq__(1)",
        "Thing.__eq__(kept, 1)",
        "same(x=1)",
        "[1].index(kept)",
        "sorted([kept, 1], key=lambda x: same(3))",
    ],
)
def test_nothing_of_the_tests_is_shown_elsewhere(test: str) -> None:
    with session_with(THINGS, Recording()) as session:
        with pytest.raises(Broken):
            run_in(session, test)
        assert "expected plain data" in str(session.failed)


@pytest.mark.parametrize("test", ["kept == kept", "kept == None", "kept is None", "same(kept)", "alive()", "{kept: 1}[kept]", "kept.n == 1"])  # fmt: skip
def test_objects_of_the_students_may_meet_anywhere(test: str) -> None:
    with session_with(THINGS, Recording()) as session:
        run_in(session, test)
        assert session.failed is None


def test_a_subclass_of_plain_data_counts_by_its_data() -> None:
    with session_with(THINGS + "five = Number(5)", Recording()) as session:
        run_in(session, "assert five == 5 and not five == 6 and 6 != five and not five < 5 and 4 < five")
        run_in(session, "assert isinstance(five, int) and five + 1 == 6 and five in [5] and five not in [6]")
        assert session.failed is None


def test_a_subclass_of_plain_data_judges_where_the_reference_has_one() -> None:
    test = "assert five == 6"
    solution = THINGS + "five = Number(5)"
    assert examined(solution, test, record(solution, test)).passed


# --- objects and their ends -----------------------------------------------------------------------------------------


def test_an_object_has_one_stand_in() -> None:
    with session_with(THINGS, record=True) as session:
        run_in(session, "assert kept is kept and same(kept) is kept and [same(kept)][0] is kept")
        run_in(
            session, "a = Thing(5)\nassert a is not Thing(5) and type(a) is Thing and same(Thing) is Thing"
        )


def test_an_object_is_forgotten_with_its_stand_in() -> None:
    with session_with(THINGS, record=True) as session:
        run_in(
            session,
            "assert alive() == 1\nthing = Thing(2)\nassert alive() == 2\ndel thing\nassert alive() == 1",
        )
        test = "for n in range(300):\n    things = [Thing(n)]\n    assert size(things) == 1"
        run_in(session, test)
        assert run_in(session, "n = alive()")["n"] <= 2
        gc.collect()
        session.ask("rest", 0)
        assert len(session._shared) < 10
        assert len(session.stand_ins._described) < 40


def test_a_stand_in_can_be_weakly_referenced() -> None:
    with session_with(THINGS) as session:
        thing = session.ask("name", "kept")[1]
        reference = weakref.ref(thing)
        assert reference() is thing
        del thing
        assert reference() is None


def test_a_generator_that_is_left_when_the_session_is_over_is_silent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with session_with("def numbers():\n    yield 1\n    yield 2", record=True) as session:
        numbers = run_in(session, "g = numbers()\nnext(g)")["g"]
        session.close()
        del numbers
        gc.collect()
    assert capfd.readouterr().err == ""


def test_a_stand_in_cannot_be_pickled() -> None:
    with session_with(THINGS) as session, pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(session.names()["kept"])


def test_what_cannot_be_sent_leaves_the_line_usable() -> None:
    with session_with(THINGS + "def deep():\n    x = (Thing(7),)\n    for _ in range(500): x = (x,)\n    return x", record=True) as session:  # fmt: skip
        deep: Any = ()
        for _ in range(500):
            deep = (deep,)
        session.names()["deep"]
        with pytest.raises(ValueError, match="too deeply"):
            session.names()["same"]((lambda: 1, [1], deep))
        with pytest.raises(ValueError, match="too deeply"):
            session.names()["deep"]()
        run_in(session, "assert same(Thing(7)).n == 7 and same([1]) == [1] and same(print) is print")


def test_the_number_of_a_lent_object_is_never_given_again() -> None:
    """A message that cannot be sent takes back what it lent, also where a later one was lent meanwhile."""
    with session_with(THINGS, record=True) as session:
        objects = [object() for _ in range(3)]
        numbers = [session.lent.write(each, 0)[1] for each in objects[:2]]
        session.lent._take_back(numbers[0], id(objects[0]))
        assert session.lent.write(objects[2], 0)[1] not in numbers


def test_a_class_of_the_tests_can_live_with_the_students() -> None:
    with session_with("def make(cls): return cls(3)", record=True) as session:
        test = """
        class Mine:
            made = 0
            def __init__(self, n):
                self.n = n
            def twice(self):
                return 2 * self.n
        thing = make(Mine)
        assert isinstance(thing, Mine) and thing.twice() == 6
        """
        mine = run_in(session, test)["Mine"]
        assert session.twin(mine) is session.twin(mine) is not mine
        assert session.twin(int) is int
        assert session.twin(5) == 5


def test_exceptions_that_stand_in_are_caught_as_what_they_are() -> None:
    with session_with("class E(KeyError):\n    code = 4\ndef fail(): raise E('x')") as session:
        names = session.names()
        with pytest.raises(KeyError) as caught:
            names["fail"]()
        assert stands_in(caught.value)
        assert caught.value.args == ("x",)
        assert caught.value.code == 4  # type: ignore[attr-defined]
        assert type(caught.value) is names["E"]
        assert issubclass(names["E"], LookupError)


def test_a_class_decorated_later_has_its_new_operators() -> None:
    solution = """
    def ordered(cls):
        cls.__lt__ = lambda a, b: a.n < b.n
        cls.__len__ = lambda self: self.n
        return cls
    """
    test = """
    @ordered
    class Card:
        def __init__(self, n):
            self.n = n
    assert Card(1) < Card(2) and len(Card(3)) == 3 and [c.n for c in sorted([Card(2), Card(1)])] == [1, 2]
    """
    assert alone(solution, test).passed
    assert examined(solution, test, record(solution, test)).passed


# --- text, input, time ----------------------------------------------------------------------------------------------


def test_printed_text_goes_to_the_hooks() -> None:
    with session_with(
        "import sys\ndef say():\n    print('a')\n    print('b', file=sys.stderr)\n    return 1"
    ) as session:
        printed: list[str] = []
        warned: list[str] = []
        session.printed, session.warned = printed.append, warned.append
        assert session.names()["say"]() == 1
        assert ("".join(printed), "".join(warned)) == ("a\n", "b\n")


def test_printed_text_is_bounded() -> None:
    with session_with("def chat():\n    for _ in range(30): print('x' * 100_000)\n    return 1") as session:
        printed: list[str] = []
        session.printed = printed.append
        for _ in range(8):
            assert session.names()["chat"]() == 1
        assert 100_000 < sum(map(len, printed)) <= MOST_PRINTED


def test_input_asks_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    with session_with("def ask(): return input('Who? ')") as session:
        monkeypatch.setattr(builtins, "input", lambda prompt="": prompt + "Ann")
        assert session.names()["ask"]() == "Who? Ann"

        def nobody(prompt: str = "") -> str:
            raise EOFError("EOF when reading a line")

        monkeypatch.setattr(builtins, "input", nobody)
        with pytest.raises(EOFError):
            session.names()["ask"]()


def test_nothing_can_be_asked_after_the_end() -> None:
    with session_with(THINGS) as session:
        kept = session.names()["kept"]
        session.close()
        with pytest.raises(Broken, match="the test has ended"):
            repr(kept)


def test_all_waits_end_together() -> None:
    with session_with("import time\ndef nap(): time.sleep(0.3)", record=True, seconds=0.7) as session:
        start = time.monotonic()
        nap = session.names()["nap"]
        with pytest.raises(Broken, match="no answer in time"):
            any(nap() for _ in range(100))
        assert time.monotonic() - start < 2


def test_a_lent_function_is_of_no_use_when_the_test_has_ended() -> None:
    solution = """
    import threading
    def keep(f):
        global kept
        kept = f
    """
    with session_with(solution, record=True) as session:
        called: list[int] = []
        session.names()["keep"](called.append)
        session.close()
        assert called == []


# --- waiting --------------------------------------------------------------------------------------------------------


def in_loop(session: Session, run: Any) -> Any:
    async def main() -> Any:
        session.waits.attach(asyncio.get_running_loop())
        return await run

    return asyncio.run(main())


def test_many_coroutines_run_at_a_time() -> None:
    solution = "import asyncio\nasync def nap(i):\n    await asyncio.sleep(0.05)\n    return i"
    with session_with(solution, record=True) as session:
        nap = session.names()["nap"]

        async def together() -> list[int]:
            return await asyncio.gather(*map(nap, range(40)))

        start = time.monotonic()
        assert in_loop(session, together()) == list(range(40))
        assert time.monotonic() - start < 1.5


def test_background_tasks_go_on_while_the_test_waits() -> None:
    solution = """
    import asyncio
    count = 0
    async def run():
        global count
        while True:
            count += 1
            await asyncio.sleep(0.001)
    def start():
        global task
        task = asyncio.create_task(run())
    """
    with session_with(solution, record=True) as session:

        async def wait() -> int:
            session.names()["start"]()
            while session.names()["count"] < 5:
                await asyncio.sleep(0.001)
            return 1

        assert in_loop(session, wait()) == 1


def test_waiting_ends_with_the_session() -> None:
    solution = "import asyncio\nasync def forever(): await asyncio.Event().wait()"
    with session_with(solution, record=True, seconds=0.5) as session:
        start = time.monotonic()
        with pytest.raises(Broken):
            in_loop(session, session.names()["forever"]())
        assert time.monotonic() - start < 3


def test_a_coroutine_stands_in_as_one() -> None:
    with session_with("async def f(): return 5", record=True) as session:
        coroutine = session.names()["f"]()
        assert type(coroutine) is types.CoroutineType
        assert coroutine.__name__ == "f"
        assert in_loop(session, coroutine) == 5


def test_an_abstract_class_is_nothing_to_the_next_tests() -> None:
    things = "from abc import ABC\nclass Storage(ABC):\n    pass\nclass Memory(Storage):\n    pass\n"
    kept = []  # as the traceback of a failed test keeps its names
    for _ in range(2):
        with session_with(things, record=True) as session:
            kept.append(run_in(session, "storage = Storage\nassert issubclass(Memory, Storage)"))
            session.close()


def test_an_object_that_has_gone_and_is_mentioned_before_that_is_told_is_made_again() -> None:
    """The garbage collector may come at any time, also while a message is read."""
    solution = "class Box:\n    def __init__(self, n): self.n = n\nbox = Box(3)\nclass Full(Exception): pass\nfull = Full(Box(4))"
    with session_with(solution) as session:
        for name in ("box", "full"):
            value = session.look_up(name)
            handle = handle_of(value)
            session.stand_ins._live.pop(handle)
            again = session.look_up(name)
            assert again is not value
            assert (handle_of(again), type(again)) == (handle, type(value))
        assert session.look_up("box").n == 3
