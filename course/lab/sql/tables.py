"""Draw tables of SQL values as HTML for JupyterLab and as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from course.lab.sql.values import Row, show

STYLE = """<style>
.course-sql {color: var(--jp-ui-font-color1, inherit); font-family: var(--jp-ui-font-family, sans-serif);
  font-size: var(--jp-ui-font-size1, 13px); line-height: 1.5; max-width: 100%; overflow-x: auto; padding: 2px;}
.course-sql table {border-collapse: collapse; margin: 4px 0; font-variant-numeric: tabular-nums;}
.course-sql th, .course-sql td {border: 0; border-bottom: 1px solid var(--jp-border-color2, #c4c4c4);
  padding: 3px 10px; text-align: left !important; vertical-align: top; white-space: pre; background: transparent;
  max-width: 100ch; overflow: hidden; text-overflow: ellipsis; color: inherit;
  font-family: var(--jp-code-font-family, monospace);}
.course-sql thead th {border-bottom: 2px solid var(--jp-border-color1, #8a8a8a); font-weight: 600;}
.course-sql td.list {white-space: normal;}
.course-sql .num {text-align: right !important;}
.course-sql .null {font-style: italic; opacity: .75;}
.course-sql .note {opacity: .85; margin: 2px 0;}
.course-sql pre {font-family: var(--jp-code-font-family, monospace); font-size: var(--jp-code-font-size, 13px);
  background: var(--jp-layout-color2, rgba(128,128,128,.12)); color: inherit; padding: 6px 10px; margin: 6px 0;
  overflow-x: auto;}
.course-sql .title {font-weight: 600; margin: 2px 0;}
.course-sql mark {background: var(--jp-warn-color3, #ffe082); color: #000; font-weight: 600;
  text-decoration: underline; padding: 0 2px;}
.course-sql ul {margin: 4px 0; padding-left: 20px;}
</style>"""

WIDTH = 78  # a panel indents by 2
_LONGEST = 300
_NARROW = 12


def result_html(
    columns: Sequence[str], rows: Sequence[Row], kinds: Sequence[str], total: int, *, more: bool = False
) -> str:
    """The rows shown and a line that counts all `total` rows; `more` says that there are more than `total`."""
    numeric = [kind in ("integer", "number") for kind in kinds]
    return block(html_table(columns, rows, numeric) + note(count_rows(len(rows), total, more=more)))


def result_text(
    columns: Sequence[str], rows: Sequence[Row], kinds: Sequence[str], total: int, *, more: bool = False
) -> str:
    """The same as plain text, at most 78 characters wide."""
    numeric = [kind in ("integer", "number") for kind in kinds]
    return f"{text_table(columns, rows, numeric)}\n{count_rows(len(rows), total, more=more)}"


def count_rows(shown: int, total: int, *, more: bool = False) -> str:
    """ "3 rows", or "first 20 of 336,776 rows"."""
    if more:
        return f"first {shown:,} of more than {total:,} rows"
    if shown < total:
        return f"first {shown:,} of {total:,} rows"
    return "1 row" if total == 1 else "no rows" if total == 0 else f"{total:,} rows"


def block(html: str) -> str:
    """`html` in the course's own box, with the style that it needs."""
    return f'{STYLE}<div class="course-sql">{html}</div>'


def note(text: str) -> str:
    """A line under a table."""
    return f'<div class="note">{escape(text)}</div>'


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[bool]) -> str:
    """A table of SQL values; numbers are aligned to the right, NULL is set apart from the text 'NULL'."""
    head = "".join(
        f"<th scope='col'{_class(right)}>{escape(name)}</th>"
        for name, right in zip(columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(html_cell(value, right) for value, right in zip(row, numeric, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_cell(value: object, right: bool = False, *, marked: bool = False) -> str:
    """One value as a table cell; `marked` sets it apart by more than a colour."""
    inner = '<span class="null">NULL</span>' if value is None else escape(_shorten(show(value), _LONGEST))
    return f"<td{_class(right)}>{f'<mark>{inner}</mark>' if marked else inner}</td>"


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[bool], *, labels: int = 0
) -> str:
    """A table as lines of plain text of at most 78 characters: wide columns are shortened, then columns left out.

    The first `labels` columns stay as they are.
    """
    lines = [
        [_one_line(name) for name in columns],
        *([_one_line(show(value)) for value in row] for row in rows),
    ]
    widths = _fit([max(map(len, column)) for column in zip(*lines, strict=True)], labels)
    left_out = len(columns) - len(widths)
    if left_out:
        lines = [[*line[: len(widths)], "…"] for line in lines]
        widths = [*widths, 1]
    drawn = [
        " | ".join(
            _shorten(text, width).rjust(width) if right else _shorten(text, width).ljust(width)
            for text, width, right in zip(line, widths, [*numeric, False], strict=False)
        ).rstrip()
        for line in lines
    ]
    table = [drawn[0], "-+-".join("-" * width for width in widths), *drawn[1:]]
    return "\n".join(table + ([f"({left_out} more columns)"] if left_out else []))


def _fit(widths: list[int], labels: int) -> list[int]:
    """Widths, not less than 12 unless a column is narrower, of as many columns as fit into 78 characters."""
    widths = list(widths)
    while _line_width(widths) > WIDTH:
        if (widest := max(widths[labels:], default=0)) > _NARROW:
            widths[widths.index(widest, labels)] -= 1
        else:
            kept = len(widths)
            while _line_width([*widths[:kept], 1]) > WIDTH:
                kept -= 1
            return widths[:kept]
    return widths


def _line_width(widths: Sequence[int]) -> int:
    return sum(widths) + 3 * (len(widths) - 1)


def _class(right: bool) -> str:
    return ' class="num"' if right else ""


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()) if "\n" in text else text


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
