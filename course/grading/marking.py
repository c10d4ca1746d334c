"""What grading makes of one submission: jobs out of its files, problems out of what came back, and a record.

Nothing here runs a notebook or writes into the gradebook.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from course.files import write_atomically
from course.grading import engine
from course.grading.clean import RECORD
from course.grading.engine import CourseFolder
from course.grading.gradebook import RunGradebook
from course.grading.intake import Problem, Submission, inspect, notebook_content
from course.grading.jobs import Job, Lab, Note, Report
from course.grading.reading import read_bytes
from course.grading.reference import reference
from course.grading.registration import registered
from course.publishing.exercises import points
from course.publishing.layout import other_files
from course.publishing.releases import Releases, released

# A job may take this many times what its cells may take together, and some minutes on top.
_PATIENCE = 2
_EXTRA_CELLS = 20
_EXTRA_SECONDS = 300.0


@dataclass(frozen=True)
class Phase:
    """A phase that is ready for grading: its labs as the gradebook knows them, and its other files.

    `releases` has by lab the cells that were released at any time, `settings` are those that go with every job,
    `cell_seconds` is what a cell may take, None for ever.
    """

    name: str
    folder: CourseFolder
    labs: Mapping[str, Lab]
    files: Mapping[str, bytes]
    releases: Mapping[str, Releases]
    settings: Mapping[str, Any]
    cell_seconds: float | None
    caged: bool

    @property
    def points(self) -> dict[str, float]:
        """What each lab is worth."""
        return {name: sum(points(cell) for cell in lab.cells) for name, lab in self.labs.items()}

    @property
    def deadline(self) -> float:
        """After how many seconds a notebook is given up; far more than its cells may take."""
        most = max((len(lab.cells) for lab in self.labs.values()), default=0) + _EXTRA_CELLS
        return _EXTRA_SECONDS + _PATIENCE * most * (self.cell_seconds or 3600)

    def taught(self, learn: Callable[[bytes], bytes]) -> Phase:
        """The phase with what the examiner has to know of each lab, learned from the reference solutions if need be.

        All labs get the imports of all: then one process is forked for the kernels of any, and one that was made ahead
        fits whatever lab comes next. `learn` runs one, as `reference.learn` does.

        Raises CourseError where one does not pass, or there is no cage.
        """
        if not self.caged:
            return self
        labs: dict[str, Lab] = {}
        imports: set[str] = set()
        for name, lab in self.labs.items():
            source = self.folder.source / self.name / f"{name}.ipynb"
            known = reference(self.folder.project, source, lab.cells, self.settings, learn)
            known.must_pass(source)
            labs[name] = replace(lab, recordings=known.recordings)
            imports |= {*known.imports}
        together = sorted(imports)
        return replace(self, labs={name: replace(lab, imports=together) for name, lab in labs.items()})


def prepare(folder: CourseFolder, phase: str, *, caged: bool) -> Phase:
    """Make a phase ready for grading from its built sources.

    Raises CourseError where these do not fit the gradebook, or it cannot be written to.
    """
    with RunGradebook(folder.database, folder.course_id) as gradebook:
        gradebook.check()
    labs = registered(folder, phase)
    own = set(folder.config.Autograde.get("exclude_overwriting", {}).get(phase, []))
    files = {name.as_posix(): path for name, path in other_files(folder.source / phase).items()}
    return Phase(
        name=phase,
        folder=folder,
        labs=labs,
        files={name: path.read_bytes() for name, path in files.items() if name not in own},
        releases={lab: released(folder.project, phase, lab) for lab in labs},
        settings=engine.job_settings(folder.config),
        cell_seconds=engine.cell_timeout(folder),
        caged=caged,
    )


def look(phase: Phase, student: str, handed_in: Path) -> Submission:
    """What a student handed in, in the folder `handed_in`; nothing, and a problem, where one cannot look at it."""
    cells = {name: lab.cells for name, lab in phase.labs.items()}
    try:
        return inspect(student, phase.name, handed_in, cells, phase.files, phase.releases)
    except Exception as error:  # one student's folder must not stop the class, whatever is in it
        return Submission(student, phase.name, handed_in, problems=(out_of_order("be looked at", error),))


def out_of_order(what: str, error: Exception) -> Problem:
    """A submission for which something failed that never should: it cannot ..."""
    return Problem(
        "The folder", f"could not {what} ({error!r})", "look at it yourself, and grade again", "human"
    )


def files_of(phase: Phase, submission: Submission) -> dict[str, bytes]:
    """What lies beside a submission's notebooks while they run, by path: the student's files, and the phase's own."""
    theirs = {path.relative_to(submission.folder).as_posix(): read_bytes(path) for path in submission.others}
    return theirs | dict(phase.files)


def jobs(phase: Phase, submission: Submission) -> Iterator[tuple[str, Job]]:
    """The jobs of a submission: one for each lab that was handed in, with its name."""
    files = files_of(phase, submission)
    for name, path in submission.files.items():
        yield name, Job(phase.labs[name], notebook_content(path), files, phase.settings, phase.caged)


def problems_of(lab: str, report: Report) -> Iterator[Problem]:
    """What a student or teacher should know of a lab that was run."""
    for note in report.notes:
        yield _problem(lab, note)
    if report.failure:
        yield not_graded(lab, report.failure)


def not_graded(lab: str, reason: str) -> Problem:
    """A lab that could not be graded."""
    if "DeadKernelError" in reason:
        return _problem(lab, Note("dead", "a cell"))
    return Problem(
        f"{lab}.ipynb",
        f"could not be graded ({reason})",
        "open it in JupyterLab and run all its cells",
        "human",
    )


@dataclass(frozen=True)
class Marked:
    """What is kept of a grading: its problems, and as a digest what its pages tell of a teacher's own points and words."""

    problems: tuple[Problem, ...]
    by_hand: str


def marked_before(phase: Phase, submission: Submission) -> Marked | None:
    """What came of it when these very files were graded against these very tests; None where they were not."""
    try:
        earlier = json.loads(_record(phase, submission).read_text(encoding="utf-8"))
        if earlier["fingerprint"] != fingerprint(phase, submission):
            return None
        problems = tuple(Problem(**problem) for problem in earlier["problems"])
        return Marked(problems, str(earlier.get("by_hand", "")))
    except Exception:  # there is none, or none of ours: nbgrader's command copies whatever has its name
        return None


def write_record(phase: Phase, submission: Submission, found: str, marked: Marked) -> None:
    """Note down that a submission is graded; `found` was its fingerprint when it was read."""
    content = {"fingerprint": found, **asdict(marked)}
    write_atomically(_record(phase, submission), json.dumps(content, indent=1).encode())


def remove_record(phase: Phase, submission: Submission) -> None:
    """Note down that a submission is not graded: what is kept of it is about to change."""
    record = _record(phase, submission)
    if record.is_dir() and not record.is_symlink():
        shutil.rmtree(record)
    else:
        record.unlink(missing_ok=True)


def fingerprint(phase: Phase, submission: Submission) -> str:
    """Changes with whatever the scores depend on: the files handed in, the labs' graded cells, and how they are run."""
    digest = hashlib.sha256(repr((submission.problems, submission.timestamp, phase.caged)).encode())
    for name, lab in phase.labs.items():
        digest.update(repr((name, [(cell.source, cell.metadata) for cell in lab.cells])).encode())
    for path in (*submission.files.values(), *submission.others):
        digest.update(os.fsencode(path) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _record(phase: Phase, submission: Submission) -> Path:
    return phase.folder.autograded(submission.student, phase.name) / RECORD


def _problem(lab: str, note: Note) -> Problem:
    reason, remedy, severity = _NOTES[note.kind]
    return Problem(f"{lab}.ipynb", reason.format(cell=note.cell), remedy, severity)  # type: ignore[arg-type]


_FIND_IT = "find that cell with Run > Run All Cells, mend it, and hand the notebook in again"
_NOTES = {
    "timeout": (
        "ran too long in {cell} and was stopped there; the rest was graded",
        "look for a loop that never ends",
        "mended",
    ),
    "dead": ("made Python stop while it ran, in {cell} (a cell ends the process)", _FIND_IT, "human"),
    "memory": ("took more memory than there is, in {cell}, and was stopped there", _FIND_IT, "human"),
    "unresponsive": ("could not be stopped when it ran too long, in {cell}", _FIND_IT, "human"),
    "examiner": (
        "did something to the test {cell} that honest code does not do, and got no points for it",
        "look at the answer yourself",
        "human",
    ),
}
