"""A small online shop for developers: one fixed for teaching, and any number of generated ones for tests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from course.errors import CourseError
from course.lab.sql import Database, duckdb, sqlite
from course.lab.sql.values import Row

if TYPE_CHECKING:
    from course.lab.services import Postgres

_SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT,
    joined DATE NOT NULL
);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    price {money} NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_on DATE NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'cancelled'))
);
CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price {money} NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
"""
# SQLite has no decimals: DECIMAL(10, 2) there would turn 29.00 into the integer 29.
_MONEY = {"sqlite": "REAL", "duckdb": "DECIMAL(10, 2)", "postgresql": "DECIMAL(10, 2)"}


@dataclass(frozen=True)
class _Shop:
    """The rows of the four tables, in the tables' own order of columns."""

    customers: list[Row]
    products: list[Row]
    orders: list[Row]
    order_items: list[Row]


def shop(
    on: str | Postgres = "sqlite",
    seed: int | None = None,
    *,
    customers: int | None = None,
    products: int | None = None,
    orders: int | None = None,
    items: int | None = None,
) -> Database:
    """A new shop database: tables customers, products, orders and order_items.

    Dates are ISO text in SQLite and dates elsewhere; prices are floats in SQLite and decimals elsewhere.

    Args:
        on: "sqlite" or "duckdb" (in memory), or a running PostgreSQL server (a schema of its own there).
        seed: None for the shop of the course's text: 8 customers, of whom Ines has not ordered yet, 12 orders, and a
            product that nobody wants. A number for another shop, the same one for the same number on every engine.
        customers, products, orders: how many rows a generated shop has; 0 is allowed. 12, 9 and 24 unless given.
        items: the most products that an order of a generated shop holds; 3 unless given. Some hold none.

    A generated shop has, where its sizes allow: customers without orders, customers with the same name, cities that
    are NULL, two customers with as many orders as each other, products never ordered, and orders without items.
    """
    sizes = {"customers": customers, "products": products, "orders": orders, "items": items}
    if seed is None:
        if any(size is not None for size in sizes.values()):
            raise CourseError(
                "The teaching shop has fixed sizes; for another one give a seed, as in shop(seed=1, orders=0)."
            )
        return _load(_TEACHING_SHOP, on)
    for name, size in sizes.items():
        if size is not None and size < 0:
            raise CourseError(f"shop({name}={size}): a size cannot be negative.")
    given = {name: size for name, size in sizes.items() if size is not None}
    return _load(_generate(Random(seed), **given), on)


def _load(data: _Shop, on: str | Postgres) -> Database:
    database = _open(on)
    script = [_SCHEMA.format(money=_MONEY[database.engine])]
    for table, rows in vars(data).items():
        if rows:
            values = ",\n".join(f"({', '.join(map(_literal, row))})" for row in rows)
            script.append(f"INSERT INTO {table} VALUES {values};")
    database.run("\n".join(script))
    return database


def _open(on: str | Postgres) -> Database:
    if on == "sqlite":
        return sqlite()
    if on == "duckdb":
        return duckdb()
    if isinstance(on, str):
        raise CourseError(
            f'shop(on={on!r}): write "sqlite", "duckdb", or give a running server, as in shop(on=postgres()).'
        )
    return on.new_schema("shop")


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


_TEACHING_SHOP = _Shop(
    customers=[
        (1, "Amara", "Lagos", "2023-01-16"),
        (2, "Bruno", "Lisbon", "2023-02-03"),
        (3, "Chloe", None, "2023-02-27"),
        (4, "Dmitri", "Tallinn", "2023-05-09"),
        (5, "Esra", "Lisbon", "2023-08-21"),
        (6, "Farid", None, "2023-11-30"),
        (7, "Grace", "Nairobi", "2024-01-08"),
        (8, "Ines", "Lisbon", "2024-02-19"),
    ],
    products=[
        (1, "Rubber duck", "desk", 8.9),
        (2, "Mechanical keyboard", "hardware", 119.0),
        (3, "USB-C cable", "hardware", 12.5),
        (4, "Status code stickers", "desk", 4.5),
        (5, "Queries by candlelight", "books", 29.0),
        (6, "Uptime mug", "kitchen", 14.0),
        (7, "Caching for the forgetful", "books", 34.5),
        (8, "Teapot 418", "kitchen", 39.0),
    ],
    orders=[
        (101, 1, "2024-01-05", "shipped"),
        (102, 2, "2024-01-05", "shipped"),
        (103, 1, "2024-01-19", "shipped"),
        (104, 4, "2024-02-02", "cancelled"),
        (105, 3, "2024-02-14", "shipped"),
        (106, 5, "2024-02-20", "paid"),
        (107, 1, "2024-03-01", "paid"),
        (108, 7, "2024-03-03", "shipped"),
        (109, 2, "2024-03-11", "cancelled"),
        (110, 6, "2024-03-12", "paid"),
        (111, 2, "2024-03-25", "open"),
        (112, 7, "2024-03-28", "open"),
    ],
    order_items=[
        (101, 1, 1, 8.9),
        (101, 2, 1, 109.0),  # bought before the price went up
        (102, 5, 1, 29.0),
        (103, 3, 2, 12.5),
        (103, 4, 3, 4.5),
        (104, 2, 1, 119.0),
        (105, 1, 12, 7.5),  # a dozen ducks, at a discount
        (106, 6, 2, 14.0),
        (106, 7, 1, 34.5),
        (107, 5, 1, 29.0),
        (108, 3, 4, 12.5),
        (108, 6, 1, 14.0),
        (109, 7, 2, 34.5),
        (110, 4, 1, 4.5),
        (110, 1, 2, 8.9),
        (111, 2, 2, 119.0),
        # order 112 is still an empty basket
    ],
)

_NAMES = [
    "Ada",
    "Ben",
    "Caro",
    "Deniz",
    "Eve",
    "Femi",
    "Gita",
    "Hugo",
    "Iris",
    "Jon",
    "Kemi",
    "Lars",
    "Mia",
    "O'Neil",
]
_CITIES = ["Accra", "Bergen", "Cusco", "Dakar", "Esbjerg", "Fez"]
_CATEGORIES = ["desk", "hardware", "books", "kitchen"]
_THINGS = [
    "Duck",
    "Keyboard",
    "Cable",
    "Stickers",
    "Notebook",
    "Mug",
    "Lamp",
    "Teapot",
    "Chair",
    "Monitor",
    "Backpack",
]
_CENTS = [250, 450, 890, 1250, 1250, 1999, 2900, 4990, 11900]
_STATUSES = ["open", "paid", "paid", "shipped", "shipped", "shipped", "cancelled"]
_FIRST_DAY = dt.date(2024, 1, 1)


def _generate(
    random: Random, customers: int = 12, products: int = 9, orders: int = 24, items: int = 3
) -> _Shop:
    """The rows of a random shop; only `Random` methods whose numbers are the same in every version of Python."""
    people = [
        (
            20 + 3 * i,
            _NAMES[0] if i in (1, customers - 1) else random.choice(_NAMES),
            None if i % 4 == 1 else random.choice(_CITIES),
            _day(random, -300, -1),
        )
        for i in range(customers)
    ]
    goods = [
        (
            500 + 7 * i,
            f"{random.choice(_THINGS)} {i + 1}",
            random.choice(_CATEGORIES),
            random.choice(_CENTS) / 100,
        )
        for i in range(products)
    ]
    buyers = [person[0] for person in people]
    random.shuffle(buyers)
    buyers = buyers[: max(len(buyers) * 3 // 4, 1)]
    baskets = [
        (9000 + 2 * i, _buyer(random, buyers, i, orders), _day(random, 0, 90), random.choice(_STATUSES))
        for i in range(orders if buyers else 0)
    ]
    wanted = goods[: max(len(goods) - 1, 1)]
    lines = [
        (
            basket[0],
            good[0],
            random.randrange(1, 5),
            good[3] if random.randrange(3) else round(good[3] * 0.9, 2),
        )
        for basket in baskets
        for good in random.sample(wanted, min(random.randrange(items + 1), len(wanted)))
    ]
    for rows in (people, goods, baskets, lines):
        random.shuffle(rows)  # a query without ORDER BY must not look right by luck
    return _Shop(list(people), list(goods), list(baskets), list(lines))


def _buyer(random: Random, buyers: list[int], i: int, orders: int) -> int:
    """Half of the orders go to two customers, as many to each; the rest to anybody else."""
    if len(buyers) < 3 or i < orders // 4 * 2:
        return buyers[i % min(len(buyers), 2)]
    return random.choice(buyers[2:])


def _day(random: Random, first: int, last: int) -> str:
    return (_FIRST_DAY + dt.timedelta(days=random.randrange(first, last + 1))).isoformat()
