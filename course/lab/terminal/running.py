"""Run command lines, one after the other, as they are typed into one terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course.lab.terminal import shells

SECONDS = 10.0  # that a command may take: a net for those that wait or never end
MOST_SHOWN = 20_000  # characters of one command's output

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@dataclass(frozen=True)
class Line:
    """What one command line did.

    `output` and `errors` are what it printed, `failed` says whether it reported a failure, `folder` is where it left the
    terminal (see `relative`), and `note` is a word of ours, where there is one.
    """

    command: str
    output: str
    errors: str
    failed: bool
    folder: str
    note: str = ""

    def __repr__(self) -> str:
        return f"<Line {self.command!r}: {'failed' if self.failed else 'done'}>"


def run_lines(
    lines: Sequence[str], top: Path, folder: Path, *, seconds: float = SECONDS
) -> tuple[list[Line], Path]:
    """Run command lines in `folder`, with `top` as their home folder; what each did, and the folder at the end.

    A line that closes its shell, or is stopped after `seconds` because it does not end, leaves the next ones a new shell
    in the folder where it began. Raises TerminalError where there is no shell.
    """
    done: list[Line] = []
    while len(done) < len(lines):
        with tempfile.TemporaryDirectory(prefix="terminal-", ignore_cleanup_errors=True) as name:
            records = Path(name)
            left = lines[len(done) :]
            stopped = _run(shells.start(left, top, folder, records), folder, records, seconds)
            for number, line in enumerate(left, 1):
                ended = _ended(records, number)
                failed, folder = ended or (True, folder)
                note = "" if ended else _note(stopped, seconds)
                done.append(_line(line, records, number, failed, relative(folder, top), note))
                if not ended:
                    break
    return done, folder


def relative(folder: Path, top: Path) -> str:
    """A folder as seen from the top: "" for the top itself, "orders/2026", "..", or an absolute path on another drive."""
    try:
        path = Path(os.path.relpath(folder, top)).as_posix()
    except ValueError:
        return folder.as_posix()
    return "" if path == "." else path


def _run(start: shells.Start, folder: Path, records: Path, seconds: float) -> bool:
    """Run a shell to its end; whether it was stopped, because for so many seconds no command ended."""
    process = subprocess.Popen(
        start.command,
        cwd=folder if folder.is_dir() else records,
        env=start.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    ended = 0
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return False
            before, ended = ended, len(list(records.glob("*.end")))
            if ended == before:
                return True
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a shell and all that it has started."""
    if sys.platform == "win32":
        if process.poll() is None:
            command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ended(records: Path, number: int) -> tuple[bool, Path] | None:
    """Whether a line failed, and the folder where it left the shell; None where it has not ended."""
    try:
        code, folder, rest = (records / f"{number}.end").read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return None
    return (code != "0", Path(folder)) if not rest else None


def _line(command: str, records: Path, number: int, failed: bool, folder: str, note: str) -> Line:
    output, errors = _printed(records / f"{number}.out"), _printed(records / f"{number}.err")
    return Line(command, output, shells.plain_error(errors), failed, folder, note)


def _note(stopped: bool, seconds: float) -> str:
    if stopped:
        return (
            f"Stopped: it had not ended after {seconds:g} seconds. Does it wait for something to be typed? "
            "Such a program needs a real terminal."
        )
    return "The shell ended here. The next line gets a new one."


def _printed(path: Path) -> str:
    """What a command printed, in plain letters, each line with its end."""
    try:
        with path.open("rb") as file:
            raw = file.read(4 * MOST_SHOWN + 1)
    except OSError:
        return ""
    text = _COLOUR.sub("", raw.decode(errors="replace").replace("\r\n", "\n"))
    if shells.on_windows():
        text = text.strip("\n")
    if len(text) > MOST_SHOWN:
        text = f"{text[:MOST_SHOWN]}\n... (the rest is left out)"
    return f"{text}\n" if text and not text.endswith("\n") else text
