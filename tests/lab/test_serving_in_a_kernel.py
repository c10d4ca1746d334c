"""Serving inside a real kernel: nothing of a server may show up in a cell."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

APP = """
import asyncio, logging, sys, time
from contextlib import asynccontextmanager
import requests
from fastapi import FastAPI
from course.lab.serving import serve

logging.basicConfig()
ticks = 0

async def tick():
    global ticks
    while True:
        print("tick")
        print("tock", file=sys.stderr)
        ticks += 1
        await asyncio.sleep(0.01)

@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(tick())
    yield
    task.cancel()

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def read() -> str:
    print("printed by the endpoint")
    logging.warning("logged by the endpoint")
    return "hello"

@app.get("/broken")
def broken() -> int:
    return 1 // 0

loop = asyncio.get_running_loop()
server = serve(app)
"""

WAIT = """
before = ticks
while ticks < before + 5:
    {}
"""


def run(*cells: str) -> NotebookNode:
    """The executed notebook of these cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    return NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()


def shown(cell: NotebookNode) -> list[tuple[str, str]]:
    """The outputs of a cell: (stream name or type, text)."""
    return [
        (
            output.get("name", output.output_type),
            output.get("text") or output.get("data", {}).get("text/plain", ""),
        )
        for output in cell.outputs
    ]


def test_cells_show_nothing_of_what_a_server_writes() -> None:
    cells = [
        APP,
        "print(requests.get(server.url).json())",
        "requests.get(server.url + '/broken').status_code",
        WAIT.format("time.sleep(0.001)") + "print('mine')",  # written while another cell runs
        WAIT.format("await asyncio.sleep(0.001)"),  # and while the kernel's own loop does
        "%%capture captured\nrequests.get(server.url)",  # the old stream lives on in the logging handler
        "log = server.logs(10_000)\n"
        "[text in log for text in ('printed by the', 'logged by the', 'ZeroDivisionError', 'tick', 'tock')]",
        "asyncio.get_running_loop() is loop",
        "server.stop()\nprint('the end')",
    ]
    outputs = [shown(cell) for cell in run(*cells).cells]
    assert outputs == [
        [],
        [("stdout", "hello\n")],
        [("execute_result", "500")],
        [("stdout", "mine\n")],
        [],
        [],
        [("execute_result", "[True, True, True, True, True]")],
        [("execute_result", "True")],
        [("stdout", "the end\n")],
    ]


def test_a_start_up_error_is_the_cells_only_output_and_shows_the_students_line() -> None:
    app = (
        APP.replace("task = asyncio.create_task(tick())", "connect()")
        + "\ndef connect():\n    raise RuntimeError('no database')"
    )
    failing = run(app.replace("server = serve(app)", ""), "serve(app)").cells[1]
    (error,) = failing.outputs
    assert error.ename == "ServeError"
    assert "no database" in error.evalue
    trace = "\n".join(error.traceback)
    assert "connect" in trace
    assert "site-packages" not in trace


def test_a_failing_test_shows_what_the_app_raised_though_its_server_has_stopped() -> None:
    test = (
        "with serve(app, name='test') as test_server:\n"
        "    answer = requests.get(test_server.url + '/broken')\n"
        "    requests.get(test_server.url + '/')\n"
        "assert answer.status_code == 200, 'It should work.'"
    )
    *_, cell = run("%load_ext course", APP + "server.stop()", test).cells
    panel = cell.outputs[0].data["text/plain"]
    assert "500 Internal Server Error" in panel
    assert "Your app raised" in panel
    assert "return 1 // 0" in panel
    assert "ZeroDivisionError" in panel
    assert "INFO" not in panel
