"""Try a lab's answer bank in the three places where its tests run: a student's kernel, nbgrader, and the examiner.

Many answers are tried in one notebook: a few right ones of every exercise, one below the other, and so on; then the
wrong ones, and the untouched lab.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.proof.answers import Answer, Bank, fill
from course.publishing.exercises import Exercise, exercises, grade_id, is_test, owner
from course.publishing.layout import Lab

# What a cell may take, as a bank has answers that never end.
_SECONDS = 10
# How many answers to an exercise are tried in one notebook: half of a lab's time goes to the cells around them.
_TOGETHER = 5
# Before an exercise, and before each further answer to it: names and modules as they were.
_KEEP = """
import sys
get_ipython().before_exercise = dict(get_ipython().user_ns), set(sys.modules)
"""
_RESTORE = """
import os, sys
for module in set(sys.modules) - get_ipython().before_exercise[1]:
    if (getattr(sys.modules[module], "__file__", None) or "").startswith(os.getcwd()):
        del sys.modules[module]
for name in set(get_ipython().user_ns) - set(get_ipython().before_exercise[0]):
    del get_ipython().user_ns[name]
get_ipython().user_ns.update(get_ipython().before_exercise[0])
"""


@dataclass(frozen=True)
class Round:
    """A notebook to try; `answers` says by grade_id which answer each of its tests is to judge."""

    notebook: NotebookNode
    answers: dict[str, str]


@dataclass(frozen=True)
class Seen:
    """What came of each test, by grade_id: "" where it got all of its points, else its error."""

    kernel: dict[str, str]
    examiner: dict[str, str]


@dataclass(frozen=True)
class Disagreement:
    """An answer that is judged differently; `str()` says by which test."""

    answer: str
    words: str

    def __str__(self) -> str:
        return self.words


def rounds(lab: NotebookNode, released: NotebookNode, bank: Bank) -> list[Round]:
    """The notebooks to try; `lab` has the reference solution, `released` what students start from."""
    graded = [exercise for exercise in exercises(lab) if exercise.tests and exercise.solutions]
    right = _rounds(lab, graded, [bank.correct(each.name) for each in graded])
    wrong = _rounds(lab, graded, [bank.wrong(each.name) for each in graded])
    return [_untouched(lab, released, graded), *right, *wrong]


def disagreements(tried: Round, seen: Seen) -> Iterator[Disagreement]:
    """Where the examiner judges otherwise than the kernel does."""
    for test, in_kernel in seen.kernel.items():
        examined, answer = seen.examiner.get(test, "was not run"), tried.answers[test]
        if bool(in_kernel) != bool(examined):
            yield Disagreement(
                answer,
                f"{test} judges {answer} differently: in a kernel it {_came(in_kernel)}, "
                f"in the examiner it {_came(examined)}",
            )


def see(lab: Lab, tried: Round) -> Seen:
    """Run a notebook's tests in a kernel as nbgrader does, and in the examiner.

    Raises CageError where there is no cage, and CourseError where the reference solution does not pass.
    """
    from course.grading.reference import reference  # nbgrader takes seconds to import

    known = reference(lab.root, lab.source)
    known.must_pass(lab.source)
    return Seen(
        *(
            _run(tried.notebook, lab.source.parent, known.recordings, known.imports, examined=examined)
            for examined in (False, True)
        )
    )


def _run(
    notebook: NotebookNode, folder: Path, recordings: dict[str, object], imports: list[str], *, examined: bool
) -> dict[str, str]:
    from course.grading.engine import auto_grades
    from course.grading.execution import CagedExecute

    copy = nbformat.from_dict(notebook)
    execute = CagedExecute(timeout=_SECONDS)
    execute.examined = examined
    execute.recordings, execute.imports = recordings, imports
    execute.preprocess(copy, {"metadata": {"path": str(folder)}})
    cells = {str(grade_id(cell)): cell for cell in copy.cells if grade_id(cell)}
    return {
        name: "" if grade.score >= cells[name].metadata.nbgrader.points else _error(cells[name])
        for name, grade in auto_grades(copy).items()
    }


def _untouched(lab: NotebookNode, released: NotebookNode, graded: Sequence[Exercise]) -> Round:
    notebook = nbformat.from_dict(released)
    owners = {str(grade_id(test)): each.name for each in graded for test in each.tests}
    for cell, source in zip(notebook.cells, lab.cells, strict=False):
        if grade_id(source) in owners:
            cell.source = source.source  # the hidden part is not in the release
    return Round(notebook, {test: f"the untouched {owner}" for test, owner in owners.items()})


def _rounds(
    lab: NotebookNode, graded: Sequence[Exercise], answers: Sequence[Sequence[Answer]]
) -> Iterator[Round]:
    """The lab with a few answers to each exercise, until all have been in; what has none left is not tested again."""
    groups = [
        _groups([answer for answer in given if len(answer.cells) == len(exercise.solutions)])
        for exercise, given in zip(graded, answers, strict=True)
    ]
    for chosen in zip_longest(*groups, fillvalue=()):
        tried = Round(nbformat.from_dict(lab), {})
        for exercise, together in zip(graded, chosen, strict=True):
            _put_in(tried, exercise, together)
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
    put = [new_code_cell(_KEEP)]
    for number, answer in enumerate(answers, start=1):
        name = f"the {answer.kind} answer “{answer.title}” (line {answer.line} of the bank)"
        for cell in _written(code, fill(exercise, answer.cells), number):
            put.append(cell)
            if is_test(cell):
                tried.answers[str(grade_id(cell))] = name
        put.append(new_code_cell(_RESTORE))
    cells[here] = [*put[:-1], *of_others]


def _written(code: Sequence[NotebookNode], sources: dict[str, str], number: int) -> Iterator[NotebookNode]:
    """Copies of cells with an answer in them; further ones have grade_ids of their own."""
    for cell in code:
        copy = nbformat.from_dict(cell)
        if name := grade_id(cell):
            copy.source = sources.get(name, cell.source)
            copy.metadata.nbgrader.grade_id = f"{name}-{number}" if number > 1 else name
        yield copy


def _error(cell: NotebookNode) -> str:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if errors:
        return f"{errors[0].ename}: {errors[0].evalue}".strip(": ").partition("\n")[0]
    text = "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stderr")
    return f"wrote to stderr: {text.strip()[:200]}" if text else "lost points"


def _came(error: str) -> str:
    return f"fails ({error})" if error else "passes"
