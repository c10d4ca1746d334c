"""A rebuilt notebook is run in the cage: what its student's cells and its tests come to, whatever they do."""

import signal
import time

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.cage import ZygoteDied
from course.errors import CourseError
from course.grading import zygotes
from course.grading.engine import auto_grades
from course.grading.execution import CagedExecute, digest
from course.grading.reference import reference

TIMEOUT = 5
SQUARE = "x = 1\ndef square(x):\n    return x * x"


def graded(source, name="square-visible", points=1):
    cell = new_code_cell(source, id=name)
    kind = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {"grade_id": name, "points": points, **kind}
    return cell


def notebook_of(cells):
    notebook = new_notebook(
        cells=[
            new_code_cell(each, id=f"c{i}") if isinstance(each, str) else each for i, each in enumerate(cells)
        ]
    )
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return notebook


def learn(reference, cells):
    """What the examiner learns of the tests among these cells from a right answer."""
    execute = CagedExecute(timeout=30)
    execute.recording = True
    execute.preprocess(notebook_of([reference, *(each for each in cells if not isinstance(each, str))]), {})
    return execute.recordings


def run(*cells, reference=SQUARE, examined=True, folder=None, **traits):
    """The executed notebook, and the notes on it."""
    execute = CagedExecute(timeout=TIMEOUT, **traits)
    execute.examined = examined
    if examined and not execute.recordings:
        execute.recordings = learn(reference, cells)
    notebook, resources = execute.preprocess(
        notebook_of(cells), {"metadata": {"path": str(folder) if folder else None}}
    )
    return notebook, resources["course_notes"]


def scores(notebook):
    return {name: grade.score for name, grade in auto_grades(notebook).items()}


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_cells_run_in_order_and_tests_see_what_is_there_by_then():
    notebook, notes = run(
        "def square(x):\n    print('called')\n    return x * x",
        graded("assert square(3) == 9"),
        "square = lambda x: 0",
        graded("assert square(3) == 9, 'no square'", "square-hidden"),
    )

    assert scores(notebook) == {"square-visible": 1, "square-hidden": 0}
    assert notebook.cells[3].outputs[-1].evalue == "no square"
    assert notes == []


def test_the_kernel_and_the_examiner_judge_alike():
    order = "class Order:\n    def __init__(self, total):\n        self.total = total"
    cells = (
        order,
        graded("assert Order(3).total == 3\nassert isinstance(Order(1), Order)"),
        graded("assert Order(3).total == 4", "square-hidden"),
    )

    assert (
        scores(run(*cells, reference=order)[0])
        == scores(run(*cells, examined=False)[0])
        == {
            "square-visible": 1,
            "square-hidden": 0,
        }
    )


def test_a_test_is_not_to_be_found_in_the_students_kernel():
    notebook, _ = run(
        "import sys\ndef square(x):\n    frame, seen = sys._getframe(), []\n    while frame:\n"
        "        seen += [frame.f_code.co_filename, *map(str, frame.f_locals)]\n        frame = frame.f_back\n"
        "    kept.append(str(seen) + str(In))\n    return x * x\nkept = []",
        graded("canary_of_the_test = 5\nassert square(3) == 9"),
        "print(kept)",
    )

    assert scores(notebook) == {"square-visible": 1}
    assert "def square" in text(notebook.cells[2]), "it looked"
    assert "canary_of_the_test" not in text(notebook.cells[2])


def test_a_reference_without_code_teaches_that_nothing_is_needed():
    execute = CagedExecute()
    execute.recording = True
    execute.preprocess(notebook_of([]), {})

    assert execute.recordings == {}
    assert "IPython" in execute.imports


@pytest.mark.parametrize("examined", [True, False])
@pytest.mark.parametrize(
    "dropped", ["fetch()", "asyncio.get_running_loop().create_task(asyncio.Event().wait())"]
)
def test_what_an_earlier_cell_dropped_costs_no_test_its_points(examined, dropped):
    late = "import asyncio, gc\nasync def fetch(): pass\ndef clean():\n    gc.collect()\n    return 'clean'\n"
    drop = (
        "%load_ext course\n"
        "class Box: pass\n"
        f"box = Box(); box.itself = box; box.dropped = {dropped}\n"
        "await asyncio.sleep(0)\n"
        "del box"
    )
    test = graded("assert clean() == 'clean'")

    notebook, _ = run(late, drop, test, reference=late, examined=examined)

    assert scores(notebook) == {"square-visible": 1}, text(notebook.cells[-1])


def test_an_endless_cell_is_stopped_and_the_rest_runs():
    notebook, notes = run("while True: pass", "x = 1", graded("assert x == 1"))

    assert notes == [("timeout", "cell 1")]
    assert notebook.cells[0].outputs[-1].ename == "CellTimeoutError"
    assert scores(notebook) == {"square-visible": 1}


def test_an_endless_answer_is_stopped_and_the_next_test_runs():
    notebook, notes = run(
        "def square(x):\n    while x == 3: pass\n    return x * x",
        graded("assert square(3) == 9"),
        graded("assert square(4) == 16", "square-hidden"),
    )

    assert notes == [("timeout", "square-visible")]
    assert scores(notebook) == {"square-visible": 0, "square-hidden": 1}


@pytest.mark.parametrize("next_cell", [graded("assert square(4) == 16", "square-hidden"), "square(5)"])
def test_a_kernel_that_can_be_sent_nothing_is_given_up(next_cell):
    """It has broken its own connections, so that a message to it would wait for ever."""
    started = time.monotonic()
    notebook, notes = run(
        "def square(x):\n    return x * x",
        graded("assert square(3) == 9"),
        "import contextlib, os, threading, time\n"
        "def babble():\n    time.sleep(0.5)\n    for fd in range(3, 100):\n"
        "        for answer in (b'[\"ok\", 1]', b'\\xff' * 4, b'[' * 50_000):\n"
        "            with contextlib.suppress(OSError):\n"
        "                os.set_blocking(fd, False)\n                os.write(fd, answer)\n"
        "threading.Thread(target=babble).start()",
        "import time\ntime.sleep(2)",
        next_cell,
        graded("assert square(6) == 36", "square-late"),
    )

    assert [kind for kind, _ in notes] == ["unresponsive"]
    assert scores(notebook)["square-visible"] == 1
    assert scores(notebook)["square-late"] == 0
    assert time.monotonic() - started < 60


def test_a_kernel_that_ends_keeps_what_was_earned_before():
    notebook, notes = run(
        "def square(x):\n    return x * x",
        graded("assert square(3) == 9"),
        "import os\nos._exit(0)",
        graded("assert square(3) == 9", "square-hidden"),
    )

    assert notes == [("dead", "cell 3")]
    assert scores(notebook) == {"square-visible": 1, "square-hidden": 0}
    assert "ended Python" in notebook.cells[3].outputs[-1].evalue


def test_a_kernel_that_ends_while_it_is_tested():
    notebook, notes = run(
        "import os\ndef square(x):\n    os._exit(0)",
        graded("assert square(3) == 9"),
        graded("assert True", "square-hidden"),
    )

    assert notes == [("dead", "square-visible")]
    assert scores(notebook) == {"square-visible": 0, "square-hidden": 0}


def test_a_kernel_that_cannot_be_interrupted_is_ended():
    notebook, notes = run(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass",
        graded("assert True"),
    )

    assert ("unresponsive", "cell 1") in notes
    assert scores(notebook) == {"square-visible": 0}


def test_a_flood_of_outputs_is_cut():
    notebook, _ = run(
        "for i in range(1500):\n    display(i)\nprint('x' * 5_000_000)\nx = 1",
        graded("assert x == 1"),
        output_count=100,
        output_bytes=100_000,
    )

    assert len(notebook.cells[0].outputs) <= 100
    assert len(text(notebook.cells[0])) <= 100_000
    assert scores(notebook) == {"square-visible": 1}


def test_what_one_update_changes_counts_as_often_as_it_is_shown():
    notebook, _ = run(
        "for i in range(50):\n    display('', display_id='all')\ndisplay('x' * 9_000, display_id='all', update=True)",
        output_bytes=100_000,
    )

    assert (
        len(text(notebook.cells[0]))
        + sum(len(output.data["text/plain"]) for output in notebook.cells[0].outputs)
        < 100_000
    )


def test_errors_that_a_kernel_tells_are_outputs_too_and_its_notebook_has_an_end():
    tell = "kernel = get_ipython().kernel\ndef tell(kind, **content):\n    kernel.send_response(kernel.iopub_socket, kind, content)\n"
    loud = "tell('error', ename='E' * 9_000, evalue='x' * 99_000, traceback=['y'] * 3)"
    notebook, notes = run(
        tell + f"for i in range(200):\n    {loud}",
        *["display('x' * 60_000)"] * 4,
        "tell('execute_input', code='', execution_count='x' * 60_000)\ntell('unheard_of', text='x' * 60_000)",
        graded("assert x == 2"),
        "x = 1",
        output_bytes=100_000,
        notebook_bytes=250_000,
        reference="x = 2",
    )

    assert notes == []
    assert sum(len(str(cell)) for cell in notebook.cells) < 500_000
    assert scores(notebook) == {"square-visible": 0}


@pytest.mark.parametrize(
    "again", ["handle.update(f'saw {seen}')", "display(f'saw {seen}', display_id='one')"]
)
def test_after_a_hidden_test_no_earlier_output_can_be_rewritten(again):
    notebook, _ = run(
        "handle = display('before', display_id='one')\nseen = []\ndef square(x):\n    seen.append(x)\n    return x * x",
        graded("assert square(41) == 1681", "square-hidden"),
        again,
    )

    assert notebook.cells[0].outputs[0].data["text/plain"] == "'before'"


def test_files_beside_the_notebook_come_along_and_nothing_goes_out(tmp_path):
    (tmp_path / "prices.csv").write_text("tea,3\n")
    (tmp_path / "link.csv").symlink_to("/etc/hostname")

    notebook, _ = run(
        "import pathlib\nprint(sorted(p.name for p in pathlib.Path().iterdir()), open('prices.csv').read())\n"
        "open('out.txt', 'w').write('x'); open('prices.csv', 'w').write('')",
        folder=tmp_path,
    )

    assert text(notebook.cells[0]).startswith("['prices.csv'] tea,3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "prices.csv"]
    assert (tmp_path / "prices.csv").read_text() == "tea,3\n"


def test_partial_credit_is_the_tests_own_last_value():
    notebook, _ = run(
        "def square(x):\n    return x * x",
        graded("assert square(3) == 9\n0.5", points=2),
        graded("square(3)", "square-hidden", points=20),
    )

    assert scores(notebook) == scores(
        run(
            "def square(x):\n    return x * x",
            graded("assert square(3) == 9\n0.5", points=2),
            graded("square(3)", "square-hidden", points=20),
            examined=False,
        )[0]
    )
    assert scores(notebook)["square-visible"] == 0.5


def test_a_zygote_that_dies_is_replaced():
    run("x = 1")
    [zygote] = [each for key, each in zygotes._running.items()][:1]
    signal.pidfd_send_signal(zygote._pidfd, signal.SIGKILL)
    zygote._process.wait(30)

    notebook, _ = run("x = 1", graded("assert x == 1"))

    assert scores(notebook) == {"square-visible": 1}
    with pytest.raises(ZygoteDied):
        zygote.spawn("course.examiner.desk:main", {})


def test_what_the_reference_teaches_is_kept_until_the_lab_changes(tmp_path):
    import nbformat

    source = tmp_path / "source" / "01" / "lab.ipynb"
    source.parent.mkdir(parents=True)

    def write(test):
        notebook = new_notebook(
            cells=[
                new_code_cell(
                    "import fractions\nclass Money:\n    def __init__(self, n): self.n = n\n"
                    "    def __eq__(self, other): return self.n == (other if type(other) is int else other.n)",
                    id="a",
                ),
                graded(test),
            ]
        )
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "language": "python",
            "display_name": "Python 3",
        }
        nbformat.write(notebook, source)

    write("assert Money(3) == 3")
    known = reference(tmp_path, source)

    assert "fractions" in known.imports
    assert list(known.recordings) == [digest("assert Money(3) == 3")]
    assert len(list((tmp_path / ".cache" / "examiner").iterdir())) == 1
    assert reference(tmp_path, source) == known
    honest = "class Money:\n    def __init__(self, n): self.n = n\n    def __eq__(self, other): return self.n == other"
    asked = graded("assert Money(3) == 3")
    assert scores(run(honest, asked, recordings=known.recordings)[0]) == {"square-visible": 1}
    with pytest.raises(CourseError, match="was never run with the reference solution"):
        run(honest, graded("assert Money(3).n == 3"), recordings=known.recordings)

    write("assert Money(4) == 4")
    assert list(reference(tmp_path, source).recordings) == [digest("assert Money(4) == 4")]
