"""The floor of grading: the CPU that the cells of submissions need by themselves, without any autograder.

One process for a lab imports all that the lab imports, then forks a child for each submission. The child runs the
notebook's code cells once, tests included, in a bare IPython shell; its CPU, and that of the programs it starts, is
measured. No kernel, no messages, no cage, no gradebook, no conversion: what no autograder can save is left.

    python -m benchmarks.floor FOLDER

reads `FOLDER/tasks.json`, a list of [name, path of the notebook to run] whose first is the reference solution, and
writes `FOLDER/floor.json`: for each name its CPU seconds and the grade_ids of the tests that it passed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import NoReturn

import nbformat
from nbformat import NotebookNode

from course.proof.template import Interpreter
from course.publishing.exercises import grade_id, is_test

CELL_SECONDS = 30

_IN_MEMORY = Path("/dev/shm")  # where a cage has its files too: making a thousand on a disk takes a second


def main(folder: Path) -> None:
    """Do the tasks in a folder."""
    tasks = [(name, Path(path)) for name, path in json.loads((folder / "tasks.json").read_text())]
    interpreter = _interpreter()
    _import_as(tasks[0][1], interpreter)
    results = {}
    for name, path in tasks:
        seconds, passed, _ = _run_in_child(path, interpreter)
        results[name] = {"cpu": seconds, "passed": passed}
    (folder / "floor.json").write_text(json.dumps(results))


def _interpreter() -> Interpreter:
    """The shell that children fork with; this process keeps its stderr."""
    errors = os.dup(2)
    interpreter = Interpreter()
    os.dup2(errors, 2)
    os.close(errors)
    return interpreter


def _import_as(reference: Path, interpreter: Interpreter) -> None:
    """Import all modules that a notebook imports, found by running it in a child."""
    _, _, modules = _run_in_child(reference, interpreter)
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        for name in modules:
            with suppress(Exception):  # some are made by others as they are imported
                importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a child leaves the parent's objects alone


def _run_in_child(path: Path, interpreter: Interpreter) -> tuple[float, list[str], list[str]]:
    """A notebook's CPU seconds, the tests that it passed, and the modules imported at its end."""
    notebook = nbformat.read(path, as_version=4)
    place = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
        answer = Path(folder, "answer.json")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of forking where threads are: they only wait
            pid = os.fork()
        if pid == 0:
            _be_child(notebook, interpreter, Path(folder), answer)
        _, _, usage = os.wait4(pid, 0)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        passed, modules = json.loads(answer.read_text()) if answer.exists() else ([], [])
        return usage.ru_utime + usage.ru_stime, passed, modules


def _be_child(notebook: NotebookNode, interpreter: Interpreter, folder: Path, answer: Path) -> NoReturn:
    try:
        os.setsid()
        folder.chmod(0o711)  # a database server started by root is another user
        tempfile.tempdir = str(folder)
        os.chdir(folder)
        os.environ["NBGRADER_EXECUTION"] = "autograde"
        os.dup2(os.open(folder / "printed", os.O_WRONLY | os.O_CREAT), 1)
        interpreter.renew()
        signal.signal(signal.SIGALRM, _stop)
        passed = []
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.strip():
                signal.alarm(CELL_SECONDS)
                run = interpreter.run(str(grade_id(cell) or cell.get("id", "")), cell.source)
                signal.alarm(0)
                if is_test(cell) and not run.error and not run.stderr:
                    passed.append(grade_id(cell))
        answer.write_text(json.dumps([passed, sorted(sys.modules)]))
    finally:
        os._exit(0)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError("this cell ran too long")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
