"""A small web shop as a web site of its own: one fixed for teaching, and any number of generated ones for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_GOODS = (
    *("Uptime mug", "Rubber duck", "USB-C cable", "Sticker set", "Network cable", "Desk lamp"),
    *("Laptop stand", "Note pad", "Power cable", "Screen cloth", "Key ring", "Tea tin"),
)
_PRICES = (1400, 890, 1250, 450, 990, 3900)  # in cents, of the first goods
_NAMES = ("Harbour Shop", "Corner Shop", "River Shop", "Garden Shop", "Station Shop")
_PHRASES = {
    "en": {"welcome": "Welcome to {}", "products": "Products"},
    "fr": {"welcome": "Bienvenue chez {}", "products": "Produits"},
    "de": {"welcome": "Willkommen bei {}", "products": "Produkte"},
}
_FORM = "application/x-www-form-urlencoded"
_PHRASE_OF = {200: "OK", 201: "Created", 404: "Not Found", 405: "Method Not Allowed", 415: "Unsupported Media Type", 422: "Unprocessable Content"}  # fmt: skip
_FIRST_ORDER = 101
_MOST_PER_ORDER = 99

_STYLE = """body { font-family: sans-serif; margin: 2em; color: #1f2933; background: white; }
h1 { color: #0b5e86; }
li { margin: 0.4em 0; }
"""
_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48" viewBox="0 0 64 48">
<rect x="4" y="8" width="38" height="36" rx="5" fill="#0b5e86"/>
<path d="M42 16h8a8 8 0 0 1 0 18h-8" fill="none" stroke="#0b5e86" stroke-width="6"/></svg>
"""


@dataclass
class _Reply:
    """What the site answers with."""

    body: str
    kind: str
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class ShopSite:
    """The site as a WSGI app.

    Attributes:
        name: what the shop is called.
        products: the id of each product -> its name and its price in cents.
        orders: what was ordered, in its order: (product id, quantity).
    """

    name: str
    products: dict[int, tuple[str, int]]
    orders: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        reply = self._answer(environ)
        content = reply.body.encode()
        length = ("Content-Length", str(len(content)))
        kind = ("Content-Type", f"{reply.kind}; charset=utf-8")
        start_response(f"{reply.status} {_PHRASE_OF[reply.status]}", [kind, length, *reply.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def product(self, number: int) -> dict[str, Any]:
        """A product as the site tells of it."""
        name, cents = self.products[number]
        return {"id": number, "name": name, "price": f"{cents / 100:.2f}"}

    def welcome(self, language: str) -> str:
        """The greeting in English (en), French (fr) or German (de)."""
        return _PHRASES[language]["welcome"].format(self.name)

    def _answer(self, environ: WSGIEnvironment) -> _Reply:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/orders" and method == "POST":
            return self._order(environ)
        reply = self._read(path, environ)
        if reply.status == 200 and method not in ("GET", "HEAD"):
            allowed = "GET, POST" if path == "/orders" else "GET"
            return _data({"error": f"{path} does not take {method}"}, 405, [("Allow", allowed)])
        return reply

    def _read(self, path: str, environ: WSGIEnvironment) -> _Reply:
        language = _language(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        told = [("Content-Language", language)]
        match path.split("/")[1:]:
            case [""]:
                return _Reply(self._home(), "text/html")
            case ["style.css"]:
                return _Reply(_STYLE, "text/css")
            case ["logo.svg"]:
                return _Reply(_LOGO, "image/svg+xml")
            case ["welcome"]:
                return _Reply(self.welcome(language), "text/plain", headers=told)
            case ["order"]:
                return _Reply(self._order_page(), "text/html")
            case ["orders"]:
                return _data([self._placed(number) for number in range(len(self.orders))])
            case ["products"]:
                word = parse_qs(environ["QUERY_STRING"]).get("word", [""])[0].lower()
                found = [
                    self.product(each) for each, (name, _) in self.products.items() if word in name.lower()
                ]
                return _data({"title": _PHRASES[language]["products"], "products": found}, headers=told)
            case ["products", number] if number.isdecimal() and int(number) in self.products:
                return _data(self.product(int(number)))
        return _data({"error": f"There is nothing at {path}"}, 404)

    def _order(self, environ: WSGIEnvironment) -> _Reply:
        if environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower() != _FORM:
            return _data(
                {"error": f"The body must be of the type {_FORM}: say so in the header Content-Type"}, 415
            )
        size = environ.get("CONTENT_LENGTH") or "0"
        fields = parse_qs(environ["wsgi.input"].read(int(size)).decode("utf-8", "replace").strip())
        product, quantity = (_number(fields.get(name, [""])[0]) for name in ("product", "quantity"))
        if product not in self.products:
            return _data({"error": "product must be the number of a product"}, 422)
        if not 1 <= quantity <= _MOST_PER_ORDER:
            return _data({"error": f"quantity must be a number from 1 to {_MOST_PER_ORDER}"}, 422)
        self.orders.append((product, quantity))
        return _data(self._placed(len(self.orders) - 1), 201)

    def _placed(self, number: int) -> dict[str, Any]:
        product, quantity = self.orders[number]
        return {"order": _FIRST_ORDER + number, "product": self.products[product][0], "quantity": quantity}

    def _home(self) -> str:
        rows = "\n".join(
            f'<li><a href="products/{each}">{escape(name)}</a>: {cents / 100:.2f}</li>'
            for each, (name, cents) in self.products.items()
        )
        return _page(
            f"Welcome to {self.name}", f'<ul>\n{rows}\n</ul>\n<p><a href="order">Order something</a></p>'
        )

    def _order_page(self) -> str:
        options = "\n".join(
            f'<option value="{each}">{escape(name)}</option>' for each, (name, _) in self.products.items()
        )
        return _page(
            "Your order",
            '<form action="orders" method="post">\n'
            f'<p>Product <select name="product">\n{options}\n</select></p>\n'
            '<p>How many? <input name="quantity"></p>\n'
            "<p><button>Order</button></p>\n</form>",
        )


def shop_site(seed: int | None = None) -> ShopSite:
    """The shop of the lab; with a seed another one, with other products, other prices and another name."""
    if seed is None:
        return ShopSite("Mug and Cable", dict(enumerate(zip(_GOODS, _PRICES, strict=False), start=1)))
    random = Random(seed)
    goods = random.sample(_GOODS, 8)
    products = {number: (name, random.randint(3, 90) * 50) for number, name in enumerate(goods, start=1)}
    return ShopSite(random.choice(_NAMES), products)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<link rel="stylesheet" href="style.css">\n</head>\n<body>\n<img src="logo.svg" alt="A mug">\n'
        f"<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _data(value: object, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> _Reply:
    return _Reply(json.dumps(value, ensure_ascii=False), "application/json", status, [*headers])


def _language(wish: str) -> str:
    """The language that a header Accept-Language likes best among ours; English where it likes none of them."""
    best, most = "en", 0.0
    for part in wish.split(","):
        name, _, weight = part.partition(";")
        code = name.strip().lower().split("-")[0]
        try:
            liked = float(weight.partition("=")[2] or 1)
        except ValueError:
            continue
        if code in _PHRASES and liked > most:
            best, most = code, liked
    return best


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
