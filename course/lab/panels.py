"""Draw failures, passes and progress as HTML (light and dark themes, no scripts) and as plain text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import takewhile
from typing import TYPE_CHECKING

from course.lab.differences import Difference
from course.lab.exchanges import Exchange
from course.lab.failures import Failure, Line, a
from course.lab.hints import Hints

if TYPE_CHECKING:
    from course.lab.progress import Standing, Try

_WIDTH = 80
_LATEST = 10  # tries that are listed
_NO_HINTS = Hints()
_UNBROKEN = "\N{NO-BREAK SPACE}"
# Lines of a test that tell nothing: what a magic line has become, and its own message, which stands above.
_SAYS_NOTHING = ("get_ipython()", "raise AssertionError(")

# Colours come from JupyterLab's theme; the second value is for pages without one (nbconvert, feedback).
_STYLE = """<style>
.course-panel{container-type:inline-size;box-sizing:border-box;max-width:62em;margin:.3em 0 .6em;padding:.75em 1em .85em;border:1px solid
var(--jp-border-color2,#d0d7de);border-left:5px solid var(--course-mark);border-radius:6px;background:
var(--jp-layout-color1,#fff);color:var(--jp-ui-font-color1,#1f2328);font:14px/1.5 var(--jp-ui-font-family,system-ui,
sans-serif);overflow-wrap:anywhere;--course-no:#cf3d33;--course-ok:#23863a;--course-wait:#8a6100;--course-mark:
var(--course-no)}
.course-panel.ok{--course-mark:var(--course-ok)}
.course-panel.wait{--course-mark:var(--course-wait)}
.course-panel.slim{padding:.35em 1em}
.course-panel.course-panel p{margin:.5em 0 0}
.course-panel.course-panel .head{display:flex;align-items:center;gap:.55em;margin:0;font-size:1.07em}
.course-panel .icon{flex:none;width:1.5em;line-height:1.5em;border-radius:50%;text-align:center;
background:var(--course-mark);color:#fff;font-size:.8em;font-weight:700}
.course-panel .message{font-size:1.04em;white-space:pre-line}
.course-panel.course-panel table{border-collapse:collapse;margin:.65em 0 0;border:0;font-size:1em;color:inherit}
.course-panel.course-panel tbody tr:nth-child(n){background:none}
.course-panel.course-panel th,.course-panel.course-panel td{padding:.2em 1.2em .2em 0;text-align:left;
vertical-align:top;border:0;max-width:none;white-space:normal;background:none}
.course-panel.course-panel .facts th{padding-top:.3em;font-weight:400;white-space:nowrap;color:var(--jp-ui-font-color2,#57606a)}
.course-panel.course-panel .grid th,.course-panel.course-panel .grid td{padding:.25em .8em;border:1px solid
var(--jp-border-color2,#d0d7de)}
.course-panel.course-panel .grid thead th{font-weight:600;overflow-wrap:normal;background:var(--jp-layout-color2,#f6f8fa)}
.course-panel .details{overflow-x:auto}
.course-panel .course-sql{overflow-x:visible}
.course-panel.course-panel .course-sql :is(th,td){overflow-wrap:normal}
.course-panel.course-panel .exchange{width:100%}
.course-panel.course-panel .exchange th:first-child{width:9.5em}
.course-panel.course-panel .exchange tbody th{font-weight:400}
.course-panel.course-panel .exchange .differs :is(th,em){font-weight:700;font-style:normal}
.course-panel.course-panel .tries ol{margin:.3em 0 0;padding-left:2.2em}
.course-panel caption{caption-side:top;text-align:left;padding:.1em 0 .3em;font-weight:600;color:inherit}
.course-panel.course-panel :is(code,pre):is(code,pre){font:13px/1.55 var(--jp-code-font-family,ui-monospace,monospace);
color:inherit;background:none;margin:0;padding:0;border:0;white-space:pre-wrap;word-break:normal}
.course-panel.course-panel :is(td,.message)>code:is(code),.course-panel.course-panel pre.box.box{padding:.05em .4em;
border-radius:4px;background:var(--jp-layout-color2,#f6f8fa)}
.course-panel.course-panel pre.box.box{margin-top:.3em;padding:.45em .7em;overflow:auto;max-height:24em}
.course-panel.course-panel td>code:is(code){display:inline-block;border-left:3px solid transparent}
.course-panel.course-panel .got>code:is(code){border-left-color:var(--course-no)}
.course-panel.course-panel .expected>code:is(code){border-left-color:var(--course-ok)}
.course-panel .quiet,.course-panel summary{color:var(--jp-ui-font-color2,#57606a);font-size:.93em}
.course-panel :is(details,.details){margin-top:.6em}
.course-panel summary{display:list-item;cursor:pointer}
.course-panel progress{width:100%;height:.7em;accent-color:var(--course-ok)}
@container (max-width:32em){
.course-panel.course-panel .facts th{white-space:normal}
.course-panel.course-panel :is(.facts,.grid) :is(th,td){padding:.2em .4em}
.course-panel .exchange thead{display:none}
.course-panel.course-panel .exchange :is(tbody,tr,th,td):nth-child(n){display:block;width:auto}
.course-panel.course-panel .exchange tr:nth-child(n){padding:0}
.course-panel.course-panel .exchange tbody :is(th,td){border-width:0 1px}
.course-panel.course-panel .exchange tbody th{border-top-width:1px}
.course-panel.course-panel .exchange tbody tr:last-child{border-bottom:1px solid var(--jp-border-color2,#d0d7de)}
.course-panel .exchange .expected::before{content:"Expected: "}
}
</style>"""


def failure_html(failure: Failure, tries: Sequence[Try] = (), hints: Hints = _NO_HINTS) -> str:
    """The panel of a failed test cell, with all tries of it (this one is the last) and the hints that are due."""
    parts = [
        _head(_icon(failure), failure.headline),
        f'<p class="message">{_prose(failure.message)}</p>' if failure.message else "",
        _table(failure),
        _differences_html(failure.differences),
        _details_html(failure),
        *map(_exchange_html, failure.exchanges),
        _hints_html(hints),
        *(_line_html(words, line) for words, line in _lines(failure)),
        _tries_html(tries),
        f"<details><summary>Full traceback</summary>{_box(failure.traceback, 'Full traceback')}</details>",
    ]
    return _panel("wait" if failure.untried else "", failure.headline, "".join(parts))


def failure_text(failure: Failure, tries: Sequence[Try] = (), hints: Hints = _NO_HINTS) -> str:
    """The same panel for a terminal, at most 80 columns wide where values allow it."""
    blocks: list[str] = [
        f"{_icon(failure)} {failure.headline}",
        textwrap.indent(_wrapped(failure.message), "  "),
        _aligned(_rows(failure)),
        _differences_text(failure.differences),
        textwrap.indent(str((failure.details or {}).get("text", "")), "  "),
        *map(_exchange_text, failure.exchanges),
        "\n".join(
            f"  {words} {line.where}, line {line.number}:\n      {line.code}"
            for words, line in _lines(failure)
        ),
        textwrap.indent(_wrapped("\n".join(_hint_lines(hints))), "  "),
        f"  {_tries_line(tries)}" if tries else "",
    ]
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def passed_html(exercise: str, note: str = "", tries: Sequence[Try] = ()) -> str:
    """The panel of a test cell that passed, with all tries of it (this one is the last); `note` is a short line."""
    words = " ".join(filter(None, [_at_last(tries), note]))
    return _slim("ok", "✓", f"Passed: {exercise}", words, _tries_html(tries) if _at_last(tries) else "")


def passed_text(exercise: str, note: str = "", tries: Sequence[Try] = ()) -> str:
    """The same as plain text."""
    return "\n  ".join(filter(None, [f"✓ Passed: {exercise}", _at_last(tries), note]))


def stale_html(exercise: str, error: str) -> str:
    """The panel of a test cell that passed with what was made before the exercise's own cell ended with an error."""
    return _slim("wait", "○", f"Not yet: {exercise}", stale(error))


def stale_text(exercise: str, error: str) -> str:
    """The same as plain text."""
    return f"○ Not yet: {exercise}\n  {stale(error)}"


def stale(error: str) -> str:
    """What a test can say after its exercise's own cell ended with an error of this type."""
    cell = f"Your cell above ended with {a(error)}"
    if error in ("SyntaxError", "IndentationError", "TabError"):
        return f"{cell}, so this test does not see all that stands there. Mend it and run it, then run this test again."
    return f"{cell}: what stands below that line has not run. Mend it and run it, then run this test again."


def later_html() -> str:
    """The panel of a hidden test cell as students have it: only comments."""
    return _slim("wait", "○", "Hidden tests run when your work is graded", "")


def later_text() -> str:
    """The same as plain text."""
    return "○ Hidden tests run when your work is graded"


def verdict(failure: Failure) -> str:
    """One line for the cell's `error` output, below the panel."""
    state = {"unsolved": "not solved yet", "missing": "not ready yet"}.get(failure.kind, "not yet")
    return f"{_icon(failure)} {f'{failure.cell}: {state}' if failure.cell else failure.headline}. See above."


def progress_html(standings: Sequence[Standing], note: str) -> str:
    """A lab's exercises as a table, with a bar above it."""
    done = sum(bool(each.passed) for each in standings)
    rows = "".join(
        f"<tr><td>{icon} {words}</td><th scope='row'>{escape(each.exercise)}</th><td>{each.tries}</td></tr>"
        for each, (icon, words) in _states(standings)
    )
    table = (
        f"<p><progress value='{done}' max='{max(1, len(standings))}' aria-label='{_done(standings)}'>"
        "</progress></p><table class='grid'><thead><tr><th scope='col'>State</th><th scope='col'>Exercise</th>"
        f"<th scope='col'>Tries</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    complete = bool(standings) and done == len(standings)
    body = _head("✓" if complete else "○", _done(standings)) + (table if standings else "")
    return _panel(
        "ok" if complete else "wait",
        "Progress",
        body + (f"<p class='quiet'>{escape(note)}</p>" if note else ""),
    )


def progress_text(standings: Sequence[Standing], note: str) -> str:
    """The same as plain text."""
    lines = [f"  {icon} {each.exercise}: {words}{_tries(each)}" for each, (icon, words) in _states(standings)]
    return "\n".join([_done(standings), *lines, *([note] if note else [])])


# --- parts ----------------------------------------------------------------------------------------------------------


def _panel(kind: str, label: str, body: str) -> str:
    return f'{_STYLE}<div class="course-panel {kind}" role="group" aria-label="{escape(label)}">{body}</div>'


def _slim(kind: str, icon: str, words: str, note: str, more: str = "") -> str:
    quiet = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return _panel(f"{kind} slim", words, _head(icon, words) + quiet + more)


def _head(icon: str, words: str) -> str:
    # A heading to screen readers; an <h4> would also stand in JupyterLab's table of contents.
    return (
        f'<p class="head" role="heading" aria-level="4"><span class="icon" aria-hidden="true">{icon}</span>'
        f"<strong>{escape(words)}</strong></p>"
    )


def _box(text: str, label: str) -> str:
    """Text in a box that may scroll, and so is reached with the keyboard."""
    return f'<pre class="box" role="group" tabindex="0" aria-label="{label}">{escape(text)}</pre>'


def _icon(failure: Failure) -> str:
    return "○" if failure.untried else "✗"


def _rows(failure: Failure) -> Iterator[tuple[str, str]]:
    """What the main table says: a label and a value for each row."""
    if any(each.expectation and not each.expectation.place for each in failure.exchanges):
        return  # the table of the request and the response says it
    if failure.call and failure.call != failure.got:
        yield ("Call" if "(" in failure.call else "Value"), failure.call
    for name, value in failure.names.items():
        changes = value.startswith(("[", "{"))  # the call may have changed it
        yield f"where {name} is{' now' if changes else ''}", value
    if failure.got:
        yield "You got", _typed(failure.got, failure.got_type)
    if failure.expected:
        yield "Expected", _typed(failure.expected, failure.expected_type)


def _typed(value: str, kind: str) -> str:
    return f"{value}  (type {kind})" if kind else value


def _table(failure: Failure) -> str:
    classes = {"You got": "got", "Expected": "expected"}
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        f'<td class="{classes.get(label, "")}"><code>{escape(value)}</code></td></tr>'
        for label, value in _rows(failure)
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else ""


def _aligned(rows: Iterable[tuple[str, str]]) -> str:
    listed = list(rows)
    width = max((len(label) for label, _ in listed), default=0) + 4
    return "\n".join(
        f"  {label}".ljust(width) + textwrap.indent(value, " " * width).lstrip() for label, value in listed
    )


def _details_html(failure: Failure) -> str:
    html = (failure.details or {}).get("html")
    # Rows are not broken to fit a narrow window: the box scrolls, and so is reached with the keyboard.
    return f'<div class="details" role="group" tabindex="0" aria-label="Details">{html}</div>' if html else ""


def _differences_html(found: list[Difference]) -> str:
    if not found:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(each.at)}</code></th><td class="got"><code>{escape(each.got)}</code></td>'
        f'<td class="expected"><code>{escape(each.expected)}</code></td></tr>'
        for each in found
    )
    return (
        '<table class="grid"><caption>What differs</caption><thead><tr><th scope="col">Where</th>'
        f'<th scope="col">You got</th><th scope="col">Expected</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _differences_text(found: list[Difference]) -> str:
    lines = [f"    {each.at}: you got {each.got}, expected {each.expected}" for each in found]
    return "\n".join(["  What differs", *lines]) if found else ""


def _exchange_html(exchange: Exchange) -> str:
    heads = ["Part", "In this test", *(["Expected"] if exchange.expectation else [])]
    head = "".join(f'<th scope="col">{words}</th>' for words in heads)
    rows = "".join(
        _exchange_row(*row, width=len(heads) - 1 if not row[2] else 1) for row in _exchange_rows(exchange)
    )
    raised = f"<p><strong>Your app raised</strong></p>{_box(exchange.raised, 'Your app raised')}"
    return (
        f'<table class="grid exchange"><caption>Request and response</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{raised if exchange.raised else ''}"
    )


def _exchange_row(part: str, value: str, expected: str, *, width: int) -> str:
    label = f"<span aria-hidden='true'>✗ </span>{escape(part)} <em>differs</em>" if expected else escape(part)
    cells = f'<td class="{"got" if expected else ""}" colspan="{width}"><code>{escape(value)}</code></td>'
    cells += f'<td class="expected"><code>{escape(expected)}</code></td>' if expected else ""
    return f'<tr class="{"differs" if expected else ""}"><th scope="row">{label}</th>{cells}</tr>'


def _exchange_text(exchange: Exchange) -> str:
    rows: list[tuple[str, str]] = []
    for part, value, expected in _exchange_rows(exchange):
        rows += [(f"✗ {part} differs", value), ("  expected", expected)] if expected else [(part, value)]
    raised = f"  Your app raised\n{textwrap.indent(exchange.raised, ' ' * 6)}" if exchange.raised else ""
    return "\n".join(filter(None, [_aligned(rows), raised]))


def _exchange_rows(exchange: Exchange) -> Iterator[tuple[str, str, str]]:
    """What was sent and what came back: a label, a value, and what was expected of it where an assert says so."""
    yield "Request", f"{exchange.method} {exchange.path}", ""
    if exchange.sent:
        yield "Request body", exchange.sent, ""
    if exchange.status is None:
        yield "Response", "none", ""
        return
    wish = exchange.expectation
    parts = {
        "Status": f"{exchange.status} {exchange.reason}".strip(),
        "Content type": exchange.content_type or "(not said)",
        **({wish.part: wish.got or "(not shown)"} if wish and "Header" in wish.part else {}),
        "Body": exchange.received or "(empty)",
    }
    for part, value in parts.items():
        if wish is None or part != wish.part:
            yield part, value, ""
        else:
            yield part, value, f"{wish.place}: {wish.expected}" if wish.place else wish.expected


def _hints_html(hints: Hints) -> str:
    folds = [
        f"<details class='hint'><summary>{label}</summary><p class='message'>{_prose(hint)}</p></details>"
        for label, hint in _labelled(hints)
    ]
    coming = _coming(hints)
    return "".join([*folds, f'<p class="quiet">{coming}</p>' if coming else ""])


def _hint_lines(hints: Hints) -> Iterator[str]:
    for label, hint in _labelled(hints):
        yield f"{label}: {hint}"
    if _coming(hints):
        yield _coming(hints)


def _labelled(hints: Hints) -> Iterator[tuple[str, str]]:
    """The first hint stands in the exercise's text, so these begin with the second."""
    for number, hint in enumerate(hints.shown, start=2):
        new = hints.newest_is_new and number == len(hints.shown) + 1
        yield f"Hint {number}{', new' if new else ''}", hint


def _coming(hints: Hints) -> str:
    if not hints.left:
        return ""
    first = "" if hints.shown else "The first hint stands in the exercise's text. "
    if hints.left == 1:
        return f"{first}One more hint comes after another try."
    return f"{first}{hints.left} more hints come, one after each further try."


def _tries_html(tries: Sequence[Try]) -> str:
    if not tries:
        return ""
    latest = tries[-_LATEST:]
    listed = "".join(
        f"<li>{'✓ passed' if each.passed else '✗ not passed'}, {_when(each)}</li>" for each in latest
    )
    start = len(tries) - len(latest) + 1
    return (
        f'<details class="tries"><summary>Your tries: {len(tries)} '
        f'<span aria-hidden="true">· {_signs(tries)}</span></summary><ol start="{start}">{listed}</ol></details>'
    )


def _tries_line(tries: Sequence[Try]) -> str:
    return f"Your tries: {len(tries)} · {_signs(tries)}"


def _signs(tries: Sequence[Try]) -> str:
    signs = ["✓" if each.passed else "✗" for each in tries[-_LATEST:]]
    return " ".join(["…", *signs] if len(tries) > _LATEST else signs)


def _when(each: Try) -> str:
    return f"{each.at.astimezone():%d %b, %H:%M}".removeprefix("0")


def _at_last(tries: Sequence[Try]) -> str:
    """A kind word where the last of the tries passed after some that did not; "" otherwise."""
    failed = sum(1 for _ in takewhile(lambda each: not each.passed, reversed(tries[:-1])))
    if not failed:
        return ""
    if failed < len(tries) - 1:
        return f"It passes again, after {'1 try' if failed == 1 else f'{failed} tries'} that did not."
    return f"Passed at the {_ordinal(len(tries))} try. Trying again is how code gets written."


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _lines(failure: Failure) -> Iterator[tuple[str, Line]]:
    """The student's own line first: that is where to look."""
    if failure.untried:
        return
    if failure.raised_line:
        yield "It was raised in your code, in", failure.raised_line
    line = failure.test_line
    if line and line.code != failure.call and not line.code.startswith(_SAYS_NOTHING):
        yield "The test stopped in", line


def _line_html(words: str, line: Line) -> str:
    return (
        f'<p class="quiet">{escape(words)} {escape(line.where)}, line {line.number}:</p>'
        f'<pre class="box">{escape(line.code)}</pre>'
    )


def _prose(message: str) -> str:
    """Escaped text in which `code` is set as code."""
    parts = escape(message).split("`")
    if len(parts) % 2 == 0:
        return escape(message)
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _wrapped(message: str) -> str:
    """Lines of at most 78 characters; `code` is never broken."""
    whole = re.sub(r"`[^`\n]+`", lambda code: code[0].replace(" ", _UNBROKEN), message)
    lines = [
        textwrap.fill(line, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
        for line in whole.splitlines()
    ]
    return "\n".join(lines).replace(_UNBROKEN, " ")


def _states(standings: Sequence[Standing]) -> Iterator[tuple[Standing, tuple[str, str]]]:
    for each in standings:
        if each.passed is None:
            yield each, ("○", "not tried")
        elif each.passed:
            yield each, ("✓", "passed")
        else:
            yield each, ("✗", "not now, but passed before" if each.passed_before else "not yet")


def _tries(standing: Standing) -> str:
    return {0: "", 1: ", 1 try"}.get(standing.tries, f", {standing.tries} tries")


def _done(standings: Sequence[Standing]) -> str:
    return (
        f"{sum(bool(each.passed) for each in standings)} of {len(standings)} exercises pass"
        if standings
        else "Progress"
    )
