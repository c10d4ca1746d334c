"""Draw a query's plan, or two side by side, as HTML (light and dark themes, no scripts) and as plain text."""

from __future__ import annotations

import textwrap
from html import escape

from course.lab.pictures.plan import Plan, PlanPicture
from course.lab.pictures.plan_steps import Step

_WIDTH = 88
_TITLES = {"sqlite": "SQLite", "duckdb": "DuckDB", "postgresql": "PostgreSQL"}

# Colours come from JupyterLab's theme; the second value is for pages without one (nbconvert, feedback).
_STYLE = """<style>
.course-plan{box-sizing:border-box;max-width:66em;margin:.3em 0 .6em;padding:.9em 1.1em 1.1em;border:1px solid
var(--jp-border-color2,#d0d7de);border-radius:6px;background:var(--jp-layout-color1,#fff);color:
var(--jp-ui-font-color1,#1f2328);font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);overflow-wrap:anywhere;
--line:var(--jp-border-color1,#8c959f);--quiet:var(--jp-ui-font-color2,#57606a);--soft:var(--jp-layout-color2,#f6f8fa);
--reads:var(--jp-warn-color1,#b35c00);--finds:var(--jp-success-color1,#2c7a35)}
.course-plan.course-plan :is(p,ul,li,pre){margin:0;padding:0;font-size:1em;list-style:none}
.course-plan.course-plan :is(code,pre):is(code,pre){font:13px/1.55 var(--jp-code-font-family,ui-monospace,monospace);
color:inherit;background:none;padding:0;border:0;white-space:pre-wrap}
.course-plan .quiet{color:var(--quiet);font-size:.93em}
.course-plan .verdict{font-size:1.07em;font-weight:600}
.course-plan .query:is(.query){margin-top:.5em;padding:.35em .7em;border-radius:4px;background:var(--soft)}
.course-plan .plans{display:flex;flex-wrap:wrap;gap:1.2em;margin-top:.9em}
.course-plan .plan{flex-grow:1;min-width:0;overflow-x:auto}
.course-plan .plan>b{display:block}
.course-plan .work{display:flex;height:.75em;margin:.3em 0 .2em;border-radius:3px;background:var(--soft);
box-shadow:inset 0 0 0 1px var(--jp-border-color2,#d0d7de);overflow:hidden}
.course-plan .work i{min-width:3px;background:var(--reads)}
.course-plan .less .work i{background:var(--finds)}
.course-plan .tree{display:flex;flex-direction:column;align-items:center;margin-top:.7em}
.course-plan .inputs{display:flex;gap:.8em;align-items:flex-end;align-self:stretch}
.course-plan .inputs>.tree{flex:1 1 0;margin-top:0}
.course-plan .card{box-sizing:border-box;width:100%;min-width:9.5em;max-width:30em;padding:.45em .75em .5em;border:1.5px solid var(--line);
border-left:5px solid var(--line);border-radius:6px;background:var(--jp-layout-color1,#fff)}
.course-plan .card.joins{max-width:none}
.course-plan .card.reads{border-left-color:var(--reads)}
.course-plan .card.finds{border-left-color:var(--finds)}
.course-plan .no{display:inline-block;box-sizing:border-box;min-width:1.55em;padding:0 .3em;margin-right:.4em;
border:1.5px solid currentColor;border-radius:1em;font-size:.82em;font-weight:700;text-align:center}
.course-plan .card .figures{margin-top:.15em;font-variant-numeric:tabular-nums}
.course-plan .card .term:is(.term){color:var(--quiet);font-size:12px}
.course-plan .flow{position:relative;align-self:stretch;min-height:1.5em;color:var(--quiet);font-size:.93em;
padding-left:calc(50% + .7em)}
.course-plan .flow::before{content:"";position:absolute;left:calc(50% - 1px);top:1px;bottom:.35em;border-left:2px solid}
.course-plan .flow::after{content:"";position:absolute;left:calc(50% - .38em);bottom:1px;border:.38em solid transparent;
border-top-color:currentColor;border-bottom:0}
.course-plan .result{padding:.25em 1.1em;border-radius:2em;background:var(--soft);border:1.5px solid var(--line);font-weight:600}
</style>"""


def as_html(picture: PlanPicture) -> str:
    """The picture: what came out, the query, and its plan or plans, read from the top down."""
    most = max([plan.work or 0 for plan in (picture.before, picture.after) if plan] or [0])
    label = f"How {_title(picture)} answers the query"
    plans = _plan("Without the index" if picture.after else "", picture, picture.before, most)
    if picture.after:
        plans += _plan("With the index", picture, picture.after, most)
    index = f'<p class="quiet">Tried, and undone again: <code>{escape(picture.index)}</code></p>'
    return (
        f'{_STYLE}<div class="course-plan" role="group" aria-label="{label}">'
        f'<p class="verdict">{escape(_verdict(picture))}</p>'
        + "".join(f'<p class="quiet">{escape(note)}</p>' for note in _notes(picture))
        + f'<pre class="query">{escape(textwrap.dedent(picture.sql))}</pre>{index if picture.index else ""}'
        f'<div class="plans">{plans}</div></div>'
    )


def as_text(picture: PlanPicture) -> str:
    """The same as plain text."""
    blocks = [_filled(" ".join([_verdict(picture), *_notes(picture)])), textwrap.indent(picture.sql, "    ")]
    blocks += [_plan_text("Without the index" if picture.after else "", picture, picture.before)]
    if picture.after:
        blocks += [_plan_text(f"With {picture.index} (undone again)", picture, picture.after)]
    return "\n\n".join(blocks)


def _title(picture: PlanPicture) -> str:
    return _TITLES[picture.engine]


def _verdict(picture: PlanPicture) -> str:
    """The one thing to see here."""
    engine, before, after, ratio = _title(picture), picture.before, picture.after, picture.ratio
    if before.rows is None:
        return f"How {engine} would do it. This statement changes data, so it was not run."
    if after is None:
        found = f" {_work(picture, before)}" if before.work is not None else ""
        return f"How {engine} answers the query:{found or ' step by step'}."
    if not picture.index_is_used:
        return f"{engine} does not use this index: the plan stays the same."
    if ratio is None:
        return f"With the index {engine} goes another way."
    needs, things = ("needs", "steps") if picture.engine == "sqlite" else ("reads", "rows")
    figures = f"{after.work:,} instead of {before.work:,}"
    if ratio >= 1.05:
        return f"With the index {engine} {needs} {_less(ratio)} fewer {things}: {figures}."
    if ratio <= 0.95:
        return f"With the index {engine} {needs} more {things}, not fewer: {figures}."
    return f"With the index {engine} goes another way, but {needs} about as many {things}: {figures}."


def _less(ratio: float) -> str:
    if ratio < 2:
        return f"{1 - 1 / ratio:.0%}"
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def _notes(picture: PlanPicture) -> list[str]:
    notes = []
    after = picture.after
    if after and picture.before.rows is not None:
        rows = _rows(after.rows or 0)
        notes.append(
            f"Both ways give the same {rows}." if picture.same_rows
            else "The two ways give different rows. Without a full ORDER BY, LIMIT may take any rows, and random() differs."
        )  # fmt: skip
    if after and not picture.index_is_used:
        notes.append(
            "An index helps where a query picks few rows by the index's first column. In a small table, reading everything is quicker."
        )
    if picture.engine == "sqlite" and picture.before.work is not None:
        notes.append("SQLite counts no rows: a step is one instruction of the small machine inside it.")
    return notes


def _work(picture: PlanPicture, plan: Plan) -> str:
    if plan.work is None:
        return ""
    if picture.engine == "sqlite":
        return f"{plan.work:,} steps"
    return f"{_rows(plan.work)} read"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _figures(picture: PlanPicture, plan: Plan) -> str:
    spent = f"{plan.milliseconds:.1f} ms this time" if plan.milliseconds is not None else ""
    return ", ".join(filter(None, [_work(picture, plan), spent]))


def _plan(title: str, picture: PlanPicture, plan: Plan, most: int) -> str:
    numbers = {id(step): number for number, step in enumerate(plan.steps, 1)}
    less = " less" if plan is picture.after and (picture.ratio or 1) > 1 else ""
    head = f"<b>{title}</b>" if title else ""
    if picture.after and plan.work is not None and most:
        width = 100 * plan.work / most
        head += f'<div class="work" aria-hidden="true"><i style="width:{width:.2f}%"></i></div>'
    figures = _figures(picture, plan)
    head += f'<p class="quiet">{figures}</p>' if figures else ""
    tree = (
        _tree(plan.last, numbers) if plan.last else '<p class="quiet">The database has no steps to tell.</p>'
    )
    end = f'<div class="result">Result: {_rows(plan.rows)}</div>' if plan.rows is not None else ""
    flow = _flow(None) if end and plan.last else ""
    basis = max(20, 11 * _width(plan.last)) if plan.last else 20  # too wide for two: one below the other
    return f'<div class="plan{less}" role="group" aria-label="{title or "Steps"}" tabindex="0" style="flex-basis:{basis}em">{head}<div class="tree">{tree}{flow}{end}</div></div>'


def _tree(step: Step, numbers: dict[int, int]) -> str:
    inputs = "".join(
        f'<div class="tree" style="flex-grow:{_width(each)}">{_tree(each, numbers)}{_flow(each.rows)}</div>'
        for each in step.inputs
    )
    return (f'<div class="inputs">{inputs}</div>' if inputs else "") + _card(step, numbers[id(step)])


def _flow(rows: int | None) -> str:
    return f'<div class="flow">{"" if rows is None else _rows(rows)}</div>'


def _width(step: Step) -> int:
    """How many steps stand side by side above this one, at most."""
    return max(1, sum(map(_width, step.inputs)))


def _card(step: Step, number: int) -> str:
    kind = "finds" if step.by_index else "reads" if _reads_all(step) else ""
    if len(step.inputs) > 1:  # below all of its inputs
        kind += " joins"
    detail = f"<p><code>{escape(step.detail)}</code></p>" if step.detail else ""
    figures = _step_figures(step)
    return (
        f'<div class="card {kind}"><p><span class="no">{number}</span>{escape(step.words)}</p>{detail}'
        + (f'<p class="figures"><b>{figures}</b></p>' if figures else "")
        + f'<p><code class="term">{escape(step.term)}</code></p></div>'
    )


def _reads_all(step: Step) -> bool:
    return step.term.upper().startswith(("SEQ SCAN", "SCAN", "TABLE_SCAN", "SEQ_SCAN")) and not step.by_index


def _step_figures(step: Step) -> str:
    parts = []
    if step.read is not None and step.rows is not None:
        kept = f", kept {step.rows:,}" if step.read != step.rows else ""
        parts.append(f"read {_rows(step.read)}{kept}")
    if step.turns > 1:
        parts.append(f"in {step.turns:,} turns")
    return " ".join(parts)


def _plan_text(title: str, picture: PlanPicture, plan: Plan) -> str:
    numbers = {id(step): number for number, step in enumerate(plan.steps, 1)}
    figures = _figures(picture, plan)
    lines = [": ".join(filter(None, [title, figures]))]
    for step in plan.steps:
        sources = [str(numbers[id(each)]) for each in step.inputs]
        taken = f" (takes {' and '.join(sources)})" if len(sources) > 1 else ""
        passed = f"gives {_rows(step.rows)}" if step.rows is not None and step.read is None else ""
        facts = "; ".join(filter(None, [step.detail, _step_figures(step), passed]))
        lines.append(
            _filled(f"{numbers[id(step)]} {step.words}{taken}{': ' if facts else ''}{facts}", "    ")
        )
    if plan.rows is not None:
        lines.append(f"  Result: {_rows(plan.rows)}")
    return "\n".join(filter(None, lines))


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="  " if indent else "",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
