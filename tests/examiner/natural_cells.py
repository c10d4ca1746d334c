"""Test cells as authors write them, each with solutions that are right and solutions that are wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class Case:
    """The first right solution is the reference."""

    name: str
    test: str
    right: list[str]
    wrong: list[str] = field(default_factory=list)


CASES: list[Case] = []


def case(name: str, test: str, right: list[str] | str, wrong: list[str] | str = ()) -> None:
    lists = ([given] if isinstance(given, str) else list(given) for given in (right, wrong))
    CASES.append(Case(name, test, *lists))


# --- functions and plain data ---------------------------------------------------------------------------------------

case(
    "positional, keyword and default arguments",
    """
    assert greet("Ann") == "Hello, Ann!"
    assert greet("Ann", greeting="Bye") == "Bye, Ann!"
    assert greet(greeting="Hi", name="Bo") == "Hi, Bo!"
    """,
    [
        'def greet(name, greeting="Hello"): return f"{greeting}, {name}!"',
        'greet = lambda name, greeting="Hello": greeting + ", " + name + "!"',
    ],
    [
        'def greet(name, greeting="Hello"): return f"Hello, {name}!"',
        'def greet(name): return f"Hello, {name}!"',
    ],
)
case(
    "variadic arguments",
    """
    assert total() == 0 and total(1, 2, 3) == 6
    assert total(*range(5), scale=2) == 20
    assert total(1, **{"scale": 3}) == 3
    """,
    "def total(*numbers, scale=1): return scale * sum(numbers)",
    ["def total(*numbers, scale=1): return sum(numbers)", "def total(numbers, scale=1): return sum(numbers)"],
)
case(
    "exact types of results",
    """
    result = describe(4)
    assert type(result) is dict and result == {"value": 4, "even": True, "half": 2.0, "text": "4", "none": None}
    assert result["even"] is True and type(result["half"]) is float and result["none"] is None
    """,
    'def describe(n): return {"value": n, "even": n % 2 == 0, "half": n / 2, "text": str(n), "none": None}',
    [
        'def describe(n): return {"value": n, "even": 1, "half": n / 2, "text": str(n), "none": None}',
        'def describe(n): return {"value": n, "even": True, "half": n // 2, "text": str(n), "none": None}',
    ],
)
case(
    "large numbers, complex numbers and special floats",
    """
    import math
    assert factorial(200) == math.factorial(200)
    assert power(2, 10_000) == 2 ** 10_000 and power(-3, 5) == -243
    assert math.isnan(power(float("nan"), 1)) and power(float("inf"), 1) == math.inf
    assert power(1j, 2) == -1 + 0j and power(0.1, 1) == 0.1
    """,
    """
    def factorial(n): return 1 if n < 2 else n * factorial(n - 1)
    def power(x, n): return x ** n
    """,
    """
    def factorial(n): return 1 if n < 2 else n * factorial(n - 2)
    def power(x, n): return x ** n
    """,
)
case(
    "dates, times and decimals",
    """
    import datetime as dt
    from decimal import Decimal
    assert due(dt.date(2024, 2, 28)) == dt.date(2024, 3, 29)
    assert stamp(0) == dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    assert stamp(0).tzinfo is dt.timezone.utc
    assert gross(Decimal("10.00")) == Decimal("11.90") and type(gross(Decimal(1))) is Decimal
    assert (due(dt.date(2024, 1, 1)) - dt.date(2024, 1, 1)) == dt.timedelta(days=30)
    """,
    """
    import datetime, decimal
    def due(day): return day + datetime.timedelta(days=30)
    def stamp(seconds): return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    def gross(net): return net * decimal.Decimal("1.19")
    """,
    """
    import datetime, decimal
    def due(day): return day + datetime.timedelta(days=30)
    def stamp(seconds): return datetime.datetime.fromtimestamp(seconds)
    def gross(net): return float(net) * 1.19
    """,
)
case(
    "time zones",
    """
    import datetime as dt, zoneinfo
    noon = dt.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    there = move(noon, "America/New_York")
    assert there.hour == 6 and there == noon and there.tzinfo.key == "America/New_York"
    assert there.utcoffset() == dt.timedelta(hours=-4)
    """,
    """
    from zoneinfo import ZoneInfo
    def move(when, zone): return when.astimezone(ZoneInfo(zone))
    """,
    """
    from zoneinfo import ZoneInfo
    def move(when, zone): return when.replace(tzinfo=ZoneInfo(zone))
    """,
)
case(
    "other plain types",
    """
    import uuid, pathlib
    from fractions import Fraction
    key = uuid.uuid4()
    assert echo(key) == key and echo(Fraction(1, 3)) == Fraction(1, 3) and echo(b"\\x00\\xff") == b"\\x00\\xff"
    assert echo(pathlib.Path("a/b")).name == "b" and echo(range(3, 9, 2)) == range(3, 9, 2)
    assert echo((1, (2, 3))) == (1, (2, 3)) and echo(frozenset({1, 2})) == {1, 2} and echo(slice(1, 2)) == slice(1, 2)
    assert echo(...) is ... and echo(int) is int and echo("\\ud800é😀") == "\\ud800é😀"
    assert list(echo({1: 2}.items())) == [(1, 2)] and echo({1: 2}.keys()) == {1}
    """,
    "def echo(value): return value",
    "def echo(value): return str(value)",
)
case(
    "the argument must not change",
    """
    numbers = [3, 1, 2]
    assert ordered(numbers) == [1, 2, 3]
    assert numbers == [3, 1, 2], "the argument has changed"
    """,
    ["def ordered(numbers): return sorted(numbers)"],
    ["def ordered(numbers):\n    numbers.sort()\n    return numbers"],
)
case(
    "the argument must change in place",
    """
    numbers = [3, 1, 2]
    same = numbers
    assert double_all(numbers) is None
    assert numbers == [6, 2, 4] and same is numbers
    settings = {"a": {"b": 1}}
    inner = settings["a"]
    add_default(settings)
    assert settings["c"] == 0 and inner is settings["a"] and inner["d"] == [1]
    """,
    """
    def double_all(numbers):
        for i, n in enumerate(numbers): numbers[i] = 2 * n
    def add_default(settings):
        settings.setdefault("c", 0)
        settings["a"]["d"] = [1]
    """,
    """
    def double_all(numbers): numbers = [2 * n for n in numbers]
    def add_default(settings): settings = {**settings, "c": 0}
    """,
)
case(
    "a mutable default argument",
    """
    assert collect(1) == [1]
    assert collect(2) == [2], "the list is shared by all calls"
    mine = [0]
    assert collect(1, mine) is mine
    """,
    "def collect(x, into=None):\n    into = [] if into is None else into\n    into.append(x)\n    return into",
    "def collect(x, into=[]):\n    into.append(x)\n    return into",
)
case(
    "aliases and copies",
    """
    grid = make_grid(2, 3)
    grid[0][0] = 1
    assert grid == [[1, 0, 0], [0, 0, 0]]
    matrix = [[1], [2]]
    copied = deep(matrix)
    copied[0].append(5)
    assert matrix == [[1], [2]] and copied == [[1, 5], [2]]
    """,
    """
    import copy
    def make_grid(rows, columns): return [[0] * columns for _ in range(rows)]
    def deep(matrix): return copy.deepcopy(matrix)
    """,
    """
    def make_grid(rows, columns): return [[0] * columns] * rows
    def deep(matrix): return list(matrix)
    """,
)
case(
    "containers of the collections module",
    """
    from collections import Counter, OrderedDict, defaultdict, deque
    assert count("banana") == {"a": 3, "b": 1, "n": 2} and count("banana").most_common(1) == [("a", 3)]
    groups = group(["ab", "c", "ad"])
    assert groups["a"] == ["ab", "ad"] and groups["zzz"] == []
    last = tail(range(10), 3)
    assert isinstance(last, deque) and list(last) == [7, 8, 9] and last.maxlen == 3
    recent = OrderedDict(a=1, b=2)
    touch(recent, "a")
    assert list(recent) == ["b", "a"]
    """,
    """
    import collections
    def count(text): return collections.Counter(text)
    def group(words):
        found = collections.defaultdict(list)
        for word in words: found[word[0]].append(word)
        return found
    def tail(items, n): return collections.deque(items, n)
    def touch(recent, key): recent.move_to_end(key)
    """,
    """
    import collections
    def count(text): return collections.Counter(text)
    def group(words):
        found = {}
        for word in words: found.setdefault(word[0], []).append(word)
        return found
    def tail(items, n): return collections.deque(items, n)
    def touch(recent, key): recent[key] = recent[key]
    """,
)
case(
    "sets and dictionaries of tuples",
    """
    assert edges([("a", "b"), ("b", "a"), ("a", "a")]) == {frozenset("ab"), frozenset("a")}
    assert index([("x", 1), ("x", 2)]) == {("x", 1): 0, ("x", 2): 1}
    """,
    """
    def edges(pairs): return {frozenset(pair) for pair in pairs}
    def index(keys): return {key: i for i, key in enumerate(keys)}
    """,
    """
    def edges(pairs): return set(pairs)
    def index(keys): return {key[0]: i for i, key in enumerate(keys)}
    """,
)
case(
    "a list that contains itself",
    """
    loop = knot()
    assert loop[0] is loop and len(loop) == 1
    """,
    "def knot():\n    loop = []\n    loop.append(loop)\n    return loop",
    "def knot(): return [[]]",
)
case(
    "printed text",
    """
    import contextlib, io
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = shout("hi")
    assert result is None and out.getvalue() == "HI!\\n"
    """,
    'def shout(text): print(text.upper() + "!")',
    ['def shout(text): return text.upper() + "!"', 'def shout(text): print(text.upper(), "!")'],
)
case(
    "typed input",
    """
    import builtins
    answers, asked = iter(["x", "7"]), []
    before = builtins.input
    builtins.input = lambda prompt="": asked.append(prompt) or next(answers)
    try:
        assert ask_number("How many? ") == 7
    finally:
        builtins.input = before
    assert asked == ["How many? "] * 2
    """,
    """
    def ask_number(prompt):
        while True:
            try: return int(input(prompt))
            except ValueError: pass
    """,
    "def ask_number(prompt): return int(input(prompt))",
)
case(
    "a file-like argument",
    """
    import io
    out = io.StringIO()
    report([("a", 1), ("b", 2)], out)
    assert out.getvalue() == "a,1\\nb,2\\n"
    assert lines(io.StringIO("x\\n\\ny\\n")) == ["x", "y"]
    """,
    """
    def report(rows, file):
        for row in rows: print(*row, sep=",", file=file)
    def lines(file): return [line.strip() for line in file if line.strip()]
    """,
    """
    def report(rows, file):
        for row in rows: print(*row, sep=",")
    def lines(file): return file.read().split("\\n")
    """,
)
case(
    "names that are missing",
    """
    try:
        solve
    except NameError as error:
        assert str(error) == "name 'solve' is not defined"
        missing = True
    else:
        missing = False
    assert not missing, "define solve"
    """,
    "solve = 1",
    "other = 1",
)
case(
    "plain variables, looked up at each use",
    """
    assert counter == 0 and rates == {"usd": 1.1}
    bump()
    assert counter == 1
    """,
    "counter, rates = 0, {'usd': 1.1}\ndef bump():\n    global counter\n    counter += 1",
    "counter, rates = 0, {'usd': 1.1}\ndef bump():\n    counter = 1",
)
case(
    "builtins that the notebook redefines",
    """
    assert sum([1, 2]) == 3 and sum(["a", "b"]) == "ab"
    assert max(3, 4) == 4
    """,
    "def sum(items):\n    items = list(items)\n    total = items[0]\n    for item in items[1:]: total = total + item\n    return total",
    "def other(): pass",
)
case(
    "modules that the notebook imports",
    """
    assert math.isclose(area(1), math.pi) and json.loads(dump({"a": 1})) == {"a": 1}
    """,
    "import math, json\ndef area(r): return math.pi * r * r\ndef dump(x): return json.dumps(x)",
    "import math, json\ndef area(r): return 3 * r * r\ndef dump(x): return json.dumps(x)",
)
case(
    "signatures and documentation",
    """
    import inspect, typing
    signature = inspect.signature(scale)
    assert list(signature.parameters) == ["values", "by"] and signature.parameters["by"].default == 2
    assert signature.parameters["by"].kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.return_annotation == list[int]
    assert typing.get_type_hints(scale) == {"values": list[int], "by": int | None, "return": list[int]}
    assert scale.__doc__ and scale.__name__ == "scale" and callable(scale) and inspect.isfunction(scale)
    """,
    'def scale(values: list[int], *, by: int | None = 2) -> list[int]:\n    "Scale."\n    return [v * by for v in values]',
    [
        'def scale(values, *, by=2):\n    "Scale."\n    return [v * by for v in values]',
        "def scale(values: list[int], *, by: int | None = 2) -> list[int]:\n    return [v * by for v in values]",
    ],
)
case(
    "recursion on nested data",
    """
    assert flatten([1, [2, [3, [4]]], []]) == [1, 2, 3, 4]
    assert depth({"a": {"b": {}}}) == 3
    """,
    """
    def flatten(items):
        return [x for item in items for x in (flatten(item) if isinstance(item, list) else [item])]
    def depth(tree): return 1 + max(map(depth, tree.values()), default=0)
    """,
    """
    def flatten(items): return [x for item in items for x in (item if isinstance(item, list) else [item])]
    def depth(tree): return len(tree)
    """,
)
case(
    "errors of calls",
    """
    import pytest
    with pytest.raises(ValueError, match="negative"):
        root(-1)
    with pytest.raises(TypeError):
        root()
    with pytest.raises(ZeroDivisionError):
        inverse(0)
    try:
        root("x")
    except TypeError as error:
        assert "number" in str(error)
    else:
        assert False, "a text is no number"
    """,
    """
    def root(x):
        if not isinstance(x, (int, float)): raise TypeError("not a number")
        if x < 0: raise ValueError("negative number")
        return x ** 0.5
    def inverse(x): return 1 / x
    """,
    [
        "def root(x): return x ** 0.5\ndef inverse(x): return 1 / x",
        "def root(x):\n    if x < 0: raise Exception('negative')\n    return x ** 0.5\ndef inverse(x): return 1 / x if x else None",
    ],
)
case(
    "pytest.approx and math.isclose",
    """
    import math, pytest
    assert mean([1, 2, 2]) == pytest.approx(5 / 3)
    assert math.isclose(mean([0.1, 0.2]), 0.15)
    assert normalise([1, 1, 2]) == pytest.approx([0.25, 0.25, 0.5])
    """,
    "def mean(xs): return sum(xs) / len(xs)\ndef normalise(xs): return [x / sum(xs) for x in xs]",
    "def mean(xs): return sum(xs) // len(xs)\ndef normalise(xs): return [x / len(xs) for x in xs]",
)
case(
    "dictionary views and lazy maps as results",
    """
    assert list(names({"a": 1, "b": 2})) == ["a", "b"]
    assert sorted(doubled([2, 1])) == [2, 4]
    """,
    [
        "def names(d): return d.keys()\ndef doubled(xs): return map(lambda x: 2 * x, xs)",
        "def names(d): return list(d)\ndef doubled(xs): return (2 * x for x in xs)",
    ],
    "def names(d): return d.values()\ndef doubled(xs): return filter(None, xs)",
)
case(
    "random cases against an own computation",
    """
    import random
    for seed in range(5):
        random.seed(seed)
        numbers = [random.randint(-9, 9) for _ in range(20)]
        expected = sorted(set(numbers), reverse=True)[:3]
        assert top3(numbers) == expected, "the three largest different numbers"
    """,
    [
        "def top3(xs): return sorted(set(xs), reverse=True)[:3]",
        "import heapq\ndef top3(xs): return heapq.nlargest(3, set(xs))",
    ],
    "def top3(xs): return sorted(xs, reverse=True)[:3]",
)

# --- classes --------------------------------------------------------------------------------------------------------

ACCOUNT = """
class Account:
    bank = "First"
    count = 0
    def __init__(self, owner, balance=0):
        self.owner, self._balance = owner, balance
        Account.count += 1
    def deposit(self, amount):
        if amount <= 0: raise ValueError("the amount must be positive")
        self._balance += amount
        return self
    @property
    def balance(self): return self._balance
    @classmethod
    def of(cls, text): return cls(*text.split(":"))
    @staticmethod
    def valid(amount): return amount > 0
"""
case(
    "a class with attributes, methods and properties",
    """
    import pytest
    account = Account("Ann", 5)
    assert account.owner == "Ann" and account.balance == 5 and isinstance(account, Account)
    assert account.deposit(10).deposit(1) is account and account.balance == 16
    with pytest.raises(AttributeError):
        account.balance = 3
    with pytest.raises(ValueError):
        account.deposit(0)
    assert Account.bank == "First" and Account.valid(1) and not Account.valid(0)
    other = Account.of("Bo:7")
    assert other.owner == "Bo" and Account.count == 2
    account.nickname = "A"
    assert account.nickname == "A" and vars(account)["owner"] == "Ann" and not hasattr(account, "nothing")
    del account.nickname
    assert not hasattr(account, "nickname") and getattr(account, "nickname", None) is None
    """,
    ACCOUNT,
    [
        ACCOUNT.replace("return self\n", "\n", 1),
        ACCOUNT.replace("@property\n", "\n"),
        ACCOUNT.replace("+= 1", "= 1"),
    ],
)
MONEY = """
import functools
@functools.total_ordering
class Money:
    def __init__(self, amount, currency="EUR"): self.amount, self.currency = amount, currency
    def __eq__(self, other):
        if not isinstance(other, Money): return NotImplemented
        return (self.amount, self.currency) == (other.amount, other.currency)
    def __lt__(self, other):
        if not isinstance(other, Money): return NotImplemented
        return self.amount < other.amount
    def __hash__(self): return hash((self.amount, self.currency))
    def __add__(self, other):
        if other == 0: return self
        return Money(self.amount + other.amount, self.currency)
    __radd__ = __add__
    def __mul__(self, by): return Money(self.amount * by, self.currency)
    __rmul__ = __mul__
    def __neg__(self): return Money(-self.amount, self.currency)
    def __bool__(self): return self.amount != 0
    def __repr__(self): return f"Money({self.amount!r}, {self.currency!r})"
    def __str__(self): return f"{self.amount} {self.currency}"
    def __format__(self, spec): return format(self.amount, spec) + " " + self.currency
"""
case(
    "operators, ordering and hashing",
    """
    import pytest
    assert Money(1) == Money(1) and Money(1) != Money(2) and not Money(1) == Money(1, "USD")
    assert Money(1) + Money(2) == Money(3) and sum([Money(1), Money(2)]) == Money(3)
    assert Money(2) * 3 == Money(6) == 3 * Money(2) and -Money(1) == Money(-1)
    assert Money(1) < Money(2) <= Money(2) and max(Money(1), Money(3), Money(2)) == Money(3)
    assert sorted([Money(3), Money(1)])[0].amount == 1
    assert {Money(1), Money(1), Money(2)} == {Money(2), Money(1)} and {Money(1): "a"}[Money(1)] == "a"
    assert Money(1) in [Money(2), Money(1)] and Money(9) not in [Money(2)]
    assert not Money(0) and Money(1)
    assert repr(Money(1)) == "Money(1, 'EUR')" and str(Money(1)) == "1 EUR" and f"{Money(1.5):.2f}" == "1.50 EUR"
    with pytest.raises(TypeError):
        Money(1) < 3
    assert (Money(1) == 1) is False
    """,
    MONEY,
    [
        MONEY.replace("self.currency) == (other.amount, other.currency", "1) == (other.amount, 1"),
        MONEY.replace("def __hash__", "def hash"),
        MONEY.replace("__radd__ = __add__", ""),
        MONEY.replace("self.amount < other", "self.amount > other"),
    ],
)
case(
    "a container class",
    """
    import pytest
    shelf = Shelf(["b", "a"])
    assert len(shelf) == 2 and shelf[0] == "b" and shelf[-1] == "a" and "a" in shelf and "z" not in shelf
    assert list(shelf) == ["b", "a"] and list(reversed(shelf)) == ["a", "b"] and shelf[0:1] == ["b"]
    shelf[0] = "c"
    del shelf[1]
    assert list(shelf) == ["c"] and bool(shelf) and not Shelf([])
    with pytest.raises(IndexError):
        shelf[5]
    first, = shelf
    assert first == "c" and sorted(Shelf(["y", "x"])) == ["x", "y"]
    """,
    """
    class Shelf:
        def __init__(self, books): self.books = list(books)
        def __len__(self): return len(self.books)
        def __getitem__(self, i): return self.books[i]
        def __setitem__(self, i, book): self.books[i] = book
        def __delitem__(self, i): del self.books[i]
        def __contains__(self, book): return book in self.books
    """,
    """
    class Shelf:
        def __init__(self, books): self.books = books
        def __len__(self): return len(self.books)
        def __getitem__(self, i): return self.books[max(i, 0)]
        def __setitem__(self, i, book): self.books[i] = book
        def __delitem__(self, i): del self.books[i]
    """,
)
SHAPES = """
from abc import ABC, abstractmethod
class Shape(ABC):
    @property
    @abstractmethod
    def area(self): ...
    def describe(self): return f"{type(self).__name__} of {self.area}"
class Square(Shape):
    def __init__(self, side): self.side = side
    @property
    def area(self): return self.side ** 2
"""
case(
    "abstract classes",
    """
    import abc, inspect, pytest
    with pytest.raises(TypeError):
        Shape()
    assert Square(3).area == 9 and Square(2).describe() == "Square of 4"
    assert issubclass(Square, Shape) and isinstance(Square(1), Shape) and inspect.isabstract(Shape)
    assert not inspect.isabstract(Square) and issubclass(Shape, abc.ABC)
    class Line(Shape):
        pass
    with pytest.raises(TypeError):
        Line()
    class Dot(Shape):
        @property
        def area(self):
            return 0
    assert Dot().describe() == "Dot of 0"
    """,
    SHAPES,
    [SHAPES.replace("@abstractmethod\n", "\n"), SHAPES.replace("(ABC)", ""), SHAPES.replace("** 2", "* 2")],
)
case(
    "inheritance and super",
    """
    dog = Dog("Rex")
    assert dog.speak() == "Rex says woof" and isinstance(dog, Animal) and issubclass(Dog, Animal)
    assert Dog.__mro__[1] is Animal and Dog.__bases__ == (Animal,) and type(dog) is Dog and type(dog) is not Animal
    assert Animal("x").speak() == "x says nothing"
    class Puppy(Dog):
        def __init__(self, name, age):
            super().__init__(name)
            self.age = age
        def speak(self):
            return super().speak() + "!" * self.age
    puppy = Puppy("Bo", 2)
    assert puppy.speak() == "Bo says woof!!" and isinstance(puppy, Dog) and puppy.name == "Bo"
    """,
    """
    class Animal:
        sound = "nothing"
        def __init__(self, name): self.name = name
        def speak(self): return f"{self.name} says {self.sound}"
    class Dog(Animal):
        sound = "woof"
    """,
    """
    class Animal:
        sound = "nothing"
        def __init__(self, name): self.name = name
        def speak(self): return f"{self.name} says {self.sound}"
    class Dog:
        def __init__(self, name): self.name = name
        def speak(self): return f"{self.name} says woof"
    """,
)
case(
    "a template method that calls what the test defines",
    """
    class Upper(Exporter):
        separator = ";"
        def line(self, row):
            return self.separator.join(map(str, row)).upper()
    assert Upper().export([("a", 1), ("b", 2)]) == "A;1\\nB;2"
    assert Exporter().export([("a", 1)]) == "a,1"
    """,
    """
    class Exporter:
        separator = ","
        def line(self, row): return self.separator.join(map(str, row))
        def export(self, rows): return "\\n".join(self.line(row) for row in rows)
    """,
    """
    class Exporter:
        separator = ","
        def export(self, rows): return "\\n".join(self.separator.join(map(str, row)) for row in rows)
    """,
)
case(
    "registering subclasses",
    """
    class Json(Plugin, key="json"):
        def run(self):
            return "{}"
    assert Plugin.registry["json"] is Json and make("json").run() == "{}"
    """,
    """
    class Plugin:
        registry = {}
        def __init_subclass__(cls, key, **more):
            super().__init_subclass__(**more)
            Plugin.registry[key] = cls
    def make(key): return Plugin.registry[key]()
    """,
    """
    class Plugin:
        registry = {}
        def __init_subclass__(cls, key): pass
    def make(key): return Plugin.registry[key]()
    """,
)
POINT = """
from dataclasses import dataclass, field
@dataclass(frozen=True, order=True)
class Point:
    x: int
    y: int = 0
    tags: list = field(default_factory=list, compare=False)
"""
case(
    "data classes",
    """
    import dataclasses, pytest
    p = Point(1, 2)
    assert p == Point(1, 2) and p != Point(2, 1) and repr(p).startswith("Point(x=1, y=2") and p < Point(1, 3)
    assert [f.name for f in dataclasses.fields(Point)] == ["x", "y", "tags"] and dataclasses.is_dataclass(p)
    assert dataclasses.asdict(p) == {"x": 1, "y": 2, "tags": []} and dataclasses.astuple(Point(3)) == (3, 0, [])
    assert dataclasses.replace(p, y=9) == Point(1, 9) and p.tags is not Point(1).tags
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.x = 5
    assert len({p, Point(1, 2)}) == 1
    match p:
        case Point(x=1, y=second):
            assert second == 2
        case _:
            assert False
    """,
    POINT,
    [
        POINT.replace("frozen=True, ", ""),
        POINT.replace(", order=True", ""),
        POINT.replace("y: int = 0", "y: int = 1"),
    ],
)
case(
    "a hand-written class instead of a data class",
    """
    a, b = Item("pen", 2), Item("pen", 2)
    assert a == b and a is not b and a != Item("ink", 2)
    assert repr(a) == "Item(name='pen', price=2)"
    """,
    [
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    name: str\n    price: int",
        "class Item:\n    def __init__(self, name, price): self.name, self.price = name, price\n"
        "    def __eq__(self, other): return isinstance(other, Item) and vars(self) == vars(other)\n"
        "    def __repr__(self): return f'Item(name={self.name!r}, price={self.price!r})'",
    ],
    [
        "class Item:\n    def __init__(self, name, price): self.name, self.price = name, price",
        "class Item:\n    def __init__(self, name, price): self.name, self.price = name, price\n    def __eq__(self, other): return True\n"
        "    def __repr__(self): return f'Item(name={self.name!r}, price={self.price!r})'",
    ],
)
case(
    "enumerations",
    """
    import enum, pytest
    assert Color.RED.value == 1 and Color.RED.name == "RED" and Color(2) is Color.GREEN and Color["RED"] is Color.RED
    assert list(Color) == [Color.RED, Color.GREEN] and len(Color) == 2 and Color.RED in Color
    assert issubclass(Color, enum.Enum) and isinstance(Color.RED, enum.Enum) and Color.RED != Color.GREEN
    with pytest.raises(ValueError):
        Color(3)
    assert mix(Color.RED) is Color.GREEN and {Color.RED: 1}[Color.RED] == 1 and Color.RED != 1
    """,
    "import enum\nclass Color(enum.Enum):\n    RED = 1\n    GREEN = 2\ndef mix(c): return Color.GREEN",
    [
        "class Color:\n    RED = 1\n    GREEN = 2\ndef mix(c): return Color.GREEN",
        "import enum\nclass Color(enum.Enum):\n    RED = 1\n    GREEN = 2\n    BLUE = 3\ndef mix(c): return Color.GREEN",
    ],
)
case(
    "enumerations of numbers and texts",
    """
    assert Level.HIGH == 3 and Level.LOW < Level.HIGH and int(Level.LOW) == 1 and sorted([Level.HIGH, Level.LOW])[0] is Level.LOW
    assert Status.OK == "ok" and Status.OK.upper() == "OK" and f"{Status.OK}" == "ok" and isinstance(Status.OK, str)
    assert status_of(True) == "ok" and status_of(False) == "bad" and Level(3) is Level.HIGH and Level.HIGH + 1 == 4
    """,
    "import enum\nclass Level(enum.IntEnum):\n    LOW = 1\n    HIGH = 3\nclass Status(enum.StrEnum):\n    OK = 'ok'\n    BAD = 'bad'\n"
    "def status_of(good): return Status.OK if good else Status.BAD",
    "import enum\nclass Level(enum.Enum):\n    LOW = 1\n    HIGH = 3\nclass Status(enum.Enum):\n    OK = 'ok'\n    BAD = 'bad'\n"
    "def status_of(good): return Status.OK if good else Status.BAD",
)
case(
    "a subclass of plain data where plain data is expected",
    """
    result = locate("home")
    assert result == (1, 2) and result[0] == 1 and isinstance(result, tuple) and len(result) == 2
    x, y = result
    assert x + y == 3 and (1, 2) == result and result in [(1, 2)] and result < (2, 0) and hash(result) == hash((1, 2))
    assert code("home") == 200 and code("home") + 1 == 201 and 200 <= code("home") < 300
    assert label("home") == "home" and label("home").startswith("ho") and label("home") + "!" == "home!"
    """,
    [
        "def locate(name): return (1, 2)\ndef code(name): return 200\ndef label(name): return name",
        "from collections import namedtuple\nPlace = namedtuple('Place', 'x y')\ndef locate(name): return Place(1, 2)\n"
        "import http\ndef code(name): return http.HTTPStatus.OK\nclass Label(str): pass\ndef label(name): return Label(name)",
        "class Pair(tuple):\n    def __eq__(self, other): return tuple.__eq__(self, other)\n    def __hash__(self): return tuple.__hash__(self)\n"
        "def locate(name): return Pair((1, 2))\ndef code(name): return 200\ndef label(name): return name",
    ],
    [
        "def locate(name): return [1, 2]\ndef code(name): return 200\ndef label(name): return name",
        "from collections import namedtuple\nPlace = namedtuple('Place', 'x y')\ndef locate(name): return Place(2, 1)\n"
        "def code(name): return 200\ndef label(name): return name",
    ],
)
case(
    "named tuples",
    """
    p = Place(1, 2)
    assert p.x == 1 and p[1] == 2 and p == (1, 2) and p._asdict() == {"x": 1, "y": 2} and Place._fields == ("x", "y")
    assert p._replace(x=5) == Place(5, 2) and repr(p) == "Place(x=1, y=2)" and [*p] == [1, 2] and p.count(1) == 1
    """,
    [
        "from collections import namedtuple\nPlace = namedtuple('Place', 'x y')",
        "from typing import NamedTuple\nclass Place(NamedTuple):\n    x: int\n    y: int",
    ],
    "from collections import namedtuple\nPlace = namedtuple('Place', 'y x')",
)
case(
    "subclasses of containers",
    """
    stack = Stack()
    stack.push(1)
    stack.push(2)
    assert stack == [1, 2] and len(stack) == 2 and stack.top() == 2 and isinstance(stack, list)
    stack.append(3)
    assert stack.top() == 3 and stack.pop() == 3 and stack.top() == 2
    config = Config(a=1)
    assert config["a"] == 1 and config["zzz"] == "?" and "zzz" not in config and dict(config) == {"a": 1}
    config["B"] = 2
    assert config["b"] == 2 and sorted(config) == ["a", "b"]
    """,
    """
    class Stack(list):
        def push(self, x): self.append(x)
        def top(self): return self[-1]
    class Config(dict):
        def __missing__(self, key): return "?"
        def __setitem__(self, key, value): super().__setitem__(key.lower(), value)
    """,
    [
        """
    class Stack(list):
        def push(self, x): self.insert(0, x)
        def top(self): return self[0]
    class Config(dict):
        def __missing__(self, key): return "?"
    """,
        """
    class Stack(list):
        def push(self, x): self.append(x)
        def top(self): return self[-1]
    class Config(dict):
        def __missing__(self, key):
            self[key] = "?"
            return "?"
        def __setitem__(self, key, value): super().__setitem__(key.lower(), value)
    """,
    ],
)
case(
    "abstract classes of collections",
    """
    import collections.abc as c
    bag = Bag("abca")
    assert isinstance(bag, c.Collection) and isinstance(bag, c.Sized) and len(bag) == 4 and "b" in bag
    assert sorted(bag) == ["a", "a", "b", "c"] and isinstance(bag, c.Iterable) and not isinstance(bag, c.Mapping)
    low = Lower({"A": 1})
    assert low["a"] == 1 == low["A"] and low.get("zz") is None and low == {"a": 1} and isinstance(low, c.Mapping)
    assert list(low.items()) == [("a", 1)] and issubclass(Lower, c.Mapping)
    """,
    """
    import collections.abc
    class Bag(collections.abc.Collection):
        def __init__(self, items): self.items = list(items)
        def __contains__(self, x): return x in self.items
        def __iter__(self): return iter(self.items)
        def __len__(self): return len(self.items)
    class Lower(collections.abc.Mapping):
        def __init__(self, data): self.data = {k.lower(): v for k, v in data.items()}
        def __getitem__(self, key): return self.data[key.lower()]
        def __iter__(self): return iter(self.data)
        def __len__(self): return len(self.data)
    """,
    """
    class Bag:
        def __init__(self, items): self.items = list(items)
        def __contains__(self, x): return x in self.items
        def __iter__(self): return iter(self.items)
    class Lower(dict): pass
    """,
)
case(
    "slots",
    """
    import pytest
    p = Pixel(1, 2)
    assert (p.x, p.y) == (1, 2)
    with pytest.raises(AttributeError):
        p.z = 3
    assert not hasattr(p, "__dict__")
    """,
    "class Pixel:\n    __slots__ = ('x', 'y')\n    def __init__(self, x, y): self.x, self.y = x, y",
    "class Pixel:\n    def __init__(self, x, y): self.x, self.y = x, y",
)
case(
    "copying objects",
    """
    import copy
    a = Basket(["x"])
    b, c = copy.copy(a), copy.deepcopy(a)
    a.items.append("y")
    assert b.items == ["x", "y"] and c.items == ["x"] and isinstance(c, Basket) and b is not a
    """,
    "class Basket:\n    def __init__(self, items): self.items = items",
    "class Basket:\n    def __init__(self, items): self.items = items\n    def __copy__(self): return Basket(list(self.items))",
)
case(
    "callable objects and closures",
    """
    triple = multiplier(3)
    assert triple(4) == 12 and callable(triple) and multiplier(5)(2) == 10
    c1, c2 = counter(), counter()
    assert [c1(), c1(), c2()] == [1, 2, 1]
    assert compose(triple, lambda x: x + 1)(2) == 9
    """,
    [
        """
    def multiplier(n): return lambda x: n * x
    def counter():
        n = 0
        def step():
            nonlocal n
            n += 1
            return n
        return step
    def compose(f, g): return lambda x: f(g(x))
    """,
        """
    import functools, itertools
    class multiplier:
        def __init__(self, n): self.n = n
        def __call__(self, x): return self.n * x
    def counter(): return itertools.count(1).__next__
    def compose(f, g): return lambda x: f(g(x))
    """,
    ],
    """
    n = 0
    def multiplier(n): return lambda x: n * x
    def counter():
        def step():
            global n
            n += 1
            return n
        return step
    def compose(f, g): return lambda x: g(f(x))
    """,
)
case(
    "descriptors and validation",
    """
    import pytest
    p = Product("pen", 3)
    p.price = 4
    assert p.price == 4
    with pytest.raises(ValueError, match="price"):
        p.price = -1
    assert Product("ink", 1).price == 1 and p.price == 4
    """,
    """
    class Positive:
        def __set_name__(self, owner, name): self.name = name
        def __get__(self, instance, owner): return self if instance is None else vars(instance)[self.name]
        def __set__(self, instance, value):
            if value <= 0: raise ValueError(f"{self.name} must be positive")
            vars(instance)[self.name] = value
    class Product:
        price = Positive()
        def __init__(self, name, price): self.name, self.price = name, price
    """,
    """
    class Positive:
        value = 0
        def __get__(self, instance, owner): return self.value
        def __set__(self, instance, value):
            if value <= 0: raise ValueError("price must be positive")
            self.value = value
    class Product:
        price = Positive()
        def __init__(self, name, price): self.name, self.price = name, price
    """,
)
case(
    "dynamic attributes",
    """
    import pytest
    record = Record({"name": "Ann"})
    assert record.name == "Ann"
    with pytest.raises(AttributeError, match="age"):
        record.age
    record.age = 5
    assert record.data == {"name": "Ann", "age": 5}
    """,
    """
    class Record:
        def __init__(self, data): self.__dict__["data"] = data
        def __getattr__(self, name):
            try: return self.data[name]
            except KeyError: raise AttributeError(name) from None
        def __setattr__(self, name, value): self.data[name] = value
    """,
    """
    class Record:
        def __init__(self, data): self.data = data
        def __getattr__(self, name): return self.data.get(name)
    """,
)
case(
    "a singleton",
    """
    assert Settings() is Settings()
    Settings().debug = True
    assert Settings().debug is True and isinstance(Settings(), Settings)
    """,
    """
    class Settings:
        _one = None
        def __new__(cls):
            if cls._one is None: cls._one = super().__new__(cls)
            return cls._one
    """,
    "class Settings:\n    debug = True",
)
case(
    "protocols that are checked at run time",
    """
    class Duck:
        def quack(self):
            return "quack"
    assert isinstance(Duck(), Quacks) and not isinstance(5, Quacks)
    assert all_quack([Duck(), Duck()]) == ["quack", "quack"]
    """,
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class Quacks(Protocol):
        def quack(self) -> str: ...
    def all_quack(birds): return [bird.quack() for bird in birds]
    """,
    """
    class Quacks: pass
    def all_quack(birds): return [bird.quack() for bird in birds]
    """,
)
case(
    "generic classes",
    """
    assert Box[int](3).get() == 3 and Box("x").map(str.upper).get() == "X"
    assert isinstance(Box(1).map(lambda n: n + 1), Box) and Box(1).map(lambda n: n + 1).get() == 2
    """,
    """
    from typing import Generic, TypeVar
    T = TypeVar("T")
    class Box(Generic[T]):
        def __init__(self, item: T): self.item = item
        def get(self) -> T: return self.item
        def map(self, f): return Box(f(self.item))
    """,
    """
    class Box:
        def __init__(self, item): self.item = item
        def get(self): return self.item
        def map(self, f): return f(self.item)
        def __class_getitem__(cls, item): return cls
    """,
)
case(
    "a linked list and a tree",
    """
    items = Linked([1, 2, 3])
    assert list(items) == [1, 2, 3] and items.head.next.value == 2 and items.head.next.next.next is None
    items.reverse()
    assert list(items) == [3, 2, 1]
    tree = insert(insert(insert(None, 2), 1), 3)
    assert tree.value == 2 and tree.left.value == 1 and tree.right.value == 3 and tree.left.left is None
    """,
    """
    class Node:
        def __init__(self, value, next=None): self.value, self.next = value, next
    class Linked:
        def __init__(self, values):
            self.head = None
            for value in reversed(values): self.head = Node(value, self.head)
        def __iter__(self):
            node = self.head
            while node:
                yield node.value
                node = node.next
        def reverse(self):
            node, before = self.head, None
            while node: node.next, before, node = before, node, node.next
            self.head = before
    class Tree:
        def __init__(self, value): self.value, self.left, self.right = value, None, None
    def insert(tree, value):
        if tree is None: return Tree(value)
        side = "left" if value < tree.value else "right"
        setattr(tree, side, insert(getattr(tree, side), value))
        return tree
    """,
    """
    class Node:
        def __init__(self, value, next=None): self.value, self.next = value, next
    class Linked:
        def __init__(self, values):
            self.head = None
            for value in reversed(values): self.head = Node(value, self.head)
        def __iter__(self):
            node = self.head
            while node:
                yield node.value
                node = node.next
        def reverse(self): pass
    class Tree:
        def __init__(self, value): self.value, self.left, self.right = value, None, None
    def insert(tree, value): return Tree(value)
    """,
)
case(
    "monkey-patching the student's class",
    """
    before = Clock.now
    Clock.now = lambda self: 42
    try:
        assert Timer().read() == 42
    finally:
        Clock.now = before
    assert Timer().read() == 0
    """,
    "class Clock:\n    def now(self): return 0\nclass Timer:\n    def __init__(self): self.clock = Clock()\n    def read(self): return self.clock.now()",
    "class Clock:\n    def now(self): return 0\nclass Timer:\n    def read(self): return 0",
)

case(
    "classes that derive from plain data where the reference's does not",
    """
a, b = Vector(1, 2), Vector(3, 4)
assert a + b == Vector(4, 6) and (a + b).x == 4 and a != b and a == Vector(1, 2)
assert len({a, b, Vector(1, 2)}) == 2 and {a: "a"}[Vector(1, 2)] == "a"
assert [v.x for v in sorted([b, a])] == [1, 3] and max(a, b) == b
assert Name("Ann") == Name("ANN") and Name("Ann") != Name("Bo") and len({Name("Ann"), Name("ann")}) == 1
both = Right.READ | Right.WRITE
assert Right.READ in both and both.name == "READ|WRITE" and both & Right.READ == Right.READ
""",
    [
        """
import enum, functools
@functools.total_ordering
class Vector:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, other): return Vector(self.x + other.x, self.y + other.y)
    def __eq__(self, other): return (self.x, self.y) == (other.x, other.y)
    def __lt__(self, other): return (self.x, self.y) < (other.x, other.y)
    def __hash__(self): return hash((self.x, self.y))
class Name:
    def __init__(self, text): self.text = text.lower()
    def __eq__(self, other): return self.text == other.text
    def __hash__(self): return hash(self.text)
class Right(enum.Flag):
    READ, WRITE = 1, 2
""",
        """
import enum
from typing import NamedTuple
class Vector(NamedTuple):
    x: int
    y: int
    def __add__(self, other): return Vector(self.x + other.x, self.y + other.y)
class Name(str):
    def __eq__(self, other): return self.lower() == other.lower()
    def __ne__(self, other): return not self == other
    def __hash__(self): return hash(self.lower())
class Right(enum.IntFlag):
    READ, WRITE = 1, 2
""",
    ],
    """
import enum
from typing import NamedTuple
class Vector(NamedTuple):
    x: int
    y: int
class Name(str): pass
class Right(enum.IntFlag):
    READ, WRITE = 1, 2
""",
)

# --- exceptions -----------------------------------------------------------------------------------------------------

FUNDS = """
class BankError(Exception): pass
class InsufficientFunds(BankError):
    def __init__(self, needed):
        super().__init__(f"{needed} more is needed")
        self.needed = needed
def withdraw(balance, amount):
    if amount > balance: raise InsufficientFunds(amount - balance)
    return balance - amount
def load(text):
    try: return int(text)
    except ValueError as error: raise BankError("unreadable") from error
"""
case(
    "the student's exceptions",
    """
    import pytest
    assert withdraw(5, 3) == 2
    with pytest.raises(InsufficientFunds) as caught:
        withdraw(1, 4)
    assert caught.value.needed == 3 and str(caught.value) == "3 more is needed" and caught.type is InsufficientFunds
    assert issubclass(InsufficientFunds, BankError) and issubclass(BankError, Exception) and caught.value.args == ("3 more is needed",)
    with pytest.raises(BankError, match="more is needed"):
        withdraw(1, 4)
    with pytest.raises(BankError) as caught:
        load("x")
    assert isinstance(caught.value.__cause__, ValueError) and not isinstance(caught.value, InsufficientFunds)
    try:
        withdraw(0, 1)
    except InsufficientFunds as error:
        reason = error
    assert isinstance(reason, Exception) and reason.needed == 1
    try:
        raise InsufficientFunds(2)
    except BankError as error:
        assert error.needed == 2
    """,
    FUNDS,
    [
        FUNDS.replace(" from error", " from None"),
        FUNDS.replace("InsufficientFunds(BankError)", "InsufficientFunds(Exception)"),
        FUNDS.replace("self.needed = needed", "pass"),
        FUNDS.replace("raise InsufficientFunds(amount - balance)", "raise ValueError('more is needed')"),
    ],
)
case(
    "chains and notes of exceptions",
    """
    try:
        step("bad")
    except RuntimeError as error:
        assert error.__notes__ == ["while doing bad"] and isinstance(error.__context__, KeyError)
        assert error.__context__.args == ("bad",) and error.__suppress_context__ is False and error.__cause__ is None
    else:
        assert False
    """,
    """
    def step(name):
        try: return {}[name]
        except KeyError:
            error = RuntimeError("failed")
            error.add_note(f"while doing {name}")
            raise error
    """,
    "def step(name):\n    raise RuntimeError('failed')",
)
case(
    "groups of exceptions",
    """
    import pytest
    with pytest.raises(ExceptionGroup) as caught:
        validate({"age": -1, "name": ""})
    assert {type(e) for e in caught.value.exceptions} == {ValueError, Missing} and len(caught.value.exceptions) == 2
    found = []
    try:
        validate({"age": -1, "name": ""})
    except* Missing as group:
        found += [e.field for e in group.exceptions]
    except* ValueError as group:
        found += [str(e) for e in group.exceptions]
    assert sorted(found) == ["age", "name"]
    assert validate({"age": 1, "name": "x"}) is None
    """,
    """
    class Missing(Exception):
        def __init__(self, field): self.field = field
    def validate(data):
        errors = []
        if data["age"] < 0: errors.append(ValueError("age"))
        if not data["name"]: errors.append(Missing("name"))
        if errors: raise ExceptionGroup("invalid", errors)
    """,
    """
    class Missing(Exception):
        def __init__(self, field): self.field = field
    def validate(data):
        if data["age"] < 0: raise ValueError("age")
        if not data["name"]: raise Missing("name")
    """,
)
case(
    "errors of the operating system and of libraries",
    """
    import json, pytest
    with pytest.raises(FileNotFoundError) as caught:
        read_config("/nowhere/at/all.json")
    assert caught.value.filename == "/nowhere/at/all.json" and caught.value.errno == 2
    with pytest.raises(json.JSONDecodeError) as caught:
        parse("{")
    assert caught.value.pos == 1
    with pytest.raises(UnicodeDecodeError):
        decode(b"\\xff")
    """,
    """
    import json
    def read_config(path): return open(path).read()
    def parse(text): return json.loads(text)
    def decode(data): return data.decode()
    """,
    """
    import json
    def read_config(path):
        try: return open(path).read()
        except OSError: return None
    def parse(text): return json.loads(text)
    def decode(data): return data.decode(errors="replace")
    """,
)
case(
    "a library's exception that the student raises and derives from",
    """
    import pytest, subprocess
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("x")
    assert caught.value.returncode == 3
    with pytest.raises(subprocess.SubprocessError):
        run("y")
    assert issubclass(Late, subprocess.SubprocessError)
    """,
    """
    import subprocess
    class Late(subprocess.SubprocessError): pass
    def run(x):
        if x == "y": raise Late("y")
        raise subprocess.CalledProcessError(3, "x")
    """,
    """
    import subprocess
    class Late(Exception): pass
    def run(x): raise Late("y")
    """,
)
case(
    "retrying and what the test's functions raise",
    """
    import pytest
    calls = []
    def flaky():
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("down")
        return "up"
    assert retry(flaky, 5) == "up" and len(calls) == 3
    class Fatal(Exception):
        pass
    def broken():
        calls.append(1)
        raise Fatal("no")
    calls.clear()
    with pytest.raises(Fatal, match="no") as caught:
        retry(broken, 5)
    assert len(calls) == 1
    calls.clear()
    def always():
        calls.append(1)
        raise ConnectionError(len(calls))
    with pytest.raises(ConnectionError) as caught:
        retry(always, 4)
    assert len(calls) == 4 and caught.value.args == (4,)
    """,
    """
    def retry(f, times):
        for left in range(times - 1, -1, -1):
            try: return f()
            except ConnectionError:
                if not left: raise
    """,
    [
        """
    def retry(f, times):
        for _ in range(times):
            try: return f()
            except Exception: pass
    """,
        "def retry(f, times): return f()",
    ],
)
case(
    "a test's exception class as an argument",
    """
    import pytest
    class Busy(Exception):
        pass
    calls = []
    @retrying(on=Busy, times=3)
    def work(x):
        calls.append(x)
        if len(calls) < 2:
            raise Busy("wait")
        return x
    assert work(7) == 7 and calls == [7, 7]
    with pytest.raises(Busy):
        fail_with(Busy)
    """,
    """
    import functools
    def retrying(on, times):
        def decorate(f):
            @functools.wraps(f)
            def wrapper(*args, **kwargs):
                for i in range(times):
                    try: return f(*args, **kwargs)
                    except on:
                        if i == times - 1: raise
            return wrapper
        return decorate
    def fail_with(kind): raise kind("on purpose")
    """,
    """
    def retrying(on, times):
        return lambda f: f
    def fail_with(kind): raise kind("on purpose")
    """,
)

case(
    "checks of the test's own that are to fail",
    """
import pytest
def shaky():
    tries.append(1)
    assert len(tries) > 2, "not yet"
    return "done"
tries = []
assert retry(shaky) == "done" and len(tries) == 3
with pytest.raises(AssertionError, match="always"):
    @retry
    def never():
        raise AssertionError("always")
def good():
    assert 1 + 1 == 2
def bad():
    assert 1 + 1 == 3, "three"
assert failures([good, bad]) == ["bad"]
with expecting(AssertionError):
    assert 1 + 1 == 3
""",
    """
from contextlib import suppress as expecting
def retry(f):
    for left in (2, 1, 0):
        try:
            return f()
        except Exception:
            if not left: raise
def failures(tests):
    found = []
    for test in tests:
        try:
            test()
        except AssertionError:
            found.append(test.__name__)
    return found
""",
    [
        """
from contextlib import suppress as expecting
def retry(f): return f()
def failures(tests): return ["bad"]
""",
    ],
)

# --- iterators, generators, context managers ------------------------------------------------------------------------

case(
    "lazy generators",
    """
    import inspect, itertools
    seen = []
    def source():
        for i in itertools.count():
            seen.append(i)
            yield i
    evens = only_even(source())
    assert seen == [] and inspect.isgenerator(evens) and iter(evens) is evens
    assert next(evens) == 0 and next(evens) == 2 and seen == [0, 1, 2]
    assert list(itertools.islice(evens, 2)) == [4, 6]
    assert list(only_even([1, 3])) == [] and next(only_even([]), "none") == "none"
    """,
    [
        "def only_even(items):\n    for item in items:\n        if item % 2 == 0: yield item",
        "def only_even(items): return (item for item in items if item % 2 == 0)",
    ],
    [
        "import itertools\ndef only_even(items): return [item for item in itertools.islice(items, 9) if item % 2 == 0]",
        "def only_even(items):\n    for item in items: yield item",
    ],
)
case(
    "generators that receive, are closed and return",
    """
    import pytest
    average = averager()
    next(average)
    assert average.send(10) == 10 and average.send(20) == 15
    average.close()
    with pytest.raises(StopIteration):
        next(average)
    log = []
    steps = traced(log)
    next(steps)
    steps.close()
    assert log == ["start", "end"]
    steps = traced(log)
    next(steps)
    with pytest.raises(KeyError):
        steps.throw(KeyError("x"))
    assert log == ["start", "end"] * 2
    def outer():
        result = yield from ends()
        yield result
    assert list(outer()) == [1, "done"]
    """,
    """
    def averager():
        total = count = 0
        average = None
        while True:
            total += yield average
            count += 1
            average = total / count
    def traced(log):
        log.append("start")
        try: yield 1
        finally: log.append("end")
    def ends():
        yield 1
        return "done"
    """,
    """
    def averager():
        average = None
        while True: average = yield average
    def traced(log):
        log.append("start")
        yield 1
        log.append("end")
    def ends():
        yield 1
    """,
)
case(
    "a generator that is dropped cleans up",
    """
    log = []
    for item in reading(log):
        break
    assert log == ["open"] or log == ["open", "close"]
    del item
    lines = reading(log)
    next(lines)
    del lines
    touch(log)
    assert log == ["open", "close"] * 2 + ["touch"]
    """,
    "def reading(log):\n    log.append('open')\n    try:\n        yield 1\n        yield 2\n    finally: log.append('close')\ndef touch(log): log.append('touch')",
    "def reading(log):\n    log.append('open')\n    yield 1\n    yield 2\n    log.append('close')\ndef touch(log): log.append('touch')",
)
case(
    "an iterator class",
    """
    import pytest
    down = Countdown(3)
    it = iter(down)
    assert next(it) == 3 and list(it) == [2, 1]
    with pytest.raises(StopIteration):
        next(it)
    assert list(down) == [3, 2, 1] and sum(Countdown(4)) == 10 and [*zip(Countdown(2), "ab")] == [(2, "a"), (1, "b")]
    """,
    [
        """
    class Countdown:
        def __init__(self, n): self.n = n
        def __iter__(self): return iter(range(self.n, 0, -1))
    """,
        """
    class Countdown:
        def __init__(self, n): self.n = n
        def __iter__(self):
            yield from range(self.n, 0, -1)
    """,
    ],
    """
    class Countdown:
        def __init__(self, n): self.n = n
        def __iter__(self): return self
        def __next__(self):
            if self.n == 0: raise StopIteration
            self.n -= 1
            return self.n + 1
    """,
)
case(
    "an argument that is an iterator is read only as far as needed",
    """
    numbers = iter([1, 2, 3, 4])
    assert first_over(numbers, 1) == 2
    assert list(numbers) == [3, 4], "no more than needed"
    assert chunks(iter("abcde"), 2) == ["ab", "cd", "e"]
    assert total(x * x for x in range(4)) == 14
    """,
    """
    import itertools
    def first_over(items, least): return next(item for item in items if item > least)
    def chunks(items, n):
        found = []
        while chunk := "".join(itertools.islice(items, n)): found.append(chunk)
        return found
    def total(numbers): return sum(numbers)
    """,
    """
    def first_over(items, least): return [item for item in items if item > least][0]
    def chunks(items, n):
        items = "".join(items)
        return [items[i:i + n] for i in range(0, len(items), n)]
    def total(numbers): return sum(numbers)
    """,
)
TRANSACTION = """
class Transaction:
    def __init__(self, log): self.log = log
    def __enter__(self):
        self.log.append("begin")
        return self
    def __exit__(self, kind, error, traceback):
        self.log.append("commit" if kind is None else f"rollback {kind.__name__} {error}")
        return isinstance(error, ZeroDivisionError)
"""
case(
    "context managers",
    """
    import pytest
    log = []
    with Transaction(log) as t:
        assert isinstance(t, Transaction)
        log.append("work")
    assert log == ["begin", "work", "commit"]
    log.clear()
    with pytest.raises(KeyError):
        with Transaction(log):
            raise KeyError("x")
    assert log == ["begin", "rollback KeyError 'x'"]
    with Transaction(log):
        1 / 0
    assert len(log) == 4
    class Mine(Exception):
        pass
    with pytest.raises(Mine):
        with Transaction(log):
            raise Mine("m")
    assert log[-1] == "rollback Mine m"
    """,
    TRANSACTION,
    [
        TRANSACTION.replace("return isinstance(error, ZeroDivisionError)", "return True"),
        TRANSACTION.replace("return isinstance(error, ZeroDivisionError)", ""),
        TRANSACTION.replace("return self\n", "\n"),
    ],
)
WATCHED = """
class Watched:
    def __init__(self, log): self.log = log
    def __enter__(self): return self
    def __exit__(self, kind, error, traceback):
        self.log.append(traceback is not None)
        return True
def enter(manager, kind):
    with manager:
        raise kind("x")
"""
case(
    "the traceback of an error in a with block",
    """
    log = []
    with Watched(log):
        1 / 0
    with Watched(log):
        pass
    Watched(log).__exit__(ValueError, ValueError("x"), None)
    class Mine:
        def __enter__(self):
            return self
        def __exit__(self, kind, error, traceback):
            log.append(traceback is not None)
            return True
    enter(Mine(), KeyError)
    assert log == [True, False, False, True]
    """,
    WATCHED,
    [WATCHED.replace("is not None", "is None"), WATCHED.replace("return True", "return False")],
)
case(
    "context managers made by contextlib",
    """
    import pytest
    events = []
    with section("a", events) as name:
        assert name == "A"
        events.append("in")
    assert events == ["+a", "in", "-a"]
    with pytest.raises(ValueError):
        with section("b", events):
            raise ValueError
    assert events[-2:] == ["+b", "-b"]
    """,
    """
    import contextlib
    @contextlib.contextmanager
    def section(name, events):
        events.append("+" + name)
        try: yield name.upper()
        finally: events.append("-" + name)
    """,
    """
    import contextlib
    @contextlib.contextmanager
    def section(name, events):
        events.append("+" + name)
        yield name.upper()
        events.append("-" + name)
    """,
)
case(
    "a context manager of the test's",
    """
    import contextlib
    log = []
    class Lock:
        def __enter__(self):
            log.append("lock")
            return self
        def __exit__(self, *error):
            log.append("unlock" if error[0] is None else error[0].__name__)
    assert guarded(Lock(), lambda: log.append("work") or 5) == 5
    assert log == ["lock", "work", "unlock"]
    log.clear()
    try:
        guarded(Lock(), lambda: 1 / 0)
    except ZeroDivisionError:
        log.append("raised")
    assert log == ["lock", "ZeroDivisionError", "raised"]
    """,
    "def guarded(lock, work):\n    with lock: return work()",
    "def guarded(lock, work):\n    lock.__enter__()\n    result = work()\n    lock.__exit__(None, None, None)\n    return result",
)

case(
    "contexts that end errors, and some that do not",
    """
import contextlib, pytest
with ignoring(KeyError, ValueError):
    {}["a"]
with pytest.raises(TypeError), ignoring(KeyError):
    len(5)
with contextlib.ExitStack() as stack:
    stack.enter_context(ignoring(ZeroDivisionError))
    1 / 0
async with IgnoringLater(KeyError) as ignored:
    {}["a"]
assert ignored == ["KeyError"]
with pytest.raises(TypeError):
    async with IgnoringLater(KeyError):
        len(5)
with ignoring(KeyError):
    pass
assert ignoring(KeyError).__exit__(KeyError, KeyError("a"), None)
with pytest.raises(TypeError):
    async with NeverLater():
        pass
""",
    [
        """
class ignoring:
    def __init__(self, *kinds): self.kinds = kinds
    def __enter__(self): return self
    def __exit__(self, kind, error, trace): return kind is not None and issubclass(kind, self.kinds)
class IgnoringLater(ignoring):
    async def __aenter__(self):
        self.ignored = []
        return self.ignored
    async def __aexit__(self, kind, error, trace):
        if kind is not None and issubclass(kind, self.kinds):
            self.ignored.append(kind.__name__)
            return True
class NeverLater:
    async def __aenter__(self): pass
    def __aexit__(self, *error): return 5
""",
        """
from contextlib import asynccontextmanager, suppress as ignoring
@asynccontextmanager
async def IgnoringLater(*kinds):
    ignored = []
    try:
        yield ignored
    except kinds as error:
        ignored.append(type(error).__name__)
class NeverLater:
    async def __aenter__(self): pass
    def __aexit__(self, *error): pass
""",
    ],
    """
class ignoring:
    def __init__(self, *kinds): pass
    def __enter__(self): pass
    def __exit__(self, *error): return True
async def IgnoringLater(kind): pass
""",
)

# --- callbacks and decorators ---------------------------------------------------------------------------------------

TIMES = """
import functools
def counted(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return f(*args, **kwargs)
    wrapper.calls = 0
    return wrapper
"""
case(
    "a decorator on the test's function",
    """
    import inspect
    @counted
    def add(a, b=2, *, c: int = 3):
        "Adds."
        return a + b + c
    assert add(1) == 6 and add(1, b=1, c=1) == 3 and add.calls == 2
    assert add.__name__ == "add" and add.__doc__ == "Adds." and str(inspect.signature(add)) == "(a, b=2, *, c: int = 3)"
    assert add.__wrapped__(1) == 6 and add.calls == 2
    """,
    TIMES,
    [
        TIMES.replace("@functools.wraps(f)", ""),
        TIMES.replace("**kwargs)\n    wrapper", ")\n    wrapper"),
        TIMES.replace("+= 1", "+= 2"),
    ],
)
case(
    "a decorator with arguments, and one that marks",
    """
    seen = []
    @repeat(3)
    def hello(name):
        seen.append(name)
        return name
    assert hello("a") == ["a"] * 3 and seen == ["a"] * 3
    @route("/users", methods=["GET"])
    def users():
        return []
    assert users.path == "/users" and users.methods == ["GET"] and users() == [] and routes["/users"] is users
    """,
    """
    def repeat(n): return lambda f: lambda *args: [f(*args) for _ in range(n)]
    routes = {}
    def route(path, methods):
        def mark(f):
            f.path, f.methods = path, methods
            routes[path] = f
            return f
        return mark
    """,
    """
    def repeat(n): return lambda f: lambda *args: f(*args)
    routes = {}
    def route(path, methods):
        def mark(f):
            routes[path] = f
            return f
        return mark
    """,
)
case(
    "memoising",
    """
    calls = []
    @memoize
    def slow(n):
        calls.append(n)
        return n * n
    assert [slow(2), slow(2), slow(3)] == [4, 4, 9] and calls == [2, 3]
    @memoize
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
    assert fibonacci(60) == 1548008755920
    """,
    [
        "def memoize(f):\n    known = {}\n    def g(n):\n        if n not in known: known[n] = f(n)\n        return known[n]\n    return g",
        "import functools\nmemoize = functools.lru_cache(None)",
    ],
    "def memoize(f):\n    known = {}\n    def g(n):\n        known[n] = f(n)\n        return known[n]\n    return g",
)
case(
    "a decorator that checks types by annotation",
    """
    import pytest
    @checked
    def repeat(text: str, times: int = 2) -> str:
        return text * times
    assert repeat("a") == "aa" and repeat("a", times=3) == "aaa"
    with pytest.raises(TypeError, match="times"):
        repeat("a", "b")
    """,
    """
    import functools, inspect
    def checked(f):
        signature = inspect.signature(f)
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                if not isinstance(value, f.__annotations__[name]): raise TypeError(name)
            return f(*args, **kwargs)
        return wrapper
    """,
    "def checked(f): return f",
)
case(
    "a decorator on a method and on a class of the test's",
    """
    class Report:
        def __init__(self):
            self.runs = 0
        @logged
        def run(self, x):
            self.runs += 1
            return x * 2
    report = Report()
    assert report.run(4) == 8 and report.runs == 1 and log == ["run"]
    @with_repr
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b
        def total(self):
            return self.a + self.b
    pair = Pair(1, 2)
    assert repr(pair) == "Pair(a=1, b=2)" and pair.total() == 3 and pair.a == 1
    """,
    """
    log = []
    def logged(f):
        def wrapper(self, *args):
            log.append(f.__name__)
            return f(self, *args)
        return wrapper
    def with_repr(cls):
        def show(self): return f"{cls.__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
        cls.__repr__ = show
        return cls
    """,
    """
    log = []
    def logged(f):
        def wrapper(*args): return f(*args)
        return wrapper
    def with_repr(cls): return cls
    """,
)
case(
    "callbacks, keys and reductions",
    """
    from operator import mul
    assert apply_all([abs, lambda x: x + 1, str], -3) == [3, -2, "-3"]
    assert sort_by(["bb", "a"], len) == ["a", "bb"] and sort_by([1, -2], key=abs) == [1, -2]
    assert fold(mul, [2, 3, 4], 1) == 24 and fold(lambda a, b: a + [b], [1, 2], []) == [1, 2]
    results = []
    each([1, 2], results.append)
    assert results == [1, 2]
    assert where([1, 5, 3], lambda x: x > 2) == [5, 3]
    """,
    """
    def apply_all(functions, x): return [f(x) for f in functions]
    def sort_by(items, key): return sorted(items, key=key)
    def fold(f, items, start):
        for item in items: start = f(start, item)
        return start
    def each(items, f):
        for item in items: f(item)
    def where(items, test): return list(filter(test, items))
    """,
    """
    def apply_all(functions, x): return [f(x) for f in functions]
    def sort_by(items, key): return sorted(items)
    def fold(f, items, start):
        for item in items: start = f(item, start)
        return start
    def each(items, f): [f for item in items]
    def where(items, test): return list(filter(test, items))
    """,
)
case(
    "events and observers",
    """
    bus = Bus()
    heard = []
    class Listener:
        def __init__(self, name):
            self.name = name
        def on_event(self, event, **data):
            heard.append((self.name, event, data))
    first, second = Listener("first"), Listener("second")
    bus.subscribe("saved", first.on_event)
    bus.subscribe("saved", second.on_event)
    bus.publish("saved", id=3)
    bus.publish("other", id=4)
    assert heard == [("first", "saved", {"id": 3}), ("second", "saved", {"id": 3})]
    bus.unsubscribe("saved", first.on_event)
    bus.publish("saved", id=5)
    assert len(heard) == 3
    """,
    """
    class Bus:
        def __init__(self): self.listeners = {}
        def subscribe(self, event, f): self.listeners.setdefault(event, []).append(f)
        def unsubscribe(self, event, f): self.listeners[event].remove(f)
        def publish(self, event, **data):
            for f in self.listeners.get(event, []): f(event, **data)
    """,
    """
    class Bus:
        def __init__(self): self.listeners = {}
        def subscribe(self, event, f): self.listeners[event] = [f]
        def unsubscribe(self, event, f): self.listeners.pop(event)
        def publish(self, event, **data):
            for f in self.listeners.get(event, []): f(event, **data)
    """,
)
case(
    "mocks",
    """
    from unittest.mock import MagicMock, Mock, call
    sender = Mock(return_value=True)
    assert notify(sender, ["ann", "bo"]) == 2
    sender.assert_called_with("bo", subject="Hello")
    assert sender.call_args_list == [call("ann", subject="Hello"), call("bo", subject="Hello")]
    repository = Mock()
    repository.find.return_value = {"name": "Ann"}
    assert Service(repository).name_of(7) == "Ann"
    repository.find.assert_called_once_with(7)
    repository.delete.assert_not_called()
    broken = Mock(side_effect=ConnectionError("down"))
    assert notify(broken, ["ann"]) == 0
    """,
    """
    def notify(send, people):
        sent = 0
        for person in people:
            try: sent += bool(send(person, subject="Hello"))
            except ConnectionError: pass
        return sent
    class Service:
        def __init__(self, repository): self.repository = repository
        def name_of(self, key): return self.repository.find(key)["name"]
    """,
    """
    def notify(send, people):
        for person in people: send(person)
        return len(people)
    class Service:
        def __init__(self, repository): self.repository = repository
        def name_of(self, key):
            self.repository.delete(key)
            return self.repository.find(key)["name"]
    """,
)
case(
    "a fake of the test's as a dependency",
    """
    from types import SimpleNamespace
    class FakeClock:
        def __init__(self):
            self.time = 100
        def now(self):
            return self.time
    class FakeStore:
        def __init__(self):
            self.saved = {}
        def __getitem__(self, key):
            return self.saved[key]
        def __setitem__(self, key, value):
            self.saved[key] = value
        def __contains__(self, key):
            return key in self.saved
    clock, store = FakeClock(), FakeStore()
    cache = Cache(store, clock, seconds=10)
    calls = []
    assert cache.get("a", lambda: calls.append(1) or 5) == 5 and cache.get("a", lambda: calls.append(1) or 6) == 5
    clock.time = 111
    assert cache.get("a", lambda: calls.append(1) or 7) == 7 and len(calls) == 2 and store.saved == {"a": (111, 7)}
    request = SimpleNamespace(method="GET", headers={"x": "1"})
    assert handle(request) == ("GET", "1") and request.seen is True
    """,
    """
    class Cache:
        def __init__(self, store, clock, seconds): self.store, self.clock, self.seconds = store, clock, seconds
        def get(self, key, make):
            if key in self.store and self.store[key][0] + self.seconds > self.clock.now(): return self.store[key][1]
            self.store[key] = (self.clock.now(), make())
            return self.store[key][1]
    def handle(request):
        request.seen = True
        return request.method, request.headers["x"]
    """,
    """
    import time
    class Cache:
        def __init__(self, store, clock, seconds): self.store = store
        def get(self, key, make):
            if key not in self.store: self.store[key] = (time.time(), make())
            return self.store[key][1]
    def handle(request): return request.method, request.headers["x"]
    """,
)
case(
    "a seeded generator of random numbers as an argument",
    """
    import random
    rolls = roll(random.Random(1), 5)
    generator = random.Random(1)
    assert rolls == [generator.randint(1, 6) for _ in range(5)]
    """,
    "def roll(rng, n): return [rng.randint(1, 6) for _ in range(n)]",
    "import random\ndef roll(rng, n): return [random.randint(1, 6) + 6 for _ in range(n)]",
)
case(
    "threads that the student's code starts",
    """
    results = []
    in_threads(results.append, range(8))
    assert sorted(results) == list(range(8))
    import threading
    seen = set()
    def work(x):
        seen.add(x)
        return x * x
    assert parallel(work, [1, 2, 3]) == [1, 4, 9] and seen == {1, 2, 3}
    safe = SafeCounter()
    safe.run(4, 50)
    assert safe.value == 200
    """,
    """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    def in_threads(f, items):
        threads = [threading.Thread(target=f, args=(item,)) for item in items]
        for t in threads: t.start()
        for t in threads: t.join()
    def parallel(f, items):
        with ThreadPoolExecutor(3) as pool: return list(pool.map(f, items))
    class SafeCounter:
        def __init__(self): self.value, self.lock = 0, threading.Lock()
        def add(self, n):
            for _ in range(n):
                with self.lock: self.value += 1
        def run(self, threads, n):
            all_ = [threading.Thread(target=self.add, args=(n,)) for _ in range(threads)]
            for t in all_: t.start()
            for t in all_: t.join()
    """,
    """
    import threading
    def in_threads(f, items):
        for item in items:
            if item != 3: threading.Thread(target=f, args=(item,)).start()
    def parallel(f, items): return [f(item) for item in items][::-1]
    class SafeCounter:
        value = 0
        def run(self, threads, n): self.value = n
    """,
)
case(
    "warnings",
    """
    import pytest, warnings
    with pytest.warns(DeprecationWarning, match="new_name"):
        assert old_name() == 5
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        new_name()
    assert caught == []
    """,
    "import warnings\ndef new_name(): return 5\ndef old_name():\n    warnings.warn('use new_name', DeprecationWarning)\n    return new_name()",
    [
        "def new_name(): return 5\ndef old_name(): return 5",
        "import warnings\ndef new_name(): return 5\ndef old_name():\n    warnings.warn('use new_name')\n    return new_name()",
    ],
)
case(
    "text on stderr costs the points",
    "assert quiet() == 1",
    "def quiet(): return 1",
    [
        "import sys\ndef quiet():\n    print('trouble', file=sys.stderr)\n    return 1",
        "import warnings\ndef quiet():\n    warnings.warn('trouble')\n    return 1",
        "import logging\ndef quiet():\n    logging.getLogger().warning('trouble')\n    return 1",
    ],
)

case(
    "errors that end things quietly, where they are expected",
    """
import asyncio, pytest
step = Countdown(2).step
assert list(iter(step, None)) == [2, 1]
with pytest.raises(StopIteration):
    step()
assert list(map(Countdown(3).step, range(9))) in ([], [3, 2, 1])
with pytest.raises(asyncio.CancelledError):
    await give_up()
done = await asyncio.gather(give_up(), give_up(), return_exceptions=True)
assert [type(each) for each in done] == [asyncio.CancelledError] * 2
task = start(5)
task.cancel()
with pytest.raises(asyncio.CancelledError):
    await task
with pytest.raises(TimeoutError):
    await asyncio.wait_for(sleep(5), 0.01)
with pytest.raises(SystemExit):
    leave()
""",
    """
import asyncio
class Countdown:
    def __init__(self, n): self.n = n
    def step(self, *_):
        if not self.n: raise StopIteration
        self.n -= 1
        return self.n + 1
async def give_up(): raise asyncio.CancelledError
sleep = asyncio.sleep
def start(seconds): return asyncio.ensure_future(sleep(seconds))
def leave(): raise SystemExit
""",
    """
import asyncio
class Countdown:
    def __init__(self, n): self.n = n
    def step(self, *_):
        self.n -= 1
        return self.n + 1 or None
async def give_up(): raise asyncio.CancelledError
sleep = asyncio.sleep
def start(seconds): return asyncio.ensure_future(sleep(seconds))
def leave(): raise SystemExit
""",
)
case(
    "functions that threads run, with nothing of the test's around them",
    """
import threading
from concurrent.futures import ThreadPoolExecutor
found = []
thread = threading.Thread(target=fill, args=(found, 5))
thread.start()
thread.join()
assert found == [5]
with ThreadPoolExecutor(2) as pool:
    assert list(pool.map(double, [1, 2, 3])) == [2, 4, 6]
    assert pool.submit(double, 4).result() == 8
    assert sorted(pool.map(double, [3, 1])) == [2, 6]
""",
    [
        "def fill(xs, x): xs.append(x)\ndef double(n): return 2 * n",
        "def fill(xs, x): xs += [x]\ndouble = lambda n: n + n",
    ],
    [
        "def fill(xs, x): pass\ndef double(n): return 2 * n",
        "def fill(xs, x): xs.append(x)\ndef double(n): return n",
        "def fill(xs, x): xs.append(x)\ndef double(n): raise ValueError",
    ],
)

# --- asyncio --------------------------------------------------------------------------------------------------------

case(
    "coroutines",
    """
    import asyncio, inspect
    assert inspect.iscoroutinefunction(fetch)
    assert await fetch(1) == "item 1"
    assert await asyncio.gather(*(fetch(i) for i in range(5))) == [f"item {i}" for i in range(5)]
    import pytest
    with pytest.raises(LookupError):
        await fetch(-1)
    task = asyncio.create_task(fetch(7))
    await asyncio.sleep(0)
    assert await task == "item 7" and task.done()
    """,
    "import asyncio\nasync def fetch(i):\n    if i < 0: raise LookupError(i)\n    await asyncio.sleep(0.001)\n    return f'item {i}'",
    ["import asyncio\nasync def fetch(i): return f'item {i}'", "def fetch(i): return f'item {i}'"],
)
case(
    "concurrency is shown by the order of events",
    """
    order = []
    async def job(name):
        import asyncio
        order.append(f"start {name}")
        await asyncio.sleep(0.001)
        order.append(f"end {name}")
        return name
    assert await together(job, ["a", "b"]) == ["a", "b"]
    assert order[:2] == ["start a", "start b"], "one after the other"
    """,
    "import asyncio\nasync def together(job, names): return await asyncio.gather(*map(job, names))",
    "async def together(job, names): return [await job(name) for name in names]",
)
case(
    "timeouts and cancelling",
    """
    import asyncio, pytest
    log = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(patient(log), 0.02)
    assert log == ["start", "cancelled"]
    log.clear()
    task = asyncio.create_task(patient(log))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["start", "cancelled"] and task.cancelled()
    assert await limited(0.001) == "late"
    """,
    """
    import asyncio
    async def patient(log):
        log.append("start")
        try: await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
    async def limited(seconds):
        try:
            async with asyncio.timeout(seconds): await asyncio.sleep(5)
        except TimeoutError: return "late"
    """,
    """
    import asyncio
    async def patient(log):
        log.append("start")
        await asyncio.sleep(0.05)
    async def limited(seconds): return "late"
    """,
)
case(
    "asynchronous generators and context managers",
    """
    assert [x async for x in ticks(3)] == [0, 1, 2]
    log = []
    async with Connection(log) as connection:
        assert await connection.query("x") == "X"
    assert log == ["open", "close"]
    import pytest
    with pytest.raises(ValueError):
        async with Connection(log):
            raise ValueError
    assert log == ["open", "close"] * 2
    async with session(log) as s:
        assert s == 5
    assert log[-2:] == ["begin", "end"]
    """,
    """
    import asyncio, contextlib
    async def ticks(n):
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    class Connection:
        def __init__(self, log): self.log = log
        async def __aenter__(self):
            self.log.append("open")
            return self
        async def __aexit__(self, *error): self.log.append("close")
        async def query(self, text): return text.upper()
    @contextlib.asynccontextmanager
    async def session(log):
        log.append("begin")
        yield 5
        log.append("end")
    """,
    """
    import asyncio, contextlib
    async def ticks(n):
        for i in range(1, n): yield i
    class Connection:
        def __init__(self, log): self.log = log
        async def __aenter__(self): self.log.append("open")
        async def __aexit__(self, *error): self.log.append("close")
    @contextlib.asynccontextmanager
    async def session(log): yield 5
    """,
)
case(
    "producers, consumers and background tasks",
    """
    import asyncio
    assert await pipeline([1, 2, 3]) == [1, 4, 9]
    worker = Worker()
    worker.start()
    await asyncio.sleep(0.03)
    await worker.stop()
    assert worker.ticks >= 2
    assert (await first_of([fast, slow])) == "fast"
    """,
    """
    import asyncio
    async def pipeline(items):
        queue, found = asyncio.Queue(), []
        async def produce():
            for item in items: await queue.put(item)
            await queue.put(None)
        async def consume():
            while (item := await queue.get()) is not None: found.append(item * item)
        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        return found
    class Worker:
        ticks = 0
        def start(self): self.task = asyncio.create_task(self.run())
        async def run(self):
            while True:
                self.ticks += 1
                await asyncio.sleep(0.001)
        async def stop(self):
            self.task.cancel()
            try: await self.task
            except asyncio.CancelledError: pass
    async def fast(): return "fast"
    async def slow():
        await asyncio.sleep(5)
        return "slow"
    async def first_of(functions):
        done, pending = await asyncio.wait([asyncio.create_task(f()) for f in functions], return_when=asyncio.FIRST_COMPLETED)
        for task in pending: task.cancel()
        return done.pop().result()
    """,
    """
    import asyncio
    async def pipeline(items): return list(items)
    class Worker:
        ticks = 0
        def start(self): self.ticks = 1
        async def stop(self): pass
    async def fast(): return "fast"
    async def slow(): return "slow"
    async def first_of(functions): return await functions[1]()
    """,
)
case(
    "a decorator on the test's coroutine function",
    """
    import inspect, pytest
    calls = []
    @retry(3)
    async def flaky(x):
        calls.append(x)
        if len(calls) < 3:
            raise ConnectionError("down")
        return x * 2
    assert inspect.iscoroutinefunction(flaky) and await flaky(4) == 8 and calls == [4, 4, 4]
    @retry(2)
    async def never():
        raise ConnectionError("still down")
    with pytest.raises(ConnectionError, match="still"):
        await never()
    """,
    """
    import functools
    def retry(times):
        def decorate(f):
            @functools.wraps(f)
            async def wrapper(*args):
                for i in range(times):
                    try: return await f(*args)
                    except ConnectionError:
                        if i == times - 1: raise
            return wrapper
        return decorate
    """,
    """
    import functools
    def retry(times):
        def decorate(f):
            @functools.wraps(f)
            async def wrapper(*args): return await f(*args)
            return wrapper
        return decorate
    """,
)
case(
    "a limit on how many run at a time",
    """
    import asyncio
    running, most = 0, 0
    async def job(i):
        global running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        return i
    assert await run_limited(job, range(6), 2) == list(range(6))
    assert most == 2, "two at a time"
    """,
    """
    import asyncio
    async def run_limited(job, items, limit):
        gate = asyncio.Semaphore(limit)
        async def one(item):
            async with gate: return await job(item)
        return await asyncio.gather(*map(one, items))
    """,
    "import asyncio\nasync def run_limited(job, items, limit): return await asyncio.gather(*map(job, items))",
)

# --- tables ---------------------------------------------------------------------------------------------------------

case(
    "arrays",
    """
    import numpy as np
    a = np.arange(6.0).reshape(2, 3)
    before = a.copy()
    result = scaled(a)
    assert isinstance(result, np.ndarray) and result.shape == (2, 3) and np.allclose(result.max(axis=1), 1)
    assert np.array_equal(a, before), "the argument has changed"
    assert isinstance(mean(a), float) and mean(a) == 2.5 and (result >= 0).all() and result.dtype == np.float64
    """,
    "import numpy as np\ndef scaled(a): return a / a.max(axis=1, keepdims=True)\ndef mean(a): return a.mean()",
    [
        "def scaled(a):\n    a /= a.max(axis=1, keepdims=True)\n    return a\ndef mean(a): return a.mean()",
        "def scaled(a): return a / a.max()\ndef mean(a): return a.mean()",
    ],
)
case(
    "data frames",
    """
    import pandas as pd
    orders = pd.DataFrame({"customer": ["a", "b", "a"], "amount": [1.0, 2.5, 3.0], "day": pd.to_datetime(["2024-01-01", "2024-01-02", None])})
    before = orders.copy()
    result = totals(orders)
    pd.testing.assert_frame_equal(orders, before)
    expected = pd.DataFrame({"customer": ["a", "b"], "amount": [4.0, 2.5]})
    pd.testing.assert_frame_equal(result, expected)
    assert list(result.columns) == ["customer", "amount"] and result.loc[0, "amount"] == 4 and len(result) == 2
    series = amounts(orders)
    assert isinstance(series, pd.Series) and series.name == "amount" and series.loc["a"] == 4.0
    """,
    [
        """
    def totals(orders): return orders.groupby("customer", as_index=False)["amount"].sum()
    def amounts(orders): return orders.groupby("customer")["amount"].sum()
    """
    ],
    [
        """
    def totals(orders):
        orders["amount"] = orders["amount"] * 1.0
        orders["new"] = 1
        return orders.groupby("customer", as_index=False)["amount"].sum()
    def amounts(orders): return orders.groupby("customer")["amount"].sum()
    """,
        """
    def totals(orders): return orders.groupby("customer")["amount"].sum()
    def amounts(orders): return orders.groupby("customer")["amount"].sum()
    """,
    ],
)
case(
    "query results",
    """
    from course.lab.sql.rows import Rows
    rows = answer()
    assert isinstance(rows, Rows) and rows.columns == ["name", "n"] and ("Ann", 2) in rows and rows == [("Ann", 2), ("Bo", 0)]
    assert query.text.startswith("SELECT") and query.name == "q"
    """,
    "from course.lab.sql.rows import Rows\nfrom course.lab.sql.query import Query\ndef answer(): return Rows(['name', 'n'], [('Ann', 2), ('Bo', 0)])\nquery = Query('q', 'SELECT 1')",
    "from course.lab.sql.rows import Rows\nfrom course.lab.sql.query import Query\ndef answer(): return Rows(['name', 'n'], [('Ann', 2)])\nquery = Query('q', 'SELECT 1')",
)


case(
    "arrays that are read-only",
    """
import numpy as np, pytest
seen = grid()
assert not seen.flags.writeable and seen[0] == 1
bump()
assert seen[0] == 2 and grid() is seen
data = np.array([3, 9, 4])
data.flags.writeable = False
assert top(data) == 9
with pytest.raises(ValueError):
    clear(data)
assert data.sum() == 16
""",
    """
import numpy as np
held = np.array([1, 2])
held.flags.writeable = False
def grid(): return held
def bump():
    held.flags.writeable = True
    held[0] += 1
    held.flags.writeable = False
def top(xs): return xs.max()
def clear(xs): xs[:] = 0
""",
    """
import numpy as np
held = np.array([1, 2])
def grid(): return held
def bump(): held[0] += 1
def top(xs): return xs.max()
def clear(xs): pass
""",
)

# --- more of everything ---------------------------------------------------------------------------------------------


case(
    "partial, singledispatch and cached properties",
    """
assert parse("3") == 3 and parse.func is int
assert show(3) == "int 3" and show([1, 2]) == "list of 2" and show("x") == "something"
c = Circle(2)
assert c.area == c.area == 12 and c.computed == 1
double = times_two([1, 2])
assert list(double) == [2, 4]
""",
    """
import functools
parse = functools.partial(int, base=10)
@functools.singledispatch
def show(x): return "something"
@show.register
def _(x: int): return f"int {x}"
@show.register(list)
def _(x): return f"list of {len(x)}"
class Circle:
    computed = 0
    def __init__(self, r): self.r = r
    @functools.cached_property
    def area(self):
        self.computed += 1
        return 3 * self.r ** 2
def times_two(xs): return map(lambda x: 2 * x, xs)
""",
    """
import functools
parse = functools.partial(int, base=10)
def show(x): return f"int {x}"
class Circle:
    computed = 0
    def __init__(self, r): self.r = r
    @property
    def area(self):
        self.computed += 1
        return 3 * self.r ** 2
def times_two(xs): return map(lambda x: 2 * x, xs)
""",
)
case(
    "mapping protocol",
    """
d = Config(a=1, b=2)
assert dict(d) == {"a": 1, "b": 2} and {**d} == {"a": 1, "b": 2}
def f(**k): return k
assert f(**d) == {"a": 1, "b": 2} and list(d.keys()) == ["a", "b"]
""",
    """
class Config:
    def __init__(self, **k): self.d = k
    def keys(self): return self.d.keys()
    def __getitem__(self, k): return self.d[k]
""",
    """
class Config:
    def __init__(self, **k): self.d = k
    def keys(self): return ["a"]
    def __getitem__(self, k): return self.d[k]
""",
)
case(
    "sorting by keys and attributes",
    """
from operator import attrgetter, methodcaller
people = [Person("Bo", 30), Person("Al", 20), Person("Cy", 25)]
assert [p.name for p in sorted(people)] == ["Al", "Cy", "Bo"]
assert [p.name for p in sorted(people, key=attrgetter("name"))] == ["Al", "Bo", "Cy"]
assert max(people, key=Person.label).name == "Cy" and min(people, key=lambda p: p.age).name == "Al"
people.sort(reverse=True)
assert people[0].name == "Bo"
import bisect, heapq
heap = []
for p in people: heapq.heappush(heap, p)
assert heapq.heappop(heap).name == "Al"
""",
    """
class Person:
    def __init__(self, name, age): self.name, self.age = name, age
    def __lt__(self, other): return self.age < other.age
    def label(self): return self.name.lower()
""",
    """
class Person:
    def __init__(self, name, age): self.name, self.age = name, age
    def __lt__(self, other): return self.name < other.name
    def label(self): return self.name.lower()
""",
)
case(
    "json with the student's encoder",
    """
import json
assert json.loads(json.dumps({"when": Money(3)}, default=to_json)) == {"when": {"amount": 3}}
assert json.loads(json.dumps([Money(1)], cls=Encoder)) == [{"amount": 1}]
assert json.dumps(report()) == '{"a": [1, 2.5, null, true]}'
""",
    """
import json
class Money:
    def __init__(self, a): self.a = a
def to_json(o): return {"amount": o.a}
class Encoder(json.JSONEncoder):
    def default(self, o): return {"amount": o.a} if isinstance(o, Money) else super().default(o)
def report(): return {"a": [1, 2.5, None, True]}
""",
    """
import json
class Money:
    def __init__(self, a): self.a = a
def to_json(o): return {"amount": str(o.a)}
class Encoder(json.JSONEncoder): pass
def report(): return {"a": [1, 2.5, None, True]}
""",
)
case(
    "pattern matching",
    """
def what(shape):
    match shape:
        case Circle(r): return f"circle {r}"
        case Rect(w, height=h) if w == h: return "square"
        case Rect(): return "rect"
        case [Circle(), *rest]: return f"list {len(rest)}"
        case {"shape": Circle(r=r)}: return f"dict {r}"
    return "?"
assert what(Circle(2)) == "circle 2" and what(Rect(2, 2)) == "square" and what(Rect(1, 2)) == "rect"
assert what([Circle(1), 2]) == "list 1" and what({"shape": Circle(5)}) == "dict 5" and what(5) == "?"
""",
    """
from dataclasses import dataclass
@dataclass
class Circle:
    r: int
class Rect:
    __match_args__ = ("width", "height")
    def __init__(self, w, h): self.width, self.height = w, h
""",
    """
class Circle:
    def __init__(self, r): self.r = r
class Rect:
    def __init__(self, w, h): self.width, self.height = w, h
""",
)
case(
    "stacks of context managers",
    """
import contextlib
log = []
with contextlib.ExitStack() as stack:
    a = stack.enter_context(Res("a", log))
    b = stack.enter_context(Res("b", log))
    assert (a.name, b.name) == ("a", "b")
assert log == ["+a", "+b", "-b", "-a"]
with contextlib.closing(Res("c", log)) as c:
    pass
assert log[-1] == "closed"
with contextlib.suppress(Oops):
    fail()
with contextlib.suppress(LookupError):
    fail()
""",
    """
class Res:
    def __init__(self, name, log): self.name, self.log = name, log
    def __enter__(self):
        self.log.append("+" + self.name)
        return self
    def __exit__(self, *e): self.log.append("-" + self.name)
    def close(self): self.log.append("closed")
class Oops(KeyError): pass
def fail(): raise Oops("x")
""",
    """
class Res:
    def __init__(self, name, log): self.name, self.log = name, log
    def __enter__(self):
        self.log.append("+" + self.name)
        return self
    def __exit__(self, *e): self.log.append("-" + self.name)
    def close(self): self.log.append("closed")
class Oops(Exception): pass
def fail(): raise Oops("x")
""",
)
case(
    "setters, deleters and class attributes",
    """
import pytest
t = Temperature(20)
t.fahrenheit = 212
assert t.celsius == 100 and Temperature.unit == "C"
with pytest.raises(ValueError): t.celsius = -300
del t.celsius
assert t.celsius == 0
Temperature.unit = "K"
assert Temperature(1).unit == "K" and t.unit == "K"
Temperature.made = 0
Temperature(1), Temperature(2)
assert Temperature.made == 2
""",
    """
class Temperature:
    unit = "C"
    made = 0
    def __init__(self, c):
        self.celsius = c
        Temperature.made += 1
    @property
    def celsius(self): return self._c
    @celsius.setter
    def celsius(self, c):
        if c < -273: raise ValueError
        self._c = c
    @celsius.deleter
    def celsius(self): self._c = 0
    @property
    def fahrenheit(self): return self._c * 9 / 5 + 32
    @fahrenheit.setter
    def fahrenheit(self, f): self.celsius = (f - 32) * 5 / 9
""",
    """
class Temperature:
    unit = "C"
    made = 0
    def __init__(self, c):
        self.celsius = c
        self.made += 1
""",
)
case(
    "sets and keys of objects",
    """
a, b, c = Tag("x"), Tag("X"), Tag("y")
assert a == b and len({a, b, c}) == 2 and {a} | {c} == {b, c} and {a, c} - {b} == {c}
d = {a: 1}
d[b] = 2
assert d == {a: 2} and b in d and c not in d and list(unique([a, b, c])) == [a, c]
seen = groups([a, c, b])
assert seen[a] == 2 and seen[c] == 1 and set(seen) == {a, c}
""",
    """
class Tag:
    def __init__(self, t): self.t = t
    def __eq__(self, o): return isinstance(o, Tag) and self.t.lower() == o.t.lower()
    def __hash__(self): return hash(self.t.lower())
def unique(items): return dict.fromkeys(items)
def groups(items):
    from collections import Counter
    return Counter(items)
""",
    """
class Tag:
    def __init__(self, t): self.t = t
    def __eq__(self, o): return isinstance(o, Tag) and self.t.lower() == o.t.lower()
    def __hash__(self): return hash(self.t)
def unique(items): return dict.fromkeys(items)
def groups(items):
    from collections import Counter
    return Counter(items)
""",
)
case(
    "weak references",
    """
import gc, weakref
cache = Cache()
thing = cache.get("a")
assert cache.get("a") is thing and cache.count() == 1
ref = weakref.ref(thing)
assert ref() is thing
del thing
gc.collect()
assert ref() is None and cache.count() == 0
""",
    """
import weakref
class Thing: pass
class Cache:
    def __init__(self): self.d = weakref.WeakValueDictionary()
    def get(self, k):
        t = self.d.get(k)
        if t is None: t = self.d[k] = Thing()
        return t
    def count(self): return len(self.d)
""",
    """
class Thing: pass
class Cache:
    def __init__(self): self.d = {}
    def get(self, k): return self.d.setdefault(k, Thing())
    def count(self): return len(self.d)
""",
)
case(
    "itertools, proxies and patterns as results",
    """
import pytest
assert list(chained([1], [2, 3])) == [1, 2, 3]
ro = frozen({"a": 1})
assert ro["a"] == 1 and dict(ro) == {"a": 1} and "a" in ro and len(ro) == 1
with pytest.raises(TypeError): ro["a"] = 2
m = pattern.fullmatch("key=value")
assert m and m.group(1) == "key" and m.groups() == ("key", "value") and m["v"] == "value" and not pattern.match("x")
assert list(numbers()) == [1, 2] and numbers()[0] == 1
assert list(pairs("ab")) == [(0, "a"), (1, "b")] and [*zipped([1], [2])] == [(1, 2)]
""",
    """
import itertools, types, re, array
def chained(*xs): return itertools.chain(*xs)
def frozen(d): return types.MappingProxyType(d)
pattern = re.compile(r"(\\w+)=(?P<v>\\w+)")
def numbers(): return array.array("i", [1, 2])
def pairs(s): return enumerate(s)
def zipped(a, b): return zip(a, b)
""",
    """
import itertools, types, re, array
def chained(*xs): return itertools.chain(xs)
def frozen(d): return d
pattern = re.compile(r"(\\w+)=(?P<v>\\w+)")
def numbers(): return array.array("i", [1, 2])
def pairs(s): return enumerate(s)
def zipped(a, b): return zip(a, b)
""",
)
case(
    "equality with other types that is meant",
    """
assert Version("1.2") == "1.2" and Version("1.2") != "1.3" and Version("1.10") > Version("1.9") and Version("1.2") in ["1.1", "1.2"]
assert "1.2" == Version("1.2") and Version("2.0") > "1.9"
""",
    """
import functools
@functools.total_ordering
class Version:
    def __init__(self, t): self.p = tuple(map(int, t.split(".")))
    def _o(self, o): return o.p if isinstance(o, Version) else tuple(map(int, o.split(".")))
    def __eq__(self, o): return self.p == self._o(o)
    def __lt__(self, o): return self.p < self._o(o)
    def __hash__(self): return hash(self.p)
""",
    """
class Version(str): pass
""",
)
case(
    "loops, comprehensions and lambdas in tests",
    """
cases = [((1, 2), 3), ((0, 0), 0), ((-1, 1), 0)]
for args, expected in cases:
    assert add(*args) == expected, f"add{args}"
assert all(add(a, b) == e for (a, b), e in cases)
assert [add(*a) for a, _ in cases] == [e for _, e in cases]
check = lambda a, b: add(a, b) == a + b
assert check(3, 4)
def helper(f, *a):
    return f(*a)
assert helper(add, 1, 1) == 2
assert {k: add(k, k) for k in range(3)} == {0: 0, 1: 2, 2: 4}
while (n := add(1, 1)) != 2:
    pass
assert n == 2
""",
    "def add(a, b): return a + b",
    "def add(a, b): return abs(a) + b",
)
case(
    "more of data classes",
    """
import dataclasses, pytest
o = Order(id=1, lines=[Line("pen", 2), Line("ink")])
assert dataclasses.asdict(o) == {"id": 1, "lines": [{"name": "pen", "n": 2}, {"name": "ink", "n": 1}], "note": ""}
assert o.total == 3
with pytest.raises(ValueError): Line("x", -1)
with pytest.raises(TypeError): Order(1, [])
f = dataclasses.fields(Line)[1]
assert f.name == "n" and f.default == 1 and f.type is int and f.metadata["unit"] == "pieces"
assert Line("a") == Line("a", 1) and len({Line("a"), Line("a", 1)}) == 1
o2 = dataclasses.replace(o, id=5)
assert o2.id == 5 and o2.lines is o.lines and o2 != o
class Mine(Line): pass
assert isinstance(Mine("z"), Line) and Mine("z").n == 1
""",
    """
from dataclasses import dataclass, field
@dataclass(frozen=True)
class Line:
    name: str
    n: int = field(default=1, metadata={"unit": "pieces"})
    def __post_init__(self):
        if self.n < 0: raise ValueError("n")
@dataclass(kw_only=True)
class Order:
    id: int
    lines: list[Line]
    note: str = ""
    total: int = field(init=False, repr=False, compare=False, default=0)
    def __post_init__(self): self.total = sum(l.n for l in self.lines)
    def __init_subclass__(cls): pass
Order.__dataclass_fields__.pop("total")
""",
    (),
)
case(
    "flags and members of enumerations",
    """
import enum
rw = Perm.READ | Perm.WRITE
assert Perm.READ in rw and Perm.EXEC not in rw and rw & Perm.READ == Perm.READ and bool(rw) and not (rw & Perm.EXEC)
assert list(Perm.__members__) == ["READ", "WRITE", "EXEC"] and Perm.READ.can() and Perm.WRITE.value == 2
assert {"ok": 1}[Status.OK] == 1 and Status("ok") is Status.OK and Status.OK == "ok" and [s.value for s in Status] == ["ok", "bad"]
import json
assert json.dumps({"s": Status.OK}) == '{"s": "ok"}' and Status.BAD in (Status.BAD, Status.OK) and Status.OK in {Status.OK}
""",
    """
import enum
class Perm(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    EXEC = enum.auto()
    def can(self): return True
class Status(str, enum.Enum):
    OK = "ok"
    BAD = "bad"
""",
    """
import enum
class Perm(enum.Enum):
    READ = enum.auto()
    WRITE = enum.auto()
    EXEC = enum.auto()
    def can(self): return True
class Status(str, enum.Enum):
    OK = "ok"
    BAD = "bad"
""",
)
case(
    "queues, events and task groups of the test's",
    """
import asyncio
q, done = asyncio.Queue(), asyncio.Event()
worker = asyncio.create_task(consume(q, done))
for i in range(3): await q.put(i)
await asyncio.wait_for(done.wait(), 2)
assert await worker == [0, 1, 2]
async with asyncio.TaskGroup() as g:
    t1, t2 = g.create_task(twice(1)), g.create_task(twice(2))
assert (t1.result(), t2.result()) == (2, 4)
done_, pending = await asyncio.wait([asyncio.create_task(twice(3))])
assert not pending and done_.pop().result() == 6
assert sorted([await c for c in asyncio.as_completed([twice(1), twice(2)])]) == [2, 4]
async with asyncio.timeout(2):
    assert await twice(5) == 10
""",
    """
import asyncio
async def consume(q, done):
    got = []
    while len(got) < 3: got.append(await q.get())
    done.set()
    return got
async def twice(x):
    await asyncio.sleep(0)
    return 2 * x
""",
    """
import asyncio
async def consume(q, done):
    got = []
    while len(got) < 3: got.append(await q.get())
    return got
async def twice(x): return 2 * x
""",
)
case(
    "tasks as results",
    """
import asyncio
t = start(3)
assert not t.done()
assert await t == 9 and t.done() and t.result() == 9
t2 = start(4)
t2.cancel()
try:
    await t2
except asyncio.CancelledError:
    pass
else:
    assert False
assert t2.cancelled()
r = await asyncio.gather(start(1), start(2), return_exceptions=True)
assert r == [1, 4]
""",
    """
import asyncio
async def sq(x):
    await asyncio.sleep(0.001)
    return x * x
def start(x): return asyncio.create_task(sq(x))
""",
    """
import asyncio
async def sq(x): return x * x
def start(x): return sq(x)
""",
)
case(
    "asynchronous mocks and generators",
    """
from unittest.mock import AsyncMock
client = AsyncMock()
client.get.return_value = {"id": 1}
assert await load(client, 1) == {"id": 1}
client.get.assert_awaited_once_with("/items/1")
g = ticker()
assert await anext(g) == 0 and await g.asend(5) == 5
await g.aclose()
async def numbers():
    for i in range(3):
        yield i
assert await total(numbers()) == 3
assert [x async for x in doubled(numbers())] == [0, 2, 4]
class Conn:
    async def __aenter__(self):
        return self
    async def __aexit__(self, *e):
        self.closed = True
    async def fetch(self, n):
        return n + 1
conn = Conn()
assert await use(conn) == 8 and conn.closed
""",
    """
async def load(client, i): return await client.get(f"/items/{i}")
async def ticker():
    i = 0
    while True:
        got = yield i
        i = got if got is not None else i + 1
async def total(xs):
    t = 0
    async for x in xs: t += x
    return t
async def doubled(xs):
    async for x in xs: yield 2 * x
async def use(conn):
    async with conn as c: return await c.fetch(7)
""",
    """
async def load(client, i): return await client.get(f"/item/{i}")
async def ticker():
    yield 0
    yield 5
async def total(xs): return 3
async def doubled(xs):
    async for x in xs: yield x
async def use(conn): return await conn.fetch(7)
""",
)
case(
    "subclassing with everything",
    """
import abc
class Loud(Base):
    suffix = "!"
    def __init__(self, name, *, times=1, **more):
        super().__init__(name, **more)
        self.times = times
    def text(self):
        return super().text() + self.suffix * self.times
    @property
    def size(self):
        return len(self.text())
    @classmethod
    def make(cls, name):
        return cls(name, times=2)
    @staticmethod
    def helper(x):
        return x * 2
    def __len__(self):
        return self.size
    def __eq__(self, other):
        return isinstance(other, Loud) and self.text() == other.text()
    def __str__(self):
        return f"<{self.text()}>"
    def __iter__(self):
        yield from self.text()
l = Loud.make("a")
assert l.text() == "a!!" and l.size == 3 and len(l) == 3 and l == Loud("a", times=2) and str(l) == "<a!!>" and list(l) == ["a", "!", "!"]
assert render(l) == "[a!!] 3 <a!!>" and Loud.helper(2) == 4 and Loud.suffix == "!" and issubclass(Loud, Base)
class Mixed(Upper, Loud): pass
assert Mixed("b").text() == "B!" and Mixed.__mro__[1] is Upper
class Plain:
    def extra(self): return "extra"
class Both(Base, Plain): pass
assert Both("x").extra() == "extra" and Both("x").text() == "x"
""",
    """
class Base:
    def __init__(self, name): self.name = name
    def text(self): return self.name
class Upper(Base):
    def text(self): return super().text().upper()
def render(b): return f"[{b.text()}] {len(b)} {b}"
""",
    """
class Base:
    def __init__(self, name): self.name = name
    def text(self): return self.name
class Upper(Base):
    def text(self): return self.name.upper()
def render(b): return f"[{b.name}] {len(b)} {b}"
""",
)
case(
    "models with fields by a metaclass",
    """
import pytest
class User(Model):
    name = Field(str)
    age = Field(int, default=0)
u = User(name="Ann")
assert u.name == "Ann" and u.age == 0 and list(User.fields) == ["name", "age"] and u.to_dict() == {"name": "Ann", "age": 0}
with pytest.raises(TypeError, match="age"): u.age = "x"
assert User.table == "users" and Model.registry["User"] is User
""",
    """
class Field:
    def __init__(self, kind, default=None): self.kind, self.default = kind, default
    def __set_name__(self, owner, name): self.name = name
    def __get__(self, o, t=None): return self if o is None else o.__dict__.get(self.name, self.default)
    def __set__(self, o, v):
        if not isinstance(v, self.kind): raise TypeError(self.name)
        o.__dict__[self.name] = v
class Meta(type):
    def __new__(m, name, bases, ns):
        c = super().__new__(m, name, bases, ns)
        c.fields = {k: v for k, v in ns.items() if isinstance(v, Field)}
        c.table = name.lower() + "s"
        return c
class Model(metaclass=Meta):
    registry = {}
    def __init_subclass__(cls): Model.registry[cls.__name__] = cls
    def __init__(self, **k):
        for n, v in k.items(): setattr(self, n, v)
    def to_dict(self): return {n: getattr(self, n) for n in self.fields}
""",
    """
class Field:
    def __init__(self, kind, default=None): self.kind, self.default = kind, default
class Model:
    registry = {}
    def __init__(self, **k):
        for n, v in k.items(): setattr(self, n, v)
""",
)
case(
    "an application with routes",
    """
@app.get("/hello")
def hello(request):
    return f"hi {request['name']}"
@app.get("/fail")
def fail(request):
    raise LookupError("none")
assert app.handle("/hello", name="Bo") == (200, "hi Bo")
assert app.handle("/fail") == (404, "none") and app.handle("/zzz") == (404, "no route")
def auth(call_next):
    def inner(request):
        if "token" not in request:
            return "denied"
        return call_next(request)
    return inner
app.use(auth)
assert app.handle("/hello", name="x") == (200, "denied") and app.handle("/hello", name="x", token=1) == (200, "hi x")
assert app.routes["/hello"] is hello and hello({"name": "me"}) == "hi me"
""",
    """
class App:
    def __init__(self): self.routes, self.mw = {}, []
    def get(self, path):
        def deco(f):
            self.routes[path] = f
            return f
        return deco
    def use(self, m): self.mw.append(m)
    def handle(self, path, **request):
        f = self.routes.get(path)
        if not f: return 404, "no route"
        for m in reversed(self.mw): f = m(f)
        try: return 200, f(request)
        except LookupError as e: return 404, e.args[0]
app = App()
""",
    """
class App:
    def __init__(self): self.routes, self.mw = {}, []
    def get(self, path):
        def deco(f):
            self.routes[path] = f
            return f
        return deco
    def use(self, m): pass
    def handle(self, path, **request):
        f = self.routes.get(path)
        if not f: return 404, "no route"
        try: return 200, f(request)
        except LookupError as e: return 404, e.args[0]
app = App()
""",
)
case(
    "what a decorator sees of functions",
    """
import functools
def plain(a, b=1): "doc"
class C:
    def method(self, x): return x
assert about(plain) == ("plain", ["a", "b"], True) and about(C().method) == ("method", ["x"], True)
assert about(lambda q: q) == ("<lambda>", ["q"], True) and about(len)[0] == "len"
assert about(functools.partial(plain, 1))[1] == ["b"]
assert call_with(max, [3, 1, 2]) == 3 and call_with("{}-{}".format, 1, 2) == "1-2" and call_with(C, ) is not None
assert call_with(dict, a=1) == {"a": 1} and call_with(str.upper, "a") == "A"
""",
    """
import inspect
def about(f): return getattr(f, "__name__", None), list(inspect.signature(f).parameters), callable(f)
def call_with(f, *a, **k): return f(*a, **k)
""",
    """
def about(f): return getattr(f, "__name__", None), [], callable(f)
def call_with(f, *a, **k): return f(*a)
""",
)
case(
    "the test's own objects kept and given back",
    """
class Item:
    def __init__(self, name, price):
        self.name, self.price = name, price
    def __lt__(self, other):
        return self.price < other.price
    def __eq__(self, other):
        return isinstance(other, Item) and self.name == other.name
    def __hash__(self):
        return hash(self.name)
    def __str__(self):
        return self.name
    @property
    def label(self):
        return self.name.title()
a, b = Item("pen", 3), Item("ink", 2)
store = Store()
store.add(a); store.add(b)
assert store.cheapest() is b and store.find("pen") is a and store.all() == [a, b] and a in store.all()
assert store.labels() == ["Pen", "Ink"] and store.names() == "pen, ink" and store.count(Item("pen", 9)) == 1
store.discount(1)
assert a.price == 2 and b.price == 1
assert store.by_item()[a] == 2
""",
    """
class Store:
    def __init__(self): self.items = []
    def add(self, i): self.items.append(i)
    def cheapest(self): return min(self.items)
    def find(self, n): return next(i for i in self.items if i.name == n)
    def all(self): return list(self.items)
    def labels(self): return [i.label for i in self.items]
    def names(self): return ", ".join(map(str, self.items))
    def count(self, x): return self.items.count(x)
    def discount(self, d):
        for i in self.items: i.price -= d
    def by_item(self): return {i: i.price for i in self.items}
""",
    """
class Store:
    def __init__(self): self.items = []
    def add(self, i): self.items.append(i)
    def cheapest(self): return self.items[0]
    def find(self, n): return next(i for i in self.items if i.name == n)
    def all(self): return list(self.items)
""",
)
case(
    "nested containers with objects",
    """
team = make_team()
assert team["lead"] is team["members"][0] and [m.name for m in team["members"]] == ["a", "b"]
team["members"].append(Member("c"))
assert size(team) == 3 and team["members"][-1].name == "c" and isinstance(team["members"][2], Member)
team["members"][1].name = "z"
assert names(team) == ["a", "z", "c"]
pairs = {Member("x"): [1]}
assert count(pairs) == 1
""",
    """
class Member:
    def __init__(self, name): self.name = name
def make_team():
    a, b = Member("a"), Member("b")
    return {"lead": a, "members": [a, b]}
def size(t): return len(t["members"])
def names(t): return [m.name for m in t["members"]]
def count(p): return sum(map(len, p.values()))
""",
    """
class Member:
    def __init__(self, name): self.name = name
def make_team(): return {"lead": Member("a"), "members": [Member("a"), Member("b")]}
def size(t): return len(t["members"])
def names(t): return [m.name for m in t["members"]]
def count(p): return sum(map(len, p.values()))
""",
)
case(
    "deep recursion across the line",
    """
@memoize
def f(n):
    return 1 if n < 1 else f(n - 1) + 1
assert f(200) == 201
""",
    "def memoize(g):\n    known = {}\n    def h(n):\n        if n not in known: known[n] = g(n)\n        return known[n]\n    return h",
    "def memoize(g): return lambda n: 5",
)
case(
    "errors inside of generators and callbacks",
    """
import pytest
with pytest.raises(RuntimeError): list(bad())
def cb(x):
    raise Quota(x)
with pytest.raises(Quota) as e: run(cb)
assert e.value.limit == 7
def raiser(): raise KeyError("k")
assert swallow(raiser) == "KeyError: 'k'"
class Own(ValueError):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code
def own(): raise Own(5)
assert swallow(own) == "Own: code 5" and code_of(own) == 5
with pytest.raises(Wrapped) as e: wrap(own)
assert isinstance(e.value.__cause__, Own) and e.value.__cause__.code == 5
""",
    """
def bad():
    yield 1
    raise StopIteration
class Quota(Exception):
    def __init__(self, limit): self.limit = limit
class Wrapped(Exception): pass
def run(f): f(7)
def swallow(f):
    try: f()
    except Exception as e: return f"{type(e).__name__}: {e}"
def code_of(f):
    try: f()
    except ValueError as e: return e.code
def wrap(f):
    try: f()
    except ValueError as e: raise Wrapped("w") from e
""",
    """
def bad(): yield 1
class Quota(Exception):
    def __init__(self, limit): self.limit = 0
class Wrapped(Exception): pass
def run(f): f(7)
def swallow(f):
    try: f()
    except Exception as e: return f"{type(e).__name__}: {e}"
def wrap(f): f()
""",
)
case(
    "seeded randomness of the student's",
    """
import random
random.seed(3)
a = roll()
random.seed(3)
assert roll() == a and 1 <= a[0] <= 6
""",
    "import random\ndef roll(): return [random.randint(1, 6) for _ in range(20)]",
    "import random\nrng = random.SystemRandom()\ndef roll(): return [rng.randint(1, 6) for _ in range(20)]",
)
case(
    "mutable class state between calls",
    """
Registry.clear()
@Registry.register("a")
def fa(): return 1
@Registry.register("b")
class Fb:
    def run(self): return 2
assert Registry.names() == ["a", "b"] and Registry.get("a")() == 1 and Registry.get("b")().run() == 2 and fa() == 1
""",
    """
class Registry:
    _d = {}
    @classmethod
    def clear(cls): cls._d.clear()
    @classmethod
    def register(cls, n):
        def deco(x):
            cls._d[n] = x
            return x
        return deco
    @classmethod
    def names(cls): return sorted(cls._d)
    @classmethod
    def get(cls, n): return cls._d[n]
""",
    """
class Registry:
    @classmethod
    def clear(cls): pass
    @classmethod
    def register(cls, n): return lambda x: x
    @classmethod
    def names(cls): return []
""",
)
case(
    "class based decorators and chaining",
    """
calls = []
@Timer
@upper
def hello(name):
    calls.append(name)
    return f"hi {name}"
assert hello("bo") == "HI BO" and hello.calls == 1 and isinstance(hello, Timer) and hello.__name__ == "hello" and calls == ["bo"]
class A:
    @Timer
    def m(self): return 5
""",
    """
import functools
class Timer:
    def __init__(self, f):
        functools.update_wrapper(self, f)
        self.f, self.calls = f, 0
    def __call__(self, *a):
        self.calls += 1
        return self.f(*a)
def upper(f):
    @functools.wraps(f)
    def g(*a): return f(*a).upper()
    return g
""",
    """
class Timer:
    def __init__(self, f): self.f, self.calls = f, 0
    def __call__(self, *a):
        self.calls += 1
        return self.f(*a)
def upper(f): return lambda *a: f(*a).upper()
""",
)
case(
    "annotations and types as values",
    """
import typing
assert Config.__annotations__ == {"host": str, "port": int, "tags": list[str], "opt": int | None}
assert typing.get_type_hints(Config)["port"] is int and kinds() == [int, str, list, dict, type(None)]
assert type_of(3) is int and type_of([]) is list and type_of(Config) is type and type_of(Config()) is Config
""",
    """
class Config:
    host: str
    port: int
    tags: list[str]
    opt: int | None
def kinds(): return [int, str, list, dict, type(None)]
def type_of(x): return type(x)
""",
    """
class Config:
    host: str
    port: str
def kinds(): return [int, str, list, dict, type(None)]
def type_of(x): return type(x)
""",
)
case(
    "series, grouped frames and cleaning in place",
    """
import pandas as pd, numpy as np
df = pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, None]})
clean(df)
assert df["v"].tolist() == [1, 2, 0] and "n" in df.columns and df.shape == (3, 3)
assert list(top(df).index) == ["y", "x"]
s = pd.Series([3, 1, 2], index=list("abc"))
assert rank(s).to_dict() == {"a": 1, "c": 2, "b": 3}
p = pivot(pd.DataFrame({"r": [1, 1, 2], "c": ["a", "b", "a"], "v": [1.0, 2.0, 3.0]}))
assert p.loc[1, "b"] == 2 and np.isnan(p.loc[2, "b"]) and p.index.name == "r"
a = np.zeros(3, dtype=int)
fill(a)
assert a.tolist() == [0, 1, 2] and type(stats(a)["mean"]) is float and stats(a)["max"] == 2
""",
    """
import pandas as pd, numpy as np
def clean(df):
    df["v"] = df["v"].fillna(0)
    df["n"] = range(len(df))
def top(df): return df.groupby("k")["v"].sum().sort_values(ascending=False)
def rank(s): return s.rank(ascending=False).astype(int)
def pivot(df): return df.pivot(index="r", columns="c", values="v")
def fill(a):
    for i in range(len(a)): a[i] = i
def stats(a): return {"mean": float(a.mean()), "max": a.max()}
""",
    """
import pandas as pd, numpy as np
def clean(df): df = df.fillna(0)
def top(df): return df.groupby("k")["v"].sum().sort_values(ascending=False)
""",
)
case(
    "context and closures that share state",
    """
inc, get = make()
inc(); inc(2)
assert get() == 3
acc = accumulate()
next(acc)
assert [acc.send(x) for x in (1, 2, 3)] == [1, 3, 6]
import threading
lock_used = with_lock([1, 2])
assert lock_used == 3
b = Bank()
b.transfer("a", "b", 5)
assert b.log == [("a", "b", 5)] and b.log is b.log
b.log.append("x")
assert b.size() == 2
""",
    """
def make():
    n = 0
    def inc(by=1):
        nonlocal n
        n += by
    return inc, lambda: n
def accumulate():
    t = 0
    while True: t += (yield t)
def with_lock(xs):
    import threading
    lock = threading.Lock()
    with lock: return sum(xs)
class Bank:
    def __init__(self): self.log = []
    def transfer(self, *a): self.log.append(a)
    def size(self): return len(self.log)
""",
    """
def make():
    n = 0
    def inc(by=1): n = by
    return inc, lambda: n
""",
)
case(
    "simulated files and iterables of the test's",
    """
import io
class Lines:
    def __init__(self, rows): self.rows = rows
    def __iter__(self): return iter(self.rows)
    def __len__(self): return len(self.rows)
    def __getitem__(self, i): return self.rows[i]
assert longest(Lines(["a", "bbb", "cc"])) == "bbb" and first(Lines([4, 5])) == 4 and size(Lines([1])) == 1
assert csv_rows(io.StringIO("a,b\\n1,2\\n")) == [{"a": "1", "b": "2"}]
buf = io.BytesIO(b"abc")
assert total(x for x in Lines([1, 2])) == 3
""",
    """
import csv
def longest(xs): return max(xs, key=len)
def first(xs): return xs[0]
def size(xs): return len(xs)
def csv_rows(f): return list(csv.DictReader(f))
def total(xs): return sum(xs)
""",
    """
def longest(xs): return max(xs)
def first(xs): return xs[0]
def size(xs): return len(xs)
def csv_rows(f): return [dict(a="1", b="2")] if f else []
def total(xs): return sum(xs)
""",
)
case(
    "class equality, identity and representation",
    """
assert Point is Point and type(origin) is Point and origin == Point(0, 0) and str(Point) == "<class '__main__.Point'>"
assert Point.__name__ == "Point" and Point.__doc__ == "A point." and Point.__module__ == "__main__" and callable(Point)
assert origin.__class__ is Point and hasattr(origin, "x") and not hasattr(Point, "x") and "x" in dir(origin)
assert repr([origin]) == "[P(0, 0)]" and f"{origin!r:>10}" == "   P(0, 0)" and isinstance(hash(origin), int)
assert Point.norm(Point(3, 4)) == 5 and Point(3, 4).norm() == 5.0 and (lambda p: p.x)(Point(1, 2)) == 1
first, second = Point(7, 8)
assert (first, second) == (7, 8) and abs(Point(3, 4)) == 5 and round(Point(1.26, 2), 1) == Point(1.3, 2) and int(Point(9, 1)) == 9
""",
    """
class Point:
    "A point."
    def __init__(self, x, y): self.x, self.y = x, y
    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)
    def __hash__(self): return hash((self.x, self.y))
    def __repr__(self): return f"P({self.x}, {self.y})"
    def __iter__(self): return iter((self.x, self.y))
    def __abs__(self): return self.norm()
    def __round__(self, n): return Point(round(self.x, n), self.y)
    def __int__(self): return int(self.x)
    def norm(self): return (self.x ** 2 + self.y ** 2) ** .5
origin = Point(0, 0)
""",
    (),
)


def pairs() -> list[object]:
    """Every case with each of its solutions, as parameters."""
    return [
        pytest.param(each, solution, expected, id=f"{each.name}-{'right' if expected else 'wrong'}-{number}")
        for each in CASES
        for expected, solutions in ((True, each.right), (False, each.wrong))
        for number, solution in enumerate(solutions)
    ]
