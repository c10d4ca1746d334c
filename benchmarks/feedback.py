"""How long a student waits for a test: from running a test cell to its panel, in a real kernel, cell by cell.

    .venv/bin/python benchmarks/feedback.py [PHASE[/LAB]]

Each lab runs with its reference solution, then each test cell once more with the solution and once with the stub.
Prints the seconds of every visible test cell and the median, in milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from course.publishing.exercises import exercises, grade_id
from course.publishing.layout import labs
from course.publishing.notebook import read_lab
from course.publishing.stubs import PYTHON_STUB

ROOT = Path(__file__).parents[1]


def milliseconds(client: BlockingKernelClient, source: str, name: str) -> float:
    """Run a cell as JupyterLab does, with its id; the time until its panel is there."""
    content = {
        "code": source,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    message = client.session.msg("execute_request", content, metadata={"cellId": name})
    begin = time.perf_counter()
    client.shell_channel.send(message)
    shown = None
    while True:
        said = client.get_iopub_msg(timeout=120)
        if said["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if said["msg_type"] == "display_data" and shown is None:
            shown = time.perf_counter()
        if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
            return ((shown or time.perf_counter()) - begin) * 1000


def stub(source: str) -> str:
    """A solution cell as it is released, roughly: enough to make its tests fail."""
    return source.split("\n")[0] + "\n-- nothing yet" if source.startswith("%%sql") else PYTHON_STUB


def measure(only: str | None) -> None:
    """Print the table of every lab's visible tests."""
    every = []
    for lab in labs(ROOT, only):
        notebook = read_lab(lab.text)
        manager, client = start_new_kernel(cwd=str(ROOT / "source" / lab.phase))
        try:
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    milliseconds(client, cell.source, cell.id)
            for exercise in exercises(notebook):
                for cell in exercise.visible:
                    passing = milliseconds(client, cell.source, str(grade_id(cell)))
                    for solution in exercise.solutions:
                        milliseconds(client, stub(solution.source), solution.id)
                    failing = milliseconds(client, cell.source, str(grade_id(cell)))
                    for solution in exercise.solutions:
                        milliseconds(client, solution.source, solution.id)
                    every += [passing, failing]
                    print(f"{lab.name:24} {grade_id(cell):36} passing {passing:6.0f}  failing {failing:6.0f}")
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    print(f"median of {len(every)} runs: {statistics.median(every):.0f} ms, longest {max(every):.0f} ms")


if __name__ == "__main__":
    measure(sys.argv[1] if len(sys.argv) > 1 else None)
