"""`%load_ext course` in real kernels, under nbclient, and in a terminal."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
import pexpect
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course.lab.extension import load, unload
from course.lab.progress import tries_of

STUB = 'raise NotImplementedError("Write your code here, then delete this line")'


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own there
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def state(shell: InteractiveShell) -> tuple[object, ...]:
    return (
        list(shell.ast_transformers),
        {event: list(functions) for event, functions in shell.events.callbacks.items()},
        shell.custom_exceptions,
        getattr(shell, "CustomTB", None),
        shell.magics_manager.magics["cell"].get("sql"),
    )


def test_unload_leaves_the_shell_as_it_was(shell):
    before = state(shell)
    load(shell)
    loaded = state(shell)
    assert all(one != other for one, other in zip(before, loaded, strict=True))
    load(shell)
    assert state(shell) == loaded
    unload(shell)
    assert state(shell) == before
    unload(shell)
    load(shell)
    shell.run_cell("%%sql nothing\nSELECT 1")  # the lazy magic has given way to the real one
    unload(shell)
    assert state(shell) == before


def test_loading_imports_nothing_heavy():
    code = (
        "import IPython.core.interactiveshell as i, sys; from course import load_ipython_extension as load;"
        "load(i.InteractiveShell.instance());"
        "print(sorted({'pandas', 'sqlalchemy', 'duckdb', 'fastapi', 'requests', 'pytest', '_pytest'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_passing_test_says_so(kernel):
    ran = kernel.run("assert 1 + 1 == 2", "sums-visible")
    assert "Passed: sums" in ran.html
    assert ran.text == "✓ Passed: sums"
    assert ran.data("application/vnd.course.failure+json") == []


def test_a_hidden_test_as_released_does_not_claim_to_pass(kernel):
    for source in ("# Hidden tests: other sums.", "\n# Hidden tests\n\n   # more\n"):
        ran = kernel.run(source, "sums-hidden")
        assert ran.text == "○ Hidden tests run when your work is graded"
        assert "Passed" not in ran.html


@pytest.fixture
def lab(tmp_path):
    """A lab in a working copy, with hints for its visible test; its hidden one holds some too, which nobody may see."""
    (tmp_path / ".course").mkdir()
    cells = [nbformat.v4.new_code_cell(id=name) for name in ("sums-visible", "sums-hidden")]
    for cell in cells:
        cell.metadata["course"] = {"hints": ["Use `sum`", "Start at 0"]}
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01a-sums.ipynb")
    return tmp_path / "01a-sums.ipynb"


def test_hints_come_one_by_one_and_tries_are_counted(start_kernel, lab):
    kernel = start_kernel(lab.parent, JPY_SESSION_NAME=str(lab))
    shown = [kernel.run("assert total([1]) == 1", "sums-visible").text]  # not there yet
    kernel.run(f"def total(numbers):\n    {STUB}")
    shown += [kernel.run("assert total([1]) == 1", "sums-visible").text]
    assert not any("hint" in text or "Your tries" in text for text in shown)

    kernel.run("def total(numbers):\n    return 3")
    first, second, third = (kernel.run("assert total([1]) == 1", "sums-visible") for _ in range(3))
    assert "2 more hints come" in first.text
    assert "Your tries: 1 · ✗" in first.text
    assert "Hint 2, new: Use `sum`" in second.text
    assert "One more hint" in second.html
    assert "Hint 2: Use `sum`\n  Hint 3, new: Start at 0" in third.text
    assert "more hint" not in third.text
    hidden = kernel.run("assert total([2]) == 2", "sums-hidden").html
    assert "Hint" not in hidden
    assert "Your tries" not in hidden

    kernel.run("import os\nos.chdir('/')\ntotal = sum")
    assert kernel.run("assert total([1]) == 1", "sums-visible").text == (
        "✓ Passed: sums\n  Passed at the 4th try. Trying again is how code gets written."
    )
    assert kernel.run("assert total([1]) == 1", "sums-visible").text == "✓ Passed: sums"
    assert "2 more hints come" in kernel.run("assert total([1]) == 2", "sums-visible").text


def test_work_that_is_graded_shows_neither_hints_nor_tries(start_kernel, lab):
    graded = lab.parent / ".course" / "grading" / lab.name
    graded.parent.mkdir()
    lab.rename(graded)
    kernel = start_kernel(graded.parent, JPY_SESSION_NAME=str(graded))
    for _ in range(3):
        ran = kernel.run("assert 1 + 1 == 3", "sums-visible")
    assert "Hint" not in ran.html
    assert "Your tries" not in ran.html


def test_other_cells_stay_as_they_are(kernel):
    assert kernel.run("assert 1 + 1 == 2").of("display_data") == []
    assert kernel.run("1 + 1", "sums").of("display_data") == []
    assert kernel.run("%who").stream("stdout").count("@") == 0


def test_a_failing_cell_shows_one_panel_and_then_an_error(kernel):
    ran = kernel.run("assert 1 + 1 == 3, 'Count again'", "sums-visible")
    assert [kind for kind, _ in ran.outputs if kind != "execute_input"][-2:] == ["display_data", "error"]
    assert set(ran.of("display_data")[0]["data"]) == {
        "text/html",
        "text/plain",
        "application/vnd.course.failure+json",
    }
    assert ran.error["traceback"] == ["✗ sums-visible: not yet. See above."]
    assert kernel.run("%who").stream("stdout").count("@") == 0


def test_an_error_in_the_students_own_cell_shows_their_lines_only(kernel):
    kernel.run("import json\ndef parse(text):\n    return json.loads(text)")
    ran = kernel.run("parse('{')")
    trace = "\n".join(ran.error["traceback"])
    assert ran.error["ename"] == "JSONDecodeError"
    assert "parse" in trace
    assert "decoder.py" not in trace
    assert "are hidden: run %tb" in trace
    assert ran.of("display_data") == []
    kernel.run("import os; here = os.getcwd(); os.chdir('/')")
    assert "decoder.py" not in "\n".join(kernel.run("parse('{')").error["traceback"])
    kernel.run("os.chdir(here)")
    assert "decoder.py" in "\n".join(kernel.run("%tb").error["traceback"])


def test_an_endless_recursion_is_cut_short(kernel):
    kernel.run("def deep(n):\n    return deep(n + 1)")
    trace = "\n".join(kernel.run("deep(1)").error["traceback"])
    assert 3 <= trace.count("in deep") + trace.count("in \x1b[36mdeep") <= 10
    ran = kernel.run("assert deep(1) == 3", "deep-visible")
    assert ran.failure["headline"] == "Your code raised a RecursionError"
    assert len(ran.html) < 30_000


def test_a_chained_error_hides_the_libraries_too(kernel):
    ran = kernel.run(
        "try:\n    json.loads('{')\nexcept ValueError as error:\n    raise KeyError('order') from error"
    )
    trace = "\n".join(ran.error["traceback"])
    assert "JSONDecodeError" in trace
    assert "KeyError" in trace
    assert "decoder.py" not in trace


def test_a_file_beside_the_notebook_is_the_students_own(kernel):
    kernel.run("%%writefile shop.py\ndef price(order):\n    return order['price']\n")
    ran = kernel.run("import shop\nassert shop.price({}) == 3", "price-visible")
    assert ran.failure["raised_line"] == {"where": "shop.py", "number": 2, "code": "return order['price']"}


def test_the_arrow_points_to_where_the_error_came_from(kernel):
    ran = kernel.run(
        "def read(price):\n    try:\n        return int(price)\n    finally:\n        print('closed')\n\nread('x')"
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(ran.error["traceback"]))
    assert re.findall("-> .*", plain) == ["-> 7 read('x')", "-> 3         return int(price)"]


def test_a_cell_that_is_not_python_says_that_nothing_ran(kernel):
    for source in ("def f(:\n    pass", "if True:\nprint(1)", "x = (1,\n"):
        ran = kernel.run(source)
        assert ran.error["ename"] in ("SyntaxError", "IndentationError")
        assert "none of it has run" in "".join(ran.error["traceback"])
        assert ran.of("display_data") == []


def test_a_statement_that_cannot_be_compiled_says_what_has_run(kernel):
    ran = kernel.run("x = 3\ndef f():\n    'A function.'\nreturn 2")
    shown = "".join(ran.error["traceback"])
    assert ran.error["ename"] == "SyntaxError"
    assert "Those above it have run" in shown
    assert "stands in no function" in shown
    assert kernel.run("assert x == 3 and f() is None", "sums-visible").text == "✓ Passed: sums"


def test_a_file_that_is_not_python_is_shown_by_ipython(kernel):
    kernel.run("%%writefile broken_shop.py\nreturn 3\n")
    shown = "".join(kernel.run("import broken_shop").error["traceback"])
    assert "broken_shop.py" in shown
    assert "has run" not in shown


def test_an_error_in_a_cell_comes_with_advice(kernel):
    shown = "".join(kernel.run("def f():\n    len = len('a')\nf()").error["traceback"])
    assert "Give the value another name" in shown


@pytest.mark.parametrize("cell", ["answer", "answer-solution-2"])
def test_a_test_does_not_pass_with_what_an_answer_was_before(kernel, cell):
    kernel.run("def twice(n):\n    return 2 * n", cell)
    assert kernel.run("assert twice(2) == 4", "answer-visible").text == "✓ Passed: answer"

    kernel.run('def twice(n):\n"""Twice."""\n    return 2 * n', cell)
    stale = kernel.run("assert twice(2) == 4", "answer-visible")
    assert stale.text.startswith(
        "○ Not yet: answer\n  Your cell above ended with an IndentationError, so this"
    )
    assert "ended with an IndentationError" in stale.html
    assert "Not yet" not in kernel.run("assert True", "other-visible").text
    failure = kernel.run("assert twice(2) == 5, 'Not 5.'", "answer-visible").failure
    assert failure["message"].splitlines()[1:] == ["Not 5."]

    kernel.run("def twice(n):\n    return 3 * n\nprint(1 / 0)", cell)
    failure = kernel.run("assert twice(2) == 4, 'Not 4.'", "answer-visible").failure
    assert "ended with a ZeroDivisionError: what stands below that line has not run" in failure["message"]

    kernel.run(f"def twice(n):\n    {STUB}\ntwice(1)", cell)
    assert "ended with" not in kernel.run("assert twice(2) == 4", "answer-visible").text
    kernel.run("%%bash\nexit 1", cell)
    kernel.run("def twice(n):\n    return 2 * n")
    assert kernel.run("assert twice(2) == 4", "answer-visible").text == "✓ Passed: answer"


def test_errors_that_are_not_ours_keep_ipythons_words(kernel):
    assert "UsageError" in kernel.run("%nosuchmagic").stream("stderr")
    assert "Line magic" in kernel.run("%nosuchmagic", "sums-visible").stream("stderr")
    assert kernel.run("raise KeyboardInterrupt", "sums-visible").error["ename"] == "KeyboardInterrupt"
    assert (
        kernel.run("raise ExceptionGroup('two', [ValueError(1)])").stream("stderr").count("| ValueError: 1")
        == 1
    )
    assert (
        kernel.run("assert 1 + 1 == 2", "sums-visible").text == "✓ Passed: sums"
    )  # and the course is still on


def test_a_cell_run_by_a_cell_does_not_confuse_the_outer_one(kernel):
    ran = kernel.run("get_ipython().run_cell('1 + 1')\nassert 1 + 1 == 3", "sums-visible")
    assert ran.failure["cell"] == "sums-visible"


def test_magics_around_an_assert_do_no_harm(kernel):
    assert "AssertionError" in kernel.run("%%time\nassert 1 + 1 == 3").error["ename"]
    ran = kernel.run("%%timeit -n 1 -r 1\nassert 1 + 1 == 2")
    assert "per loop" in ran.stream("stdout")
    assert ran.stream("stderr") == ""


def test_sql_is_registered_and_comes_with_its_first_use(kernel):
    kernel.run("from course.lab import sqlite\nshop = sqlite()")
    ran = kernel.run("%%sql shop --name numbers\nSELECT 7 AS seven")
    assert "seven" in ran.html
    ran = kernel.run("%%sql shop --name numbers\nSELEC 7")
    assert ran.failure["kind"] == "sql"
    assert "SELEC" in ran.text
    assert kernel.run("print(numbers.text)").stream("stdout").strip() == "SELEC 7"


def test_a_broken_panel_falls_back_to_the_errors_own_traceback(kernel):
    kernel.run(
        "class Odd(AssertionError):\n    def _failure_details_(self):\n        raise RuntimeError('details are broken')"
    )
    ran = kernel.run("raise Odd('the odd one')", "sums-visible")
    assert ran.error["ename"] == "Odd"
    assert ran.stream("stderr") == ""


def test_under_nbclient_without_cell_ids():
    sources = [
        "%load_ext course",
        f"def double(n):\n    {STUB}",
        "assert double(2) == 4, 'Twice the number'",
        "def triple(n):\n    return n",
        "assert triple(2) == 6, 'Three times the number'",
        "assert triple(0) == 0",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    kinds = [[output.output_type for output in cell.outputs] for cell in notebook.cells]
    assert kinds == [[], [], ["display_data", "error"], [], ["display_data", "error"], []]
    failures = [
        cell.outputs[0].data["application/vnd.course.failure+json"] for cell in notebook.cells if cell.outputs
    ]
    assert [(each["kind"], each["call"], each["cell"]) for each in failures] == [
        ("unsolved", "", None),
        ("assert", "triple(2)", None),
    ]
    with pytest.raises(CellExecutionError, match="Not solved yet"):
        NotebookClient(notebook, kernel_name="python3", timeout=60).execute()


def test_in_a_terminal_the_panel_is_printed_once():
    # A wide dumb terminal: what is looked for must not be broken by lines or colours.
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 200),
        echo=False,
    )
    terminal.expect_exact("In [1]: ")
    for number, line in enumerate(["%load_ext course", "status = lambda code: 'err'"], start=2):
        terminal.sendline(line)
        terminal.expect_exact(f"In [{number}]: ")
    terminal.sendline("assert status(404) == '4xx', 'Look at the first digit'")
    terminal.expect_exact("In [4]: ")
    shown = terminal.before or ""
    assert shown.count("Look at the first digit") == 1
    assert "Call      status(404)" in shown
    assert "You got   'err'" in shown
    assert "Traceback" not in shown
    assert "See above" not in shown
    assert "\x1b" not in shown
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)


def test_without_a_cell_id_a_test_in_a_function_is_a_test_too():
    source = "def check():\n    assert 1 + 1 == 3, 'Add them up'\n\n\ncheck()"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in ("%load_ext course", source)]
    )
    ran = NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    panel, error = ran.cells[1].outputs
    assert "Add them up" in panel.data["text/plain"]
    assert error.ename == "AssertionError"


def test_a_form_that_nobody_has_filled_in_is_no_try(shell, tmp_path, monkeypatch):
    (tmp_path / ".course").mkdir()
    path = tmp_path / "00-basics" / "00a-web.ipynb"
    path.parent.mkdir()
    cells = [nbformat.v4.new_code_cell(id=name) for name in ("roles", "roles-visible")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    load(shell)
    made, shown = [], []
    for form in ('# Who asks?\nasks = ""  # a word\n', 'asks = "server"', 'asks = ""'):
        shell.run_cell(form, cell_id="roles")
        with capture_output() as captured:
            shell.run_cell("assert asks == 'client', 'Who asks is the client.'", cell_id="roles-visible")
        made.append(len(tries_of("roles-visible")))
        shown.append(captured.outputs[0].data["text/plain"].splitlines()[0])
    assert made == [0, 1, 1]
    assert shown == ["○ Not solved yet: roles", "✗ Not yet: roles", "○ Not solved yet: roles"]
