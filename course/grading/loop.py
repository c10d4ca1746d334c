"""Grade a class, or one's own work: print the scores, and say where the feedback lies.

Every student and every lab is graded on its own, so that none can stop the others.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from rich.console import Console

from course.errors import CourseError
from course.grading import engine
from course.grading.intake import Problem, Submission
from course.grading.marking import Phase, look, mark, marked_before, prepare
from course.grading.report import ClassGrades, StudentGrades, class_table, own_table
from course.grading.results import exercise_results
from course.publishing.build import build

_ME = "you"


def grade(root: Path, phase: str, *, force: bool = False) -> int:
    """Grade the class in `submitted/`, print its table, and say where the feedback lies; returns the exit status.

    Raises CourseError where there is nothing to grade, or the phase does not fit the gradebook.
    """
    console = Console()
    build(root, phase)
    console.print(class_table(grade_class(root, phase, force=force, console=console)))
    console.print(f"\nFeedback: {root / 'feedback'}/<student>/{phase}/", soft_wrap=True)
    console.print(f"Hand it out: nbgrader release_feedback {phase}    Scores as a file: nbgrader export")
    return 0


def grade_class(
    root: Path,
    phase: str,
    *,
    force: bool = False,
    console: Console | None = None,
    workers: int | None = None,
) -> ClassGrades:
    """Grade each student's work in `submitted/<student>/<phase>/` that has changed since it was graded; all by `force`.

    The phase's notebooks in `source/` must be built. `workers` processes share the work, as many as there are cores
    where it is not given; the database lets one of them write at a time.

    Raises CourseError as `grade`.
    """
    folders = sorted(path for path in (root / "submitted").glob(f"*/{phase}") if path.is_dir())
    if not folders:
        raise CourseError(f"Nobody has submitted {phase}; collect it first: nbgrader collect {phase}")
    log = root / "autograded" / f"{phase}.log"
    log.unlink(missing_ok=True)
    with engine.log_to(log):
        ready = prepare(engine.course_folder(root), phase)
        submissions = [look(ready, folder.parent.name, folder) for folder in folders]
        problems = {} if force else _marked_before(ready, submissions)
        waiting = [each for each in submissions if each.student not in problems]
        found = _mark_all(ready, waiting, log, min(workers or os.cpu_count() or 1, len(waiting)))
        for number, (submission, its_problems) in enumerate(zip(waiting, found, strict=True), 1):
            problems[submission.student] = its_problems
            if console:
                line = f"[{number}/{len(waiting)}] {submission.student} graded"
                console.print(line, style="dim", markup=False)
        students = tuple(
            StudentGrades(
                student=each.student,
                scores=engine.scores(ready.folder, phase, each.student),
                problems=problems[each.student],
                fresh=each in waiting,
            )
            for each in submissions
        )
    return ClassGrades(phase, ready.points, students)


def grade_own_work(root: Path, phase: str) -> int:
    """Grade `work/<phase>/` as it is saved now, print a table for each lab, and say where the feedback lies.

    All of it happens under `work/.course/grading/`, with a gradebook made for this one time. Returns the exit status: 1
    where no lab could be graded.

    Raises CourseError where there is nothing to grade.
    """
    work = root / "work" / phase
    if not work.is_dir():
        raise CourseError(f"There is no {work}; open the labs first: course lab")
    console = Console()
    console.print("This runs your own notebooks on this computer, unprotected from what they do.")
    build(root, phase)
    place = root / "work" / ".course" / "grading"
    shutil.rmtree(place / "autograded", ignore_errors=True)
    (place / "gradebook.db").unlink(missing_ok=True)
    with engine.log_to(place / f"{phase}.log"):
        ready = prepare(engine.private_folder(place, root), phase)
        marked = mark(ready, look(ready, _ME, work))
    for lab, notebook in marked.notebooks.items():
        console.print(own_table(lab, exercise_results(notebook, engine.auto_grades(notebook))))
    for problem in marked.problems:
        console.print(str(problem), markup=False)
    for lab in ready.labs:
        page = ready.folder.feedback(_ME, phase) / f"{lab}.html"
        console.print(f"Feedback: {page.as_uri()}", soft_wrap=True, markup=False)
    return 0 if marked.notebooks else 1


def _marked_before(phase: Phase, submissions: Sequence[Submission]) -> dict[str, tuple[Problem, ...]]:
    """The problems of those submissions that have not changed since they were graded, by student."""
    earlier = {each.student: marked_before(phase, each) for each in submissions}
    return {student: problems for student, problems in earlier.items() if problems is not None}


def _mark_all(
    phase: Phase, submissions: Sequence[Submission], log: Path, workers: int
) -> Iterator[tuple[Problem, ...]]:
    """Grade submissions, here or shared out among processes; yields the problems of each, in their order."""
    if workers < 2:
        yield from (mark(phase, submission).problems for submission in submissions)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_mark_elsewhere, repeat(phase), submissions, repeat(log))


def _mark_elsewhere(phase: Phase, submission: Submission, log: Path) -> tuple[Problem, ...]:
    with engine.log_to(log):
        return mark(phase, submission).problems
