"""Grade one's own work of a phase, and write down what it came to: what the button in JupyterLab runs.

It is `course grade PHASE` of one's own work, as a program of its own: `python -m course.classroom.own_grading PHASE`
in the course folder. Its exit status is 0 where a lab was graded, 1 where none could be, and 2 with a message on stderr
where there was nothing to grade.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import course.unused_imports  # noqa: F401 - for its effect
from course.classroom.own_work import autograded, feedback, results_file
from course.errors import CourseError
from course.files import write_atomically


@dataclass(frozen=True)
class ExercisePoints:
    """One exercise: its points, and the first thing to mend; `cell` is the grade_id of its answer."""

    title: str
    cell: str
    score: float
    points: float
    message: str


@dataclass(frozen=True)
class LabPoints:
    """One lab: its exercises, none where it could not be graded, and whether there is a feedback page for it."""

    lab: str
    exercises: tuple[ExercisePoints, ...]
    has_page: bool


@dataclass(frozen=True)
class OwnGrades:
    """A phase: its labs, what was wrong with the files of those that could be graded, and a note where there is no cage."""

    phase: str
    labs: tuple[LabPoints, ...]
    problems: tuple[str, ...]
    note: str


def main(phase: str) -> int:
    """Grade the phase in the working directory, and leave its `OwnGrades` as JSON in `results_file`."""
    from course.grading import imports, zygotes

    root = Path.cwd()
    zygotes.begin(imports.remembered(root, phase))  # while nbgrader is imported
    from course.cage.level import cage_for_own_work
    from course.grading import loop

    try:
        status = loop.grade_own_work(root, phase)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    _, note = cage_for_own_work()
    grades = OwnGrades(phase, _labs(root, phase), _problems(root, phase), note)
    write_atomically(results_file(root), json.dumps(asdict(grades)).encode())
    return status


def _labs(root: Path, phase: str) -> tuple[LabPoints, ...]:
    """Each lab that has been executed, or has a page that says why it could not be."""
    executed = {path.stem: path for path in autograded(root, phase).glob("*.ipynb")}
    pages = {path.stem for path in feedback(root, phase).glob("*.html")}
    return tuple(
        LabPoints(lab, _exercises(executed[lab]) if lab in executed else (), lab in pages)
        for lab in sorted(executed.keys() | pages)
    )


def _exercises(executed: Path) -> tuple[ExercisePoints, ...]:
    import nbformat

    from course.grading.engine import auto_grades
    from course.grading.results import exercise_results

    notebook = nbformat.read(executed, as_version=4)
    return tuple(
        ExercisePoints(
            title=result.title,
            cell=result.name,
            score=result.score,
            points=result.points,
            message="A teacher has to grade this." if result.waiting else result.message,
        )
        for result in exercise_results(notebook, auto_grades(notebook))
    )


def _problems(root: Path, phase: str) -> tuple[str, ...]:
    from course.grading.clean import RECORD
    from course.grading.intake import Problem

    record = autograded(root, phase) / RECORD
    if not record.exists():
        return ()
    found = json.loads(record.read_text(encoding="utf-8"))["problems"]
    return tuple(str(Problem(**problem)) for problem in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
