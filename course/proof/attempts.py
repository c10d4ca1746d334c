"""What a lab's tests have to prove: the answers to try on each exercise, and what must come of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nbformat import NotebookNode

from course.proof.answers import Answer, Bank, Equivalent, fill, language_of
from course.proof.mutants import Mutant, line_changes
from course.proof.mutants.http import http_mutants
from course.proof.mutants.python import python_mutants
from course.proof.mutants.sql import rendered, sql_mutants
from course.proof.mutants.terminal import terminal_mutants
from course.proof.trials import LabRun, Trial, TrialRun
from course.publishing.exercises import Exercise, exercises, grade_id, is_test

# How many seconds to wait for what should pass, and for what should fail: there an endless loop is a normal thing.
RIGHT_PATIENCE = 20.0
WRONG_PATIENCE = 2.0
_MUTANTS = {"python": python_mutants, "sql": sql_mutants, "http": http_mutants, "terminal": terminal_mutants}
UNTOUCHED = "the untouched release"
# With one of these in its own cell an answer shows no misconception.
_TYPOS = ("SyntaxError", "IndentationError", "NameError")


@dataclass(frozen=True)
class Attempt:
    """An answer to try.

    `kind` says what must come of it: "untouched" and "wrong" must fail every one of the trial's `tests` (of a wrong
    answer these are the ones it names), "right" pass them all, and a "mutant" fail any. "rendered" is the reference in
    the layout of its mutants, and must pass. `name` tells an author what was tried.
    """

    kind: Literal["untouched", "right", "wrong", "mutant", "rendered"]
    name: str
    trial: Trial
    mutant: Mutant | None = None

    @property
    def depends_on_seed(self) -> bool:
        """Whether to try it under every seed: what must pass is, so that no right answer is rejected by chance.

        Of a query, what its tests do with a seed shows in the lab itself. The untouched lab must fail under each too.
        """
        is_python = any(language_of(source) == "python" for source in self.trial.cells.values())
        return is_python and self.kind in ("untouched", "right")


@dataclass
class Mutation:
    """What became of the mutants of a lab's reference solution."""

    killed: int = 0
    explained: int = 0
    survivors: list[Attempt] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All mutants that were tried."""
        return self.killed + self.explained + len(self.survivors)

    @property
    def rate(self) -> float:
        """The share of mutants killed, those left out that are explained as equivalent; 1.0 where there are none."""
        counted = self.killed + len(self.survivors)
        return self.killed / counted if counted else 1.0


def attempts(lab: NotebookNode, released: NotebookNode, bank: Bank) -> list[Attempt]:
    """Everything to try on a lab. Answers that do not fit their exercise are left out: the bank's faults name them."""
    stubs = {grade_id(cell): cell.source for cell in released.cells}
    return [
        attempt
        for exercise in exercises(lab)
        if exercise.tests and exercise.solutions
        for attempt in (
            _untouched(exercise, stubs),
            *(
                _of_answer(exercise, answer)
                for answer in bank.answers.get(exercise.name, [])
                if _fits(answer, exercise)
            ),
            *_mutants(exercise),
        )
    ]


def faults(attempt: Attempt, run: TrialRun) -> Iterator[str]:
    """What is wrong with what came of an attempt; a mutant that survived is not: see `mutation`."""
    if attempt.kind == "untouched":
        for test in attempt.trial.tests:
            if not run.complaint(test):
                yield f"{test} gives points to {attempt.name}"
    elif attempt.kind in ("right", "rendered"):
        for test in attempt.trial.tests:
            if complaint := run.complaint(test):
                yield f"{test} rejects {attempt.name}: {complaint}"
    elif attempt.kind == "wrong":
        for cell in run.solution:
            if cell.error.startswith(_TYPOS):
                yield f"{attempt.name} does not run, so it shows nothing: {cell.error}"
        for test in attempt.trial.tests:
            if not run.complaint(test):
                yield f"{test} should catch {attempt.name}, but passes"


def reference_faults(lab: NotebookNode, run: LabRun) -> Iterator[str]:
    """What is wrong with a lab when it runs with its reference solution."""
    by_id = {cell.id: cell for cell in lab.cells}
    for result in run.cells:
        cell = by_id[result.name]
        where = f"cell {result.name}"
        if result.error and (is_test(cell) or "raises-exception" not in cell.metadata.get("tags", [])):
            yield f"{where} fails with the reference solution: {result.error}"
        if result.stderr:
            yield f"{where} writes to stderr, for which nbgrader gives 0: {result.stderr.strip()}"
    failed = {result.name for result in run.cells if not result.passed}
    for exercise, reference in run.references.items():
        for test in reference.trial.tests:
            if (complaint := reference.complaint(test)) and test not in failed:
                yield f"{test} passes in the lab, but not for {exercise} on its own: {complaint}"


def mutation(tried: Sequence[tuple[Attempt, TrialRun]], bank: Bank) -> tuple[Mutation, list[str]]:
    """What became of the mutants, and the bank's explanations that explain nothing."""
    result = Mutation()
    used: set[Equivalent] = set()
    for attempt, run in tried:
        if attempt.mutant is None:
            continue
        change = line_changes(attempt.mutant.diff)
        known = [it for it in bank.equivalents.get(attempt.trial.exercise, []) if it.change == change]
        if not run.passed:
            result.killed += 1
        elif known:
            used.update(known)
            result.explained += 1
        else:
            result.survivors.append(attempt)
    exercises_tried = {attempt.trial.exercise for attempt, _ in tried}
    stale = [
        f"{bank.path}:{it.line}: no mutant of {exercise} survives with this change any more; take its explanation out"
        for exercise, equivalents in bank.equivalents.items()
        for it in equivalents
        if it not in used and exercise in exercises_tried
    ]
    return result, stale


def _untouched(exercise: Exercise, stubs: dict[str | None, str]) -> Attempt:
    cells = {str(grade_id(cell)): stubs[grade_id(cell)] for cell in exercise.solutions}
    return Attempt("untouched", UNTOUCHED, Trial(exercise.name, cells, _tests(exercise), WRONG_PATIENCE))


def _of_answer(exercise: Exercise, answer: Answer) -> Attempt:
    sources, tests = fill(exercise, answer.cells), _tests(exercise)
    if answer.kind == "correct":
        return Attempt("right", answer.name, Trial(exercise.name, sources, tests, RIGHT_PATIENCE))
    named = tuple(test for test in tests if test in answer.caught_by)
    others = tuple(test for test in tests if test not in answer.caught_by)
    return Attempt("wrong", answer.name, Trial(exercise.name, sources, named, WRONG_PATIENCE, others))


def _fits(answer: Answer, exercise: Exercise) -> bool:
    return len(answer.cells) == len(exercise.solutions)


def _mutants(exercise: Exercise) -> Iterator[Attempt]:
    """The mutants of each solution cell, and for SQL the reference laid out as they are, which must pass too."""
    reference = {str(grade_id(cell)): cell.source for cell in exercise.solutions}
    for name, source in reference.items():
        language = language_of(source)
        if language == "sql" and (layout := rendered(source)):
            trial = Trial(exercise.name, {**reference, name: layout}, _tests(exercise), RIGHT_PATIENCE)
            yield Attempt("rendered", "the reference as sqlglot writes it", trial)
        for mutant in _MUTANTS[language](source):
            cells = {**reference, name: mutant.source}
            trial = Trial(exercise.name, cells, _tests(exercise), WRONG_PATIENCE, until_failure=True)
            yield Attempt("mutant", mutant.description, trial, mutant=mutant)


def _tests(exercise: Exercise) -> tuple[str, ...]:
    return tuple(str(grade_id(cell)) for cell in exercise.tests)
