"""Read a hostile submission: a Markdown file that says what it tries, and holds what is handed in.

The front matter has a `title` and, where they are not the usual, what the rest deserves:

- `solves: [mask]`: exercises that are answered honestly, and may score;
- `flagged: true`: the report must name its student as one whom a human should look at;
- `stock: unsafe`: never run under stock nbgrader, not even in a sandbox;
- `lab: 02-server/02a-server`: another lab than the bank.

Each fence says what it is: ```` ```python mask ```` is written into the solution cell `mask` (an ```` ```sql rich ````
below the cell's own first line), ```` ```python extra ```` is a cell of the student's own before the first exercise,
```` ```python extra mask-hidden ```` one after that cell. ```` ```python tamper ```` defines `tamper(notebook)`, which
changes the notebook's JSON or returns what to hand in instead; ```` ```python plant ```` defines `plant(folder)`, which
puts more into the submission's folder. These two are run by the suite, not by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

HOSTILE = Path(__file__).parent / "submissions"
BANK = "01-bank/01a-bank"

_FILE = re.compile(r"\A---\n(?P<front>.*?)\n---\n(?P<text>.*)\Z", re.DOTALL)
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>\w.*)\n(?P<source>(?:.*\n)*?)(?P=fence)$", re.MULTILINE)
_KNOWN = {"title", "solves", "flagged", "stock", "lab"}


@dataclass(frozen=True)
class ExtraCell:
    """A cell of the student's own, after a graded cell or, where `after` is empty, before the first exercise."""

    cell_type: Literal["code", "markdown"]
    source: str
    after: str = ""


@dataclass(frozen=True)
class Submission:
    """What a hostile student hands in for one lab."""

    name: str
    threat: str
    title: str
    phase: str
    lab: str
    solves: tuple[str, ...] = ()
    flagged: bool = False
    safe_under_stock: bool = True
    answers: dict[str, str] = field(default_factory=dict)
    extras: tuple[ExtraCell, ...] = ()
    programs: dict[str, str] = field(default_factory=dict)

    @property
    def student(self) -> str:
        """Who hands it in: a name between those of the victims."""
        return f"x-{self.name}"

    @property
    def mark(self) -> str:
        """A word of its own, in whatever it leaves behind."""
        return f"left-by-{self.name}"


def submissions() -> list[Submission]:
    """All of them, by class of threat."""
    return [read(path) for path in sorted(HOSTILE.glob("*/*.md"))]


def read(path: Path) -> Submission:
    """Read one file; raises ValueError where it is not as said above."""
    match = _FILE.match(path.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{path} has no front matter")
    front: dict[str, Any] = yaml.safe_load(match["front"])
    if unknown := set(front) - _KNOWN:
        raise ValueError(f"{path} knows {sorted(unknown)}, which nobody reads")
    phase, lab = front.get("lab", BANK).split("/")
    answers: dict[str, str] = {}
    extras: list[ExtraCell] = []
    programs: dict[str, str] = {}
    for language, what, source in _fences(match["text"]):
        match what.split():
            case ["extra", *after]:
                kind: Literal["code", "markdown"] = "markdown" if language == "markdown" else "code"
                extras.append(ExtraCell(kind, source, *after))
            case ["tamper" | "plant" as program]:
                programs[program] = source
            case [grade_id]:
                answers[grade_id] = f"%%sql\n{source}" if language == "sql" else source
            case _:
                raise ValueError(f"{path} has a fence {language} {what}, and nobody knows what it is for")
    if not (answers or extras or programs):
        raise ValueError(f"{path} hands in nothing")
    return Submission(
        name=path.stem,
        threat=path.parent.name,
        title=front["title"],
        phase=phase,
        lab=lab,
        solves=tuple(front.get("solves", ())),
        flagged=front.get("flagged", False),
        safe_under_stock=front.get("stock") != "unsafe",
        answers=answers,
        extras=tuple(extras),
        programs=programs,
    )


def _fences(text: str) -> Iterator[tuple[str, str, str]]:
    """Each fence as (language, what it is, source)."""
    for found in _FENCE.finditer(text):
        language, _, what = found["info"].partition(" ")
        yield language, what.strip(), found["source"].removesuffix("\n")
