"""What the tests in this folder look at: a student's folder, screenshots, and what axe-core finds in a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from course.classroom import working_copy

PROJECT = Path(__file__).parents[2]
JOINS, FASTAPI = "04-databases/14b-joins-and-groups", "06-web-frameworks/18a-fastapi"


def student_folder(root: Path, labs: Iterable[str]) -> Path:
    """The working copy of a course in `root` that has released these labs."""
    for lab in labs:
        target = root / "release" / f"{lab}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / "release" / f"{lab}.ipynb", target)
    working_copy.refresh(root)
    return root / "work"


def screenshot_file(name: str) -> Path:
    """Where a screenshot is kept, to be looked at."""
    folder = PROJECT / ".cache" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"


def shot(page: Page, name: str) -> None:
    """Keep a screenshot of a page."""
    page.screenshot(path=screenshot_file(name))


def findings(page: Page, part: str) -> list[str]:
    """What axe-core finds serious or critical in a part of the page."""
    found = Axe().run(page, part).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
