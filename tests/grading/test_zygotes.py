"""Zygotes are started when they are first needed, or sooner where it is known what a lab imports."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.examiner.preload import LAST
from course.grading import imports, zygotes
from course.grading.execution import CagedExecute

SOURCE = b'{"cells": []}'


@pytest.fixture
def phase(tmp_path):
    for name in ("source/01/a.ipynb", "source/01/b.ipynb", "source/01/c.ipynb", "work/01/a.ipynb"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOURCE + name.encode())
    return tmp_path


def test_what_a_phase_imports_is_remembered_until_a_lab_changes(phase):
    assert list(imports.remembered(phase, "01")) == []
    for lab, modules in {"a": ["decimal"], "b": ["fractions", "decimal"], "c": ["colorsys"]}.items():
        imports.remember(phase, phase / f"source/01/{lab}.ipynb", modules)
    assert list(imports.remembered(phase, "01")) == [["colorsys", "decimal", "fractions"]]

    (phase / "source/01/c.ipynb").write_bytes(b"another")
    assert list(imports.remembered(phase, "01")) == [["decimal", "fractions"]]


def test_one_that_was_begun_is_the_one_that_is_used():
    zygotes.close()
    zygotes.begin([["colorsys"], ["colorsys"]])
    [begun] = zygotes._running.values()
    with zygotes.lent([["colorsys"]]):
        cell = zygotes.spawn(["colorsys"], "course.examiner.desk:main", {})
        assert list(zygotes._running.values()) == [begun]
        assert cell.alive()
    assert not begun.alive()
    assert not zygotes._running


def test_one_that_fails_to_start_is_not_used():
    zygotes.close()
    zygotes.begin([["colorsys"]])
    [begun] = zygotes._running.values()
    begun.close()
    assert zygotes.spawn(["colorsys"], "course.examiner.desk:main", {}).alive()
    assert list(zygotes._running.values()) != [begun]
    zygotes.close()


def test_a_first_error_is_shown_before_cells_are_forked():
    assert zygotes._key(["zoneinfo", LAST])[-1] == LAST
    assert zygotes._key(["zoneinfo", LAST]).count(LAST) == 1
    notebook = new_notebook(cells=[new_code_cell("import sys; print('stack_data' in sys.modules)")])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    kernel = CagedExecute(timeout=30)
    kernel.examined = False
    executed, _ = kernel.preprocess(notebook, {})
    assert executed.cells[0].outputs[0].text == "True\n"


def test_one_that_died_is_replaced_once_however_many_ask():
    zygotes.close()
    zygotes.spawn([], "course.examiner.desk:main", {}).kill()
    [dead] = zygotes._running.values()
    signal.pidfd_send_signal(dead._pidfd, signal.SIGKILL)
    dead._process.wait(30)

    with ThreadPoolExecutor(8) as threads:
        cells = [*threads.map(lambda _: zygotes.spawn([], "course.examiner.desk:main", {}), range(8))]

    assert all(cell.alive() for cell in cells)
    zygotes.close()
