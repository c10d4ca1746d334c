"""What the course home shows: the map of the phases, what is done, what is next, and where the student left off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nbformat

from course.classroom.prerequisites import needed_phases
from course.grade_ids import exercise_tested
from course.lab import progress
from course.publishing.exercises import exercises, grade_id, points
from course.syllabus import Lab, Phase, Syllabus, load

MASTERED = 0.8
"""The share of the points of the visible tests from which a lab or a phase is done."""

State = Literal["done", "begun", "open", "planned"]
"""Mastered; begun; there, and not begun; not written yet."""


@dataclass(frozen=True)
class Standing:
    """How far a student is in one lab: its exercises with visible tests, those of them not passed, and their points."""

    exercises: tuple[str, ...]
    unsolved: tuple[str, ...]
    got: float
    points: float

    @property
    def share(self) -> float:
        """The share of the points, from 0 to 1."""
        return self.got / self.points if self.points else 0.0


@dataclass(frozen=True)
class LabCard:
    """A lab on the map; `path` is its notebook in the working copy, None where it is not written yet."""

    name: str
    title: str
    promise: str
    minutes: int
    points: int
    kind: str
    path: str | None
    passed: int
    exercises: int
    share: float
    state: State


@dataclass(frozen=True)
class PhaseCard:
    """A phase on the map; `needs` are the numbers of the phases to master before, `step` counts from 0 along the way."""

    number: int
    title: str
    note: str
    needs: tuple[int, ...]
    step: int
    minutes: int
    points: int
    share: float
    state: State
    labs: tuple[LabCard, ...]


@dataclass(frozen=True)
class Resume:
    """Where the student left off: a lab, the exercise tried last, and the one to go on with."""

    lab: LabCard
    tried: str
    passed: bool
    exercise: str


@dataclass(frozen=True)
class Home:
    """All that the home shows. `following` is the lab recommended next, None where everything is mastered."""

    phases: tuple[PhaseCard, ...]
    following: LabCard | None
    resume: Resume | None


def look(root: Path) -> Home:
    """The home of the working copy `root/work`, as it stands on disk now."""
    known = progress.read(root / "work")
    return home(load(), standings(root, known), known)


def home(syllabus: Syllabus, standings: dict[str, Standing], known: dict[str, progress.LabProgress]) -> Home:
    """The home of a student with these standings by `<phase>/<lab>`; a lab without one is not written yet."""
    needs = needed_phases(syllabus)
    phases = tuple(
        _phase_card(phase, syllabus.labs_of(phase.folder), standings, known, *needs[phase.folder])
        for phase in syllabus.phases
    )
    cards = {card.name: card for phase in phases for card in phase.labs}
    done = {card.name for card in cards.values() if card.state == "done"}
    done |= {card.name for phase in phases if phase.state == "done" for card in phase.labs}
    following = syllabus.next_lab(done, standings)
    return Home(phases, cards[following.name] if following else None, _resume(cards, standings, known))


def standings(root: Path, known: dict[str, progress.LabProgress]) -> dict[str, Standing]:
    """Every released lab by `<phase>/<lab>`, and how far the student is in it."""
    found = {}
    for released in sorted((root / "release").glob("*/*.ipynb")):
        name = released.relative_to(root / "release").with_suffix("").as_posix()
        found[name] = _standing(released, known.get(name, progress.LabProgress(name)))
    return found


def _standing(released: Path, done: progress.LabProgress) -> Standing:
    asked = [exercise for exercise in exercises(nbformat.read(released, as_version=4)) if exercise.visible]
    tests = [cell for exercise in asked for cell in exercise.visible]
    passing = {name for name, test in done.tests.items() if test.passed}
    return Standing(
        exercises=tuple(exercise.name for exercise in asked),
        unsolved=tuple(
            exercise.name
            for exercise in asked
            if not all(grade_id(cell) in passing for cell in exercise.visible)
        ),
        got=sum(points(cell) for cell in tests if grade_id(cell) in passing),
        points=sum(points(cell) for cell in tests),
    )


def _phase_card(
    phase: Phase,
    labs: tuple[Lab, ...],
    standings: dict[str, Standing],
    known: dict[str, progress.LabProgress],
    needs: tuple[int, ...],
    step: int,
) -> PhaseCard:
    written = [standings[lab.name] for lab in labs if lab.name in standings]
    total = sum(each.points for each in written)
    share = sum(each.got for each in written) / total if total else 0.0
    begun = any(lab.name in known for lab in labs)
    return PhaseCard(
        number=phase.number,
        title=phase.title,
        note=phase.note,
        needs=needs,
        step=step,
        minutes=sum(lab.minutes for lab in labs),
        points=sum(lab.points for lab in labs),
        share=share,
        state=_state(bool(written), begun, share),
        labs=tuple(_lab_card(lab, standings.get(lab.name), lab.name in known) for lab in labs),
    )


def _lab_card(lab: Lab, standing: Standing | None, begun: bool) -> LabCard:
    share = standing.share if standing else 0.0
    return LabCard(
        name=lab.name,
        title=lab.title,
        promise=lab.promise,
        minutes=lab.minutes,
        points=lab.points,
        kind=lab.kind,
        path=f"{lab.name}.ipynb" if standing else None,
        passed=len(standing.exercises) - len(standing.unsolved) if standing else 0,
        exercises=len(standing.exercises) if standing else 0,
        share=share,
        state=_state(standing is not None, begun, share),
    )


def _state(written: bool, begun: bool, share: float) -> State:
    if not written:
        return "planned"
    return "done" if share >= MASTERED else "begun" if begun else "open"


def _resume(
    cards: dict[str, LabCard], standings: dict[str, Standing], known: dict[str, progress.LabProgress]
) -> Resume | None:
    """Where the test ran last: that exercise, or once it is passed the next one that is not."""
    runs = [
        (test.last_run, lab, exercise)
        for lab, done in known.items()
        if lab in cards and lab in standings
        for name, test in done.tests.items()
        if (exercise := exercise_tested(name)) in standings[lab].exercises
    ]
    if not runs:
        return None
    _, lab, tried = max(runs)
    return Resume(cards[lab], tried, tried not in standings[lab].unsolved, _go_on_with(tried, standings[lab]))


def _go_on_with(tried: str, standing: Standing) -> str:
    place = standing.exercises.index(tried)
    onwards = [*standing.exercises[place:], *standing.exercises[:place]]
    return next((each for each in onwards if each in standing.unsolved), tried)
