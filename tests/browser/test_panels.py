"""Feedback panels as a student meets them: both themes, 200 % zoom, a screen reader's view, a notebook without kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import findings, shot

pytestmark = pytest.mark.browser

SQL_LAB = "04-databases/14b-joins-and-groups.ipynb"
API_LAB = "06-web-frameworks/18a-fastapi.ipynb"

PRICE_OF_TODAY = """%%sql shop_db --name sold_lines
SELECT o.id AS order_id, c.name AS customer, p.name AS product, i.quantity * i.unit_price AS amount
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
JOIN order_items AS i ON i.order_id = o.id
JOIN products AS p ON p.id = i.product_id
WHERE o.status = 'shipped'
ORDER BY o.id, p.name
"""
SENDS_PASSWORDS = """
from typing import Annotated
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

taken = {"team@shop.example"}
signups_app = FastAPI(title="Sign-up")

class Signup(BaseModel):
    email: Annotated[str, Field(pattern=r"^\\S+@\\S+$")]
    nickname: str | None = None
    password: Annotated[str, Field(min_length=12)]

@signups_app.post("/signups", status_code=STATUS)
def sign_up(signup: Signup) -> Signup:
    return signup
"""
NO_OVERFLOW = """panel => {
    const edge = panel.getBoundingClientRect().right + 1;
    const free = [...panel.querySelectorAll("*")].filter(each => !each.parentElement.closest(".details"));
    return panel.scrollWidth <= panel.clientWidth && free.every(each => each.getBoundingClientRect().right <= edge);
}"""


def cell_with(work: Path, lab: str, source: str) -> str:
    """The id of the first cell of a lab that contains this."""
    notebook = nbformat.read(work / lab, as_version=4)
    return str(next(cell.id for cell in notebook.cells if source in cell.source))


def run_to_its_end(lab: Any, page: Page, cell: str) -> None:
    lab.run(page, cell)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info")
    idle = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    page.wait_for_function(idle)


def panel_of(lab: Any, page: Page, test: str) -> Locator:
    """Run a test cell that fails, and its panel."""
    return lab.run(page, test).locator(".course-panel").first


def look_at(page: Page, panel: Locator, name: str) -> None:
    """In both themes, then in the room that 200 % zoom leaves: a picture, axe-core's verdict, nothing cut off."""
    for fold in panel.locator("details > summary").all():
        if "traceback" not in fold.inner_text():
            fold.click()
    for theme in ("Light", "Dark"):
        page.evaluate(
            f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        )
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        for zoom, width, height in [(1, 1400, 900), (2, 700, 450)]:
            page.set_viewport_size({"width": width, "height": height})
            panel.evaluate("panel => panel.scrollIntoView()")
            shot(page, f"panel-{name}-{theme.lower()}-{zoom}00")
            assert panel.evaluate(NO_OVERFLOW), f"{name}: something is wider than the panel at {zoom}00 %"
        assert findings(page, ".course-panel") == [], f"{name}, {theme}"
    page.set_viewport_size({"width": 1400, "height": 900})


def reopen_without_kernel(lab: Any, page: Page, notebook: str) -> None:
    """Save and open again: the kernel that made the outputs is gone."""
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    lab.open(page, notebook)


def test_rows_that_differ(jupyterlab: Any, page: Page, work: Path) -> None:
    lab = jupyterlab(work)
    lab.open(page, SQL_LAB)
    run_to_its_end(lab, page, cell_with(work, SQL_LAB, "%load_ext course"))
    run_to_its_end(lab, page, cell_with(work, SQL_LAB, "shop_db = shop()"))
    lab.write(page, "sold-lines", PRICE_OF_TODAY)
    run_to_its_end(lab, page, "sold-lines")

    panel = panel_of(lab, page, "sold-lines-visible")
    expect(page.get_by_role("group", name="Not yet: sold-lines")).to_be_visible()
    expect(page.get_by_role("heading", name="Not yet: sold-lines")).to_be_visible()
    expect(panel.get_by_role("rowheader", name="missing").first).to_be_visible()
    expect(panel.locator(".tries summary")).to_have_text("Your tries: 1 · ✗")
    look_at(page, panel, "sql")

    reopen_without_kernel(lab, page, SQL_LAB)
    again = page.get_by_role("group", name="Not yet: sold-lines")
    expect(again.get_by_role("rowheader", name="missing").first).to_be_visible()
    again.get_by_text("Your tries: 1").click()
    expect(again.get_by_role("listitem").filter(has_text="✗ not passed")).to_be_visible()


def test_a_response_that_differs_and_the_hints(jupyterlab: Any, page: Page, work: Path) -> None:
    lab = jupyterlab(work)
    lab.open(page, API_LAB)
    run_to_its_end(lab, page, cell_with(work, API_LAB, "%load_ext course"))
    unsolved = panel_of(lab, page, "signups-visible")
    expect(unsolved).to_contain_text("signups_app does not exist yet")
    expect(unsolved).not_to_contain_text("hint")

    lab.write(page, "signups", SENDS_PASSWORDS.replace("STATUS", "200"))
    run_to_its_end(lab, page, "signups")
    panel = panel_of(lab, page, "signups-visible")
    table = panel.get_by_role("table", name="Request and response")
    status = table.get_by_role("row", name="Status differs")
    expect(status.get_by_role("cell")).to_have_text(["200 OK", "201 Created"])
    expect(table.get_by_role("row", name="Request POST /signups")).to_be_visible()
    expect(panel).to_contain_text("One more hint comes after another try.")
    look_at(page, panel, "status")

    lab.write(page, "signups", SENDS_PASSWORDS.replace("STATUS", "201"))
    run_to_its_end(lab, page, "signups")
    panel = panel_of(lab, page, "signups-visible")
    expect(panel.locator(".tries summary")).to_have_text("Your tries: 2 · ✗ ✗")
    expect(panel.get_by_text("Hint 2, new")).to_be_visible()
    expect(panel.get_by_text("Three things change.")).to_be_hidden()
    look_at(page, panel, "body")
    expect(panel.get_by_text("Three things change.")).to_be_visible()

    reopen_without_kernel(lab, page, API_LAB)
    again = page.get_by_role("group", name="Not yet: signups")
    expect(again.get_by_role("table", name="Request and response")).to_be_visible()
    again.get_by_text("Hint 2, new").click()
    expect(again.get_by_text("Three things change.")).to_be_visible()
