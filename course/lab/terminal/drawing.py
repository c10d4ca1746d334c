"""Draw a terminal and a folder's tree as HTML for JupyterLab, and as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.lab.terminal.running import Line

_STYLE = """<style>
.course-terminal{box-sizing:border-box;max-width:62em;margin:.3em 0;padding:.5em .8em;border:1px solid
var(--jp-border-color2,#d0d7de);border-radius:6px;background:var(--jp-layout-color1,#fff);color:
var(--jp-ui-font-color1,#1f2328);font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);overflow-x:auto}
.course-terminal.course-terminal pre{font:13px/1.5 var(--jp-code-font-family,ui-monospace,monospace);color:inherit;
background:none;margin:0;padding:0;border:0;white-space:pre-wrap;overflow-wrap:anywhere}
.course-terminal .prompt{color:var(--jp-ui-font-color2,#57606a)}
.course-terminal .typed{font-weight:700}
.course-terminal.course-terminal pre.error{border-left:3px solid #cf3d33;padding-left:.5em}
.course-terminal .word{border:1px solid currentColor;border-radius:3px;padding:0 .35em;font:600 11px
var(--jp-ui-font-family,system-ui,sans-serif)}
.course-terminal p.note{margin:.3em 0 0;color:var(--jp-ui-font-color2,#57606a);font-size:.93em}
</style>"""

_ERROR = "error"

_Tree = dict[str, "_Tree"]
"""The names in a folder, and what is in each of them."""


def terminal_html(lines: Sequence[Line], prompts: Sequence[str], note: str) -> str:
    """The lines as typed at their prompts, with what each printed, the prompt at the end, and below them `note`."""
    parts = "".join(
        f'<pre><span class="prompt">{escape(prompt)}</span> <span class="typed">{escape(line.command)}</span></pre>'
        + _printed_html(line)
        for line, prompt in zip(lines, prompts, strict=False)
    )
    end = f'<pre><span class="prompt">{escape(prompts[-1])}</span></pre>' if prompts[-1] else ""
    return _box(parts + end + _note_html(note))


def terminal_text(lines: Sequence[Line], prompts: Sequence[str], note: str) -> str:
    """The same as plain text."""
    parts = [
        f"{prompt} {line.command}\n{_printed_text(line)}"
        for line, prompt in zip(lines, prompts, strict=False)
    ]
    return "".join(parts) + prompts[-1] + (f"\n\n({note})\n" if note else "")


def note_html(note: str) -> str:
    """Only a note."""
    return _box(_note_html(note))


def tree_html(name: str, entries: Iterable[str]) -> str:
    """A folder's tree: the paths of `entries`, of which folders' end in a slash."""
    return _box(f"<pre>{escape(tree_text(name, entries))}</pre>")


def tree_text(name: str, entries: Iterable[str]) -> str:
    """The same as plain text."""
    tree: _Tree = {}
    for entry in entries:
        place = tree
        for part in re.findall(r"[^/]+/?", entry):
            place = place.setdefault(part, {})
    return "\n".join([f"{name}/", *_branches(tree, "")])


def _branches(tree: _Tree, before: str) -> Iterator[str]:
    for number, (name, below) in enumerate(sorted(tree.items()), 1):
        last = number == len(tree)
        yield f"{before}{'└── ' if last else '├── '}{name}"
        yield from _branches(below, before + ("    " if last else "│   "))


def _printed_html(line: Line) -> str:
    parts = f"<pre>{escape(line.output)}</pre>" if line.output else ""
    if line.errors and line.failed:
        word = f'<span class="word">{_ERROR}</span> '
        parts += f'<pre class="error">{word}{escape(line.errors)}</pre>'
    elif line.errors:
        parts += f"<pre>{escape(line.errors)}</pre>"
    return parts + _note_html(line.note)


def _printed_text(line: Line) -> str:
    errors = f"[{_ERROR}] {line.errors}" if line.errors and line.failed else line.errors
    return line.output + errors + (f"({line.note})\n" if line.note else "")


def _note_html(note: str) -> str:
    return f'<p class="note">{escape(note)}</p>' if note else ""


def _box(html: str) -> str:
    return f'{_STYLE}<div class="course-terminal">{html}</div>'
