"""Grade a class, or one's own work: print the scores, and say where the feedback lies.

Every student and every lab is graded on its own, so that none can stop the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from glob import escape
from pathlib import Path

import nbformat
from rich.console import Console

from course.cage.level import cage_for_own_work, require_cage
from course.errors import CourseError
from course.grading import engine, executors, zygotes
from course.grading.clean import shown
from course.grading.coordinator import Coordinator, alone
from course.grading.executors import LostJob, Workers
from course.grading.gradebook import RunGradebook, by_hand
from course.grading.handing_back import is_reached
from course.grading.intake import Problem, Submission
from course.grading.marking import Marked, Phase, look, marked_before, prepare, remove_record
from course.grading.progress import Watch
from course.grading.reference import learn
from course.grading.registration import make_gradebook
from course.grading.report import ClassGrades, StudentGrades, class_table, own_table
from course.grading.results import exercise_results
from course.publishing.build import build

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

_ME = "you"
_STRANGER = Problem(
    "the submission",
    "is of somebody who is not in the gradebook",
    "add them with `nbgrader db student add`, then run this again",
    "human",
)


def grade(
    root: Path,
    phase: str,
    *,
    force: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
) -> int:
    """Grade the class in `submitted/`, print its table, and say where the feedback lies; returns the exit status.

    Raises CourseError as `grade_class`.
    """
    console = Console()
    build(root, phase)
    watch = Watch(console)
    try:
        grades = grade_class(root, phase, force=force, scheduler=scheduler, workers=workers, watch=watch)
    except KeyboardInterrupt:
        console.print(
            f"Stopped. {watch.done} of {watch.total} submissions were graded, and are kept; "
            f"the same command goes on with the others: course grade {phase}"
        )
        return INTERRUPTED
    console.print(class_table(grades))
    pages = engine.course_folder(root).feedback
    reached = [is_reached(pages(each.student, phase)) for each in grades.students]
    console.print(f"\nFeedback: {root / 'feedback'}/<student>/{phase}/", soft_wrap=True)
    if any(reached):
        console.print(f"Hand it out: nbgrader release_feedback {phase}", soft_wrap=True)
    if not all(reached):
        console.print(
            f"{'Give' if any(reached) else 'Hand it out: give'} the pages to those yourself whose work was copied here "
            f"and not collected ({reached.count(False)}): the exchange does not reach them",
            soft_wrap=True,
        )
    console.print("Scores as a file: nbgrader export")
    for folder in _misnamed(root, phase):
        console.print(
            f"Not graded: {shown(folder, root)}. Rename this folder if it is {phase}, and run this again",
            soft_wrap=True,
            markup=False,
        )
    return 0


def _misnamed(root: Path, phase: str) -> list[Path]:
    """Folders of students that are no phase, and have nearly the name of this one."""
    phases = {path.name for path in (root / "source").iterdir()}
    names = {path.name for path in (root / "submitted").glob("*/*")} - phases
    alike = [name for name in names if get_close_matches(name.casefold(), [phase.casefold()], cutoff=0.85)]
    return sorted(path for name in alike for path in (root / "submitted").glob(f"*/{escape(name)}"))


def grade_class(
    root: Path,
    phase: str,
    *,
    force: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
    caged: bool = True,
) -> ClassGrades:
    """Grade each student's work in `submitted/<student>/<phase>/` that has changed since it was graded; all by `force`.

    The phase's notebooks in `source/` must be built. At most `workers` processes share the work, and never more
    than there are cores, so that time limits mean the same; or the Dask cluster at the address `scheduler` does it.
    `caged` may be false only for work that is the instructor's own.

    Raises CourseError where there is nothing to grade, the phase does not fit the gradebook, or nobody can be graded:
    there is no cage on this machine, for one.
    """
    folders = sorted(path for path in (root / "submitted").glob(f"*/{phase}") if path.is_dir())
    if not folders:
        raise CourseError(f"Nobody has submitted {phase}; collect it first: nbgrader collect {phase}")
    course = engine.course_folder(root)
    most = min(workers or executors.cores(), executors.cores())
    if caged and not scheduler:
        most = require_cage().workers(most)
    autograded = root / "autograded"
    with alone(phase, autograded), engine.log_to(autograded / f"{phase}.log"):
        ready = prepare(course, phase, caged=caged)
        submissions = [look(ready, folder.parent.name, folder) for folder in folders]
        if force:
            for each in submissions:  # so that after Ctrl-C the rest is graded without `force`
                with suppress(OSError):  # it comes to light when the submission's turn is
                    remove_record(ready, each)
        marked = _marked_before(ready, submissions)
        problems = {student: each.problems for student, each in marked.items()}
        strangers = engine.strangers(course, (each.student for each in submissions))
        problems |= dict.fromkeys(strangers, (_STRANGER,))
        waiting = [each for each in submissions if each.student not in problems]
        problems |= _mark(
            ready, waiting, watch or Watch(), most, scheduler, _outdated(ready, submissions, marked)
        )
        scores = engine.class_scores(course, phase)
    students = tuple(
        StudentGrades(
            student=each.student,
            scores=scores.get(each.student, {}),
            problems=problems[each.student],
            fresh=each in waiting,
        )
        for each in submissions
    )
    return ClassGrades(phase, ready.points, students)


def grade_own_work(root: Path, phase: str) -> int:
    """Grade `work/<phase>/` as it is saved now, print a table for each lab, and say where the feedback lies.

    It runs in a cage where the machine has one; where not, it runs as in one's own notebook, and this says so.
    All of it happens under `work/.course/grading/`, with a gradebook made for this one time. Returns the exit status: 1
    where no lab could be graded.

    Raises CourseError where there is nothing to grade, or no such phase.
    """
    build(root, phase)
    work = root / "work" / phase
    if not work.is_dir():
        raise CourseError(f"There is no {work}; open the labs first: course lab")
    console = Console()
    level, why_uncaged = cage_for_own_work()
    if why_uncaged:
        console.print(why_uncaged, markup=False)
    place = root / "work" / ".course" / "grading"
    with alone(phase, place), engine.log_to(place / f"{phase}.log"):
        shutil.rmtree(place / "autograded", ignore_errors=True)
        folder = engine.private_folder(place, root)
        make_gradebook(folder, phase, place / "gradebook.db")
        ready = prepare(folder, phase, caged=level is not None)
        problems = _mark(ready, [look(ready, _ME, work)], Watch(), executors.cores())[_ME]
    graded = 0
    for lab in ready.labs:
        executed = folder.autograded(_ME, phase) / f"{lab}.ipynb"
        if executed.exists():
            graded += 1
            notebook = nbformat.read(executed, as_version=4)
            console.print(own_table(lab, exercise_results(notebook, engine.auto_grades(notebook))))
    for problem in problems:
        console.print(str(problem), markup=False)
    for lab in ready.labs:
        page = folder.feedback(_ME, phase) / f"{lab}.html"
        console.print(f"Feedback: {page.as_uri()}", soft_wrap=True, markup=False)
    return 0 if graded else 1


def _marked_before(phase: Phase, submissions: Sequence[Submission]) -> dict[str, Marked]:
    """What is kept of those submissions that have not changed since they were graded, by student.

    Of a student of whom the gradebook knows nothing, nothing is: it may be another one, or have lost the phase.
    """
    with phase.folder.gradebook() as gradebook:
        known = {each.student_id for each in gradebook.find_assignment(phase.name).submissions}
    earlier = {each.student: marked_before(phase, each) for each in submissions if each.student in known}
    return {student: marked for student, marked in earlier.items() if marked is not None}


def _outdated(
    phase: Phase, submissions: Sequence[Submission], marked: Mapping[str, Marked]
) -> list[tuple[Submission, Marked]]:
    """Those whose feedback does not have the points and words that a teacher has given by now."""
    with phase.folder.gradebook() as gradebook:
        given = by_hand(gradebook, phase.name)
    return [
        (each, found)
        for each in submissions
        if (found := marked.get(each.student)) and found.by_hand != given.get(each.student, "")
    ]


def _mark(
    phase: Phase,
    submissions: Sequence[Submission],
    watch: Watch,
    most: int,
    scheduler: str | None = None,
    outdated: Sequence[tuple[Submission, Marked]] = (),
) -> dict[str, tuple[Problem, ...]]:
    """Grade submissions with at most so many processes here, or on a cluster; returns the problems by student.

    Of those that are `outdated` only the feedback is made anew.
    """
    if not submissions and not outdated:
        return {}
    if scheduler:
        with executors.cluster(scheduler, phase.deadline) as workers:
            taught = phase.taught(partial(_learned, workers))
            return _mark_with(workers, taught, watch, submissions, outdated)
    # in processes, as it starts threads: none may be here when those that grade are forked
    with executors.processes(1, phase.deadline) as workers:
        taught = phase.taught(partial(_learned, workers))
    wanted = {lab for each in submissions for lab in each.files if phase.caged}
    count = min(most, (len(submissions) + len(outdated)) * len(phase.labs))
    with (
        zygotes.lent(taught.labs[lab].imports for lab in wanted),
        executors.processes(count, phase.deadline) as workers,
    ):
        return _mark_with(workers, taught, watch, submissions, outdated)


def _learned(workers: Workers, job: bytes) -> bytes:
    try:
        return workers.submit(learn, job).result()
    except LostJob as error:
        raise CourseError(f"The reference solution {error}; run its notebook, and mend it") from error


def _mark_with(
    workers: Workers,
    phase: Phase,
    watch: Watch,
    submissions: Sequence[Submission],
    outdated: Sequence[tuple[Submission, Marked]],
) -> dict[str, tuple[Problem, ...]]:
    with watch, RunGradebook(phase.folder.database, phase.folder.course_id) as gradebook:
        return Coordinator(phase, gradebook, workers, watch).grade(submissions, outdated)
