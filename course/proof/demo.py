"""Show the whole loop on a class of twelve made from the answer banks, and check that it scores what they promise.

Everything is in `demo/`, a course folder of its own: hand out, hand in, collect, grade, feedback, as nbgrader does it,
and the class report.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseAssignment, ExchangeSubmit
from rich.console import Console

from course.cage.level import cage_for_own_work
from course.classroom.report.report import COUNTING, write_report
from course.errors import CourseError
from course.grading import engine
from course.grading.engine import CourseFolder
from course.grading.loop import grade_class
from course.grading.progress import Watch
from course.grading.report import class_table
from course.proof.answers import Bank, bank_path, fill, load_bank
from course.publishing.build import build
from course.publishing.exercises import Exercise, exercises, grade_id, is_solution, points
from course.publishing.layout import Lab, labs

_Sources = Mapping[str, str]  # the sources of solution cells by grade_id
_Maker = Callable[["_Lab"], "_Work"]

_MARK = ".course-demo"


@dataclass(frozen=True)
class _Work:
    """What a student hands in for a lab, and the points that its tests must get by their grade_id.

    A test that is not named may go either way.
    """

    file: str
    text: str
    promised: dict[str, float]


@dataclass(frozen=True)
class _Lab:
    """What the class's work on a lab is made from: the lab as handed out, its exercises with their answers."""

    name: str
    phase: str
    release: NotebookNode
    exercises: list[Exercise]
    bank: Bank

    @property
    def reference(self) -> dict[str, _Sources]:
        """The author's answers by exercise."""
        return {
            exercise.name: {str(grade_id(cell)): _unmarked(cell.source) for cell in exercise.solutions}
            for exercise in self.exercises
        }

    def answered(self, answers: Mapping[str, _Sources]) -> NotebookNode:
        """A copy of the lab with these answers written in."""
        notebook: NotebookNode = nbformat.from_dict(self.release)
        sources = {name: source for answer in answers.values() for name, source in answer.items()}
        for cell in notebook.cells:
            cell.source = sources.get(str(grade_id(cell)), cell.source)
        return notebook

    def promised(self, solved: Collection[str]) -> dict[str, float]:
        """All points of the exercises that are solved, none of the others'."""
        return {
            str(grade_id(test)): points(test) if exercise.name in solved else 0.0
            for exercise in self.exercises
            for test in exercise.tests
        }

    def work(self, notebook: NotebookNode, solved: Collection[str]) -> _Work:
        """A notebook that is handed in under its own name."""
        return _Work(f"{self.name}.ipynb", nbformat.writes(notebook), self.promised(solved))


def demo(root: Path) -> int:
    """Make `demo/` anew, run the loop there, and print the class; 1 where a score is not the promised one.

    Raises CourseError where `demo/` holds something else, or no lab has an answer bank.
    """
    console = Console()
    build(root)
    found = [_read_lab(root, lab) for lab in labs(root) if bank_path(root, lab.phase, lab.name).exists()]
    if not found:
        raise CourseError(f"No lab in {root / 'source'} has an answer bank in {root / 'tests' / 'answers'}")
    phases = sorted({lab.phase for lab in found})
    folder = _make_folder(root, phases)
    work = {(student, lab.phase, lab.name): make(lab) for student, make in _CLASS.items() for lab in found}
    grades = []
    level, why_uncaged = cage_for_own_work()
    if why_uncaged:
        console.print(why_uncaged, markup=False)
    with engine.log_to(folder.root / "exchange.log"):
        for phase in phases:
            console.print(f"{phase}: handed out, handed in by {len(_CLASS)}, collected", style="bold")
            _hand_in(folder, phase, work)
    for phase in phases:
        grades.append(grade_class(folder.root, phase, watch=Watch(console), caged=level is not None))
    for each in grades:
        console.print(class_table(each))
    broken = list(_broken_promises(folder, work))
    for line in broken:
        console.print(line, style="bold red", markup=False)
    if not broken:
        kept = sum(len(each.promised) for each in work.values())
        console.print(
            f"The answer banks promise {kept} scores of tests, and all came out.", style="bold green"
        )
    console.print("The class report, with links to each student's feedback:")
    for phase in phases:
        with console.status(COUNTING):
            page = write_report(folder, root, phase)
        console.print(page.as_uri(), soft_wrap=True)
    return 1 if broken else 0


# --- twelve students ------------------------------------------------------------------------------------------------


def _right(lab: _Lab) -> _Work:
    return lab.work(lab.answered(lab.reference), lab.reference)


def _other(choice: int) -> _Maker:
    """Right answers, each by another idea than the author's."""

    def make(lab: _Lab) -> _Work:
        answers = {}
        for exercise in lab.exercises:
            correct = lab.bank.correct(exercise.name)
            if correct:
                answers[exercise.name] = fill(exercise, correct[choice % len(correct)].cells)
        return lab.work(lab.answered(lab.reference | answers), lab.reference)

    return make


def _wrong(choice: int) -> _Maker:
    """One misconception; the tests that the bank names catch it, and what its other tests say is not promised."""

    def make(lab: _Lab) -> _Work:
        exercise = lab.exercises[choice % len(lab.exercises)]
        wrong = lab.bank.wrong(exercise.name)
        answer = wrong[choice % len(wrong)]
        notebook = lab.answered(lab.reference | {exercise.name: fill(exercise, answer.cells)})
        work = lab.work(notebook, lab.reference)
        for test in exercise.tests:
            del work.promised[str(grade_id(test))]
        return replace(work, promised=work.promised | dict.fromkeys(answer.caught_by, 0.0))

    return make


def _begun(share: float) -> _Maker:
    """The first exercises done, the others untouched."""

    def make(lab: _Lab) -> _Work:
        done = [exercise.name for exercise in lab.exercises[: round(share * len(lab.exercises))]]
        return lab.work(lab.answered({name: lab.reference[name] for name in done}), done)

    return make


def _cut_off(lab: _Lab) -> _Work:
    work = _right(lab)
    return replace(work, text=work.text[: len(work.text) // 2], promised=lab.promised([]))


def _renamed(lab: _Lab) -> _Work:
    return replace(_right(lab), file=f"{lab.name} (1).ipynb")


def _copied_cell(lab: _Lab) -> _Work:
    notebook = lab.answered(lab.reference)
    position = next(i for i, cell in enumerate(notebook.cells) if is_solution(cell))
    copy = nbformat.from_dict(notebook.cells[position])
    copy.id = "pasted"
    notebook.cells.insert(position + 1, copy)
    return lab.work(notebook, lab.reference)


def _endless(lab: _Lab) -> _Work:
    notebook = lab.answered(lab.reference)
    position = next(i for i, cell in enumerate(notebook.cells) if is_solution(cell))
    endless = new_code_cell(
        "attempt = 0\nwhile attempt < 3:\n    pass  # and where does attempt grow?", id="endless"
    )
    notebook.cells.insert(position, endless)
    return lab.work(notebook, lab.reference)


_CLASS: dict[str, _Maker] = {
    "ada-right": _right,
    "bo-other-way": _other(0),
    "chen-other-way": _other(1),
    "dora-wrong": _wrong(0),
    "emil-wrong": _wrong(1),
    "fatima-wrong": _wrong(2),
    "goran-half-done": _begun(0.5),
    "hana-nothing-yet": _begun(0),
    "ivan-not-json": _cut_off,
    "jana-renamed": _renamed,
    "kofi-copied-cell": _copied_cell,
    "lina-endless-loop": _endless,
}


# --- the course folder, and the exchange ----------------------------------------------------------------------------


def _make_folder(root: Path, phases: list[str]) -> CourseFolder:
    place = root / "demo"
    if place.exists() and not (place / _MARK).exists():
        raise CourseError(f"{place} was not made by `course demo`; move it away, and run this again")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / _MARK).touch()
    for phase in phases:
        for step in ("source", "release"):
            shutil.copytree(root / step / phase, place / step / phase)
    settings = (root / engine.CONFIG).read_text(encoding="utf-8")
    (place / engine.CONFIG).write_text(settings + _SETTINGS, encoding="utf-8")
    return engine.course_folder(place)


_SETTINGS = """
# --- the demo: all of the class is one user, and nothing is kept outside of this folder
c.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
c.Exchange.cache = str(root / "exchange-cache")
c.ExchangeCollect.check_owner = False
"""


def _hand_in(folder: CourseFolder, phase: str, work: Mapping[tuple[str, str, str], _Work]) -> None:
    """Release the phase, let everybody submit, and collect."""
    engine.exchange(folder, ExchangeReleaseAssignment, phase)
    for student in _CLASS:
        home = folder.root / "students" / student
        (home / phase).mkdir(parents=True)
        for (owner, its_phase, _), each in work.items():
            if (owner, its_phase) == (student, phase):
                (home / phase / each.file).write_text(each.text, encoding="utf-8")
        engine.exchange(folder, ExchangeSubmit, phase, student, assignment_dir=str(home))
    engine.exchange(folder, ExchangeCollect, phase)


def _broken_promises(folder: CourseFolder, work: Mapping[tuple[str, str, str], _Work]) -> Iterator[str]:
    for (student, phase, lab), each in work.items():
        got = engine.auto_scores(folder, phase, student, lab)
        for test, score in each.promised.items():
            if got.get(test) != score:
                yield f"{student}: {lab} {test} got {got.get(test)}, and the answer bank promises {score:g}"


def _read_lab(root: Path, lab: Lab) -> _Lab:
    return _Lab(
        name=lab.name,
        phase=lab.phase,
        release=nbformat.read(lab.release, as_version=4),
        exercises=exercises(nbformat.read(lab.source, as_version=4)),
        bank=load_bank(bank_path(root, lab.phase, lab.name)),
    )


def _unmarked(source: str) -> str:
    """An author's answer without the lines that mark it."""
    marks = ("BEGIN SOLUTION", "END SOLUTION")
    return "\n".join(line for line in source.splitlines() if not line.strip(" #-").startswith(marks))
