"""Read a notebook file of a student's without trusting it: what comes out is plain, small enough, and a notebook.

Run as a program, it does so for the file it is given and prints the result: large files are read in a process of their
own, whose memory and time are limited. It therefore needs nothing but Python's own modules.
"""

from __future__ import annotations

import errno
import gc
import json
import math
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAX_BYTES = 50_000_000
MAX_CELLS = 10_000
MAX_TEXT = 5_000_000
"""How many characters the cells of a notebook may hold together."""

_SMALL = 1_000_000  # bytes that may be read here
_CHILD_MEMORY = 2_000_000_000  # bytes
_CHILD_SECONDS = 10
_LONGEST_ID = 200
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_NO_TEXT = re.compile("[\ud800-\udfff\x00]")
_AGAIN = "open it in JupyterLab; if that fails too, copy the answers into a fresh copy and hand that in"
_SHORTEN = "delete what does not belong to the lab, and hand it in again"
_CLEAR = "clear its outputs (Edit > Clear Outputs of All Cells), save, and hand it in again"


class Unreadable(OSError):
    """There is no notebook to be had from a file; `reason` and `remedy` are those of a Problem."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Plain:
    """What a student's notebook comes to.

    `notebook` is one of nbformat 4.5 that has nothing but its cells: their types and texts, which cell of the course's
    each says it is, pictures in Markdown, and whether a cell's text is folded away. `dropped_cells` counts what were no
    cells, `dropped_attachments` what was attached to cells and is no picture.
    """

    notebook: dict[str, Any]
    dropped_cells: int = 0
    dropped_attachments: int = 0


def read(path: Path) -> Plain:
    """The notebook in a file.

    Raises Unreadable for any file that is not a notebook which can be graded, links and devices included.
    """
    data = read_bytes(path)
    if len(data) <= _SMALL:
        return parse(data)
    return _read_elsewhere(path)


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises Unreadable where that is no ordinary one, or it is too big; FileNotFoundError where there is none.
    """
    try:
        with open(path, "rb", opener=_no_link) as file:
            return _content(file)
    except (FileNotFoundError, Unreadable):
        raise
    except IsADirectoryError:
        raise Unreadable("is a folder", "hand in the notebook itself") from None
    except OSError as error:
        linked = error.errno in (errno.ELOOP, errno.ENXIO)
        reason = "is a link or a device" if linked else "cannot be read"
        raise Unreadable(reason, "hand in the file itself, and let the instructor read it") from error


def _content(file: BinaryIO) -> bytes:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is a link or a device", "hand in the file itself")
    if status.st_size > MAX_BYTES:
        size = status.st_size // 1_000_000
        limit = MAX_BYTES // 1_000_000
        raise Unreadable(f"is too big with its {size} MB, at most {limit} are graded", _CLEAR)
    return file.read(MAX_BYTES)


def _no_link(path: str, flags: int) -> int:
    """An `opener` that follows no link, and does not wait for a device; Windows has neither flag."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def parse(data: bytes) -> Plain:
    """The notebook in a file's content; raises Unreadable where there is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("cannot be read, because it is not text in UTF-8", _AGAIN) from None
    if not text.strip():
        raise Unreadable("is empty", _AGAIN)
    try:
        document = json.loads(text, parse_int=float)  # an int of a million digits would take for ever
    except ValueError:
        cause = "it is not JSON (cut off, or changed in a text editor)"
        raise Unreadable(f"cannot be read, because {cause}", _AGAIN) from None
    except RecursionError:
        raise Unreadable("is not a notebook: it is nested too deeply", _AGAIN) from None
    return plain(document)


def plain(document: object) -> Plain:
    """A notebook, decoded from JSON, without all that grading does not need; raises Unreadable where it is none."""
    cells, dropped, attachments = [], 0, 0
    size = 0
    for position, raw in enumerate(_raw_cells(document)):
        if position == MAX_CELLS:
            raise Unreadable(f"is too big: it has more than {MAX_CELLS:,} cells", _SHORTEN)
        cell = _cell(raw, position)
        if cell is None:
            dropped += 1
            continue
        cells.append(cell)
        attachments += len(_dict(raw.get("attachments"))) - len(cell.get("attachments", {}))
        size += len(cell["source"])
        if size > MAX_TEXT:
            raise Unreadable(f"is too big: it has more than {MAX_TEXT:,} characters of text", _SHORTEN)
    if dropped and not cells:
        raise Unreadable("is not a notebook", _AGAIN)
    return Plain({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, dropped, attachments)


def _raw_cells(document: object) -> Iterator[Any]:
    """The cells of a notebook of nbformat 4, or 3, whatever they are."""
    version = document.get("nbformat") if isinstance(document, dict) else None
    if version == 4 and isinstance(document, dict):
        yield from _list(document.get("cells"))
    elif version == 3 and isinstance(document, dict):
        for sheet in _list(document.get("worksheets")):
            yield from map(_newer, _list(_dict(sheet).get("cells")))
    else:
        raise Unreadable("is not a notebook", _AGAIN)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable("is not a notebook", _AGAIN)
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _newer(raw: object) -> object:
    """A cell of nbformat 3 as one of nbformat 4."""
    if not isinstance(raw, dict):
        return raw
    kind = raw.get("cell_type")
    if kind == "code":
        return {**raw, "source": raw.get("input")}
    if kind == "heading":
        level = raw.get("level")
        marks = "#" * (int(level) if isinstance(level, float | int) and 1 <= level <= 6 else 1)
        return {**raw, "cell_type": "markdown", "source": f"{marks} {_text(raw.get('source')) or ''}"}
    return {**raw, "cell_type": "markdown"} if kind == "html" else raw


def _cell(raw: object, position: int) -> dict[str, Any] | None:
    """A cell with what grading needs of it; None for what is no cell."""
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = _text(raw.get("source"))
    if source is None:
        return None
    metadata = _dict(raw.get("metadata"))
    cell: dict[str, Any] = {
        "id": f"cell-{position}",
        "cell_type": raw["cell_type"],
        "metadata": {},
        "source": source,
    }
    if claims := _claims(_dict(metadata.get("nbgrader"))):
        cell["metadata"]["nbgrader"] = claims
    if _dict(metadata.get("jupyter")).get("source_hidden") is True:
        cell["metadata"]["jupyter"] = {"source_hidden": True}
    if cell["cell_type"] == "code":
        cell |= {"outputs": [], "execution_count": None}
    elif pictures := _pictures(_dict(raw.get("attachments"))):
        cell["attachments"] = pictures
    return cell


def _text(value: object) -> str | None:
    """Text, in one piece or in lines, without what no file can hold; None for anything else."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "".join(value)
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else None


def _claims(nbgrader: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell says of itself: which one it is, what kind, and what it is worth."""
    name = nbgrader.get("grade_id")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        return {}
    claims: dict[str, Any] = {"grade_id": _text(name)}
    for flag in ("grade", "solution", "task"):
        if isinstance(nbgrader.get(flag), bool):
            claims[flag] = nbgrader[flag]
    points = nbgrader.get("points")
    if isinstance(points, float | int) and math.isfinite(points):
        claims["points"] = points
    return claims


def _pictures(attachments: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The attachments of a Markdown cell that are pictures and nothing else."""
    found = {}
    for name, bundle in attachments.items():
        data = {
            kind: "".join(content.split())
            for kind, content in _dict(bundle).items()
            if kind in _PICTURES and isinstance(content, str) and _BASE64.fullmatch(content)
        }
        if data:
            found[_text(name) or ""] = data
    return found


# --- large files ----------------------------------------------------------------------------------------------------


def _read_elsewhere(path: Path) -> Plain:
    """Read a file in a process of its own: decoded, 50 MB of JSON can be gigabytes."""
    heavy = Unreadable("is too big: reading it takes more memory or time than a notebook needs", _CLEAR)
    command = [sys.executable, "-I", "-S", __file__, os.fspath(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=3 * _CHILD_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise heavy from None
    found = json.loads(done.stdout)
    if "reason" in found:
        raise Unreadable(found["reason"], found["remedy"])
    return Plain(**found)


def _limit_myself() -> None:
    with suppress(ImportError):  # Windows has no such limits
        import resource

        for limit, value in (
            (resource.RLIMIT_AS, _CHILD_MEMORY),
            (resource.RLIMIT_CPU, _CHILD_SECONDS),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(ValueError, OSError):  # a lower one holds already, or the system knows none
                resource.setrlimit(limit, (value, value))


def _main() -> None:
    _limit_myself()
    gc.disable()  # there is nothing to collect, and much to look through
    try:
        found: dict[str, Any] = asdict(parse(read_bytes(Path(sys.argv[1]))))
    except Unreadable as error:
        found = {"reason": error.reason, "remedy": error.remedy}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _main()
