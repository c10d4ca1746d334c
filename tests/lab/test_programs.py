"""`%%program`: small programs that ask and print, and tests that run them again."""

from __future__ import annotations

import re

import pytest

from course.lab.programs import Program, ProgramError, run_program

TILL = (
    'name = input("Product? ")\ncount = int(input("How many? "))\ntotal = count * price\nprint(name, total)\n'
)


def program(text: str, **notebook: object) -> Program:
    return Program("till", text, notebook=dict(notebook))


def test_a_program_is_run_with_other_answers_and_other_names():
    ran = run_program(program(TILL, price=5), typing=["Mug", "3"])
    assert (ran.printed, ran.asked) == ("Mug 15\n", ["Product? ", "How many? "])
    assert ran.names == {"name": "Mug", "count": 3, "total": 15}
    assert run_program(program(TILL, price=5), typing=["Mug", "3"], price=7).names["total"] == 21


def test_the_notebooks_names_stay_as_they_are():
    till = program("price = price + 1\nimport math\ndel other", price=5, other=1)
    assert run_program(till).names == {"price": 6}
    assert till.notebook == {"price": 5, "other": 1}


def test_a_name_that_held_the_same_value_before_counts_as_made():
    assert run_program(program("price = 5", price=5)).names == {"price": 5}


def test_functions_of_a_program_see_its_names():
    ran = run_program(program("rate = 2\ndef double(x):\n    return x * rate\ntotal = double(4)"))
    assert ran.names["total"] == 8


def test_asking_too_often_is_an_error_and_input_is_put_back():
    before = input
    with pytest.raises(EOFError, match="asks for more"):
        run_program(program(TILL), typing=["Mug"])
    assert input is before


@pytest.mark.parametrize(
    "text", ["while True:\n    pass", "while True: pass", "def go():\n    while 1:\n        x = 1\ngo()"]
)
def test_a_loop_without_end_is_stopped(text):
    with pytest.raises(ProgramError, match="five million steps and did not end"):
        run_program(program(text))


def test_a_loop_without_end_that_prints_is_stopped_soon(capsys):
    with pytest.raises(ProgramError, match="printed 100,000 characters and did not end"):
        run_program(program("while True:\n    print('order', 7)"))
    assert (
        run_program(program("for n in range(5_000):\n    print('order', 7)")).printed == 5_000 * "order 7\n"
    )


def test_what_python_warns_of_is_said_once(recwarn):
    assert run_program(program("gift = note is ''", note="x")).names == {"gift": False}
    assert list(recwarn) == []


def test_what_is_no_program_is_told():
    with pytest.raises(ProgramError, match="%%program"):
        run_program("print(1)")  # type: ignore[arg-type]


# --- in a notebook --------------------------------------------------------------------------------------------------


def test_a_program_runs_as_a_cell_and_is_kept(kernel):
    ran = kernel.run("%%program greet\nname = 'Ada'\nprint('Hello', name)")
    assert ran.stream("stdout") == "Hello Ada\n"
    ran = kernel.run("from course.lab import run_program\nprint(name, run_program(greet).printed)")
    assert ran.stream("stdout") == "Ada Hello Ada\n\n"


def test_an_error_shows_the_students_line_only(kernel):
    error = kernel.run("%%program total\nprice = '14'\n\nprint(price + 1)").error
    shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))  # without colours
    assert error["ename"] == "TypeError"
    assert "run_cell_magic" not in shown
    assert "programs.py" not in shown
    number, before = re.search(r"In\[(\d+)\], line 4", shown), kernel.run("1").of("execute_result")
    assert number, shown  # the magic is line 1, as in the editor
    assert int(number[1]) == before[0]["execution_count"] - 1
    failed = kernel.run(
        "from course.lab import run_program\nassert run_program(total), 'It prints'", cell="total-visible"
    )
    assert "print(price + 1)" in failed.text


def test_where_nobody_answers_the_program_is_kept(kernel):
    ran = kernel.run("%%program till\nname = input('Product? ')\nprint(name)")
    assert "nobody is here to answer" in ran.stream("stdout")
    ran = kernel.run("from course.lab import run_program\nprint(run_program(till, typing=['Mug']).printed)")
    assert ran.stream("stdout") == "Mug\n\n"


def test_a_line_without_a_name_says_what_to_do(kernel):
    assert "leave it as it was" in kernel.run("%%program\nprint(1)").error["evalue"]


def test_an_untouched_program_is_no_try(kernel):
    stub = "Write your code here, then delete this line"
    kernel.run(f'%%program till\nraise NotImplementedError("{stub}")')
    failed = kernel.run(
        "from course.lab import run_program\nassert run_program(till).printed", cell="till-visible"
    )
    assert failed.failure["kind"] == "unsolved"


def test_a_stub_that_is_run_says_what_to_do(kernel):
    stub = "Write your code here, then delete this line"
    ran = kernel.run(f'%%program till\nraise NotImplementedError("{stub}")')
    assert "in place of the line" in ran.failure["message"]
    assert "module" not in ran.failure["message"]


def test_a_program_that_cannot_be_read(kernel):
    ran = kernel.run("%%program total\nprice = 14\nprint(price")
    shown = "\n".join(ran.error["traceback"])
    assert "Python could not read this cell" in shown
    assert "line 3" in shown
    failed = kernel.run("from course.lab import run_program\nassert run_program(total)", cell="total-visible")
    assert failed.failure["headline"] == "Your code raised a SyntaxError"
    assert failed.failure["raised_line"]["code"] == "print(price"


def test_a_loop_without_end_is_told_in_a_tests_panel(kernel):
    kernel.run("%%program wait\nwhile more:\n    pass")
    test = "from course.lab import run_program\nassert run_program(wait, more=True)"
    failed = kernel.run(test, cell="wait-visible").failure
    assert "did not end" in failed["message"]
    assert failed["headline"].startswith("Not yet")


def test_a_panel_does_not_repeat_the_program(kernel):
    kernel.run("%%program greet\nprint('Hello')")
    test = "from course.lab import run_program\nassert run_program(greet).printed == 'Hi\\n', 'Say Hi'"
    assert kernel.run(test, cell="greet-visible").failure["names"] == {}


def test_a_program_whose_magic_line_is_gone(kernel):
    kernel.run("price = 1\nprint(price)")
    test = (
        "def test_pay():\n    from course.lab import run_program\n    assert run_program(pay)\n\n\ntest_pay()"
    )
    message = kernel.run(test, cell="pay-visible").failure["message"]
    assert "`%%program pay`" in message
    assert "test_pay" not in message


def test_of_a_program_that_does_not_end_the_case_is_told(kernel):
    kernel.run("%%program wait\nwhile seconds != 0:\n    seconds = seconds - 2")
    case = "message = 'An odd number of seconds never comes to 0.'"
    failed = kernel.run(
        f"from course.lab import run_program\ndef test():\n    {case}\n    run_program(wait, seconds=3)\ntest()",
        cell="wait-visible",
    )
    assert "did not end" in failed.text
    assert "An odd number of seconds" in failed.text
