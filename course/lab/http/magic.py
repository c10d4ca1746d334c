"""The `%%http SERVER [--name NAME]` cell magic: a request written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course.lab.http.errors import HttpError
from course.lab.magic_line import read_line, variables_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_USAGE = "Write %%http and the name of a server, as in: %%http shop --name my_request"
_NOTHING = "Nothing to send yet: write your request in this cell, then run it."


def load_magic(shell: InteractiveShell) -> None:
    """Register `%%http` with a shell."""

    def http(line: str, cell: str) -> None:
        """Send the cell's text as an HTTP request: %%http SERVER [--name NAME]

        SERVER is a variable that holds a running server. NAME becomes a variable that holds the text of the request,
        also where it fails, so that tests can send it to servers of their own.
        """
        run_cell(line, cell, shell.user_ns)

    shell.magics_manager.register_function(http, "cell", "http")


def run_cell(line: str, cell: str, names: dict[str, Any]) -> None:
    """Run one `%%http` cell: bind the request's name in `names`, then show what was sent and what came back.

    Raises HttpError where the text is no request, no server answers, or the line names no server.
    """
    from course.lab.http.message import is_empty, without_markers
    from course.lab.http.request import Request

    asked = read_line(line)
    if asked is None:
        raise HttpError("%%http did not understand its line.", _USAGE, line=f"%%http {line}".strip())
    text = without_markers(cell)
    empty = is_empty(text)
    if asked.name:
        names[asked.name] = Request(asked.name, "" if empty else text)
    if empty:
        _show_nothing()
        return
    _send_and_show(text, _server(asked.on, names))


def _server(name: str, names: Mapping[str, Any]) -> object:
    value = names.get(name)
    if isinstance(getattr(value, "url", None), str):
        return value
    from course.lab.serving.server import Server

    known = variables_of(Server, names)
    raise HttpError(
        f"{name} is not a server." if name in names else f"There is no variable {name} in this notebook.",
        f"Servers here: {', '.join(known)}."
        if known
        else "Run the cell above that starts the server first, then this cell again.",
    )


def _send_and_show(text: str, server: object) -> None:
    from course.lab.http.asking import exchange
    from course.lab.http.drawing import answer_html, answer_text

    sent_and_got = exchange(text, server)
    _display(answer_html(*sent_and_got), answer_text(*sent_and_got))


def _show_nothing() -> None:
    from course.lab.sql import tables

    _display(tables.block(tables.note(_NOTHING)), _NOTHING)


def _display(html: str, text: str) -> None:
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]
