"""Record the calls of a student's function, and draw the call stack step by step and as a tree."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from secrets import token_hex
from types import CodeType, FrameType
from typing import Any

from course.errors import CourseError
from course.lab.pictures.drawing import framed, shortened

_MOST_CALLS = 60
_MOST_STEPS = 40
_MOST_FRAMES = 12  # drawn of one stack
_MOST_NAMES = 6  # of one frame
_LONGEST = 40
_PAUSING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_HIDDEN = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}

_STYLE = """<style>
.course-steps{display:flex;flex-wrap:wrap;align-items:center;gap:.25em;margin:.6em 0 0;padding:0;border:0;min-width:0}
.course-steps legend{padding:0;color:var(--quiet);font-size:.93em}
.course-steps input{position:absolute;opacity:0}
.course-steps label{min-width:1.5em;padding:.1em .3em;border:1.5px solid var(--line);border-radius:4px;text-align:center;
cursor:pointer;line-height:1.4}
.course-steps input:checked+label{background:var(--ink);color:var(--jp-layout-color1,#fff);border-color:var(--ink);font-weight:700}
.course-steps input:focus-visible+label{outline:3px solid var(--one);outline-offset:2px}
.course-steps .step{display:none;order:1;flex-basis:100%;margin-top:.4em}
.course-steps input:checked+label+.step{display:block}
.course-steps .frames{display:flex;flex-direction:column-reverse;margin:.5em 0 0;max-width:34em}
.course-steps .frame{border:1.5px solid var(--line);border-radius:4px;margin-top:-1.5px;padding:.3em .7em}
.course-steps .frame.top{border:2.5px solid var(--one);background:var(--soft)}
.course-picture.course-picture :is(.frame,.tree) code:is(code){font:13px/1.6 var(--jp-code-font-family,ui-monospace,monospace);
color:inherit;background:none;padding:0;border:0}
.course-steps .top .quiet{color:inherit}
.course-steps .locals{display:flex;flex-wrap:wrap;gap:0 1.4em;padding-left:1em}
.course-picture.course-picture ol.tree{margin:.4em 0 0;padding:0;list-style:none}
.course-picture .tree li{border-left:2px solid var(--line);margin:0;padding-left:.7em}
</style>"""


@dataclass
class Call:
    """One call: its arguments as text, its place in the stack, and how it ended."""

    name: str
    arguments: str
    depth: int
    result: str | None = None
    error: str | None = None

    @property
    def ending(self) -> str:
        """The result in words: `= 24`, or which error it ended with."""
        if self.error:
            return f"ended with {self.error}"
        return "has not ended" if self.result is None else f"= {self.result}"


@dataclass(frozen=True)
class Step:
    """A moment of the run: what happened, and the stack (the newest call last) with its local names."""

    happened: str
    frames: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass
class CallsPicture:
    """The recorded calls of one function; shows itself as steps, as a tree, and as text."""

    title: str
    calls: list[Call] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    deepest: int = 0
    missed: int = 0

    def sentences(self) -> list[str]:
        """How many calls there were, and how deep they went."""
        number = len(self.calls) + self.missed
        said = [
            f"{number} call{'' if number == 1 else 's'}; at most {self.deepest} "
            f"{'was' if self.deepest == 1 else 'were'} open at the same time."
        ]
        if self.calls and self.calls[0].error:
            said.append(f"It ended with {self.calls[0].error}.")
        if self.missed:
            said.append(f"Only the first {_MOST_CALLS} calls are shown; {self.missed} more are not.")
        return said

    def __repr__(self) -> str:
        lines = [f"{'    ' * call.depth}{call.name}({call.arguments}) {call.ending}" for call in self.calls]
        return "\n".join([f"The calls of {self.title}", *self.sentences(), "", *lines])

    def _repr_html_(self) -> str:
        return framed(
            f"The calls of {self.title}", self.sentences(), _STYLE + _steps_html(self) + _tree_html(self)
        )


def show_calls(function: Callable[..., Any], *arguments: Any, **options: Any) -> CallsPicture:  # noqa: ANN401
    """Call `function(*arguments)` and draw every call of functions written beside it: `show_calls(factorial, 4)`."""
    plain = inspect.unwrap(function)
    plain = getattr(plain, "__func__", plain)
    if not inspect.isfunction(plain) or plain.__code__.co_flags & _PAUSING:
        raise CourseError(
            "show_calls() needs a function that you wrote with def (no async, no yield), and then its arguments. "
            "Write: show_calls(factorial, 4)"
        )
    title = f"{plain.__name__}({_texts([*map(_text, arguments), *(f'{k}={_text(v)}' for k, v in options.items())])})"
    picture = CallsPicture(title)
    recorder = _Recorder(picture, plain.__globals__)
    before = sys.gettrace()
    sys.settrace(recorder.called)
    try:
        function(*arguments, **options)
    except Exception as error:  # the picture shows it
        picture.calls[0].error = picture.calls[0].error or _error(error)
    finally:
        sys.settrace(before)
    return picture


class _Recorder:
    """Follows the frames whose global names are the student's own."""

    def __init__(self, picture: CallsPicture, names: dict[str, Any]) -> None:
        self._picture = picture
        self._names = names
        self._stack: list[tuple[FrameType, Call | None]] = []
        self._raised: dict[FrameType, str] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:  # noqa: ANN401
        if frame.f_globals is not self._names or _is_hidden(frame.f_code):
            return None
        picture = self._picture
        picture.deepest = max(picture.deepest, len(self._stack) + 1)
        if len(picture.calls) >= _MOST_CALLS:
            picture.missed += 1
            self._stack.append((frame, None))
            frame.f_trace_lines = False
            return self._within
        values = _locals(frame)
        call = Call(
            _name(frame.f_code), _texts([f"{name}={text}" for name, text in values]), len(self._stack)
        )
        picture.calls.append(call)
        self._stack.append((frame, call))
        self._step(f"{call.name}({call.arguments}) is called")
        return self._within

    def _within(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:  # noqa: ANN401
        if event == "exception":
            self._raised[frame] = _error(argument[1])
        elif event == "line":  # it goes on: the error was caught
            self._raised.pop(frame, None)
        elif event == "return":
            self._returned(frame, argument)
        return self._within

    def _returned(self, frame: FrameType, value: Any) -> None:  # noqa: ANN401
        call = self._stack[-1][1]
        error = self._raised.pop(frame, None)
        if call:
            call.error, call.result = error, None if error else _text(value)
            self._step(f"{call.name} {f'ends with {error}' if error else f'returns {call.result}'}")
        self._stack.pop()

    def _step(self, happened: str) -> None:
        if len(self._picture.steps) < _MOST_STEPS:
            frames = tuple((_name(frame.f_code), _locals(frame)) for frame, _ in self._stack)
            self._picture.steps.append(Step(happened, frames))


def _is_hidden(code: CodeType) -> bool:
    return bool(code.co_flags & _PAUSING) or code.co_name in _HIDDEN


def _name(code: CodeType) -> str:
    """A function's name, a method's with its class."""
    return code.co_qualname.rpartition("<locals>.")[2]


def _locals(frame: FrameType) -> tuple[tuple[str, str], ...]:
    """The names of a frame and their values; `__class__` is Python's own, for `super()`."""
    found = [(name, _text(value)) for name, value in frame.f_locals.items() if name != "__class__"]
    return tuple(found[:_MOST_NAMES])


def _text(value: Any) -> str:  # noqa: ANN401
    try:
        return shortened(" ".join(repr(value)[:400].split()), _LONGEST)
    except Exception:  # a half-made object, in its own __init__
        return f"({type(value).__name__})"


def _texts(values: list[str]) -> str:
    return ", ".join(values)


def _error(error: BaseException) -> str:
    return shortened(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 2 * _LONGEST)


def _steps_html(picture: CallsPicture) -> str:
    if not picture.steps:
        return ""
    key = f"course-{token_hex(4)}"  # the same run drawn twice on one page has two groups of buttons
    more = "" if len(picture.steps) < _MOST_STEPS else f" (the first {_MOST_STEPS})"
    parts = [f"<legend>The stack, step by step{more}: choose a step, or use the arrow keys</legend>"]
    for number, step in enumerate(picture.steps, start=1):
        checked = " checked" if number == 1 else ""
        # JupyterLab has shortcuts on the arrow keys; here they choose a step.
        parts.append(
            f'<input type="radio" name="{key}" id="{key}-{number}"{checked} data-lm-suppress-shortcuts '
            f'aria-label="Step {number}: {escape(step.happened)}">'
            f'<label for="{key}-{number}">{number}</label>'
            f'<div class="step"><p><b>Step {number}:</b> {escape(step.happened)}</p>{_frames_html(step)}</div>'
        )
    return f'<fieldset class="course-steps">{"".join(parts)}</fieldset>'


def _frames_html(step: Step) -> str:
    shown = step.frames[-_MOST_FRAMES:]
    parts = []
    if hidden := len(step.frames) - len(shown):
        parts.append(f'<div class="frame">... {hidden} more below</div>')
    for index, (name, values) in enumerate(shown):
        top = index == len(shown) - 1
        state = "runs now" if top else "waits"
        texts = "".join(f"<code>{escape(key)} = {escape(text)}</code>" for key, text in values)
        parts.append(
            f'<div class="frame{" top" if top else ""}"><code><b>{escape(name)}</b></code> '
            f'<span class="quiet">{state}</span><div class="locals">{texts}</div></div>'
        )
    return f'<div class="frames">{"".join(parts)}</div>'


def _tree_html(picture: CallsPicture) -> str:
    rows = "".join(
        f'<li style="margin-left:{min(call.depth, 20) * 1.4:.1f}em"><code>{escape(call.name)}({escape(call.arguments)}) '
        f"{escape(call.ending)}</code></li>"
        for call in picture.calls
    )
    return f'<details open><summary>All calls, each below the one that called it</summary><ol class="tree">{rows}</ol></details>'
