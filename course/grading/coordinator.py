"""Grade submissions: hand their notebooks out to workers, and write down what comes back.

This is the only writer of the gradebook. It may be killed at any moment: for each submission it removes the record of
an earlier grading, writes the executed notebooks, then all grades in one transaction, then the feedback pages, and last
the record that says that all of this is done. A submission without its record is graded again, to the same result.
"""

from __future__ import annotations

import errno
import html
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.converters import BaseConverter

from course.errors import CourseError
from course.files import write_atomically
from course.grading import engine, jobs, marking
from course.grading.clean import records
from course.grading.executors import LostJob, Workers
from course.grading.feedback import problem_page
from course.grading.gradebook import MAKE_ROOM, RunGradebook, Scores, by_hand, save
from course.grading.intake import Problem, Submission
from course.grading.jobs import PageJob, Report
from course.grading.marking import Marked, Phase
from course.grading.progress import Watch
from course.grading.rendering import Recorded

_IN_FLIGHT = 2  # jobs for each worker: one that runs, one that waits at its door
_LOOK_UP_SECONDS = 1.0  # so that Ctrl-C is heard, and new workers are seen
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_OF_CONTENT = (
    OSError,
    ValueError,
    MemoryError,
    RecursionError,
)  # what files and texts of any kind can bring about


@dataclass
class _Paper:
    """A submission on its way.

    `notebooks` are the executed ones, until they are written and their pages handed out; afterwards only their names.
    """

    submission: Submission
    fingerprint: str
    problems: list[Problem]
    waiting: set[str] = field(default_factory=set)
    notebooks: dict[str, bytes] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    by_hand: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)


class Coordinator:
    """Grades the submissions of a phase."""

    def __init__(self, phase: Phase, gradebook: RunGradebook, workers: Workers, watch: Watch) -> None:
        """The caller opens the gradebook and the workers, and closes them."""
        self._phase = phase
        self._gradebook = gradebook
        self._workers = workers
        self._watch = watch
        self._running: dict[Future[bytes], Callable[[Future[bytes]], None]] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._late = engine.late_penalties(phase.folder)
        self._autograded, self._feedback = engine.stores(phase.folder, phase.name)

    def grade(
        self, submissions: Iterable[Submission], outdated: Iterable[tuple[Submission, Marked]] = ()
    ) -> dict[str, tuple[Problem, ...]]:
        """Grade all of these, and return what was wrong with each, by student.

        Of those that are `outdated` only the feedback is made anew: they are graded, and a teacher gave points since.

        Raises CourseError where nobody can be graded: there is no cage, the gradebook is locked, the disk is full. What
        was graded before that is kept.
        """
        waiting = deque(
            [
                *(partial(self._begin, each) for each in submissions),
                *(partial(self._begin_pages, *each) for each in outdated),
            ]
        )
        self._watch.begin(len(waiting))
        with _no_room_explained(self._phase.folder.root):
            while waiting or self._running:
                while waiting and len(self._running) < _IN_FLIGHT * max(1, self._workers.count()):
                    waiting.popleft()()
                self._collect()
        return self._problems

    def _collect(self) -> None:
        """Go on with what has come back, or wait a moment for it."""
        done, _ = wait(self._running, _LOOK_UP_SECONDS, FIRST_COMPLETED)
        for future in done:
            self._running.pop(future)(future)
        self._watch.running(min(len(self._running), self._workers.count()))

    # --- the way of a submission ------------------------------------------------------------------------------------

    def _begin(self, submission: Submission) -> None:
        """Hand out the labs of a submission."""
        paper = _Paper(submission, "", list(submission.problems))
        try:
            paper.fingerprint = marking.fingerprint(self._phase, submission)
            packed = {lab: job.pack() for lab, job in marking.jobs(self._phase, submission)}
        except Exception as error:  # it was changed or removed since it was looked at
            paper.problems.append(marking.out_of_order("be read", error))
            packed = {}
        paper.waiting = set(packed)
        for lab, job in packed.items():
            self._running[self._workers.submit(jobs.run, job)] = partial(self._ran, paper, lab)
        if not packed:
            self._save(paper)

    def _ran(self, paper: _Paper, lab: str, future: Future[bytes]) -> None:
        """A lab came back; when it was the submission's last, save its grades."""
        try:
            report = Report.unpack(future.result())
        except LostJob as error:
            paper.problems.append(marking.not_graded(lab, str(error)))
        except (CourseError, CancelledError):
            raise
        except Exception as error:  # whatever a worker could not even report
            paper.problems.append(marking.not_graded(lab, repr(error)))
        else:
            if report.refusal:
                raise CourseError(report.refusal)
            if report.log:
                engine.LOG.info("%s, %s: %s", paper.submission.student, lab, report.log)
            if report.notebook:
                paper.notebooks[lab] = report.notebook
                paper.scores[lab] = Scores(report.scores, report.unanswered)
            paper.problems += marking.problems_of(lab, report)
        paper.waiting.remove(lab)
        if not paper.waiting:
            self._save(paper)

    @contextmanager
    def _by_itself(self, paper: _Paper) -> Iterator[None]:
        """What cannot be written of one submission stops no other; what concerns all of them does."""
        try:
            yield
        except _OF_CONTENT as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise
            engine.LOG.error("%s: %r", paper.submission.student, error)
            paper.problems.append(marking.out_of_order("be written down", error))
            self._problems[paper.submission.student] = tuple(paper.problems)
            self._watch.one_more()

    def _save(self, paper: _Paper) -> None:
        """Write the executed notebooks, then the grades; then hand out the feedback pages."""
        with self._by_itself(paper):
            submission, phase = paper.submission, self._phase
            if paper.notebooks:
                marking.remove_record(phase, submission)
                kept = {f"{lab}.ipynb": notebook for lab, notebook in paper.notebooks.items()}
                others = marking.files_of(phase, submission) | _records(submission)
                self._keep(self._autograded, phase.folder.autograded, submission, others | kept)
            else:
                self._keep(self._autograded, phase.folder.autograded, submission, {})
            recorded, paper.by_hand = self._gradebook.change(partial(self._write, paper))
            self._hand_out_pages(paper, recorded)

    def _begin_pages(self, submission: Submission, marked: Marked) -> None:
        """Hand out the feedback pages of a submission that is graded."""
        paper = _Paper(submission, "", list(marked.problems))
        with self._by_itself(paper):
            paper.fingerprint = marking.fingerprint(self._phase, submission)
            recorded, paper.by_hand = self._gradebook.change(partial(self._read, paper))
            kept = self._phase.folder.autograded(submission.student, submission.phase)
            notebooks = {lab: kept / f"{lab}.ipynb" for lab in recorded}
            paper.notebooks = {lab: path.read_bytes() for lab, path in notebooks.items() if path.exists()}
            self._hand_out_pages(paper, recorded)

    def _hand_out_pages(self, paper: _Paper, recorded: Mapping[str, Recorded]) -> None:
        readers = {lab: secrets.token_hex(16) for lab in paper.notebooks}
        pages = {
            lab: PageJob(notebook, recorded[lab], self._phase.name, lab, readers[lab]).pack()
            for lab, notebook in paper.notebooks.items()
        }
        paper.waiting = set(pages)
        for lab, job in pages.items():
            page = self._workers.submit(jobs.make_page, job)
            self._running[page] = partial(self._page_made, paper, lab, readers[lab])
        if not paper.notebooks:
            self._finish(paper)
        paper.notebooks = dict.fromkeys(paper.notebooks, b"")

    def _write(self, paper: _Paper, gradebook: Gradebook) -> tuple[dict[str, Recorded], str]:
        submission, phase = paper.submission, self._phase
        graded = {lab: paper.scores.get(lab) for lab in phase.labs}
        notebooks = save(gradebook, phase.name, submission.student, submission.timestamp, graded, self._late)
        recorded = {lab: Recorded.of(notebooks[lab]) for lab in paper.scores}
        return recorded, self._by_hand(gradebook, submission.student)

    def _read(self, paper: _Paper, gradebook: Gradebook) -> tuple[dict[str, Recorded], str]:
        student = paper.submission.student
        notebooks = gradebook.find_submission(self._phase.name, student).notebooks
        recorded = {notebook.name: Recorded.of(notebook) for notebook in notebooks}
        return recorded, self._by_hand(gradebook, student)

    def _by_hand(self, gradebook: Gradebook, student: str) -> str:
        return by_hand(gradebook, self._phase.name, student).get(student, "")

    def _page_made(self, paper: _Paper, lab: str, reader: str, future: Future[bytes]) -> None:
        """A page came back; when it was the submission's last, write them all."""
        try:
            page = future.result()
        except CourseError:
            raise
        except Exception as error:  # the grades are saved: a page is worth no more than a complaint
            engine.LOG.error("%s, %s: %r", paper.submission.student, lab, error)
            paper.problems.append(
                Problem(
                    f"{lab}.ipynb",
                    f"is graded, but there is no feedback page ({error!r})",
                    f"autograded/{self._phase.name}.log says more",
                    "human",
                )
            )
        else:
            paper.pages[lab] = page.replace(reader.encode(), html.escape(paper.submission.student).encode())
        paper.waiting.remove(lab)
        if not paper.waiting:
            self._finish(paper)

    def _finish(self, paper: _Paper) -> None:
        """Write the feedback, and the record that all is done."""
        with self._by_itself(paper):
            submission, phase = paper.submission, self._phase
            pages = {f"{lab}.html": page for lab, page in paper.pages.items()}
            for lab in phase.labs.keys() - paper.notebooks.keys():
                why = [problem for problem in paper.problems if problem.file == f"{lab}.ipynb"]
                pages[f"{lab}.html"] = problem_page(submission.student, phase.name, lab, why)
            self._keep(self._feedback, phase.folder.feedback, submission, pages | _records(submission))
            if paper.notebooks:
                marked = Marked(tuple(paper.problems), paper.by_hand)
                marking.write_record(phase, submission, paper.fingerprint, marked)
            self._problems[submission.student] = tuple(paper.problems)
            self._watch.one_more()

    def _keep(
        self,
        store: BaseConverter,
        place: Callable[[str, str], Path],
        submission: Submission,
        files: Mapping[str, bytes],
    ) -> None:
        """Make a submission's folder hold these files and no others, with the rights that nbgrader gives them."""
        folder = place(submission.student, submission.phase)
        wanted = {folder / name for name in files}
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    path.rmdir()
            elif path not in wanted:
                path.unlink()
        for name, content in files.items():
            write_atomically(folder / name, content)
        if files:
            store.set_permissions(submission.phase, submission.student)


def _records(submission: Submission) -> dict[str, bytes]:
    """nbgrader's own files of a submission, which it needs to hand feedback out."""
    found = records(submission.folder)
    if not submission.timestamp:
        found.pop("timestamp.txt", None)
    return found


@contextmanager
def alone(phase: str, folder: Path) -> Iterator[None]:
    """Hold the lock for grading a phase; the system releases it when this process ends, however it ends.

    Raises CourseError where another process grades the phase in the same course folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{phase}.lock").open("a+") as lock:
        if not _lock(lock.fileno()):
            lock.seek(0)
            raise CourseError(
                f"{phase} is being graded already, by process {lock.read().strip() or 'unknown'}: "
                "wait for it, or stop it"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _lock(file: int) -> bool:
    """Whether this process now holds the lock; processes forked from it do not."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _no_room_explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise CourseError(f"There is no room left on the disk of {root}: {MAKE_ROOM}") from error
        raise
