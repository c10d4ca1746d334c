"""Try a lab's answer bank where its tests run: in a student's kernel, as nbgrader runs it, and in the examiner.

Many answers are tried in one notebook: a few right ones of every exercise, one below the other, in both places; then
the wrong ones, and the untouched lab, in the examiner only. What comes of a wrong answer in a kernel, its trial has told
already. An answer that is judged differently is tried again by itself, in both places.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.proof.answers import Answer, Bank, fill
from course.proof.attempts import UNTOUCHED
from course.publishing.exercises import Exercise, exercises, grade_id, is_test, owner
from course.publishing.layout import Lab

if TYPE_CHECKING:
    from course.grading.reference import Reference

# What a cell may take, as a bank has answers that never end: in the examiner alone these are all wrong.
_SECONDS = 10
_WRONG_SECONDS = 4
# How many answers to an exercise are tried in one notebook: each notebook has the lab's other cells to run.
_TOGETHER = 25
# How often an answer is tried by itself: one that races against itself may be judged otherwise each time.
_TRIES = 3
# The notebook's first cell: what to do before an exercise, and before each further answer to it, with names and modules.
_BEGIN = """
def _begin(shell):
    import os, sys

    def keep():
        shell.before_exercise = dict(shell.user_ns), set(sys.modules)

    def restore():
        names, modules = shell.before_exercise
        for module in set(sys.modules) - modules:
            if (getattr(sys.modules[module], "__file__", None) or "").startswith(os.getcwd()):
                del sys.modules[module]
        for name in set(shell.user_ns) - set(names):
            del shell.user_ns[name]
        shell.user_ns.update(names)

    shell.keep_names, shell.restore_names = keep, restore

_begin(get_ipython())
del _begin
"""
_KEEP = "get_ipython().keep_names()"
_RESTORE = "get_ipython().restore_names()"


@dataclass(frozen=True)
class Judgement:
    """What a test says of an answer: `answer` is its name in the bank, `test` the test's grade_id in the lab."""

    exercise: str
    answer: str
    test: str


@dataclass(frozen=True)
class Round:
    """A notebook to try; `judges` says by grade_id what each of its tests is to judge, `in_kernel` whether there too."""

    notebook: NotebookNode
    judges: dict[str, Judgement]
    in_kernel: bool = True

    @property
    def answers(self) -> set[tuple[str, str]]:
        """What is tried: exercises and answers to them."""
        return {(each.exercise, each.answer) for each in self.judges.values()}


Verdicts = Mapping[Judgement, str]
"""What was said of answers, in one place: "" where a test gave all of its points, else its error."""


@dataclass(frozen=True)
class Seen:
    """What came of a round: `kernel` is empty where it was not tried in one."""

    kernel: Verdicts
    examiner: Verdicts


def rounds(lab: NotebookNode, released: NotebookNode, bank: Bank) -> list[Round]:
    """The notebooks to try; `lab` has the reference solution, `released` what students start from."""
    graded = _graded(lab)
    right = _rounds(lab, graded, [bank.correct(each.name) for each in graded], in_kernel=True)
    wrong = _rounds(lab, graded, [bank.wrong(each.name) for each in graded], in_kernel=False)
    return [_untouched(lab, released, graded), *right, *wrong]


def alone(lab: NotebookNode, released: NotebookNode, bank: Bank, exercise: str, answer: str) -> Round:
    """A notebook with this answer only, to be tried in both places; of the untouched lab it is the whole."""
    graded = _graded(lab)
    if answer == UNTOUCHED:
        return replace(_untouched(lab, released, graded), in_kernel=True)
    given = [
        [other for other in bank.answers[each.name] if each.name == exercise and other.name == answer]
        for each in graded
    ]
    [tried] = _rounds(lab, graded, given, in_kernel=True)
    cells = tried.notebook.cells
    del cells[1 + max(place for place, cell in enumerate(cells) if grade_id(cell) in tried.judges) :]
    return tried


def doubts(tried: Round, seen: Seen, trials: Verdicts) -> set[tuple[str, str]]:
    """The answers that are not judged alike by all, as exercise and answer; of `trials` some may say nothing.

    What comes after an answer that has ended the kernel was not judged at all.
    """
    from course.grading.execution import DEAD  # nbgrader takes seconds to import

    doubtful = set()
    for judgement in tried.judges.values():
        said = [where[judgement] for where in (seen.kernel, seen.examiner, trials) if judgement in where]
        if len({bool(error) for error in said}) > 1 or any(error.startswith(DEAD) for error in said):
            doubtful.add((judgement.exercise, judgement.answer))
    return doubtful


def see_all(lab: Lab, tried: Sequence[Round]) -> list[Seen]:
    """Run the tests of a lab's notebooks in the examiner, and in a kernel as nbgrader does.

    What the kernels are forked from is started once for all of them. Raises CageError where there is no cage, and
    CourseError where the reference solution does not pass.
    """
    from course.grading import spares, zygotes
    from course.grading.reference import reference  # nbgrader takes seconds to import

    known = reference(lab.root, lab.source)
    known.must_pass(lab.source)
    try:
        return [_see(lab, each, known) for each in tried]
    finally:
        spares.discard()
        zygotes.close()


def settle_all(lab: Lab, tried: Sequence[Round]) -> list[list[str]]:
    """For each notebook where kernel and examiner judge differently, in words, each time that it is tried.

    Raises as `see_all` does.
    """
    met: list[dict[Judgement, _Met]] = [{judges: _Met() for judges in each.judges.values()} for each in tried]
    for _ in range(_TRIES):
        open_questions = [at for at, said in enumerate(met) if any(each.differs for each in said.values())]
        if not open_questions:
            break
        for at, seen in zip(open_questions, see_all(lab, [tried[at] for at in open_questions]), strict=True):
            for judgement, said in met[at].items():
                said.kernel[bool(seen.kernel[judgement])] = seen.kernel[judgement]
                said.examiner[bool(seen.examiner[judgement])] = seen.examiner[judgement]
    return [[said.words(judges) for judges, said in each.items() if said.differs] for each in met]


@dataclass(frozen=True)
class _Met:
    """What was said of an answer in several tries: by whether it was an error, the last such."""

    kernel: dict[bool, str] = field(default_factory=dict)
    examiner: dict[bool, str] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether the two have had no verdict in common."""
        return not self.kernel.keys() & self.examiner.keys()

    def words(self, judges: Judgement) -> str:
        return (
            f"{judges.test} judges {judges.answer} differently: in a kernel it {_came(self.kernel)}, "
            f"in the examiner it {_came(self.examiner)}"
        )


def _see(lab: Lab, tried: Round, known: Reference) -> Seen:
    in_kernel = _run(lab, tried, known, examined=False) if tried.in_kernel else {}
    return Seen(in_kernel, _run(lab, tried, known, examined=True))


def _run(lab: Lab, tried: Round, known: Reference, *, examined: bool) -> Verdicts:
    from course.grading.engine import auto_grades
    from course.grading.execution import CagedExecute

    copy = nbformat.from_dict(tried.notebook)
    execute = CagedExecute(timeout=_SECONDS if tried.in_kernel else _WRONG_SECONDS)
    execute.examined = examined
    execute.recordings, execute.imports = known.recordings, known.imports
    execute.preprocess(copy, {"metadata": {"path": str(lab.source.parent)}})
    cells = {str(grade_id(cell)): cell for cell in copy.cells if grade_id(cell)}
    lost = {
        name: "lost points" if grade.score < cells[name].metadata.nbgrader.points else ""
        for name, grade in auto_grades(copy).items()
    }
    return {judges: _error(cells[name]) or lost[name] for name, judges in tried.judges.items()}


def _graded(lab: NotebookNode) -> list[Exercise]:
    return [exercise for exercise in exercises(lab) if exercise.tests and exercise.solutions]


def _untouched(lab: NotebookNode, released: NotebookNode, graded: Sequence[Exercise]) -> Round:
    notebook = nbformat.from_dict(released)
    owners = {str(grade_id(test)): each.name for each in graded for test in each.tests}
    for cell, source in zip(notebook.cells, lab.cells, strict=False):
        if grade_id(source) in owners:
            cell.source = source.source  # the hidden part is not in the release
    judges = {test: Judgement(exercise, UNTOUCHED, test) for test, exercise in owners.items()}
    return Round(notebook, judges, in_kernel=False)


def _rounds(
    lab: NotebookNode,
    graded: Sequence[Exercise],
    answers: Sequence[Sequence[Answer]],
    *,
    in_kernel: bool,
) -> Iterator[Round]:
    """The lab with a few answers to each exercise, until all have been in; what has none left is not tested again."""
    groups = [
        _groups([answer for answer in given if len(answer.cells) == len(exercise.solutions)])
        for exercise, given in zip(graded, answers, strict=True)
    ]
    for chosen in zip_longest(*groups, fillvalue=()):
        tried = Round(nbformat.from_dict(lab), {}, in_kernel)
        for exercise, together in zip(graded, chosen, strict=True):
            _put_in(tried, exercise, together)
        tried.notebook.cells.insert(0, new_code_cell(_BEGIN))
        yield tried


def _groups(answers: Sequence[Answer]) -> list[Sequence[Answer]]:
    return [answers[at : at + _TOGETHER] for at in range(0, len(answers), _TOGETHER)]


def _put_in(tried: Round, exercise: Exercise, answers: Sequence[Answer]) -> None:
    """Write answers to an exercise into the notebook: its cells, and those between them, once for each."""
    cells = tried.notebook.cells
    places = [place for place, cell in enumerate(cells) if owner(cell) == exercise.name]
    here = slice(places[0], places[-1] + 1)
    if not answers:
        cells[here] = [cell for cell in cells[here] if not (is_test(cell) and owner(cell) == exercise.name)]
        return
    of_others = [cell for cell in cells[here] if owner(cell) not in ("", exercise.name)]
    code = [cell for cell in cells[here] if cell.cell_type == "code" and cell not in of_others]
    put: list[NotebookNode] = []
    for number, answer in enumerate(answers, start=1):
        written = _written(code, fill(exercise, answer.cells), number)
        put += _led_by(_KEEP if number == 1 else _RESTORE, written)
        for cell in filter(is_test, written):
            name = str(grade_id(cell))
            test = name.removesuffix(f"-{number}") if number > 1 else name
            tried.judges[name] = Judgement(exercise.name, answer.name, test)
    # what comes after may use it, and has the reference solution to use
    put += _led_by(_RESTORE, [nbformat.from_dict(cell) for cell in code if not is_test(cell)])
    cells[here] = [*put, *of_others]


def _led_by(call: str, cells: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Cells with a call before them: in the first of them where that is plain Python, as each cell takes its time."""
    led = f"{call}\n{cells[0].source}"
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(led, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return [new_code_cell(call), *cells]
    cells[0].source = led
    return list(cells)


def _written(code: Sequence[NotebookNode], sources: dict[str, str], number: int) -> list[NotebookNode]:
    """Copies of cells with an answer in them; further ones have grade_ids of their own."""
    copies = [nbformat.from_dict(cell) for cell in code]
    for copy in copies:
        if name := grade_id(copy):
            copy.source = sources.get(name, copy.source)
            copy.metadata.nbgrader.grade_id = f"{name}-{number}" if number > 1 else name
    return copies


def _error(cell: NotebookNode) -> str:
    """What a cell ended with; "" if it came to its end."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if errors:
        return f"{errors[0].ename}: {errors[0].evalue}".strip(": ").partition("\n")[0]
    text = "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stderr")
    return f"wrote to stderr: {text.strip()[:200]}" if text else ""


def _came(met: Mapping[bool, str]) -> str:
    [error] = met.values()  # the two have had no verdict in common
    return f"fails ({error})" if error else "passes"
