"""Swagger UI inside a notebook: behind a hub's base_url, through jupyter-server-proxy, with no other machine in reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SHOP = """
from fastapi import FastAPI
from pydantic import BaseModel
from course.lab.serving import serve

app = FastAPI(title="Shop API")

class Order(BaseModel):
    product: str
    quantity: int = 1

@app.post("/orders", status_code=201)
async def place_order(order: Order) -> Order:
    return order

server = serve(app)
server
"""


def notebook(folder: Path, *cells: str) -> None:
    folder.mkdir()
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "lab.ipynb")


def test_try_it_out_calls_the_students_app(jupyterlab: Any, page: Page, tmp_path: Path) -> None:
    notebook(tmp_path / "work", SHOP, "server.docs(height=700)")
    lab = jupyterlab(tmp_path / "work", base_url="/user/x/")
    lab.open(page, "lab.ipynb")
    lab.run_all_cells(page)
    link = page.get_by_role("link", name="Swagger UI")
    address = link.get_attribute("href")
    assert address is not None
    assert address.startswith("/user/x/proxy/")

    docs = page.frame_locator("iframe[title='Documentation of app']")
    docs.locator(".opblock-summary-control").click()
    docs.get_by_role("button", name="Try it out").click()
    docs.locator("textarea").first.fill('{"product": "lamp", "quantity": 3}')
    docs.get_by_role("button", name="Execute").click()
    answer = docs.locator(".live-responses-table")
    expect(answer.locator("tbody .response-col_status").first).to_contain_text("201")
    expect(answer).to_contain_text('"quantity": 3')
    expect(docs.locator(".request-url")).to_contain_text(f"{address.removesuffix('/docs')}/orders")

    with page.expect_popup() as opened:
        link.click()
    expect(opened.value.get_by_role("heading", name="Shop API")).to_be_visible()
