"""Let what Windows learners type work in a POSIX shell too: its command names, and backslashes between folders.

Only these are changed, and only in the commands that take paths: quotes, escapes and everything else are the shell's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TOKEN = re.compile(
    r"""
      (?P<space>    [ \t]+ )
    | (?P<redirect> \d*(?:>>|>|<)(?:&\d|&-)? )
    | (?P<operator> && | \|\| | [;&|()] )
    | (?P<word>     (?: '[^']*(?:'|\Z) | "(?:\\.|[^"\\])*\\?(?:"|\Z) | \\. | \\\Z | [^\s'"\\;&|()<>] )+ )
    | (?P<other>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r"""'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*\\?(?:"|\Z)|(?:[^'"\\]|\\.|\\\Z)+""", re.DOTALL)
_BETWEEN = re.compile(r"\\\\|\\(?=[\w.~-]|\Z)|(?<=[\w.])\\(?=\*)")  # two of them are one that is escaped
_QUOTED_BETWEEN = re.compile(r"""(?<!\\)\\(?![\\"$`])""")

_COMMANDS = {
    **dict.fromkeys(("ls", "dir", "gci", "get-childitem"), "ls"),
    **dict.fromkeys(("cd", "chdir", "sl", "set-location"), "cd"),
    **dict.fromkeys(("pwd", "get-location"), "pwd"),
    **dict.fromkeys(("mkdir", "md"), "mkdir"),
    **dict.fromkeys(("cat", "gc", "get-content"), "cat"),
    **dict.fromkeys(("cp", "copy", "copy-item"), "cp"),
    **dict.fromkeys(("mv", "move", "ren", "move-item", "rename-item"), "mv"),
    **dict.fromkeys(("rm", "del", "remove-item"), "rm"),
    **dict.fromkeys(("rmdir", "rd"), "rmdir"),
    **dict.fromkeys(("clear", "cls", "clear-host"), ":"),
    **dict.fromkeys(("python", "py"), "python"),
    **{name: name for name in ("python3", "touch", "type", "new-item", "ni", "echo")},
}
_OPTIONS = {
    "ls": {"force": "-a", "hidden": "-a", "recurse": "-R", "name": "-1", "file": "", "directory": ""},
    "mkdir": {"force": "-p"},
    "rm": {"force": "-f", "recurse": "-r"},
    "cat": {"raw": ""},
}
"""PowerShell's options of a command, which may be cut after their second letter."""
_NAMING = ("path", "literalpath", "name", "destination")


def for_posix(line: str) -> str:
    """A command line as a POSIX shell is to run it.

    It may have what PowerShell takes and a POSIX shell refuses: `cd..`, and capital letters in `CD` or `LS`.
    """
    done: list[str] = []
    command: list[str] = []  # its words, with the spaces between them
    for kind, text in _tokens(line):
        if kind == "operator":
            done += [*_command(command), text]
            command = []
        else:
            command.append(text)
    return "".join([*done, *_command(command)])


def _tokens(line: str) -> Iterator[tuple[str, str]]:
    for found in _TOKEN.finditer(line):
        if found.lastgroup == "word" and re.search(r"(?<!\\)\\ \Z", found[0]):  # a folder's last backslash
            yield "word", found[0].removesuffix(" ")
            yield "space", " "
        else:
            yield str(found.lastgroup), found[0]


def _command(parts: Sequence[str]) -> list[str]:
    """One simple command, from its words and the spaces and redirections between them."""
    first = next((n for n, part in enumerate(parts) if part.strip()), None)
    if first is None:
        return list(parts)
    typed = parts[first]
    if re.fullmatch(r"cd\.\.[\\/.]*", typed, re.IGNORECASE):
        return [*parts[:first], "cd", " ", _forward(typed[2:]), *parts[first + 1 :]]
    small = typed.lower()
    if small not in _COMMANDS:
        return _with_targets(parts)
    name = _COMMANDS[small]
    rest = _with_targets(parts[first + 1 :])
    if name == "type":
        reads = any(re.search(r"[./\\]", part) for part in rest)
        name, rest = ("cat", list(map(_forward, rest))) if reads else (typed, rest)
    elif name in ("new-item", "ni"):
        name, rest = _new_item(rest)
    elif name == "echo":
        pass
    elif name in ("python", "python3"):
        rest = _script_forward(rest)
    else:
        if name == "mkdir" and any("\\" in part for part in rest):
            name = "mkdir -p"  # as Windows does it
        rest = [_option(small, name.split()[0], _forward(part)) for part in rest]
    return [*parts[:first], name, *rest]


def _with_targets(parts: Sequence[str]) -> list[str]:
    """The same, with the file after each redirection written with slashes."""
    done: list[str] = []
    waiting = False
    for part in parts:
        done.append(_forward(part) if waiting and part.strip() else part)
        if part.strip():
            waiting = re.fullmatch(r"\d*(?:>>|>|<)", part) is not None
    return done


def _forward(word: str) -> str:
    """A path with slashes where a Windows learner writes backslashes."""
    pieces = []
    for found in _PIECE.finditer(word):
        piece = found[0]
        if piece.startswith("'"):
            piece = piece.replace("\\", "/")
        elif piece.startswith('"'):
            piece = _QUOTED_BETWEEN.sub("/", piece)
            if piece.endswith('\\"') and not piece.endswith('\\\\"') and len(piece) > 2:
                piece = f'{piece[:-2]}/"'  # never closed, had the shell its way
        else:
            piece = _BETWEEN.sub(lambda found: found[0] if len(found[0]) == 2 else "/", piece)
        pieces.append(piece)
    return "".join(pieces)


def _script_forward(parts: Sequence[str]) -> list[str]:
    """The path of the program that Python is to run with slashes; what follows it belongs to the program."""
    done = list(parts)
    for number, part in enumerate(done):
        if part.strip():
            if not part.startswith("-"):
                done[number] = _forward(part)
            break
    return done


def _option(typed: str, name: str, word: str) -> str:
    """PowerShell's option as the POSIX command's own; any other word as it is."""
    wanted = word[1:].lower()
    if not word.startswith("-") or len(wanted) < (3 if typed == name else 2):  # `ls -fi` is two options of ls
        return word
    if typed != name and wanted in _NAMING and wanted not in _OPTIONS.get(name, {}):
        return ""
    for option, own in _OPTIONS.get(name, {}).items():
        if option.startswith(wanted):
            return own
    return word


def _new_item(parts: Sequence[str]) -> tuple[str, list[str]]:
    """PowerShell's `New-Item -ItemType Directory NAME`, or `New-Item NAME` for an empty file."""
    words = [_forward(part) for part in parts if part.strip()]
    makes, names = "touch", []
    while words:
        word = words.pop(0)
        option = word[1:].lower() if word.startswith("-") else ""
        if option in ("itemtype", "type") and words:
            makes = "mkdir -p" if words.pop(0).strip("'\"").lower().startswith("d") else "touch"
        elif option in _NAMING and words:
            names.append(words.pop(0))
        elif not option:
            names.append(word)
    return makes, [" ", "/".join(names)]
