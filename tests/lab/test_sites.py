"""The shop's web site, asked as a browser asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from course.lab import ask, serve
from course.lab.datasets import shop_site
from course.lab.serving import Server

FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(shop_site(), name="site") as server:
        yield server


def test_pages_name_the_files_that_a_browser_fetches_next(server: Server) -> None:
    page = ask("GET /", on=server)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("style.css", "logo.svg", "products/6", "order"):
        assert f'="{path}"' in page.body
        assert ask(f"GET /{path}", on=server).status == 200


@pytest.mark.parametrize(
    ("wish", "language"),
    [("fr", "fr"), ("fr-FR, en;q=0.5", "fr"), ("en;q=0.5, de;q=0.9", "de"), ("es", "en"), ("de;q=x", "en")],
)
def test_the_language_is_the_one_liked_best(server: Server, wish: str, language: str) -> None:
    answer = ask(f"GET /welcome\nAccept-Language: {wish}", on=server)
    assert answer.headers["content-language"] == language
    assert answer.body == shop_site().welcome(language)


def test_products_are_found_by_number_and_by_word(server: Server) -> None:
    assert json.loads(ask("GET /products/2", on=server).body) == {
        "id": 2,
        "name": "Rubber duck",
        "price": "8.90",
    }
    found = json.loads(ask("GET /products?word=CABLE\nAccept-Language: de", on=server).body)
    assert found["title"] == "Produkte"
    assert [each["id"] for each in found["products"]] == [3, 5]
    assert len(json.loads(ask("GET /products", on=server).body)["products"]) == 6


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /prodcuts", 404),
        ("GET /products/7", 404),
        ("GET /products/x", 404),
        ("DELETE /products/2", 405),
        ("POST /welcome", 405),
        ("PUT /orders", 405),
        ("POST /orders\n\nproduct=2&quantity=3", 415),
        (f"POST /orders\n{FORM}\n\nproduct=7&quantity=3", 422),
        (f"POST /orders\n{FORM}\n\nproduct=2&quantity=0", 422),
        (f"POST /orders\n{FORM}\n\nproduct=2&quantity=100", 422),
        (f"POST /orders\n{FORM}\n\nproduct=2&quantity=three", 422),
        (f"POST /orders\n{FORM}", 422),
    ],
)
def test_what_it_does_not_take_is_told(server: Server, request_: str, status: int) -> None:
    answer = ask(request_, on=server)
    assert answer.status == status
    assert json.loads(answer.body)["error"]
    assert server.app.orders == []  # type: ignore[attr-defined]


def test_an_order_is_taken_as_a_form_sends_it() -> None:
    site = shop_site(seed=1)
    with serve(site, name="site") as server:
        answer = ask(f"POST /orders\n{FORM}\n\nproduct=8&quantity=3", on=server)
        listed = json.loads(ask("GET /orders", on=server).body)
    expected = {"order": 101, "product": site.products[8][0], "quantity": 3}
    assert (answer.status, json.loads(answer.body), listed) == (201, expected, [expected])
    assert site.orders == [(8, 3)]


def test_each_seed_makes_another_shop() -> None:
    shops = [shop_site(seed) for seed in range(4)]
    assert len({str(shop.products) for shop in shops}) == 4
    assert shop_site(1) == shop_site(1)
    assert all(len(shop.products) == 8 for shop in shops)
