"""Make what a student wrote or put out harmless in a page: it may look like something, and do nothing.

No scripts, no forms, no frames, no styles but a few plain ones, nothing loaded from anywhere, and links that lead only
where they say. The cleaning is nh3's; what is allowed is said here. Feedback pages use this, and formgrader by way of
`nbgrader_config.py`: there, a student's script would act as the instructor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any

import nh3
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Bool

FORMS = (
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/latex",
    "text/plain",
)
"""The forms in which outputs are shown, best first: neither widgets nor scripts."""

_FRAME = re.compile(r"<iframe\b.*?(</iframe\s*>|$)", re.IGNORECASE | re.DOTALL)
_FRAME_GONE = "(A page of your server, which ran only while the notebook did.)"

_TAGS = {
    *(
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "div",
        "dl",
    ),
    *(
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
    ),
    *(
        "mark",
        "ol",
        "p",
        "pre",
        "progress",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
    ),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var"),
}
_WITH_CONTENT = {
    *(
        "applet",
        "audio",
        "button",
        "canvas",
        "embed",
        "form",
        "frameset",
        "iframe",
        "input",
        "link",
        "math",
        "meta",
    ),
    *(
        "noscript",
        "object",
        "option",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
    ),
}
"""What goes with all that is in it, instead of leaving its text behind."""
_ATTRIBUTES = {
    "*": {"aria-hidden", "aria-label", "class", "lang", "role", "style", "title"},
    "a": {"href"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start"},
    "progress": {"max", "value"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_STYLES = {
    *("background-color", "border", "border-collapse", "border-color", "color", "font-size", "font-style"),
    *("font-weight", "padding", "text-align", "text-decoration", "vertical-align", "white-space", "width"),
}
_BINARY = ("image/png", "image/jpeg")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_LOADS = re.compile(r"url|image|[\\@]", re.IGNORECASE)
_LINK = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)


def safe_html(html: str | bytes) -> str:
    """Any text, read as HTML, with only what is harmless of it."""
    text = html.decode(errors="replace") if isinstance(html, bytes) else str(html)
    return _cleaner.clean(_FRAME.sub(_FRAME_GONE, text.encode(errors="replace").decode()))


@pass_context
def safe_markdown(context: Context, source: str) -> str:
    """Markdown as harmless HTML; what cannot be read as Markdown, as it stands."""
    try:
        html: str = _exporter().markdown2html(context, source)
    except Exception:  # a picture that is not attached, endless nesting
        html = f"<pre>{escape(source)}</pre>"
    return safe_html(html)


def safe_comment(text: str) -> str:
    """A teacher's Markdown, in which HTML is text: `list<int>` is to be read, not to be taken for a tag."""
    return safe_html(str(MarkdownWithMath(renderer=IPythonRenderer(escape=True))(text)))


def safe_ansi(text: str) -> str:
    """Text with a terminal's colours as HTML; text whose colour codes are broken without any."""
    try:
        html: str = ansi2html(text)  # type: ignore[no-untyped-call]
    except (IndexError, ValueError):
        return escape(text)
    return html


FILTERS = {"markdown2html": safe_markdown, "clean_html": safe_html, "ansi2html": safe_ansi}
"""What takes the place of nbconvert's filters of these names."""


def safe_data(data: Mapping[str, Any]) -> dict[str, str]:
    """The harmless forms of an output, best first."""
    found = {}
    for kind in FORMS:
        content = data.get(kind)
        if not isinstance(content, str) or (kind in _BINARY and not _BASE64.fullmatch(content)):
            continue
        found[kind] = safe_html(content) if kind == "text/html" else content
    return found


class HarmlessOutputs(Preprocessor):
    """Leaves harmless forms of outputs only, and nothing that says how to show them."""

    enabled = Bool(True).tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean the outputs of one cell."""
        if cell.cell_type == "code":
            cell.outputs = [
                new_output("display_data", safe_data(output.data)) if "data" in output else output
                for output in cell.outputs
            ]
        return cell, resources


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(exclude_anchor_links=True)  # type: ignore[no-untyped-call]


def _attribute(tag: str, name: str, value: str) -> str | None:
    """An attribute's value where it may stay."""
    if name == "src":
        return value if _PICTURE.fullmatch(value) else None
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "style":
        return None if _LOADS.search(value) else value
    return value


_cleaner = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_WITH_CONTENT,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    filter_style_properties=_STYLES,
    link_rel="noopener noreferrer nofollow",
)
