"""Grade one submission: run each of its labs, write its feedback, and remember what it was graded from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from nbformat import NotebookNode

from course.files import write_atomically
from course.grading import engine
from course.grading.engine import CourseFolder, NotGraded
from course.grading.feedback import write_problem_page
from course.grading.intake import RECORDS, Problem, Submission, inspect, stage
from course.grading.results import timed_out
from course.publishing.exercises import grade_id, points
from course.publishing.layout import other_files

# What a submission was graded from, kept with its notebooks; whoever removes these removes it too.
_RECORD = ".graded.json"


@dataclass(frozen=True)
class Phase:
    """A phase that is ready for grading: its labs with their graded cells, and its other files."""

    name: str
    folder: CourseFolder
    labs: Mapping[str, list[NotebookNode]]
    files: frozenset[str]

    @property
    def points(self) -> dict[str, float]:
        """What each lab is worth."""
        return {lab: sum(points(cell) for cell in cells) for lab, cells in self.labs.items()}


@dataclass(frozen=True)
class Marked:
    """The executed notebooks of those labs that could be graded, and all that was wrong."""

    notebooks: dict[str, NotebookNode]
    problems: tuple[Problem, ...]


def prepare(folder: CourseFolder, phase: str) -> Phase:
    """Make a phase ready for grading from its built sources.

    Raises CourseError where these do not fit the gradebook.
    """
    engine.register(folder, phase)
    files = frozenset(path.as_posix() for path in other_files(folder.source / phase))
    return Phase(phase, folder, engine.labs(folder, phase), files)


def look(phase: Phase, student: str, handed_in: Path) -> Submission:
    """What a student handed in, in the folder `handed_in`."""
    ids = {lab: [str(grade_id(cell)) for cell in cells] for lab, cells in phase.labs.items()}
    return inspect(student, phase.name, handed_in, ids, phase.files)


def mark(phase: Phase, submission: Submission) -> Marked:
    """Run every lab of a submission and write its feedback; a lab that cannot be graded scores 0."""
    student, folder = submission.student, phase.folder
    notebooks = {}
    problems = list(submission.problems)
    shutil.rmtree(folder.autograded(student, phase.name), ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary, student, phase.name)
        stage(submission, staged)
        for lab in phase.labs:
            if lab in submission.files:
                try:
                    notebooks[lab] = engine.autograde(folder, phase.name, student, lab, Path(temporary))
                except NotGraded as error:
                    problems.append(_not_graded(lab, error))
                else:
                    problems += _stopped_cells(lab, notebooks[lab])
            if lab not in notebooks:
                engine.give_zero(folder, phase.name, student, lab, submission.timestamp)
        problems += _write_feedback(phase, student, problems, staged, notebooks)
    if notebooks:
        _write_record(phase, submission, problems)
    return Marked(notebooks, tuple(problems))


def marked_before(phase: Phase, submission: Submission) -> tuple[Problem, ...] | None:
    """The problems found when these very files were graded against these very tests; None where they were not."""
    try:
        earlier = json.loads(_record(phase, submission).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if earlier["fingerprint"] != _fingerprint(phase, submission):
        return None
    return tuple(Problem(**problem) for problem in earlier["problems"])


def _write_feedback(
    phase: Phase,
    student: str,
    problems: list[Problem],
    staged: Path,
    graded: Collection[str],
) -> list[Problem]:
    """The page of each lab, or of one that could not be graded a page that says why; returns what went wrong."""
    pages = phase.folder.feedback(student, phase.name)
    if graded:
        try:
            engine.generate_feedback(phase.folder, phase.name, student)
        except NotGraded as error:
            log = f"autograded/{phase.name}.log says more"
            return [Problem(phase.name, f"is graded, but there is no feedback page ({error})", log, "human")]
    else:
        shutil.rmtree(pages, ignore_errors=True)
        pages.mkdir(parents=True)
        for name in RECORDS:  # nbgrader needs these to hand pages out
            if (staged / name).exists():
                shutil.copyfile(staged / name, pages / name)
    for lab in phase.labs:
        if lab not in graded:
            why = [problem for problem in problems if problem.file == f"{lab}.ipynb"]
            write_problem_page(pages / f"{lab}.html", student, phase.name, lab, why)
    return []


def _not_graded(lab: str, error: NotGraded) -> Problem:
    if "DeadKernelError" in str(error):
        return Problem(
            f"{lab}.ipynb",
            "made Python stop while it ran (a cell ends the process, or takes more memory than there is)",
            "find that cell with Run > Run All Cells, mend it, and hand the notebook in again",
            "human",
        )
    return Problem(
        f"{lab}.ipynb",
        f"could not be graded ({error})",
        "open it in JupyterLab and run all its cells",
        "human",
    )


def _stopped_cells(lab: str, notebook: NotebookNode) -> list[Problem]:
    return [
        Problem(
            f"{lab}.ipynb",
            f"ran too long in {cell} and was stopped there; the rest was graded",
            "look for a loop that never ends",
            "mended",
        )
        for cell in timed_out(notebook)
    ]


def _record(phase: Phase, submission: Submission) -> Path:
    return phase.folder.autograded(submission.student, phase.name) / _RECORD


def _write_record(phase: Phase, submission: Submission, problems: list[Problem]) -> None:
    content = {
        "fingerprint": _fingerprint(phase, submission),
        "problems": [asdict(problem) for problem in problems],
    }
    write_atomically(_record(phase, submission), json.dumps(content, indent=1).encode())


def _fingerprint(phase: Phase, submission: Submission) -> str:
    """Changes with whatever the scores depend on: the files handed in, and the labs' graded cells."""
    digest = hashlib.sha256(repr(submission.problems).encode())
    for lab, cells in phase.labs.items():
        digest.update(repr((lab, [(cell.source, cell.metadata) for cell in cells])).encode())
    for path in (*submission.files.values(), *submission.others):
        digest.update(os.fsencode(path) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
