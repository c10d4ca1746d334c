"""Try a lab's answer bank in the three places where its tests run: a student's kernel, nbgrader, and the examiner.

Many answers are tried at once, one for each exercise: in the first notebook the first right answer of every exercise,
and so on; then the wrong ones, and the untouched lab.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.proof.answers import Answer, Bank, fill
from course.publishing.exercises import Exercise, exercises, grade_id
from course.publishing.layout import Lab

# What a cell may take, as a bank has answers that never end.
_SECONDS = 10


@dataclass(frozen=True)
class Round:
    """A notebook to try, and what is in it by exercise."""

    notebook: NotebookNode
    answers: dict[str, str]


@dataclass(frozen=True)
class Seen:
    """What came of each test, by grade_id: "" where it got all of its points, else its error."""

    kernel: dict[str, str]
    examiner: dict[str, str]


def rounds(lab: NotebookNode, released: NotebookNode, bank: Bank) -> list[Round]:
    """The notebooks to try; `lab` has the reference solution, `released` what students start from."""
    graded = [exercise for exercise in exercises(lab) if exercise.tests and exercise.solutions]
    untouched = Round(nbformat.from_dict(released), {each.name: "the untouched release" for each in graded})
    for cell, source in zip(untouched.notebook.cells, lab.cells, strict=False):
        if any(source is test for each in graded for test in each.tests):
            cell.source = source.source  # the hidden part is not in the release
    right = _rounds(lab, graded, [bank.correct(each.name) for each in graded])
    wrong = _rounds(lab, graded, [bank.wrong(each.name) for each in graded])
    return [untouched, *right, *wrong]


def disagreements(tried: Round, seen: Seen) -> Iterator[str]:
    """Where the examiner judges otherwise than the kernel does."""
    owners = {str(grade_id(test)): each.name for each in exercises(tried.notebook) for test in each.tests}
    for test, in_kernel in seen.kernel.items():
        examined, answer = seen.examiner.get(test, "was not run"), tried.answers[owners[test]]
        if bool(in_kernel) != bool(examined):
            yield (
                f"{test} judges {answer} differently: in a kernel it {_came(in_kernel)}, "
                f"in the examiner it {_came(examined)}"
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


def _rounds(
    lab: NotebookNode, graded: Sequence[Exercise], answers: Sequence[Sequence[Answer]]
) -> Iterator[Round]:
    for chosen in zip_longest(*answers):
        notebook = nbformat.from_dict(lab)
        names = {each.name: "the reference" for each in graded}
        sources: dict[str, str] = {}
        for exercise, answer in zip(graded, chosen, strict=True):
            if answer is not None and len(answer.cells) == len(exercise.solutions):
                sources |= fill(exercise, answer.cells)
                names[exercise.name] = (
                    f"the {answer.kind} answer “{answer.title}” (line {answer.line} of the bank)"
                )
        for cell in notebook.cells:
            cell.source = sources.get(str(grade_id(cell)), cell.source)
        yield Round(notebook, names)


def _error(cell: NotebookNode) -> str:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if errors:
        return f"{errors[0].ename}: {errors[0].evalue}".strip(": ").partition("\n")[0]
    text = "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stderr")
    return f"wrote to stderr: {text.strip()[:200]}" if text else "lost points"


def _came(error: str) -> str:
    return f"fails ({error})" if error else "passes"
