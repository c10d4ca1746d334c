"""Draw boxes, arrows and words as static SVG that is readable in light and dark themes and by screen readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from zlib import crc32

CHARACTER = 7.9  # width of one character of the 13 px monospace font, in pixels
LINE = 24  # height of one line of a box

# Colours come from JupyterLab's theme; the second value is for pages without one (nbconvert, feedback).
_STYLE = """<style>
.course-picture{box-sizing:border-box;max-width:66em;margin:.3em 0 .6em;padding:.8em 1.1em 1em;border:1px solid
var(--jp-border-color2,#d0d7de);border-radius:6px;background:var(--jp-layout-color1,#fff);color:
var(--jp-ui-font-color1,#1f2328);font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);overflow-wrap:anywhere;
--line:var(--jp-border-color1,#8c959f);--quiet:var(--jp-ui-font-color2,#57606a);--soft:var(--jp-layout-color2,#f6f8fa);
--ink:var(--jp-ui-font-color1,#1f2328);--one:var(--jp-brand-color1,#1769c2);--mark:#a84300}
[data-jp-theme-light=false] .course-picture{--mark:#ffb066}
.course-picture.course-picture p{margin:.2em 0 0}
.course-picture .title{font-size:1.07em;font-weight:600}
.course-picture .quiet,.course-picture summary{color:var(--quiet);font-size:.93em}
.course-picture summary{display:list-item;cursor:pointer}
.course-picture details{margin-top:.6em}
.course-picture .drawing{overflow-x:auto;margin-top:.6em}
.course-picture .drawing svg{display:block;max-width:none}
.course-picture.course-picture table{border-collapse:collapse;margin:.4em 0 0;border:0;font-size:1em;color:inherit}
.course-picture.course-picture tbody tr:nth-child(n){background:none}
.course-picture.course-picture :is(th,td){padding:.2em .7em;border:1px solid var(--jp-border-color2,#d0d7de);
text-align:left;max-width:none;white-space:normal;background:none;font-weight:400}
.course-picture.course-picture thead th{font-weight:600;background:var(--soft);overflow-wrap:normal}
.course-picture.course-picture td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.course-picture svg text{font:13px var(--jp-code-font-family,ui-monospace,monospace);fill:var(--ink);white-space:pre}
.course-picture svg .quiet{fill:var(--quiet);font-size:13px}
.course-picture svg .strong{font-weight:700}
.course-picture svg .mark{fill:var(--mark);font-weight:700}
.course-picture svg .box{fill:var(--jp-layout-color1,#fff);stroke:var(--line);stroke-width:1.5}
.course-picture svg .head{fill:var(--soft);stroke:var(--line);stroke-width:1.5}
.course-picture svg .changed{stroke:var(--mark);stroke-width:2.5}
.course-picture svg .rule{stroke:var(--line);stroke-width:1;fill:none}
.course-picture svg .faint{opacity:.45}
.course-picture svg .arrow{stroke:var(--one);stroke-width:2;fill:none}
.course-picture svg .tip{fill:var(--one)}
.course-picture svg .wait{fill:var(--soft);stroke:var(--line);stroke-width:1;stroke-dasharray:4 3}
.course-picture svg .run{fill:var(--one);stroke:var(--one)}
.course-picture svg .area{fill:var(--one);fill-opacity:.25;stroke:var(--one);stroke-width:2}
</style>"""


def framed(headline: str, sentences: Iterable[str], body: str) -> str:
    """The whole picture: a headline, what can be seen in words, and the drawing with what belongs to it."""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return (
        f'{_STYLE}<div class="course-picture" role="group" aria-label="{escape(headline)}">'
        f'<p class="title">{escape(headline)}</p>{said}{body}</div>'
    )


def drawing(title: str, description: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """An SVG that a screen reader reads as one image; a narrow page scrolls it sideways (also by keyboard)."""
    width, height = size
    inside = "".join(parts)
    key = f"course-{crc32((title + description + inside).encode()):08x}"
    return (
        f'<div class="drawing" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<svg role="img" aria-labelledby="{key}-title {key}-desc" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>{inside}</svg></div>'
    )


def words(x: float, y: float, text: str, look: str = "", anchor: str = "start") -> str:
    """One line of text; `y` is its middle."""
    return f'<text x="{x:.1f}" y="{y + 4.5:.1f}" class="{look}" text-anchor="{anchor}">{escape(text)}</text>'


def box(x: float, y: float, width: float, height: float, look: str = "box", corner: float = 4) -> str:
    """A rectangle with round corners."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" rx="{corner}" '
        f'class="{look}"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, look: str = "rule") -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{look}"/>'


def arrow(
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    back: bool = False,
    over: tuple[float, float, float] | None = None,
) -> str:
    """A curved arrow from a dot to the left edge of a box, or (`back`) to the right edge of one further left.

    `over` (left, right, height) leads it above what stands between the two.
    """
    (x1, y1), (x2, y2) = start, end
    side = 1 if back else -1
    reach = max(34.0, abs(x2 - x1) * 0.45) if not back else 46.0
    out = max(x1, x2) + reach if back else x1 + reach
    near = out if back else x2 - reach
    tip = x2 + side * 8
    if over:
        left, right, top = over
        bend = f"C{(x1 + left) / 2:.1f},{y1:.1f} {(x1 + left) / 2:.1f},{top:.1f} {left:.1f},{top:.1f} H{right:.1f}"
        middle = (right + tip) / 2
        curve = f"{bend} C{middle:.1f},{top:.1f} {middle:.1f},{y2:.1f} {tip:.1f},{y2:.1f}"
    else:
        curve = f"C{out:.1f},{y1:.1f} {near:.1f},{y2:.1f} {tip:.1f},{y2:.1f}"
    return (
        f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="3.5" class="tip"/>'
        f'<path d="M{x1:.1f},{y1:.1f} {curve}" class="arrow"/>'
        f'<path d="M{x2:.1f},{y2:.1f} L{tip:.1f},{y2 - 5:.1f} L{tip:.1f},{y2 + 5:.1f} Z" class="tip"/>'
    )


def axis(left: float, right: float, y: float, seconds: float) -> str:
    """A time axis in milliseconds from 0, with about six round marks."""
    total = max(seconds * 1000, 0.001)
    step = next(s for s in _steps() if total / s <= 7)
    marks = [line(left, y, right, y)]
    value = 0.0
    while value <= total:
        x = left + (right - left) * value / total
        marks += [line(x, y, x, y + 6), words(x, y + 18, f"{value:g} ms", "quiet", "middle")]
        value = round(value + step, 6)
    return "".join(marks)


def _steps() -> Iterable[float]:
    size = 0.001
    while True:
        yield from (round(size * factor, 6) for factor in (1, 2, 5))
        size *= 10


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], summary: str) -> str:
    """The figures of a drawing as a table, folded; numbers stand right."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f"<details><summary>{escape(summary)}</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def _cell(value: str) -> str:
    number = ' class="number"' if value.endswith((" ms", " s")) or value.isdecimal() else ""
    return f"<td{number}>{escape(value)}</td>"


def shortened(text: str, longest: int) -> str:
    """The text with its end cut off where it is longer than that."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def milliseconds(seconds: float) -> str:
    """A duration in words: "0.4 ms", "31 ms"; exact enough to compare."""
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
