"""The course home: a page that maps the phases, what is done and what is next.

It is written at every launch to `work/home.md`, which JupyterLab shows as a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nbformat

from course.files import write_atomically
from course.lab import progress
from course.publishing.exercises import exercises, grade_id, points
from course.syllabus import Lab, Phase, Syllabus, load

HOME = "home.md"
MASTERED = 0.8
"""The share of a lab's visible points from which the next lab is recommended."""


@dataclass(frozen=True)
class Standing:
    """How far a student is in one lab: visible exercises passed, of all, and the share of the visible points."""

    passed: int
    exercises: int
    share: float

    @property
    def mastered(self) -> bool:
        """Whether the next lab is recommended."""
        return self.share >= MASTERED


def write(root: Path) -> Path:
    """Write the home page of the working copy and return its path."""
    home = root / "work" / HOME
    write_atomically(home, page(load(), standings(root)).encode())
    return home


def standings(root: Path) -> dict[str, Standing]:
    """Every released lab by `<phase>/<lab>`, and how far the student of the working copy is in it."""
    known = progress.read(root / "work")
    found = {}
    for released in sorted((root / "release").glob("*/*.ipynb")):
        name = released.relative_to(root / "release").with_suffix("").as_posix()
        found[name] = _standing(released, known.get(name, progress.LabProgress(name)))
    return found


def _standing(released: Path, done: progress.LabProgress) -> Standing:
    asked = [exercise for exercise in exercises(nbformat.read(released, as_version=4)) if exercise.visible]
    tests = [cell for exercise in asked for cell in exercise.visible]
    passing = {name for name, test in done.tests.items() if test.passed}
    total = sum(points(cell) for cell in tests)
    got = sum(points(cell) for cell in tests if grade_id(cell) in passing)
    passed = sum(all(grade_id(cell) in passing for cell in exercise.visible) for exercise in asked)
    return Standing(passed, len(asked), got / total if total else 0.0)


def page(syllabus: Syllabus, standings: dict[str, Standing]) -> str:
    """The home page as Markdown, with links relative to the working copy."""
    done = {name for name, standing in standings.items() if standing.mastered}
    following = syllabus.next_lab(done, standings)
    lines = ["# The Backend Course", "", *_next_step(following, done), ""]
    for phase in syllabus.phases:
        lines += _phase(phase, syllabus.labs_of(phase.folder), standings, following)
    lines += [
        "---",
        "",
        "This page is made anew at every `make lab`. Your notebooks beside it are yours: nothing overwrites them.",
        "",
    ]
    return "\n".join(lines)


def _next_step(following: Lab | None, done: set[str]) -> list[str]:
    if following is None:
        return ["You have finished every lab there is so far."]
    verb = "Go on with" if done else "Start with"
    return [
        f"**{verb} [{following.title}]({following.name}.ipynb)** ({following.minutes} minutes).",
        following.promise,
    ]


def _phase(
    phase: Phase, labs: tuple[Lab, ...], standings: dict[str, Standing], following: Lab | None
) -> list[str]:
    lines = [f"## {phase.number}. {phase.title}", ""]
    for lab in labs:
        if lab.name in standings:
            standing = standings[lab.name]
            mark = "**next** · " if lab == following else "✓ done · " if standing.mastered else ""
            state = f"{standing.passed} of {standing.exercises} exercises passed"
            lines.append(f"- {mark}[{lab.title}]({lab.name}.ipynb) · {lab.minutes} minutes · {state}")
        else:
            lines.append(f"- {lab.title} · *not written yet*")
    return [*lines, ""]
