"""`course verify`: prove with its answer bank that a lab's tests are fair and strong, and print the proof."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import nbformat
from nbformat import NotebookNode
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from course import syllabus
from course.cage import CageError
from course.errors import CourseError
from course.grading.executors import LostJob, cores, processes
from course.proof.answers import Bank, bank_faults, bank_path, load_bank
from course.proof.attempts import Attempt, Mutation, attempts, faults, mutation, reference_faults
from course.proof.budget import budget_faults
from course.proof.lab_cells import cells
from course.proof.runners import Judgement, Round, Seen, alone, doubts, rounds, see_all, settle_all
from course.proof.stock import stock_faults
from course.proof.trials import LabRun, Task, TrialRun, run_lab
from course.publishing.build import build
from course.publishing.exercises import exercises
from course.publishing.layout import Lab, labs
from course.publishing.notebook import read_lab

SEEDS = (0, 1, 2)
LEAST_RATE = 0.95
_COLUMNS = 110  # of what is printed to a file
_LAB_SECONDS = 1800.0  # for a lab's notebooks, endless answers and all
# A trial waits for servers, and a notebook for answers that never end, about as long as they compute.
_SHARE_A_CORE = 2
_SLOTS = _SHARE_A_CORE * max(2, os.cpu_count() or 2)


_Stock = dict[str, list[str]]
"""What `stock_faults` finds in the labs of a phase."""


@dataclass
class Verdict:
    """What was found out about a lab; it is proven where nothing is in `faults`.

    `agreed` is how many of the bank's answers kernel and examiner judged alike, the untouched exercises included;
    `unexamined` says why the examiner could not be tried, where that is so.
    """

    lab: str
    exercises: int
    answers: int
    seconds: float = 0.0
    agreed: int = 0
    unexamined: str = ""
    mutation: Mutation = field(default_factory=Mutation)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Proof:
    """A lab being proven: what is tried on it, and what is under way: a run for each seed, and all its rounds."""

    lab: Lab
    notebook: NotebookNode
    released: NotebookNode
    bank: Bank
    attempts: Sequence[Attempt]
    runs: Sequence[Future[LabRun]]
    rounds: Sequence[Round]
    seen: Future[list[Seen]]


def verify(root: Path, only: str | None = None) -> int:
    """Prove all labs of a course folder, or those of one `PHASE` or `PHASE/LAB`; print the proof.

    The labs are built first. Returns the exit status: 1 where anything is wrong, or fewer than 95 % of a lab's mutants
    are caught. Raises CourseError for a lab that cannot be built, or a bank that cannot be read.
    """
    console = Console()
    if not console.is_terminal:
        console.width = _COLUMNS
    build(root, only)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        verdicts = _prove(labs(root, only), Path(folder))
    disagreements = _syllabus_faults(root)
    console.print(_table(verdicts))
    for verdict in verdicts:
        _print_details(console, verdict)
    for reason in dict.fromkeys(verdict.unexamined for verdict in verdicts if verdict.unexamined):
        console.print(Text(f"The examiner was not tried: {reason}"))
    for disagreement in disagreements:
        console.print(Text(f"✗ {disagreement}"))
    return 1 if disagreements or any(verdict.faults for verdict in verdicts) else 0


def _prove(chosen: Sequence[Lab], folder: Path) -> list[Verdict]:
    """Prove labs side by side: their templates fork into the same slots, processes run what nbgrader is needed for."""
    banks = [load_bank(bank_path(lab.root, lab.phase, lab.name)) for lab in chosen]
    slots = tuple(folder / f"slot-{number}" for number in range(_SLOTS))
    given_up = Event()
    with (
        processes(_SHARE_A_CORE * cores(), _LAB_SECONDS) as judges,
        ThreadPoolExecutor(len(SEEDS)) as templates,
    ):
        try:
            stock = _begin_stock(chosen, folder, judges.executor)
            # The later a lab, the longer it runs: those begin first, so that none is left alone at the end.
            proofs = [
                _begin(lab, bank, slots, templates, judges.executor, given_up)
                for lab, bank in reversed([*zip(chosen, banks, strict=True)])
            ]
            agreements = [_agreement(proof, judges.executor) for proof in proofs]
            pairs = reversed([*zip(proofs, agreements, strict=True)])
            return [_judge(proof, stock[proof.lab.phase], agreement) for proof, agreement in pairs]
        except BaseException:  # such as Ctrl-C, which a template that is just starting does not hear
            given_up.set()
            templates.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_stock(chosen: Sequence[Lab], folder: Path, judges: Executor) -> dict[str, Future[_Stock]]:
    """Set going what nbgrader itself gives the labs of each phase."""
    return {
        phase: judges.submit(stock_faults, [lab for lab in chosen if lab.phase == phase], folder / phase)
        for phase in dict.fromkeys(lab.phase for lab in chosen)
    }


def _begin(
    lab: Lab, bank: Bank, slots: tuple[Path, ...], templates: Executor, judges: Executor, given_up: Event
) -> _Proof:
    """Set a lab's runs and rounds going."""
    notebook, released = read_lab(lab.text), nbformat.read(lab.release, as_version=4)
    tried = attempts(notebook, released, bank)
    runs = []
    for seed in SEEDS:
        trials = tuple(attempt.trial for attempt in _for_seed(tried, seed))
        task = Task(cells(notebook), trials, seed, slots)
        runs.append(templates.submit(run_lab, task, lab.text.parent, given_up))
    notebooks = rounds(notebook, released, bank)
    seen = judges.submit(see_all, lab, notebooks)
    return _Proof(lab, notebook, released, bank, tried, runs, notebooks, seen)


def _for_seed(tried: Sequence[Attempt], seed: int) -> list[Attempt]:
    """What is tried with a seed: with the first one everything, with the others what may come out differently.

    Of a query, what its tests do with a seed shows in the lab itself, which runs with each.
    """
    return [attempt for attempt in tried if seed == SEEDS[0] or attempt.depends_on_seed]


def _stock_faults(lab: Lab, stock: Future[_Stock]) -> list[str]:
    """Wait for what nbgrader itself gives a lab, and say where that is wrong."""
    try:
        return stock.result()[lab.name]
    except CourseError as error:
        return [str(error)]
    except LostJob as error:
        return [f"nbgrader did not grade the phase: the notebook {error}"]


@dataclass
class _Agreement:
    """Whether the examiner judges as a kernel does, where a test runs beside the answer; `settled` is still under way."""

    agreed: int = 0
    faults: list[str] = field(default_factory=list)
    unexamined: str = ""
    settled: Future[list[list[str]]] | None = None


def _agreement(proof: _Proof, judges: Executor) -> _Agreement:
    """Wait for a lab's rounds and trials, and set going again what they judge differently, each answer by itself."""
    result = _Agreement()
    with _explained(result):
        in_trials, doubtful = _in_trials(proof), set()
        for tried, seen in zip(proof.rounds, proof.seen.result(), strict=True):
            found = doubts(tried, seen, in_trials)
            result.agreed += len(tried.answers - found)
            doubtful |= found
        if doubtful:
            again = [alone(proof.notebook, proof.released, proof.bank, *each) for each in sorted(doubtful)]
            result.settled = judges.submit(settle_all, proof.lab, again)
    return result


@contextmanager
def _explained(agreement: _Agreement) -> Iterator[None]:
    """Note what keeps the two from being compared."""
    try:
        yield
    except CageError as error:
        agreement.unexamined = str(error)
    except CourseError as error:
        agreement.faults.append(str(error))
    except LostJob as error:
        agreement.faults.append(f"kernel and examiner could not be compared: the notebook {error}")


def _in_trials(proof: _Proof) -> dict[Judgement, str]:
    """What the trials of the first seed have said of the answers: in an interpreter of their own, as in a kernel."""
    said = {}
    for attempt, run in _tried(proof, SEEDS[0], proof.runs[0].result()):
        if attempt.kind in ("untouched", "right", "wrong"):
            for test, error in run.verdicts().items():
                said[Judgement(attempt.trial.exercise, attempt.name, test)] = error
    return said


def _settle(agreement: _Agreement) -> None:
    """Wait for the answers that were tried again; what was a race or another answer's doing is agreed on after all."""
    if agreement.settled is not None:
        with _explained(agreement):
            for found in agreement.settled.result():
                agreement.faults += found
                agreement.agreed += not found


def _judge(proof: _Proof, stock: Future[_Stock], agreement: _Agreement) -> Verdict:
    """Wait for all that was tried on a lab, and say what is wrong with it."""
    graded = [exercise for exercise in exercises(proof.notebook) if exercise.tests]
    answers = sum(len(proof.bank.answers.get(exercise.name, [])) for exercise in graded)
    verdict = Verdict(proof.lab.name, len(graded), answers)
    _settle(agreement)
    verdict.agreed, verdict.unexamined = agreement.agreed, agreement.unexamined
    found = [str(fault) for fault in bank_faults(proof.bank, graded)]
    try:
        for seed, future in zip(SEEDS, proof.runs, strict=True):
            run = future.result()
            tried = _tried(proof, seed, run)
            found += reference_faults(proof.notebook, run)
            for attempt, result in tried:
                found += faults(attempt, result)
            if seed == SEEDS[0]:
                verdict.seconds = sum(cell.seconds for cell in run.cells)
                verdict.mutation, stale = mutation(tried, proof.bank)
                found += stale
                found += budget_faults(proof.notebook, run, project=proof.lab.name.startswith("project"))
    except CourseError as error:
        found.append(str(error))
    found += [*_stock_faults(proof.lab, stock), *agreement.faults]
    if verdict.mutation.rate < LEAST_RATE:
        found.append(
            f"the tests catch {verdict.mutation.rate:.1%} of the mutants, and must catch {LEAST_RATE:.0%}"
        )
    verdict.faults += dict.fromkeys(found)  # each seed finds the same again
    return verdict


def _tried(proof: _Proof, seed: int, run: LabRun) -> list[tuple[Attempt, TrialRun]]:
    """The attempts made with a seed, and what came of each; those on an exercise whose reference fails were not."""
    pairs = zip(_for_seed(proof.attempts, seed), run.trials, strict=True)
    return [(attempt, result) for attempt, result in pairs if result is not None]


def _syllabus_faults(root: Path) -> list[str]:
    """Where the syllabus of a course folder, if it has one, does not fit its labs."""
    path = root / "course" / "syllabus.toml"
    return [str(fault) for fault in syllabus.load(path).check(root)] if path.is_file() else []


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("lab", no_wrap=True)
    for column in ("exercises", "answers", "agreed", "mutants", "explained", "killed", "rate", "time", ""):
        table.add_column(column, justify="right")
    for verdict in verdicts:
        result = verdict.mutation
        table.add_row(
            verdict.lab,
            str(verdict.exercises),
            str(verdict.answers),
            "-" if verdict.unexamined else str(verdict.agreed),
            str(result.total),
            str(result.explained),
            str(result.killed),
            f"{result.rate:.1%}",
            f"{verdict.seconds:.0f} s",
            "[red]✗[/]" if verdict.faults else "[green]✓[/]",
        )
    return table


def _print_details(console: Console, verdict: Verdict) -> None:
    """Each fault of a lab, and each mutant that its tests do not catch."""
    if verdict.faults:
        console.print(f"\n[bold]{verdict.lab}[/]: {len(verdict.faults)} to mend")
    for fault in verdict.faults:
        console.print(Padding(Text(f"✗ {fault}"), (0, 2)))
    if verdict.mutation.survivors:
        console.print(
            f"\n[bold]{verdict.lab}[/]: mutants no test catches. Make a test stronger, or put the diff into the answer "
            "bank under ### equivalent: <why it cannot be told from the reference>"
        )
    for attempt in verdict.mutation.survivors:
        console.print(Padding(Text(f"{attempt.trial.exercise}: {attempt.name}"), (0, 2)))
        if attempt.mutant is not None:
            console.print(Padding(Syntax(attempt.mutant.diff, "diff", background_color="default"), (0, 4)))
