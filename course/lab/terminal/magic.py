"""The `%%terminal FOLDER [--name NAME]` cell magic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from course.lab.magic_line import read_line, variables_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from course.lab.terminal.folder import PracticeFolder
    from course.lab.terminal.running import Line


def load_magic(shell: InteractiveShell) -> None:
    """Register `%%terminal` with a shell."""

    def terminal(line: str, cell: str) -> None:
        """Run the cell's lines in a terminal, one after the other: %%terminal FOLDER [--name NAME]

        FOLDER is a variable that holds a practice folder. Without a name, the terminal goes on where the last cell left
        it. A cell with a name is an answer: it runs in a fresh copy of the folder, from its start, each time, and NAME
        becomes a variable that holds its commands, so that tests can run them again elsewhere.
        """
        run_cell(line, cell, shell.user_ns)

    shell.magics_manager.register_function(terminal, "cell", "terminal")


def run_cell(line: str, cell: str, names: dict[str, Any]) -> None:
    """Run one `%%terminal` cell: bind the name of its commands in `names`, then show what each does.

    Raises TerminalError where the line names no practice folder, or there is no shell.
    """
    from course.lab.terminal.commands import Commands, lines_of
    from course.lab.terminal.errors import TerminalError

    asked = read_line(line)
    if asked is None:
        raise TerminalError(
            "The first line of this cell names the practice folder: leave it as it was, as in "
            "%%terminal office --name my_commands"
        )
    lines = lines_of(cell)
    if asked.name:
        names[asked.name] = Commands(asked.name, cell.strip() if lines else "")
    if not lines:
        _show([], [""], "Nothing to run yet: write your commands in this cell, one on each line, and run it.")
        return
    folder = _folder(asked.on, names)
    if asked.name is None:
        _run(lines, folder, "")
        return
    copy = folder.copy()
    try:
        _run(
            lines,
            copy,
            f"Each run of this cell begins in a fresh copy of {folder.name}, so what you do here changes nothing in other "
            "cells. Run it as often as you like.",
        )
    finally:
        copy.remove()


def _folder(name: str, names: Mapping[str, Any]) -> PracticeFolder:
    from course.lab.terminal.errors import TerminalError
    from course.lab.terminal.folder import PracticeFolder

    value = names.get(name)
    if isinstance(value, PracticeFolder):
        return value
    known = variables_of(PracticeFolder, names)
    problem = (
        f"{name} is not a practice folder" if name in names else f"There is no practice folder {name} yet"
    )
    raise TerminalError(
        f"{problem}. "
        + (
            f"There is: {', '.join(known)}."
            if known
            else "Run the cell above that makes it, then this one again."
        )
    )


def _run(lines: list[str], folder: PracticeFolder, note: str) -> None:
    from course.lab.terminal.running import relative, run_lines

    begin = relative(folder.current, folder.path)
    done, folder.current = run_lines(lines, folder.path, folder.current)
    places = [begin, *(line.folder for line in done)]
    _show(done, [_prompt(folder, place) for place in places], note)


def _prompt(folder: PracticeFolder, place: str) -> str:
    """What stands before a command: the current folder, as this computer's shell writes it."""
    from course.lab.terminal.shells import on_windows

    outside = PurePosixPath(place).is_absolute() or place.split("/")[0] == ".."
    path = str((folder.path / place).resolve()) if outside else "/".join(filter(None, [folder.name, place]))
    return f"PS {path.replace('/', chr(92))}>" if on_windows() else f"{path} $"


def _show(lines: list[Line], prompts: list[str], note: str) -> None:
    from IPython.display import display

    from course.lab.terminal import drawing

    html = drawing.terminal_html(lines, prompts, note)
    text = drawing.terminal_text(lines, prompts, note).strip("\n")
    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]
