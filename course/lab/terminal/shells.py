"""The real shells: how each is started on a list of command lines, and what it notes of every one of them.

For line N of a run the shell writes three files into a folder of records: `N.out` and `N.err`, what the line printed, and
at its end `N.end`, with 0 or another exit code on the first line and on the second the folder where it left the shell.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import site
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course.lab.terminal.errors import TerminalError
from course.lab.terminal.spelling import for_posix

_MOST_BLOCKS = 40_000  # of a file that a command may write: an endless output must not fill the disk
_SURPRISES = ("BASH_ENV", "ENV", "CDPATH", "LANGUAGE", "PROMPT_COMMAND", "POSIXLY_CORRECT")

_POWERSHELL = """\
param([string]$Records, [int]$Count, [string]$Top, [string]$Python)
$ErrorActionPreference = 'Continue'
$ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
(Get-PSProvider FileSystem).Home = $Top
function Clear-Host { }
function python { & $Python @args }
function python3 { & $Python @args }
foreach ($__n in 1..$Count) {
  $__file = Join-Path $Records $__n
  $__line = [IO.File]::ReadAllText("$__file.line")
  $global:LASTEXITCODE = 0
  try { $__all = @(Invoke-Expression $__line 2>&1) } catch { $__all = @($_) }
  $__bad = [int]($LASTEXITCODE -ne 0)
  $__errors = @($__all | Where-Object { $_ -is [Management.Automation.ErrorRecord] })
  $__rest = @($__all | Where-Object { $_ -isnot [Management.Automation.ErrorRecord] })
  $__text = ''
  foreach ($__error in $__errors) {
    if ($__error.FullyQualifiedErrorId -like 'NativeCommandError*') {
      $__text += $__error.Exception.Message + "`n"
    } else {
      $__text += ($__error | Out-String -Width 120)
      $__bad = 1
    }
  }
  [IO.File]::WriteAllText("$__file.out", ($__rest | Out-String -Width 120))
  [IO.File]::WriteAllText("$__file.err", $__text)
  $__place = (Get-Location -PSProvider FileSystem).ProviderPath
  [IO.File]::WriteAllText("$__file.end", "$__bad`n$__place`n")
}
"""


@dataclass(frozen=True)
class Start:
    """What is needed to start a shell on some lines: the command, and its environment."""

    command: list[str]
    environment: dict[str, str]


def on_windows() -> bool:
    """Whether terminals here are PowerShell's."""
    return sys.platform == "win32"


def start(lines: Sequence[str], top: Path, folder: Path, records: Path) -> Start:
    """How to start this computer's shell on command lines, in `folder`, with `top` as its home folder.

    Raises TerminalError where there is no shell.
    """
    make = _powershell if on_windows() else _posix
    return make(lines, top, folder, records)


def _posix(lines: Sequence[str], top: Path, folder: Path, records: Path) -> Start:
    shell = shutil.which("bash") or shutil.which("sh")
    if shell is None:
        raise TerminalError("This computer has neither bash nor sh: install one of them to use %%terminal.")
    name = Path(shell).name
    options = ["--noprofile", "--norc"] if name == "bash" else []
    script = posix_script([for_posix(line) for line in lines], records)
    environment = {
        **_environment(),
        "HOME": str(top),
        "PWD": str(folder),  # so that the shell says `pwd` as we do, links and all
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
    }
    return Start([shell, *options, "-c", script, name], environment)


def posix_script(lines: Sequence[str], records: Path) -> str:
    """A script that runs each line in the shell itself, so that `cd` and variables last, and writes its records."""
    python = shlex.quote(sys.executable)
    missing = [
        name for name in ("python", "python3") if not _leads_here(Path(sys.executable).with_name(name))
    ]
    parts = [f"ulimit -f {_MOST_BLOCKS}", *(f'{name}() {{ {python} "$@"; }}' for name in missing)]
    for number, line in enumerate(lines, 1):
        out, err, end = (shlex.quote(str(records / f"{number}.{kind}")) for kind in ("out", "err", "end"))
        parts += [
            f"{{ eval {shlex.quote(line)}; }} >{out} 2>{err}",
            f'printf \'%s\\n%s\\n\' "$?" "$PWD" >{end}',
        ]
    return "\n".join(parts)


def _leads_here(program: Path) -> bool:
    """Whether a program is the Python that runs this."""
    return program.exists() and program.resolve() == Path(sys.executable).resolve()


def plain_error(text: str) -> str:
    """A shell's message as a person at a terminal sees it: without the number of a line in our script."""
    return re.sub(
        r"^(?:\S*/)?(bash|sh|dash): (?:eval: )?(?:line )?\d+: (?:eval: )?", r"\1: ", text, flags=re.MULTILINE
    )


def _powershell(lines: Sequence[str], top: Path, folder: Path, records: Path) -> Start:
    shell = shutil.which("powershell") or shutil.which("pwsh")
    if shell is None:
        raise TerminalError("PowerShell was not found on this computer: it is needed for %%terminal.")
    script = records / "practice.ps1"
    script.write_text(_POWERSHELL, encoding="utf-8-sig")  # the mark tells Windows PowerShell that it is UTF-8
    for number, line in enumerate(lines, 1):
        (records / f"{number}.line").write_text(line, encoding="utf-8", newline="\n")
    command = [shell, "-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"]
    command += ["-File", str(script), "-Records", str(records), "-Count", str(len(lines))]
    command += ["-Top", str(top), "-Python", sys.executable]
    return Start(command, _environment())


def _environment() -> dict[str, str]:
    """This process's environment, with this Python first, and without what would change messages."""
    kept = {name: value for name, value in os.environ.items() if name not in _SURPRISES}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    more = {"PATH": path, "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    packages = site.getuserbase()  # found through HOME, which is the practice folder here
    return {**kept, **more, **({"PYTHONUSERBASE": packages} if packages else {})}
