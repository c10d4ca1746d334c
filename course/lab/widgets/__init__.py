"""Show a widget beside the still picture that stays when its kernel is gone, and keep how it was answered."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anywidget import AnyWidget

_FILES = Path(__file__).parent


def show_widget(kind: str, key: str, content: dict[str, Any], html: str, text: str) -> None:
    """Show the widget that `<kind>.js` draws from `content`, and record each try under `key` in the progress.

    The same widget, when its cell is run again, is as the student left it.

    Args:
        kind: the name of the widget's script in this folder.
        key: the name in the student's progress.
        content: what the script draws; it goes through JSON.
        html: the same without a kernel and without scripts.
        text: the same where there is no page at all.
    """
    from IPython.display import display

    # Two outputs, of which the page shows one. A widget whose kernel is gone shows only "model not found", even with HTML
    # beside it in the same output; so the HTML is an output of its own, hidden while the widget lives.
    style = (_FILES / "still.css").read_text(encoding="utf-8")
    still = f'<style>{style}</style><div class="course-still course-{kind}-still">{html}</div>'
    display({"text/html": still, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]
    widget = _widget(kind, key, json.dumps(content))
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    live = {"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}
    display(live, raw=True)  # type: ignore[no-untyped-call]


def inline(text: str) -> str:
    """Plain text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def key_of(text: str) -> str:
    """A question as a name in the progress: `What is a "join"?` -> `what-is-a-join`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].rstrip("-")


@cache
def _widget(kind: str, key: str, content: str) -> AnyWidget:
    from course.lab.progress import record, tries_of

    right_before = any(each.passed for each in tries_of(key) or ())
    widget = _widget_class(kind)(content=json.loads(content), right_before=right_before)
    widget.observe(lambda change: record(key, change.new[-1]), "results")
    return widget


@cache
def _widget_class(kind: str) -> type[AnyWidget]:
    import anywidget
    from traitlets import Bool, Dict, List

    class CourseWidget(anywidget.AnyWidget):
        # One module for each widget, so what they share is put before it.
        _esm = "\n".join((_FILES / f"{name}.js").read_text(encoding="utf-8") for name in ("shared", kind))
        _css = (_FILES / "live.css").read_text(encoding="utf-8")
        content: Any = Dict().tag(sync=True)  # what is drawn, texts as HTML
        right_before = Bool().tag(sync=True)  # whether the progress had a right try already
        answer: Any = Dict().tag(sync=True)  # what the student did last; empty before
        results: Any = List().tag(sync=True)  # of each try, whether it was right

    return CourseWidget
