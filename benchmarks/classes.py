"""Make a class of submissions to a phase: right, wrong, half done, raising, slow, chatty, and hostile where asked for.

The same seed makes the same class, and a smaller class is the beginning of a larger one. Answers come from the answer
banks, which also promise scores: a benchmark that grades wrongly is found out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.proof.answers import Bank, bank_path, fill, language_of, load_bank
from course.publishing.exercises import Exercise, exercises, grade_id, is_solution, points
from course.publishing.layout import Lab

HANDED_IN = "2026-01-15 10:00:00 UTC"

_Answers = dict[str, str]  # sources of solution cells by grade_id


@dataclass(frozen=True)
class LabKit:
    """What work on a lab is made from: the notebook with solutions, the one handed out, and the answer bank."""

    lab: Lab
    source: NotebookNode
    release: NotebookNode
    exercises: list[Exercise]
    bank: Bank

    def answers(self, exercise: Exercise, choice: int = 0) -> _Answers:
        """A right answer: the reference for 0, then the bank's other ones, round and round."""
        others = self.bank.correct(exercise.name)
        number = choice % (len(others) + 1)
        if number:
            return fill(exercise, others[number - 1].cells)
        return {str(grade_id(cell)): cell.source for cell in exercise.solutions}

    def notebook(self, answers: Mapping[str, str]) -> NotebookNode:
        """A copy of what was handed out, with these answers written in."""
        notebook: NotebookNode = nbformat.from_dict(self.release)
        for cell in notebook.cells:
            cell.source = answers.get(str(grade_id(cell)), cell.source)
        return notebook


@dataclass(frozen=True)
class Work:
    """A notebook, and the points that its tests must get by their grade_id; a test not named may go either way."""

    notebook: NotebookNode
    promised: dict[str, float]


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a phase, by the name of the lab; `kind` is what it was made to be."""

    student: str
    kind: str
    work: dict[str, Work]


_Maker = Callable[[LabKit, Random], Work]


def read_kit(lab: Lab) -> LabKit:
    """The kit of a lab that is built and has an answer bank."""
    source = nbformat.read(lab.source, as_version=4)
    return LabKit(
        lab=lab,
        source=source,
        release=nbformat.read(lab.release, as_version=4),
        exercises=[exercise for exercise in exercises(source) if exercise.tests],
        bank=load_bank(bank_path(lab.root, lab.phase, lab.name)),
    )


def make_class(kits: Sequence[LabKit], size: int, seed: int, hostile: float = 0.0) -> list[Submission]:
    """A class of `size` students; the share `hostile` (0 to 1) of them attacks, which only a cage survives."""
    shares = {kind: share * (1 - hostile) for kind, (share, _) in _KINDS.items()}
    shares |= {f"hostile {name}": hostile / len(HOSTILE) for name in HOSTILE if hostile}
    submissions = []
    for number, kind in enumerate(_spread(shares, size), start=1):
        dice = Random(f"{seed} {number} {kind}")
        make = _hostile(kind.removeprefix("hostile ")) if kind.startswith("hostile") else _KINDS[kind][1]
        work = {kit.lab.name: make(kit, dice) for kit in kits}
        submissions.append(Submission(f"s{number:04}-{kind.replace(' ', '-')}", kind, work))
    return submissions


def hand_in(submissions: Sequence[Submission], root: Path, phase: str) -> None:
    """Make these the submissions of a phase in the course folder `root`, in the place of all that were there."""
    shutil.rmtree(root / "submitted", ignore_errors=True)
    for submission in submissions:
        folder = root / "submitted" / submission.student / phase
        folder.mkdir(parents=True)
        (folder / "timestamp.txt").write_text(HANDED_IN, encoding="utf-8")
        for lab, work in submission.work.items():
            nbformat.write(work.notebook, folder / f"{lab}.ipynb")


def _spread(shares: Mapping[str, float], size: int) -> list[str]:
    """Kinds in an order in which every beginning has about its share of each: always the one that lags most."""
    given = dict.fromkeys(shares, 0)
    order = []
    for number in range(1, size + 1):
        kind = max(shares, key=lambda each: shares[each] * number - given[each])
        given[kind] += 1
        order.append(kind)
    return order


# --- the kinds of work ----------------------------------------------------------------------------------------------


def _promised(kit: LabKit, solved: Collection[str], failed: Collection[str] = ()) -> dict[str, float]:
    """All points for the exercises solved, none for those failed."""
    return {
        str(grade_id(test)): points(test) if exercise.name in solved else 0.0
        for exercise in kit.exercises
        for test in exercise.tests
        if exercise.name in solved or exercise.name in failed
    }


def _names(some: Sequence[Exercise]) -> list[str]:
    return [exercise.name for exercise in some]


def _reference(kit: LabKit, dice: Random) -> Work:
    answers = {name: source for each in kit.exercises for name, source in kit.answers(each).items()}
    return Work(kit.notebook(answers), _promised(kit, _names(kit.exercises)))


def _other(kit: LabKit, dice: Random) -> Work:
    """Each exercise right, by any idea."""
    answers: _Answers = {}
    for exercise in kit.exercises:
        answers |= kit.answers(exercise, dice.randrange(100))
    return Work(kit.notebook(answers), _promised(kit, _names(kit.exercises)))


def _wrong(kit: LabKit, dice: Random) -> Work:
    """One misconception; what comes after it may lean on it, and is not promised."""
    position = dice.randrange(len(kit.exercises))
    answers: _Answers = {}
    for exercise in kit.exercises:
        answers |= kit.answers(exercise, dice.randrange(100))
    promised = _promised(kit, _names(kit.exercises[:position]))
    mistake = dice.choice(kit.bank.wrong(kit.exercises[position].name))
    answers |= fill(kit.exercises[position], mistake.cells)
    return Work(kit.notebook(answers), promised | dict.fromkeys(mistake.caught_by, 0.0))


def _confused(kit: LabKit, dice: Random) -> Work:
    """Several misconceptions."""
    answers: _Answers = {}
    promised: dict[str, float] = {}
    for exercise in kit.exercises:
        if dice.random() < 0.5:
            mistake = dice.choice(kit.bank.wrong(exercise.name))
            answers |= fill(exercise, mistake.cells)
            promised |= dict.fromkeys(mistake.caught_by, 0.0)
        else:
            answers |= kit.answers(exercise, dice.randrange(100))
    return Work(kit.notebook(answers), promised)


def _half_done(kit: LabKit, dice: Random) -> Work:
    done = kit.exercises[: len(kit.exercises) // 2]
    answers: _Answers = {}
    for exercise in done:
        answers |= kit.answers(exercise, dice.randrange(100))
    rest = _names(kit.exercises[len(done) :])
    return Work(kit.notebook(answers), _promised(kit, _names(done), rest))


def _untouched(kit: LabKit, dice: Random) -> Work:
    return Work(kit.notebook({}), _promised(kit, [], _names(kit.exercises)))


def _raising(kit: LabKit, dice: Random) -> Work:
    """A scratch cell that raises, and one answer that does."""
    work = _reference(kit, dice)
    position = dice.randrange(len(kit.exercises))
    broken = kit.exercises[position]
    for cell in work.notebook.cells:
        if cell.cell_type == "code" and grade_id(cell) in {grade_id(each) for each in broken.solutions}:
            magic, newline, _ = cell.source.partition("\n")
            sql = language_of(cell.source) == "sql"
            cell.source = (
                f"{magic}{newline}SELECT FROM WHERE" if sql else "raise RuntimeError('it worked at home')"
            )
    _insert(work.notebook, "totals = [1, 2, 3]\ntotals[3]", dice)
    return Work(work.notebook, _promised(kit, _names(kit.exercises[:position]), [broken.name]))


def _slow(kit: LabKit, dice: Random) -> Work:
    """A second of waiting and computing, where a student measured something and left it there."""
    work = _reference(kit, dice)
    _insert(
        work.notebook,
        "import time\n\ntime.sleep(0.7)\nsum(number * number for number in range(4_000_000))",
        dice,
    )
    return work


def _chatty(kit: LabKit, dice: Random) -> Work:
    """Thousands of printed lines, as somebody looks for a mistake."""
    work = _reference(kit, dice)
    _insert(
        work.notebook,
        "for number in range(5_000):\n    print('row', number, 'so far', number * 7919 % 1000)",
        dice,
    )
    return work


def _hostile(name: str) -> _Maker:
    def make(kit: LabKit, dice: Random) -> Work:
        work = _reference(kit, dice)
        _insert(work.notebook, HOSTILE[name], dice)
        return Work(work.notebook, {})

    return make


def _insert(notebook: NotebookNode, source: str, dice: Random) -> None:
    """A cell of the student's own before one of the solution cells."""
    places = [position for position, cell in enumerate(notebook.cells) if is_solution(cell)]
    notebook.cells.insert(dice.choice(places), new_code_cell(source, id="my-own"))


_KINDS: dict[str, tuple[float, _Maker]] = {
    "reference": (0.20, _reference),
    "other": (0.20, _other),
    "wrong": (0.20, _wrong),
    "confused": (0.10, _confused),
    "half done": (0.10, _half_done),
    "untouched": (0.05, _untouched),
    "raising": (0.05, _raising),
    "slow": (0.05, _slow),
    "chatty": (0.05, _chatty),
}
"""The kinds of honest work, with their shares of the class."""

HOSTILE = {
    "endless": "while True:\n    pass",
    "memory": "hoard = []\nwhile True:\n    hoard.append(b'x' * (32 * 2**20))",
    "flood": "while True:\n    print('x' * 100_000)",
    "kills-all": "import os\n\nos.kill(-1, 9)",
    "kills-parents": "import os\n\nfor pid in (os.getppid(), 1, 2, 3):\n    try:\n        os.kill(pid, 9)\n"
    "    except OSError:\n        pass",
    "exit": "import sys\n\nsys.exit(3)",
    "hard-exit": "import os\n\nos._exit(0)",
    "forks": "import os\n\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
}
"""Cells that would take a machine without a cage with them, by what they try."""
