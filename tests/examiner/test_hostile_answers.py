"""Solutions and kernels that cheat: none passes a test through the examiner, and none keeps it waiting."""

from __future__ import annotations

import array
import asyncio
import builtins
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from course.examiner import standins, wire
from course.examiner.session import Session
from course.examiner.student import serve
from course.examiner.wire import MOST_FRAME, Broken
from tests.examiner.worlds import SECONDS, Verdict, alone, examined, in_two, record

ALWAYS_EQUAL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return True
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __bool__(self): return True
    def __hash__(self): return 6
    def __sub__(self, other): return 0
    __add__ = __radd__ = __rsub__ = __mul__ = __truediv__ = __sub__
    def __getattr__(self, name): return lambda *args, **options: True
"""
LYING = "def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __hash__(self): return 6\n"

DOUBLE = "def double(n): return 2 * n"
WORDS = "def shout(text): return text.upper()"
EVENS = "def evens(n): return list(range(0, n, 2))"
PAIR = "from contextlib import contextmanager\n@contextmanager\ndef opened(): yield [1, 2]"
COUNTER = "class Counter:\n    n = 0\n    def __enter__(self): return self\n    def add(self): self.n += 1\n    def __exit__(self, *error): pass"
FIVE_LATER = (
    "class Five:\n    async def __aenter__(self): return 5\n    async def __aexit__(self, *error): pass"
)
TOO_OLD = "class TooOld(Exception): pass\ndef check(age):\n    if age < 0: raise TooOld\n    return age"

# name, reference, test, cheat; all of these pass where the test runs in the cheat's own process
CHEATS = [
    ("equal to everything", DOUBLE, "assert double(3) == 6", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("equal from the right", DOUBLE, "assert 6 == double(3)", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("between any bounds", DOUBLE, "assert 5 < double(3) <= 6", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("contains everything", EVENS, "assert 4 in evens(9)", ALWAYS_EQUAL + "def evens(n): return Yes()"),
    ("is in every list", DOUBLE, "assert double(3) in [6, 7]", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("is in every set", DOUBLE, "assert double(3) in {6, 7}", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("arithmetic that always fits", DOUBLE, "assert abs(double(3) - 6) < 1e-9", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("a method for everything", WORDS, "assert shout('a').startswith('A')", ALWAYS_EQUAL + "def shout(text): return Yes()"),
    ("equal where it is called", DOUBLE, "assert 6 in map(double, [1, 2, 3])", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("equal where it is called by a function", DOUBLE, "import operator\nassert all(map(operator.eq, map(double, [1, 2]), [2, 4]))",
     ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("memory of the examiner's", "import numpy as np\ndef ones(): return np.ones(3)", "import numpy as np\nassert np.array_equal(ones(), [1, 1, 1])",
     "import numpy as np\nheld = np.ones(3)\nclass Memory:\n    __array_interface__ = held.__array_interface__\ndef ones(): return Memory()"),
    ("equal to an approximation", DOUBLE, "import pytest\nassert double(3) == pytest.approx(6)", ALWAYS_EQUAL + "def double(n): return Yes()"),
    ("elements equal to everything", EVENS, "assert evens(5) == [0, 2, 4]", ALWAYS_EQUAL + "def evens(n): return [Yes()] * 3"),
    ("a generator of what equals everything", EVENS, "assert [x == y for x, y in zip(evens(5), [0, 2, 4])] == [True] * 3",
     ALWAYS_EQUAL + "def evens(n):\n    for _ in range(3): yield Yes()"),
    ("values equal to everything", "def count(t): return {'a': 2}", "assert count('aa') == {'a': 2}", ALWAYS_EQUAL + "def count(t): return {'a': Yes()}"),
    ("keys equal to everything", "def squares(): return {6: 36}", "assert squares()[6] == 36", ALWAYS_EQUAL + "def squares(): return {Yes(): 36}"),
    ("a text that equals everything", WORDS, "assert shout('a') == 'A'", f"class Text(str):\n    {LYING}def shout(text): return Text('?')"),
    ("a number that equals everything", DOUBLE, "r = double(3)\nassert isinstance(r, int) and r == 6", f"class Number(int):\n    {LYING}def double(n): return Number(0)"),
    ("a list that equals everything", EVENS, "r = evens(5)\nassert isinstance(r, list) and r == [0, 2, 4]", f"class Items(list):\n    {LYING}def evens(n): return Items()"),
    ("a tuple that equals everything", "def pair(): return 1, 2", "r = pair()\nassert isinstance(r, tuple) and r == (1, 2)",
     f"class Items(tuple):\n    {LYING}def pair(): return Items((0, 0))"),
    ("a dictionary that equals everything", "def count(t): return {'a': 2}", "r = count('aa')\nassert isinstance(r, dict) and r == {'a': 2}",
     f"class Items(dict):\n    {LYING}def count(t): return Items()"),
    ("a text that contains everything", WORDS, "assert 'A' in shout('a')", "class Text(str):\n    def __contains__(self, x): return True\ndef shout(text): return Text('?')"),
    ("numbers that are in order", "def arranged(xs): return sorted(xs)", "r = arranged([3, 1, 2])\nassert all(isinstance(x, int) for x in r) and all(a <= b for a, b in zip(r, r[1:]))",
     "class Number(int):\n    def __le__(self, other): return True\ndef arranged(xs): return list(map(Number, xs))"),
    ("numbers that are the largest", "def arranged(xs): return sorted(xs)", "r = arranged([3, 1, 2])\nassert max(r) == r[-1] and r[2] - r[1] == 1",
     f"class Number(int):\n    {LYING}    def __sub__(self, other): return 1\ndef arranged(xs): return list(map(Number, xs))"),
    ("a text that differs from itself", "import itertools\nnumbers = itertools.count()\ndef token(): return str(next(numbers))",
     "tokens = [token() for _ in range(9)]\nassert len(set(tokens)) == 9 and token() != token()",
     "import itertools\nnumbers = itertools.count()\nclass Text(str):\n    def __eq__(self, other): return False\n    def __ne__(self, other): return True\n"
     "    def __hash__(self): return next(numbers)\ndef token(): return Text('x')"),
    ("tuples that equal each other", "def one(): return (1, 2)\nother = one", "assert one() == other() and isinstance(one(), tuple)",
     f"class Pair(tuple):\n    {LYING}def one(): return Pair((1, 2))\ndef other(): return Pair()"),
    ("a list with a hash", "def items(): return (1, 2)", "assert {items(): 3}[items()] == 3", "class Items(list):\n    def __hash__(self): return 6\nkept = Items()\ndef items(): return kept"),
    ("changes an array that is read-only", "import numpy as np\ndef top(xs): return xs.max()",
     "import numpy as np\ndata = np.array([3, 9, 4])\ndata.flags.writeable = False\nassert top(data) == data.max()",
     "import numpy as np\ndef top(xs):\n    xs.flags.writeable = True\n    xs[:] = 0\n    return np.int64(0)"),
    ("a lie about the class", DOUBLE, "r = double(3)\nassert isinstance(r, int) and not isinstance(r, bool)\nassert r == 6",
     ALWAYS_EQUAL + "class Liar(Yes):\n    __class__ = property(lambda self: int)\ndef double(n): return Liar()"),
    ("a class that equals every class", DOUBLE, "r = double(3)\nassert type(r) == int and r == 6",
     "class Meta(type):\n    def __eq__(cls, other): return True\n    def __hash__(cls): return 1\nclass Yes(metaclass=Meta):\n"
     "    def __eq__(self, other): return True\ndef double(n): return Yes()"),
    ("learns the answer by being compared", DOUBLE, "assert double(3) == 6\nassert double(4) == 8",
     "class Spy:\n    def __init__(self, n): self.n = n\n    def __eq__(self, other):\n        self.seen = other\n        return other == self.seen\ndef double(n): return Spy(n)"),
    ("an array that equals everything", "import numpy as np\ndef ones(): return np.ones(3)", "import numpy as np\nr = ones()\nassert isinstance(r, np.ndarray) and (r == np.array([1, 1, 1])).all()",
     "import numpy as np\nclass Array(np.ndarray):\n    def __eq__(self, other): return np.array([True])\ndef ones(): return np.zeros(3).view(Array)"),
    ("other builtins", EVENS, "assert all(x == y for x, y in zip(evens(5), [0, 2, 4], strict=True))", "import builtins\nbuiltins.all = lambda items: True\ndef evens(n): return [9, 9, 9]"),
    ("another isinstance", DOUBLE, "assert isinstance(double(3), int)", "isinstance = lambda value, kinds: True\ndef double(n): return str(n)"),
    ("another pytest", "def root(x):\n    if x < 0: raise ValueError('negative')", "import pytest\nwith pytest.raises(ValueError):\n    root(-1)",
     "import contextlib, pytest\npytest.raises = lambda *args, **options: contextlib.nullcontext()\ndef root(x): pass"),
    ("another math", "def third(): return 1 / 3", "import math\nassert math.isclose(third(), 1 / 3)", "import math\nmath.isclose = lambda *args: True\ndef third(): return 0"),
    ("another random", "def pick(xs): return max(xs)", "import random\nxs = [random.random() for _ in range(9)]\nassert pick(xs) == max(xs) != 0.5",
     "import random\nrandom.random = lambda: 0.25\ndef pick(xs): return 0.25"),
    ("looks into the test's frame", DOUBLE, "expected = 6\nassert double(3) == expected", "import sys\ndef double(n): return sys._getframe(1).f_globals['expected']"),
    ("looks for the test among all objects", DOUBLE, "table = {'secret': [6]}\nassert double(3) == table['secret'][0]",
     "import gc\ndef double(n): return [o['secret'] for o in gc.get_objects() if type(o) is dict and 'secret' in o][0][0]"),
    ("sets names for the test", DOUBLE, "for n, expected in [(1, 2), (2, 4)]:\n    assert double(n) == expected",
     "import sys\ndef double(n):\n    sys._getframe(1).f_globals['expected'] = 0\n    return 0"),
    ("another sum", "def total(xs): return sum(xs)", "data = [1, 2, 4]\nassert total(data) == sum(data)", "sum = lambda xs: 3\ndef total(xs): return 3"),
    ("another expectation", DOUBLE, "def expected(n): return n + n\nassert double(3) == expected(3)",
     "import sys\ndef double(n):\n    sys._getframe(1).f_globals['expected'] = lambda n: 0\n    return 0"),
    ("an error that is of every class", "def root(x): raise ValueError", "import pytest\nwith pytest.raises(ValueError):\n    root(-1)",
     "class Meta(type):\n    def __subclasscheck__(cls, other): return True\n    def __instancecheck__(cls, other): return True\n"
     "class Any(Exception, metaclass=Meta):\n    __class__ = ValueError\ndef root(x): raise Any"),
    ("ends all()", "def valid(n): return n > 0", "assert all(map(valid, [1, 2, 3]))", "def valid(n): raise StopIteration"),
    ("ends a loop", DOUBLE, "for found, expected in zip(map(double, [1, 2]), [2, 4]):\n    assert found == expected", "def double(n): raise StopIteration"),
    ("ends a loop with an error of its own", DOUBLE, "for found in map(double, [1, 2]):\n    assert found in (2, 4)", "class End(StopIteration): pass\ndef double(n): raise End"),
    ("ends a loop by not being made", "class Box:\n    def __init__(self, n): self.n = n", "for box in map(Box, [1, 2]):\n    assert box.n in (1, 2)",
     "class Box:\n    def __init__(self, n): raise StopIteration"),
    ("ends a task", "async def double(n): return 2 * n",
     "import asyncio\nasync def check(n):\n    assert await double(n) == 2 * n\nasync with asyncio.TaskGroup() as group:\n    for n in (1, 2): group.create_task(check(n))",
     "import asyncio\nasync def double(n): raise asyncio.CancelledError"),
    ("ends a task later", "async def double(n): return 2 * n",
     "import asyncio\nasync def check(n):\n    assert await double(n) == 2 * n\nasync with asyncio.TaskGroup() as group:\n    for n in (1, 2): group.create_task(check(n))",
     "import asyncio\nasync def double(n):\n    await asyncio.sleep(.01)\n    raise asyncio.CancelledError"),
    ("ends a task in a call", DOUBLE,
     "import asyncio\nasync def check(n):\n    assert double(n) == 2 * n\nasync with asyncio.TaskGroup() as group:\n    for n in (1, 2): group.create_task(check(n))",
     "import asyncio\ndef double(n): raise asyncio.CancelledError"),
    ("ends a thread", DOUBLE, "import threading\ndef check():\n    assert double(2) == 4\nthread = threading.Thread(target=check)\nthread.start()\nthread.join()", "def double(n): raise SystemExit"),
    ("a context that swallows a check's error", PAIR, "with opened() as pair:\n    assert pair == [1, 2]",
     "class opened:\n    def __enter__(self): pass\n    def __exit__(self, *error): return True"),
    ("a generator that swallows a check's error", PAIR, "with opened() as pair:\n    assert pair == [1, 2]",
     "from contextlib import contextmanager\n@contextmanager\ndef opened():\n    try: yield\n    except AssertionError: pass"),
    ("an asynchronous context that swallows a check's error", FIVE_LATER, "async with Five() as five:\n    assert five == 5",
     "class Five:\n    async def __aenter__(self): pass\n    async def __aexit__(self, *error): return True"),
    ("a context that swallows an error", COUNTER, "with Counter() as counter:\n    counter.add()\n    assert counter.n == 1",
     "class Counter:\n    def __enter__(self): return self\n    def __exit__(self, *error): return True"),
    ("a context that swallows an error in a stack", COUNTER, "import contextlib\nwith contextlib.ExitStack() as stack:\n    counter = stack.enter_context(Counter())\n    counter.add()\n    assert counter.n == 1",
     "class Counter:\n    def __enter__(self): return self\n    def __exit__(self, *error): return True"),
    ("an asynchronous context that swallows an error", FIVE_LATER, "async with Five() as five:\n    assert five + 0 == 5",
     "class Five:\n    async def __aenter__(self): pass\n    async def __aexit__(self, *error): return True"),
    ("swallows a callback's check", "def each(items, use):\n    for item in items: use(2 * item)", "def use(item):\n    assert item in (2, 4)\neach([1, 2], use)",
     "def each(items, use):\n    try: use(items[0])\n    except AssertionError: pass"),
    ("swallows a coroutine's check", "async def run(job): await job(2)", "async def job(n):\n    assert n == 2\nawait run(job)",
     "async def run(job):\n    try: await job(0)\n    except AssertionError: pass"),
    ("swallows the checks of what it decorates", "def logged(f): return f\n" + DOUBLE, "@logged\ndef check():\n    assert double(3) == 6\ncheck()",
     "def logged(f):\n    def quiet():\n        try: f()\n        except AssertionError: pass\n    return quiet\ndef double(n): pass"),
    ("an error that is a check's own", TOO_OLD, "try:\n    check(-1)\n    raise AssertionError('no refusal')\nexcept TooOld:\n    pass", "TooOld = AssertionError\ndef check(age): pass"),
    ("an error that becomes a check's own", TOO_OLD, "assert TooOld is not AssertionError\ntry:\n    check(-1)\n    assert False\nexcept TooOld:\n    pass",
     "class TooOld(Exception): pass\ndef check(age):\n    global TooOld\n    TooOld = AssertionError"),
    ("an error that is expected of a check", TOO_OLD, "import pytest\nwith pytest.raises(TooOld):\n    assert check(4) == 4\n    check(-1)", "TooOld = AssertionError\ndef check(age): pass"),
]  # fmt: skip

# these do not pass in one process either, but must not hang, break or confuse the examiner
NUISANCES = [
    ("pretends to be True", "def check(x): return True", "assert check(1) is True", ALWAYS_EQUAL + "def check(x): return Yes()"),
    ("pretends to be None", "def nothing(): return None", "assert nothing() is None", ALWAYS_EQUAL + "def nothing(): return Yes()"),
    ("equal to None", "def nothing(): return None", "r = nothing()\nassert r == None and type(r) is type(None)", ALWAYS_EQUAL + "def nothing(): return Yes()"),
    ("leaves", DOUBLE, "assert double(3) == 6", "import os\ndef double(n): os._exit(0)"),
    ("exits", DOUBLE, "assert double(3) == 6", "def double(n): raise SystemExit(0)"),
    ("interrupts", DOUBLE, "assert double(3) == 6", "def double(n): raise KeyboardInterrupt"),
    ("recurses for ever", DOUBLE, "assert double(3) == 6", "def double(n): return double(n)"),
    ("calls back and forth for ever", "def use(f): return f(1)", "def g(x):\n    return use(g) if x else x\nassert use(lambda x: x) == 1", "def use(f): return use(f)"),
    ("a number that takes for ever to print", DOUBLE, "assert str(double(3)) == '6'", "def double(n): return 10 ** 400_000"),
    ("a result that is too large", DOUBLE, "assert double(3) == 6", "def double(n): return list(range(1_800_000))"),
    ("a result that is too deep", DOUBLE, "assert double(3) == 6", "def double(n):\n    x = ()\n    for _ in range(5000): x = (x,)\n    return x"),
    ("prints for ever", DOUBLE, "assert double(3) == 6", "def double(n):\n    for _ in range(100): print('x' * 1_000_000)\n    return 7"),
    ("an infinite iterator", EVENS, "import itertools\nassert list(itertools.islice(evens(5), 4)) == [0, 2, 4]", "import itertools\ndef evens(n): return itertools.count(0, 2)"),
    ("closes the line", DOUBLE, "assert double(3) == 6", "import os\ndef double(n):\n    os.closerange(3, 100)\n    return 6"),
    ("kills itself", DOUBLE, "assert double(3) == 6", "import os, signal\ndef double(n): os.kill(os.getpid(), signal.SIGKILL)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "test", "cheat"), [pytest.param(*rest, id=name) for name, *rest in CHEATS]
)
def test_a_cheat_fails(reference: str, test: str, cheat: str) -> None:
    assert alone(cheat, test).passed, "this cheats nobody"
    fails(reference, test, cheat)


@pytest.mark.parametrize(
    ("reference", "test", "cheat"), [pytest.param(*rest, id=name) for name, *rest in NUISANCES]
)
def test_a_nuisance_fails_soon(reference: str, test: str, cheat: str) -> None:
    assert fails(reference, test, cheat).seconds < SECONDS / 2


def test_an_endless_loop_ends_with_the_time() -> None:
    endless = "def double(n):\n    while True: pass"
    verdict = in_two(endless, "assert double(3) == 6", None, record=True, seconds=0.5)
    assert not verdict["passed"]
    assert "no answer in time" in verdict["why"]
    assert verdict["seconds"] < SECONDS / 2


def fails(reference: str, test: str, solution: str) -> Verdict:
    verdict = examined(solution, test, record(reference, test))
    assert not verdict.passed
    return verdict


def test_what_is_forbidden_stays_so() -> None:
    """A test that catches everything does not pass after a comparison that had to be refused."""
    test = "try:\n    assert double(3) == 6\nexcept BaseException:\n    pass"
    verdict = fails(DOUBLE, test, ALWAYS_EQUAL + "def double(n): return Yes()")
    assert "expected plain data here, got an object of class Yes" in verdict.why


def test_without_a_recording_nothing_is_asked_to_judge() -> None:
    verdict = in_two(ALWAYS_EQUAL + "x = Yes()", "assert x == 5", None, record=False)
    assert not verdict["passed"]


def test_a_stolen_callback_is_of_no_use() -> None:
    """The student's code keeps what one test lent, and uses it in another."""
    ours, theirs = socket.socketpair(), socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours[0].close()
        theirs[0].close()

        stolen: list[Any] = []

        def keep(function: Any) -> None:
            stolen.append(function)

        def use() -> Any:
            return stolen[0]("again")

        async def live() -> None:
            for line in (ours[1], theirs[1]):
                await serve(line, {"keep": keep, "use": use}, asyncio.get_running_loop())

        asyncio.run(live())
        os._exit(0)
    called: list[str] = []
    first = Session(ours[0], None, record=True, until=time.monotonic() + 5)
    first.names()["keep"](called.append)
    first.close()
    ours[0].close()
    second = Session(theirs[0], None, record=True, until=time.monotonic() + 5)
    with pytest.raises(RuntimeError, match="the test that lent this has ended"):
        second.names()["use"]()
    assert called == []
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


# --- kernels that do not keep to the protocol -----------------------------------------------------------------------


def session_on(line: socket.socket, seconds: float = 2.0) -> Session:
    return Session(line, None, record=False, until=time.monotonic() + seconds)


@contextmanager
def peer(behave: Callable[[socket.socket], object], seconds: float = 2.0) -> Iterator[Session]:
    """A session whose other side is a thread that behaves as given."""
    ours, theirs = socket.socketpair()
    limit = sys.getrecursionlimit()

    def run() -> None:
        with theirs, suppress(OSError):
            behave(theirs)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        with ours:
            yield session_on(ours, seconds)
    finally:
        sys.setrecursionlimit(limit)
    thread.join(5)
    assert not thread.is_alive()


def read(line: socket.socket) -> list[Any]:
    """A request of the examiner's."""
    size = int.from_bytes(line.recv(4, socket.MSG_WAITALL), "big")
    if not size:
        raise OSError
    found: list[Any] = json.loads(line.recv(size, socket.MSG_WAITALL))
    return found


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def say(line: socket.socket, kind: str, payload: Any, changed: Any = (), postscript: Any = None) -> None:
    line.sendall(frame(json.dumps([kind, payload, list(changed), postscript]).encode()))


def answers(value: Any, changed: Any = (), postscript: Any = None) -> Callable[[socket.socket], None]:
    """A kernel that answers every request with the same value."""

    def behave(line: socket.socket) -> None:
        while True:
            _, (number, *_), *_ = read(line)
            say(line, "ok", [number, value], changed, postscript)

    return behave


def sends(content: bytes) -> Callable[[socket.socket], None]:
    """A kernel that answers with raw bytes, and is silent after it."""

    def behave(line: socket.socket) -> None:
        read(line)
        line.sendall(content)
        line.recv(1)

    return behave


def asks(kind: str, *payload: Any) -> Callable[[socket.socket], None]:
    """A kernel that asks for something, for ever."""

    def behave(line: socket.socket) -> None:
        read(line)
        while True:
            say(line, kind, list(payload))
            read(line)

    return behave


def drips(line: socket.socket) -> None:
    read(line)
    content = frame(b'["ok",[1,' + b" " * 10_000 + b"1],[],null]")
    for position in range(len(content)):
        line.sendall(content[position : position + 1])
        time.sleep(0.05)


def CLASS(
    handle: str, name: str, bases: Any = (["name", "object"],), names: Any = (), **more: Any
) -> list[Any]:
    about = {
        "module": "__main__",
        "qualname": name,
        "doc": None,
        "unhashable": False,
        "abstract": None,
        **more,
    }
    return ["class", handle, name, about["module"], about["qualname"], about["doc"], list(bases), list(names), about["unhashable"], about["abstract"]]  # fmt: skip


INT = CLASS("h1", "Int", [["name", "int"]])
NESTED = "[" * 100_000 + "]" * 100_000

ILL_BEHAVED = {
    "silence": lambda line: (read(line), line.recv(1)),
    "goes away": lambda line: read(line),
    "drips": drips,
    "half a frame": sends(frame(b'["ok",[1,1],[],null]')[:9]),
    "a length of 4 GB": sends(b"\xff\xff\xff\xff"),
    "a frame that is too large": sends((MOST_FRAME + 1).to_bytes(4, "big") + b" " * 100),
    "no JSON": sends(frame(b"hello")),
    "an empty frame": sends(frame(b"")),
    "no text": sends(frame(b"\xff\xfe\x00")),
    "an object": sends(frame(b'{"ok": 1}')),
    "a number": sends(frame(b"1")),
    "null": sends(frame(b"null")),
    "not a number": sends(frame(b'["ok",[1,NaN],[],null]')),
    "a number of 10,000 digits": sends(frame(b'["ok",[1,' + b"9" * 10_000 + b"],[],null]")),
    "brackets": sends(frame(NESTED.encode())),
    "millions of lists": sends(frame(b'["ok",[1,[' + b"[]," * 5_000_000 + b"[]]],[],null]")),
    "too few parts": sends(frame(b'["ok",[1,1]]')),
    "an unknown kind": asks("please", 1),
    "a kind that is no text": asks(["ok"], 1),  # type: ignore[arg-type]
    "another number": lambda line: (read(line), say(line, "ok", [7, 1]), line.recv(1)),
    "True as a number": lambda line: (read(line), say(line, "ok", [True, 1]), line.recv(1)),
    "no number": lambda line: (read(line), say(line, "ok", [1]), line.recv(1)),
    "an error that is none": lambda line: (read(line), say(line, "raise", [1, 5]), line.recv(1)),
    "returned": lambda line: (read(line), say(line, "returned", [5]), line.recv(1)),
    "calls what was never lent": asks("call", "o0", ["tuple"], ["tuple"]),
    "steps what was never lent": asks("next", "o0"),
    "asks for attributes of nothing": asks("get", "o0", "__class__"),
    "asks without a number": asks("call"),
    "asks with a list for a number": asks("call", ["tuple"], ["tuple"], ["tuple"]),
    "asks for input for ever": asks("input", "?"),
    "an unknown tag": answers(["pickle", "x"]),
    "a tag that is no text": answers([["name"], "int"]),
    "an empty list": answers([]),
    "an unknown name": answers(["name", "os.system"]),
    "a name that is no text": answers(["name", {}]),
    "an unknown handle": answers(["handle", "h9"]),
    "an unknown container": answers(["same", "s9"]),
    "what was never lent": answers(["yours", "o0"]),
    "a change of an unknown container": answers(1, [["e1", [1]]]),
    "a container with a number of ours": answers(["new", "e1", "list", [], [1]]),
    "a container of an unknown kind": answers(["new", "s1", "attributes", [], []]),
    "a container with odd parts": answers(["new", "s1", "dict", [], [1, 2, 3]]),
    "a container with keys that cannot be": answers(["new", "s1", "dict", [], [["new", "s2", "list", [], []], 2]]),
    "a deque with any maximum": answers(["new", "s1", "deque", [-5], []]),
    "a text written far beyond its end": answers(["new", "s1", "StringIO", [], ["x", 2**40]]),
    "an int of a million digits": answers(["int", "0x" + "f" * 1_000_000]),
    "an int that is none": answers(["int", "__import__('os')"]),
    "a decimal with an exponent": answers(["Decimal", "1e999999999"]),
    "a fraction without end": answers(["Fraction", "0x" + "f" * 5000, "0x3"]),
    "a fraction by zero": answers(["Fraction", "0x1", "0x0"]),
    "a float by another name": answers(["float", "1e5"]),
    "a range of texts": answers(["range", "a", "b", "c"]),
    "a time of words": answers(["datetime", "tomorrow", 0, None]),
    "a zone that is a file": answers(["zone", "../../../etc/passwd"]),
    "a zone that is no zone": answers(["zone", "Europe/Nowhere"]),
    "bytes that are none": answers(["bytes", "%%%"]),
    "an array as large as the world": answers(["new", "s1", "ndarray", ["|u1", ["tuple", 2**31, 2**31], True], ["|u1", ["()"], ["b", ""]]]),
    "an array of elements without end": answers(["new", "s1", "ndarray", ["<U99999", ["tuple", 99999], True], ["<U99999", ["()"], ["b", ""]]]),
    "an array of what it is not": answers(["new", "s1", "ndarray", ["<f8,<f8", ["tuple", 1], True], ["|u1", ["()", 1], ["b", "AA=="]]]),
    "an array that is shorter than it says": answers(["new", "s1", "ndarray", ["|u1", ["tuple", 5], True], ["|u1", ["()", 5], ["b", "AA=="]]]),
    "a frame that does not fit": answers(["new", "s1", "DataFrame", [], [["()", "range", ["range", 0, 3, 1], None], ["()", "range", ["range", 0, 1, 1], None], ["()"]]]),
    "rows that do not fit": answers(["Rows", ["tuple", "a"], ["tuple", "text"], ["tuple", ["tuple", 1, 2]]]),
    "a query of numbers": answers(["Query", 1, 2]),
    "a union of instances": answers(["union", 1, 2]),
    "an object without a class": answers(["object", "h1", 5]),
    "an object of int": answers(["object", "h1", ["name", "int"]]),
    "an object of a class that is a number": answers(["object", "h2", INT]),
    "a number that is a text": answers(["value", "h2", INT, "x"]),
    "a text that is a container": answers(["container", "h2", INT, [], []]),
    "a class of no bases": answers(CLASS("h1", "X", [5])),
    "a class with bases that do not go together": answers(CLASS("h1", "X", [["name", "int"], ["name", "str"]])),
    "a class that is its own base": answers(CLASS("h1", "X", [["handle", "h1"]])),
    "a class of a million names": answers(CLASS("h1", "X", names=[f"n{i}" for i in range(10_000)])),
    "a class with a name that is none": answers(CLASS("h1", "X", names=[5])),
    "a class with a name with a zero": answers(CLASS("h1", "X\0")),
    "a handle that is no text": answers(["object", 5, INT]),
    "a handle without end": answers(["object", "h" * 1000, INT]),
    "a handle that is a container's number": answers(["container", "e1", CLASS("h1", "X", [["name", "list"]]), [], []]),
    "a handle that is a lent object's number": answers(["object", "o0", CLASS("h1", "X")]),
    "a handle that is nearly one": answers(["object", "h2\n", CLASS("h1", "X")]),
    "a container with a handle for a number": answers(["new", "h1", "list", [], []]),
    "a container with a lent object's number": answers(["new", "o0", "list", [], []]),
    "an error of an unknown class": answers(["error", ["os.system"], ["tuple"], None, None, False, [], []]),
    "an error of ours": answers(["error", ["course.examiner.wire.Broken"], ["tuple"], None, None, False, [], []]),
    "an error without args": answers(["error", ["ValueError"], 5, None, None, False, [], []]),
    "an error from what is none": answers(["error", ["ValueError"], ["tuple"], 5, None, False, [], []]),
    "prints without end": answers(1, (), ["x" * 2_000_000, "", []]),
    "prints what is no text": answers(1, (), [5, "", []]),
    "warns of what is no warning": answers(1, (), ["", "", [[["error", ["ValueError"], ["tuple"], None, None, False, [], []], True]]]),
}  # fmt: skip


@pytest.mark.parametrize("name", ILL_BEHAVED)
def test_a_kernel_that_breaks_the_rules_ends_the_session(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt="": "")
    start = time.monotonic()
    with peer(ILL_BEHAVED[name], seconds=1.0) as session:
        with pytest.raises(Broken):
            session.ask("name", "x")
        assert isinstance(session.failed, Broken)
        assert not session.can_ask
        with pytest.raises(Broken):
            session.ask("name", "x")
    assert time.monotonic() - start < 3


def flood_of_handles(line: socket.socket) -> None:
    for start in (2, 602):
        _, (number, *_), *_ = read(line)
        cls = CLASS("h1", "X") if start == 2 else ["handle", "h1"]
        first, *others = range(start, start + 600)
        objects = [
            ["object", f"h{first}", cls],
            *(["object", f"h{each}", ["handle", "h1"]] for each in others),
        ]
        say(line, "ok", [number, ["new", f"s{start}", "list", [], objects]])


def flood_of_containers(line: socket.socket) -> None:
    for start in (0, 600):
        _, (number, *_), *_ = read(line)
        lists = [["new", f"s{each}", "list", [], []] for each in range(start, start + 600)]
        say(line, "ok", [number, ["tuple", *lists]])


@pytest.mark.parametrize("flood", [flood_of_handles, flood_of_containers])
def test_a_flood_ends_the_session(
    flood: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wire, standins):
        monkeypatch.setattr(module, "MOST_OBJECTS", 1000)
    with peer(flood, seconds=10.0) as session:
        kept = session.ask("name", "x")
        with pytest.raises(Broken, match="too many"):
            session.ask("name", "x")
        assert kept


@pytest.mark.parametrize("name", ["__signature__", "__wrapped__", "__isabstractmethod__"])
def test_what_a_lent_function_is_cannot_be_said_anew(name: str) -> None:
    def rate(n: int) -> int:
        return n

    with peer(answers(1, [["o0", ["tag", 1]]])) as session:
        session.ask("call", rate)
        assert vars(rate) == {"tag": 1}
    with peer(answers(1, [["o0", [name, 1]]])) as session:
        with pytest.raises(Broken):
            session.ask("call", rate)
        assert vars(rate) == {"tag": 1}


def test_only_what_is_open_of_a_lent_object_can_be_had() -> None:
    """The test lends a function and an object; the kernel tries to get at more."""

    class Fake:
        def __init__(self) -> None:
            self.public, self._private = 1, 2

        def method(self) -> int:
            return 3

    Fake.__module__ = "__main__"
    tries = [
        ("get", "o0", "__globals__"),
        ("get", "o0", "__code__"),
        ("get", "o1", "_private"),
        ("get", "o1", "__class__"),
        ("get", "o1", "__dict__"),
        ("get", "o1", "public.__class__"),
        ("get", "o1", 5),
        ("set", "o1", "method", 1),
        ("set", "o1", "_private", 1),
        ("set", "o1", "__class__", ["name", "int"]),
        ("set", "o0", "__code__", 1),
    ]
    refused: list[Any] = []

    def behave(line: socket.socket) -> None:
        _, (number, *_), *_ = read(line)
        for each in tries:
            say(line, each[0], list(each[1:]))
            refused.append(read(line))
        say(line, "get", ["o1", "public"])
        refused.append(read(line))
        say(line, "ok", [number, 1])

    with peer(behave) as session:
        assert session.ask("call", lambda: 1, Fake()) == 1
    assert [kind for kind, *_ in refused] == ["raised"] * len(tries) + ["returned"]
    assert all(payload[0][2] == "error" for kind, payload, *_ in refused[:-1])


@pytest.mark.parametrize(
    "request_",
    [
        ("operate", "o0", "__reduce_ex__", 4),
        ("operate", "o0", "__getattribute__", "__globals__"),
        ("operate", "o1", "__init__"),
        ("operate", "o1", "method"),
        ("operate", "o1", ["tuple"]),
        ("next", "o0"),
        ("call", "o1", ["tuple"], ["tuple"]),
        ("await", "o0"),
        ("import", "os"),
    ],
)
def test_what_is_not_open_ends_the_session(request_: tuple[Any, ...]) -> None:
    class Fake:
        def method(self) -> int:
            return 3

    with peer(asks(*request_)) as session, pytest.raises(Broken):
        session.ask("call", lambda: 1, Fake())


def test_file_descriptors_that_come_along_are_not_taken() -> None:
    def behave(line: socket.socket) -> None:
        _, (number, *_), *_ = read(line)
        content = frame(json.dumps(["ok", [number, 5], [], None]).encode())
        line.sendmsg([content], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])

    with peer(behave) as session:
        before = set(Path("/proc/self/fd").iterdir())
        assert session.ask("get", 1, "x") == 5
        assert set(Path("/proc/self/fd").iterdir()) <= before


def test_a_kernel_that_does_not_listen_ends_the_session() -> None:
    with (
        peer(lambda line: time.sleep(1.5), seconds=0.5) as session,
        pytest.raises(Broken, match="does not listen"),
    ):
        session.ask("call", "x" * 10_000_000)


def test_a_class_with_names_of_ours_is_only_a_class() -> None:
    names = [
        "__course_about__",
        "__class__",
        "__del__",
        "__init_subclass__",
        "__getattribute__",
        "__dict__",
        "__slots__",
        "mro",
    ]

    def behave(line: socket.socket) -> None:
        _, (number, *_), *_ = read(line)
        say(line, "ok", [number, ["object", "h2", CLASS("h1", "X", names=names)]])
        _, (number, *_), *_ = read(line)
        say(line, "ok", [number, "asked"])

    with peer(behave) as session:
        thing = session.ask("get", 1, "x")
        assert type(thing).__name__ == "X"
        assert thing.anything == "asked"
