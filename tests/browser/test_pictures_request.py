"""The request's way and the query's plan in a real JupyterLab: light, dark and large, and with a dead kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

SERVE = """
from fastapi import FastAPI
from pydantic import BaseModel
from course.lab import serve
from course.lab.pictures.request import show_request

app = FastAPI()

class Order(BaseModel):
    product: str
    quantity: int

@app.post("/orders", status_code=201)
def create_order(order: Order) -> dict:
    return {"id": 7, "product": order.product, "quantity": order.quantity}

server = serve(app)
"""
REQUEST = """
show_request(
    server, "/orders?notify=yes", method="POST",
    json={"product": "Blue <b>Mug</b>", "quantity": 2}, headers={"Authorization": "Bearer s3cr3t-t0k3n-of-ada"},
)
"""
REFUSED = """
port = server.port
server.stop()
show_request(f"http://localhost:{port}/orders")
"""
FILL = """
from course.lab import sqlite, duckdb
from course.lab.pictures.plan import show_plan

ROWS = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < {}) SELECT {} FROM t;"
SHOP = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, total INTEGER);"
    "INSERT INTO customers " + ROWS.format(500, "i, 'Customer ' || i")
    + "INSERT INTO orders " + ROWS.format(10000, "i, i % 500 + 1, i % 97")
)
small, big = sqlite(), duckdb()
small.run(SHOP)
big.run(SHOP)
"""
INDEX = """
show_plan(
    "SELECT * FROM orders WHERE customer_id = 7", on=big, index="CREATE INDEX orders_customer ON orders (customer_id)"
)
"""
JOIN = '''
show_plan("""
SELECT c.name, sum(o.total) AS total
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
JOIN customers AS d ON d.id = o.total
WHERE o.total > 90
GROUP BY c.name ORDER BY total DESC LIMIT 5
""", on=big)
'''
SQLITE = """
show_plan(
    "SELECT c.name, o.total FROM customers AS c JOIN orders AS o ON o.customer_id = c.id WHERE c.id < 10 ORDER BY o.total",
    on=small, index="CREATE INDEX orders_customer ON orders (customer_id)",
)
"""
CELLS = [SERVE, REQUEST, REFUSED, FILL, INDEX, JOIN, SQLITE]


def fits(picture: Locator) -> bool:
    """Whether nothing in a picture is cut off at its side."""
    return bool(picture.evaluate("node => node.scrollWidth <= node.clientWidth + 1"))


def overlapping(picture: Locator) -> list[str]:
    """The steps of a plan that lie upon another one."""
    return list(
        picture.locator(".card").evaluate_all(
            """cards => cards.filter((one, at) => cards.slice(at + 1).some(other => {
                const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
                return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
            })).map(card => card.textContent)"""
        )
    )


def test_both_pictures_are_readable_in_light_and_dark_and_without_a_kernel(
    jupyterlab: Any, page: Page, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each.strip()) for each in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / "lab.ipynb")
    lab = jupyterlab(work)
    page.set_viewport_size({"width": 1280, "height": 5200})
    lab.open(page, "lab.ipynb")
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    lab.run_all_cells(page)

    ways, plans = page.locator(".course-way"), page.locator(".course-plan")
    expect(plans).to_have_count(3)
    expect(ways).to_have_count(2)
    way, refused = ways.nth(0), ways.nth(1)
    expect(way).to_contain_text("201 Created")
    expect(way.locator(".way > li")).to_have_count(7)
    expect(way).to_contain_text('{"product": "Blue <b>Mug</b>", "quantity": 2}')
    expect(way).to_contain_text("Bearer s3c")
    expect(way).not_to_contain_text("t0k3n")
    expect(refused).to_contain_text("no program listens on port")
    expect(plans.nth(0)).to_contain_text("500 times fewer rows: 20 instead of 10,000")
    expect(plans.nth(1)).to_contain_text("read 10,000 rows, kept 618")
    expect(plans.nth(2)).to_contain_text(
        "Finds rows of orders by the index orders_customer", ignore_case=True
    )

    pictures = [*ways.all(), *plans.all()]
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        expect(page.locator(f'body[data-jp-theme-name="{theme}"]')).to_be_attached()
        for number, picture in enumerate(pictures):
            picture.screenshot(path=tmp_path / f"{number}-{theme.split()[-1].lower()}.png")
    page.set_viewport_size({"width": 500, "height": 9000})  # as at 250 %
    for number, picture in enumerate(pictures):
        picture.screenshot(path=tmp_path / f"{number}-narrow.png")
        assert fits(picture)
        assert overlapping(picture) == []

    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    lab.open(page, "lab.ipynb")
    expect(page.locator(".course-way").nth(0)).to_contain_text("201 Created")
    expect(page.locator(".course-plan")).to_have_count(3)
