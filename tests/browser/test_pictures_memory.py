"""Names, calls, timelines and queues in a real JupyterLab: light, dark and large, and with a dead kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

NAMES = """
import copy
from dataclasses import dataclass
from course.lab.pictures.memory import show_names

@dataclass
class Customer:
    name: str
    tags: list

tags = ["new", "<b>vip</b>"]
ada = Customer("Ada", tags)
shallow = copy.copy(ada)
deep = copy.deepcopy(ada)
count = 1
show_names(tags=tags, ada=ada, shallow=shallow, deep=deep, count=count)
"""
CHANGED = """
tags.append("mended")
shallow.name = "Grace"
count += 1
show_names(tags=tags, ada=ada, shallow=shallow, deep=deep, count=count)
"""
CALLS = """
from course.lab.pictures.calls import show_calls

def factorial(n):
    if n == 0:
        return 1
    smaller = factorial(n - 1)
    return n * smaller

show_calls(factorial, 3)
"""
TASKS = """
import asyncio, time
from course.lab.pictures.timeline import record_timeline

async def download(name, seconds):
    with timeline.task(f"download {name}"):
        await asyncio.sleep(seconds)
        time.sleep(0.03)
        await asyncio.sleep(seconds)

async def rude():
    time.sleep(0.1)

with record_timeline() as timeline:
    await asyncio.gather(download("a", 0.1), download("b", 0.15), download("c", 0.2), rude())
timeline
"""
THREADS = """
import threading
from concurrent.futures import ProcessPoolExecutor

def compute(name, until):
    with timeline.task(name):
        end = time.process_time() + until
        while time.process_time() < end:
            pass

def fetch(name):
    with timeline.task(name):
        time.sleep(0.2)

with record_timeline() as timeline:
    threads = [threading.Thread(target=compute, args=(f"compute {i}", 0.1), name=f"worker-{i}") for i in (1, 2)]
    threads += [threading.Thread(target=fetch, args=("fetch",), name="fetcher")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(compute, ["process a", "process b"], [0.1, 0.1]))
timeline
"""
QUEUE = """
import queue
from course.lab.pictures.queues import show_queue, watch

jobs = watch(queue.Queue())

def produce(name):
    for number in range(4):
        jobs.put(f"{name}{number}")
        time.sleep(0.01)

def consume():
    while (job := jobs.get()) is not None:
        time.sleep(0.03)

workers = [threading.Thread(target=consume, name=f"consumer {i}") for i in (1, 2)]
makers = [threading.Thread(target=produce, args=(n,), name=f"producer {n}") for n in "ab"]
for thread in workers + makers:
    thread.start()
for thread in makers:
    thread.join()
for _ in workers:
    jobs.put(None)
for thread in workers:
    thread.join()
show_queue(jobs)
"""
HEADLINES = [
    "Names and objects",
    "Names and objects",
    "The calls of factorial(3)",
    "Who ran when",
    "Who ran when",
    "A queue, its producers and its consumers",
]


def shoot(pictures: Locator, folder: Path, name: str) -> None:
    for number, picture in enumerate(pictures.all()):
        picture.scroll_into_view_if_needed()
        picture.screenshot(path=folder / f"{name}-{number}.png")


def test_the_pictures_are_seen_in_both_themes_and_outlive_their_kernel(
    jupyterlab: Any, page: Page, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    cells = [NAMES, CHANGED, CALLS, TASKS, THREADS, QUEUE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / "lab.ipynb")
    lab = jupyterlab(work)
    lab.open(page, "lab.ipynb")
    page.set_viewport_size({"width": 1400, "height": 4000})
    lab.run_all_cells(page)
    pictures = page.locator(".course-picture")
    expect(pictures).to_have_count(6)
    expect(page.locator(".course-picture .title")).to_have_text(HEADLINES)
    expect(
        page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
    ).to_have_count(0)
    expect(pictures.nth(0)).to_contain_text("<b>vip</b>")
    expect(pictures.nth(1)).to_contain_text("#1 (list) is changed: item 2 added.")
    expect(pictures.nth(3)).to_contain_text("4 tasks overlapped")
    shoot(pictures, tmp_path, "light")

    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    shoot(pictures, tmp_path, "dark")

    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    lab.open(page, "lab.ipynb")
    expect(pictures).to_have_count(6)
    page.set_viewport_size({"width": 700, "height": 450})  # as at 200 %
    first = page.get_by_role("radio", name="Step 1: factorial(n=3) is called")
    first.focus()
    expect(page.get_by_text("Step 1:")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Step 1:")).to_be_hidden()
    expect(page.get_by_text("Step 2:")).to_be_visible()
    shoot(pictures.nth(2), tmp_path, "large")
    assert page.evaluate(
        "[...document.querySelectorAll('.course-picture')].every(each => each.scrollWidth <= each.clientWidth + 1)"
    ), "only the drawings scroll sideways"
