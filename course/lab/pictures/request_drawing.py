"""Draw a request's way between browser and server as HTML (light and dark themes, no scripts) and as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape

from course.lab.pictures.request import Address, RequestPicture
from course.lab.pictures.request_words import (
    CRLF,
    Part,
    Stage,
    count,
    request_parts,
    response_parts,
    stages,
    status_words,
)

_ARROWS = {"to": "→", "from": "←", "both": "↔"}
_WIDTH = 88

# Colours come from JupyterLab's theme; the second value is for pages without one (nbconvert, feedback).
_STYLE = """<style>
.course-way{box-sizing:border-box;max-width:66em;margin:.3em 0 .6em;padding:.9em 1.1em 1.1em;border:1px solid
var(--jp-border-color2,#d0d7de);border-radius:6px;background:var(--jp-layout-color1,#fff);color:
var(--jp-ui-font-color1,#1f2328);font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);overflow-wrap:anywhere;
--line:var(--jp-border-color1,#8c959f);--quiet:var(--jp-ui-font-color2,#57606a);--soft:var(--jp-layout-color2,#f6f8fa);
--sent:var(--jp-brand-color1,#1769c2);--came:var(--jp-success-color1,#2c7a35);--no:var(--jp-error-color1,#c9302c)}
.course-way.course-way :is(p,ol,li){margin:0;padding:0;font-size:1em;text-align:inherit;list-style:none}
.course-way .quiet,.course-way .why{color:var(--quiet);font-size:.93em}
.course-way.course-way :is(code,pre):is(code,pre),.course-way td{font:13px/1.55 var(--jp-code-font-family,ui-monospace,monospace);color:inherit;
background:none;padding:0;border:0}
.course-way .heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.course-way .title{font-size:1.07em;font-weight:600}
.course-way.course-way .title code:is(code){font-size:1em;font-weight:600}
.course-way .lanes,.course-way .way>li{position:relative;display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.15fr) minmax(0,1fr)}
.course-way .lanes{margin-top:.9em}
.course-way .lanes b{padding:.3em .8em;border:1.5px solid var(--line);border-radius:6px;background:var(--soft);
text-align:center;font-weight:600}
.course-way .lanes b:last-child{grid-column:3}
.course-way :is(.at-browser,.at-server){padding:.5em .75em;min-width:0}
.course-way .at-browser{border-right:2px dotted var(--line);text-align:right}
.course-way .at-server{border-left:2px dotted var(--line);grid-column:3}
.course-way .between{grid-column:2;text-align:center;align-self:center;padding:.45em 2px}
.course-way .no{display:inline-block;box-sizing:border-box;min-width:1.55em;padding:0 .3em;margin-right:.4em;
border:1.5px solid currentColor;border-radius:1em;font-size:.82em;font-weight:700;text-align:center}
.course-way .arrow{display:flex;align-items:center;margin:.1em 0;color:var(--sent)}
.course-way .arrow.from{color:var(--came)}
.course-way .arrow.both{color:var(--quiet)}
.course-way .arrow i{flex:1;border-top:2px solid currentColor}
.course-way .arrow::before,.course-way .arrow::after{border:.4em solid transparent}
.course-way :is(.to,.both).arrow::after{content:"";border-left-color:currentColor;border-right:0}
.course-way :is(.from,.both).arrow::before{content:"";border-right-color:currentColor;border-left:0}
.course-way .label{font-weight:600}
.course-way .ended{border:1.5px solid var(--no);border-radius:6px;padding:.5em .75em;text-align:left}
.course-way .ended .no{color:var(--no)}
.course-way .parts{display:flex;flex-wrap:wrap;justify-content:flex-end;margin-top:.25em}
.course-way .parts span{display:inline-flex;flex-direction:column;margin:.1em 0 .1em .3em;text-align:center}
.course-way.course-way .parts code:is(code):is(code){padding:0 .35em;border-bottom:2px solid var(--sent)}
.course-way .parts small{color:var(--quiet);font-size:.85em}
.course-way .boxes{display:flex;flex-wrap:wrap;gap:.8em;margin-top:1em}
.course-way .box{flex:1 1 25em;min-width:0;border:1px solid var(--jp-border-color2,#d0d7de);border-top:4px solid
var(--sent);border-radius:6px;padding:.5em .8em .7em}
.course-way .box.came{border-top-color:var(--came)}
.course-way.course-way table{border-collapse:collapse;width:100%;margin:.3em 0 0;border:0;table-layout:fixed;font-size:1em;color:inherit}
.course-way.course-way tr:nth-child(n){background:none}
.course-way.course-way caption{caption-side:top;text-align:left;font-weight:600;color:inherit;padding:0 0 .2em;font-size:1em}
.course-way.course-way :is(th,td){border:0;border-top:1px solid var(--jp-border-color2,#d0d7de);padding:.3em 0;
vertical-align:top;text-align:left;white-space:normal;max-width:none}
.course-way.course-way th{width:6.6em;font-weight:600;font-size:.93em;padding-right:.6em}
.course-way.course-way td pre:is(pre):is(pre){margin:0;white-space:pre-wrap;max-height:24em;overflow:auto}
.course-way .why{display:block;font-family:var(--jp-ui-font-family,system-ui,sans-serif);line-height:1.4}
.course-way .end{margin-left:.35em;padding:0 .25em;border:1px solid var(--jp-border-color2,#d0d7de);border-radius:3px;
color:var(--quiet);font-size:.72em;white-space:nowrap}
</style>"""


def as_html(picture: RequestPicture) -> str:
    """The picture: both sides, the steps between them, and the bytes below."""
    words = f"{picture.method} {picture.url}"
    listed = "".join(_stage(number, each, picture) for number, each in enumerate(stages(picture), 1))
    return (
        f'{_STYLE}<div class="course-way" role="group" aria-label="The way of the request {escape(words)}">'
        f'<p class="title"><code>{escape(words)}</code> → {escape(status_words(picture))}</p>'
        f'<div class="lanes" aria-hidden="true"><b>Browser</b><b>Server</b></div><ol class="way">{listed}</ol>'
        f"{_boxes(request_parts(picture), response_parts(picture), picture)}</div>"
    )


def bytes_html(title: str, notes: Iterable[str], sent: list[Part], picture: RequestPicture) -> str:
    """Only the bytes of a request and its response; `title` and `notes` are HTML, `sent` the request's parts."""
    told = "".join(f'<p class="quiet">{note}</p>' for note in notes)
    return (
        f'{_STYLE}<div class="course-way" role="group" aria-label="A request and its response">'
        f'<p class="title">{title}</p>{told}{_boxes(sent, response_parts(picture), picture)}</div>'
    )


def parts_text(title: str, size: int, parts: list[Part]) -> str:
    """The bytes of one message as plain text."""
    lines = "\n".join(textwrap.indent(part.text + part.end, "  ") for part in parts)
    return f"{title}: {count(size)}\n{lines}"


def as_text(picture: RequestPicture) -> str:
    """The same as plain text."""
    blocks = [f"{picture.method} {picture.url} → {status_words(picture)}"]
    blocks.append(
        "\n".join(_stage_text(number, each, picture) for number, each in enumerate(stages(picture), 1))
    )
    for title, raw, parts in (
        ("The request", picture.sent, request_parts(picture)),
        ("The response", picture.received, response_parts(picture)),
    ):
        if parts:
            blocks.append(parts_text(title, len(raw), parts))
    return "\n\n".join(blocks)


def _stage(number: int, stage: Stage, picture: RequestPicture) -> str:
    sign = "✗" if stage.stopped else str(number)
    who = {"browser": "Browser: ", "server": "Server: ", "between": ""}[
        stage.side
    ]  # seen by its lane, else heard
    title = f'<b><span class="no">{sign}</span><span class="heard">{who}</span>{escape(stage.title)}</b>'
    facts = "".join(f'<p class="quiet">{escape(fact)}</p>' for fact in stage.facts)
    if stage.stopped:
        facts = "".join(f"<p>{escape(fact)}</p>" for fact in stage.facts)
    if number == 1 and picture.address:
        facts = _address(picture.address)
    if stage.stopped:
        title, facts = f'<div class="ended">{title}{facts}', "</div>"
    cells = {
        "at-browser": f'<span class="quiet">{escape(stage.near)}</span>',
        "between": "",
        "at-server": f'<span class="quiet">{escape(stage.far)}</span>',
    }
    where = "between" if stage.side == "between" else f"at-{stage.side}"
    cells[where] = title + _arrow(stage) + facts
    return "<li>" + "".join(f'<div class="{name}">{cell}</div>' for name, cell in cells.items()) + "</li>"


def _arrow(stage: Stage) -> str:
    if not stage.arrow:
        return ""
    return f'<div class="arrow {stage.arrow}" aria-hidden="true"><i></i></div><p class="label">{escape(stage.label)}</p>'


def _address(address: Address) -> str:
    parts = "".join(
        f"<span><code>{escape(text)}</code><small>{name}</small></span>"
        for name, text in _address_parts(address)
    )
    return f'<div class="parts">{parts}</div>'


def _address_parts(address: Address) -> Iterable[tuple[str, str]]:
    named = {
        "scheme": address.scheme,
        "host": address.host,
        "port": str(address.port),
        "path": address.path,
        "query": address.query,
    }
    return [(name, text) for name, text in named.items() if text]


def _boxes(sent: list[Part], received: list[Part], picture: RequestPicture) -> str:
    return (
        f'<div class="boxes">{_box("sent", "The request", len(picture.sent), sent)}'
        f"{_box('came', 'The response', len(picture.received), received)}</div>"
    )


def _box(kind: str, title: str, size: int, parts: list[Part]) -> str:
    if not parts:
        return ""
    rows = "".join(_row(part) for part in parts)
    return (
        f'<div class="box {kind}"><table><caption>{title}: {count(size)}</caption>'
        f"<tbody>{rows}</tbody></table></div>"
    )


# Many fonts lack the signs ␍ and ␊.
_END_OF_LINE = {
    "␍␊": '<span class="end" title="The line ends: carriage return and line feed, two bytes">CR LF</span>',
    "␊": '<span class="end" title="The line ends: line feed, one byte">LF</span>',
}


def _row(part: Part) -> str:
    text = escape(part.text).replace(CRLF, _END_OF_LINE[CRLF])
    end = _END_OF_LINE.get(part.end, "")
    shown = f'<pre tabindex="0">{text}</pre>' if part.name == "body" else f"<code>{text}{end}</code>"
    why = f'<span class="why">{escape(part.meaning)}</span>' if part.meaning else ""
    return f'<tr><th scope="row">{part.name}</th><td>{shown}{why}</td></tr>'


def _stage_text(number: int, stage: Stage, picture: RequestPicture) -> str:
    facts = [*stage.facts]
    if number == 1 and picture.address:
        facts = [", ".join(f"{name} {text}" for name, text in _address_parts(picture.address))]
    if stage.arrow:
        facts.insert(
            0, " ".join(filter(None, [stage.near, _ARROWS[stage.arrow], stage.far, f"({stage.label})"]))
        )
    sign = "✗" if stage.stopped else f"{number}"
    text = f"{sign} {stage.title}: {' '.join(facts)}"
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
