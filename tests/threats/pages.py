"""What a feedback page must not do to whoever opens it, whatever a student put into the notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import Tag

_CSS_OVER = re.compile(r"position\s*:\s*(fixed|absolute|sticky)|z-index", re.IGNORECASE)
_FORBIDDEN = ("base", "iframe", "frame", "object", "embed", "portal")


def dangers(page: str) -> list[str]:
    """What a page could do: run scripts, load, lead away, or write over itself; empty for a harmless one."""
    tree = BeautifulSoup(page, "html.parser")
    return sorted(set(_dangers(tree)))


def _dangers(tree: BeautifulSoup) -> Iterator[str]:
    if not _is_shut(tree) and tree.find("script"):
        yield "runs scripts"
    for tag in tree.find_all(_FORBIDDEN):
        yield f"has a <{tag.name}>"
    for tag in tree.find_all("meta"):
        if str(tag.get("http-equiv", "")).lower() == "refresh":
            yield "leads to another page by itself"
    for tag in tree.find_all(["form", "button", "input"]):
        if tag.get("action") or tag.get("formaction"):
            yield "has a form that sends something"
    if any(tag.find_parent("head") is None for tag in tree.find_all("style")):
        yield "is restyled by its student"
    if any(_CSS_OVER.search(str(tag["style"])) for tag in tree.find_all(style=True)):
        yield "has parts that cover others"


def _is_shut(tree: BeautifulSoup) -> bool:
    """Whether the page's own policy forbids scripts, and stands before all that a student wrote."""
    head = tree.find("head")
    if not isinstance(head, Tag):
        return False
    policy = head.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    before = policy.find_previous("script") if isinstance(policy, Tag) else None
    return isinstance(policy, Tag) and before is None and "default-src 'none'" in str(policy.get("content"))
