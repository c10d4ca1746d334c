"""A student's terminal commands under their name."""

from __future__ import annotations

from dataclasses import dataclass

from course.lab.terminal.errors import NoCommands, TerminalError

STUB = "# Write your commands here"
"""What stands in a released cell in place of the commands that a student is to write."""


@dataclass(frozen=True)
class Commands:
    """The text of a `%%terminal` cell and the name it was given; empty where nothing is written yet."""

    name: str
    text: str


def lines_of(text: str) -> list[str]:
    """The command lines of a cell: comments and empty lines are left out."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def text_of(commands: object) -> str:
    """The text that a test is to run. Raises NoCommands where there is none yet, TerminalError for anything else."""
    text = commands.text if isinstance(commands, Commands) else commands
    if type(text) is not str:
        raise TerminalError(
            "A test found something else under the name of your commands. Leave the first line of their cell, "
            "%%terminal, as it was, use the name for nothing else, and run the cell again."
        )
    if not lines_of(text):
        raise NoCommands
    return text
