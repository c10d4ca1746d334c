"""Fill the templates of the pages that grading writes."""

from __future__ import annotations

from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"
NAME = "course_pages"
"""The folder in TEMPLATES, and what nbconvert calls the template of the feedback page."""


def render(template: str, **values: object) -> str:
    """One of the pages as HTML; text in `values` is escaped."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES / NAME), autoescape=True)
    environment.filters["number"] = number
    return environment.get_template(template).render(values)


def number(value: float) -> str:
    """A score without needless digits: 2, 2.5, 0.33."""
    return f"{round(value, 2):g}"


def prose(text: str) -> str:
    """Text as HTML, what stands between backticks as code."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"<code>{part}</code>" if position % 2 else part for position, part in enumerate(parts))
