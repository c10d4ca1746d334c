"""The helpers of test cells, in the notebook's own process."""

import threading
import time

import pytest

import course.lab
from course.lab import printed, read_file, shared, typing_in, until, write_file
from course.lab import testing as home


def test_every_helper_is_offered_to_notebooks():
    for name in ("given", "printed", "read_file", "shared", "typing_in", "until", "write_file"):
        assert getattr(course.lab, name) is getattr(home, name)
        assert name in course.lab.__all__


def test_printed_is_what_the_call_prints_and_nothing_else(capsys):
    def greet(name, *, mark="!"):
        print("Hello", name + mark)
        return "not this"

    print("before")
    assert printed(greet, "Ada", mark="?") == "Hello Ada?\n"
    print("after")
    assert capsys.readouterr().out == "before\nafter\n"


def test_printed_lets_errors_through_and_puts_stdout_back(capsys):
    def fail():
        print("lost")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        printed(fail)
    print("shown")
    assert capsys.readouterr().out == "shown\n"


def test_typing_in_answers_in_turn_and_then_ends():
    with typing_in("a", "b"):
        assert [input("? "), input()] == ["a", "b"]
        with pytest.raises(EOFError):
            input()


def test_typing_in_puts_input_back_also_after_an_error():
    before = input
    with pytest.raises(KeyError), typing_in("a"):
        raise KeyError
    assert input is before


def test_given_sets_globals_of_the_cell_that_calls():
    cell = {}
    exec(
        "from course.lab import given\n"
        "def rate():\n    return per_cent\n"
        "def test():\n    given(per_cent=7)\n    return rate()\n",
        cell,
    )
    assert cell["test"]() == 7
    assert cell["per_cent"] == 7
    assert "per_cent" not in globals()


def test_until_waits_for_another_thread():
    done = threading.Event()
    threading.Timer(0.03, done.set).start()
    assert until(done.is_set) is True


def test_until_gives_up():
    began = time.monotonic()
    assert until(lambda: False, seconds=0.05) is False
    assert time.monotonic() - began >= 0.05


def test_files_keep_their_line_ends_and_letters(tmp_path):
    path = tmp_path / "note.txt"
    write_file(path, "é\r\nb\n")
    assert path.read_bytes() == "é\r\nb\n".encode()
    assert read_file(str(path)) == "é\r\nb\n"


def test_read_file_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        read_file(tmp_path / "gone")


def test_shared_leaves_the_class_as_it_is():
    @shared
    class Clock:
        now = 3

    assert Clock().now == 3
