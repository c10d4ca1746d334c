"""Say what to do about errors that beginners meet, where Python's own words do not.

Each sentence must be true whatever the code was meant to do: a wrong hint costs a beginner more than none.
"""

from __future__ import annotations

import builtins
import linecache
import re
from types import TracebackType

from course.lab.assertions import MISSING, lookup

_OUTSIDE = re.compile(r"'(return|yield|break|continue)' (?:outside|not properly in)")
_UNBOUND = re.compile(r"cannot access local variable '(\w+)'")
_UNCALLED = re.compile(r"'(?:builtin_function_or_method|method|function)'")
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")


def advice(error: BaseException, step: TracebackType | None) -> str:
    """What to do about an error that names the mistake itself; "" for any other.

    `step` is the innermost one of its traceback in the student's own code, where there is one.
    """
    if isinstance(error, SyntaxError):
        return _unreadable(str(error.msg), (error.text or "").strip())
    words = str(error)
    if isinstance(error, UnboundLocalError) and (found := _UNBOUND.search(words)):
        return _used_too_early(found[1], step)
    if isinstance(error, TypeError) and "not callable" in words and step is not None:
        return _no_function(step)
    if isinstance(error, TypeError | AttributeError) and _UNCALLED.search(words):
        return "A function or a method stands here by its name alone. With ( ) behind the name it runs, and gives its value."
    return ""


def general_advice(error: BaseException) -> str:
    """What is often the cause of such an error, for where nothing better is known; "" for any other."""
    words = str(error)
    if isinstance(error, ZeroDivisionError):
        return "Nothing can be divided by 0: ask whether the number is 0 before you divide by it."
    if isinstance(error, TypeError | AttributeError) and "'NoneType'" in words:
        return (
            "There is a None where a value should be. None comes from a function without return, from a method that "
            "changes its list in place, such as append or sort, and from a search that has found nothing."
        )
    return ""


def _unreadable(words: str, line: str) -> str:
    outside = _OUTSIDE.search(words)
    if outside and outside[1] in ("return", "yield"):
        return (
            f"This {outside[1]} stands in no function: the lines of a function are indented, by four spaces more than "
            "its def line."
        )
    if outside:
        return f"{outside[1]} belongs to a loop, and there is none around this line."
    if "unindent does not match" in words:
        return (
            "The lines of a block stand exactly below each other: give this line as many spaces as the block that it "
            "belongs to."
        )
    if "expected ':'" in words and re.match(r"else\s+if\b", line):
        return "In Python, else if is one word: elif."
    if "expected ':'" in words and re.match(r"else\s*[^\s:]", line):
        return "else takes no condition: it stands for all that is left. With a condition it is elif."
    if "invalid syntax" in words and re.match(r"(else|elif)\b", line):
        first = line.partition(" ")[0].rstrip(":")
        return (
            f"{first} stands exactly below its if, with as many spaces in front; between the two are only the lines of "
            "the if's block."
        )
    return ""


def _used_too_early(name: str, step: TracebackType | None) -> str:
    if step is not None and callable(lookup(name, step.tb_frame)):  # the local one is not there yet
        return (
            f"{name} is the name of a function, and in this body also of a value: then the whole body knows only the "
            "value, which is not there yet. Give the value another name."
        )
    return (
        f"In this body {name} gets a value somewhere, so that it is a local name in all of it; this line reads it before "
        "it has one."
    )


def _no_function(step: TracebackType) -> str:
    frame = step.tb_frame
    line = linecache.getline(frame.f_code.co_filename, step.tb_lineno)
    for name in _CALLED.findall(line):
        value = lookup(name, frame)
        if value is MISSING or callable(value):
            continue
        kind = type(value).__name__
        if hasattr(builtins, name):
            return (
                f"{name} is a function of Python, but here this name was given to a value of type {kind}. Give your value "
                "another name, and restart the kernel (menu Kernel) to have the function back."
            )
        return (
            f"{name} is a value of type {kind} here. If it was a function before, its name was given to a result: give "
            "the result another name, and run the cell with the function again."
        )
    return ""
