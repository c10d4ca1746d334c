"""Terminal commands in a practice folder: a real shell, a real temporary folder, and what a test can ask of both."""

from __future__ import annotations

from course.lab.terminal.commands import Commands
from course.lab.terminal.errors import NoCommands, TerminalError
from course.lab.terminal.folder import PracticeFolder, practice_folder
from course.lab.terminal.outcome import Outcome, run_commands
from course.lab.terminal.running import Line

__all__ = [
    "Commands",
    "Line",
    "NoCommands",
    "Outcome",
    "PracticeFolder",
    "TerminalError",
    "practice_folder",
    "run_commands",
]
