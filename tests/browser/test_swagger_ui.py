"""Swagger UI inside a notebook: behind a hub's base_url, through jupyter-server-proxy, with no other machine in reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from course.lab.serving.beside import PLACE
from tests.browser.pages import shot

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
    print("placed", order.product)
    return order

server = serve(app)
server
"""
SECOND = 'second = serve(FastAPI(title="Second"), name="second")\nsecond'


def notebook(folder: Path, *cells: str) -> None:
    folder.mkdir()
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "lab.ipynb")


def try_it_out(docs: FrameLocator) -> Locator:
    docs.locator(".opblock-summary-control").click()
    docs.get_by_role("button", name="Try it out").click()
    docs.locator("textarea").first.fill('{"product": "lamp", "quantity": 3}')
    docs.get_by_role("button", name="Execute").click()
    answer = docs.locator(".live-responses-table")
    expect(answer.locator("tbody .response-col_status").first).to_contain_text("201")
    expect(answer).to_contain_text('"quantity": 3')
    return docs.locator(".request-url")


def test_try_it_out_beside_the_lab(jupyterlab: Any, page: Page, tmp_path: Path) -> None:
    """In the course's JupyterLab a server opens on the lab's right, with its log."""
    notebook(tmp_path / "work", SHOP, "server.docs()", SECOND, "server.stop()")
    lab = jupyterlab(tmp_path / "work", base_url="/user/x/")
    lab.open(page, "lab.ipynb")
    lab.run_cell(page, 0)
    link = page.get_by_role("link", name="Swagger UI")
    address = link.get_attribute("href")
    assert address is not None
    assert address.startswith("/user/x/proxy/")
    docs = page.frame_locator("iframe[title='Page of the server app']")
    asked = try_it_out(docs)
    expect(asked).to_contain_text(f"{address.removesuffix('/docs')}/orders")
    shot(page, "swagger-beside")

    page.get_by_role("tab", name="Log").click()
    expect(page.locator(".course-log")).to_contain_text('"POST /orders HTTP/1.1" 201')
    expect(page.locator(".course-log")).to_contain_text("placed lamp")
    lab.run_cell(page, 1)
    expect(page.locator("iframe[title^='Page of the server']")).to_have_count(1)  # docs() opens no other
    lab.run_cell(page, 2)
    tabs = page.locator(".lm-TabBar-tabLabel", has_text="Server:")
    expect(tabs).to_have_count(2)
    tabs.first.click()
    lab.run_cell(page, 3)
    expect(page.get_by_text("app is stopped: run its cell again to start it")).to_be_visible()

    page.reload()  # the servers run on in the kernel, and come back
    expect(page.locator(".lm-TabBar-tabLabel", has_text="Server: second")).to_be_visible()


def test_try_it_out_inside_another_jupyterlab(jupyterlab: Any, page: Page, tmp_path: Path) -> None:
    notebook(tmp_path / "work", f"import os\ndel os.environ['{PLACE}']\n{SHOP}", "server.docs(height=700)")
    lab = jupyterlab(tmp_path / "work", base_url="/user/x/")
    lab.open(page, "lab.ipynb")
    lab.run_all_cells(page)
    try_it_out(page.frame_locator("iframe[title='Swagger UI of app']"))
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Swagger UI").click()
    expect(opened.value.get_by_role("heading", name="Shop API")).to_be_visible()
