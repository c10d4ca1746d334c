"""Run a student's commands again in a test's own folder, and say in plain data what they did."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from course.lab.terminal.commands import Commands, lines_of, text_of
from course.lab.terminal.folder import PracticeFolder, required
from course.lab.terminal.running import Line, relative, run_lines

_MOST_ENTRIES = 1000
_MOST_TEXT = 20_000  # characters of a file

Told = tuple[str, tuple[tuple[str, str, str, bool, str, str], ...], tuple[tuple[str, str], ...]]
"""An outcome as nothing but tuples and texts, as it travels to a test in another process."""


@dataclass(frozen=True)
class Outcome:
    """What commands did.

    Attributes:
        folder: where the terminal stood after them, as seen from the folder's top: "" for the top itself,
            "orders/2026", or ".." for the folder above it.
        lines: each command line with its own output, errors, `failed` and `folder`.
        contents: the text of each file that was there after them, under its path.
        files: the paths of all files and folders that were there, sorted; a folder's ends in a slash.
    """

    folder: str
    lines: list[Line]
    contents: dict[str, str]
    files: list[str]

    def __repr__(self) -> str:
        return f"<Outcome of {len(self.lines)} commands: the terminal ended in {self.folder or 'the top folder'}>"

    @property
    def printed(self) -> str:
        """All that they printed, errors included, without the command lines themselves."""
        return "".join(line.output + line.errors for line in self.lines)


def run_commands(commands: Commands | str, on: PracticeFolder) -> Outcome:
    """Run the commands of a `%%terminal` cell again, from the top, on a fresh copy of a practice folder.

    `on` itself is left as it is. Raises NoCommands (an AssertionError) where nothing is written yet, TerminalError for
    what is no text of commands.
    """
    text, folder = text_of(commands), required(on)
    return outcome_of(told(text, folder.contents, folder.name, folder.start))


def told(text: str, contents: Mapping[str, str], name: str, start: str) -> Told:
    """What the commands did in a fresh folder, as tuples."""
    folder = PracticeFolder(contents, name, start)
    try:
        lines, end = run_lines(lines_of(text), folder.path, folder.current)
        found = tuple(
            (entry, _text(folder, entry)) for entry in itertools.islice(folder.entries(), _MOST_ENTRIES)
        )
        return relative(end, folder.path), tuple(map(astuple, lines)), found
    finally:
        folder.remove()


def outcome_of(answer: Any) -> Outcome:  # noqa: ANN401 - checked here
    """An outcome from what `told` said, perhaps in another process. Raises TypeError for anything else."""
    match answer:
        case (str() as folder, tuple(lines), tuple(found)) if all(map(_is_line, lines)) and all(
            map(_is_pair, found)
        ):
            texts = {path: text for path, text in found if not path.endswith("/")}
            return Outcome(folder, [Line(*line) for line in lines], texts, [path for path, _ in found])
    raise TypeError("the submission's commands did not run")


def _is_line(line: object) -> bool:
    return type(line) is tuple and [*map(type, line)] == [str, str, str, bool, str, str]


def _is_pair(pair: object) -> bool:
    return type(pair) is tuple and [*map(type, pair)] == [str, str]


def _text(folder: PracticeFolder, entry: str) -> str:
    """The text of a file; "" for a folder, and for what cannot be read."""
    path = folder.path / entry
    if entry.endswith("/") or not path.is_file():
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_TEXT)
    except OSError:
        return ""
