"""What worker processes do: run one notebook, or make one feedback page. Bytes in, bytes out, and nothing else.

A job holds no student's name, no path and no address of a gradebook; the same bytes get the same grades anywhere. What
a student wrote is data here: JSON and plain files, never pickled objects.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute, IgnorePattern, LimitOutput
from nbgrader.utils import determine_grade, is_grade
from traitlets.config import Config

from course.cage import CageError, CellFailed
from course.errors import CourseError
from course.grading.reading import parse
from course.grading.rebuild import rebuild
from course.grading.rendering import Recorded, render
from course.grading.results import is_untouched, timed_out
from course.publishing.exercises import grade_id, is_solution

# nbgrader's steps between running a notebook and saving its grades.
_AFTERWARDS = (IgnorePattern, ClearMetadataPreprocessor, LimitOutput)
# What goes wrong with a machine, and not with a notebook.
_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}
_LOG_CHARACTERS = 10_000
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Lab:
    """What all submissions of a lab are run with.

    `cells` are its graded cells as the gradebook knows them, `kernelspec` the kernel's, `recordings` and `imports` what
    the examiner has learned from the reference solution.
    """

    cells: list[NotebookNode]
    kernelspec: dict[str, Any] = field(default_factory=dict)
    recordings: dict[str, Any] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A notebook to run: as it was handed in, with the files that lie beside it.

    `config` are nbgrader's settings by class, `caged` says whether the student's code is to be held.
    """

    lab: Lab
    notebook: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    caged: bool = True

    def pack(self) -> bytes:
        """The job as bytes for `run`."""
        head = {
            "lab": asdict(self.lab),
            "config": self.config,
            "caged": self.caged,
            "files": list(self.files),
        }
        return _pack(head, [self.notebook, *self.files.values()])

    @classmethod
    def unpack(cls, data: bytes) -> Job:
        """The job that `pack` made into bytes."""
        head, (notebook, *files) = _unpack(data)
        lab = Lab(**head["lab"] | {"cells": [nbformat.from_dict(cell) for cell in head["lab"]["cells"]]})
        return cls(lab, notebook, dict(zip(head["files"], files, strict=True)), head["config"], head["caged"])

    @contextmanager
    def laid_out(self) -> Iterator[str]:
        """A temporary folder with the files, to run the notebook in."""
        with tempfile.TemporaryDirectory(prefix="grading-") as folder:
            for name, content in self.files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            yield folder


@dataclass(frozen=True)
class Note:
    """Something that happened in a cell, by its grade_id or position.

    `kind` is "timeout", "dead" (Python ended), "memory", "unresponsive" (it could not be stopped), or "examiner" (the
    student's code broke the rules of the examiner).
    """

    kind: str
    cell: str


@dataclass(frozen=True)
class Report:
    """What came of a job. `notebook` is the executed one, and empty where `failure` says why there is none.

    `scores` are nbgrader's by grade_id, None where a teacher has to give the points; `unanswered` are the answers
    that are as they were released. `refusal` is what an instructor has to mend before anybody can be graded; `seconds`
    is the worker's own CPU time, without the cells', and `log` is what nbgrader had to say.
    """

    notebook: bytes = b""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    unanswered: Sequence[str] = ()
    notes: Sequence[Note] = ()
    failure: str = ""
    refusal: str = ""
    seconds: float = 0.0
    log: str = ""

    def pack(self) -> bytes:
        """The report as bytes."""
        head = {name: value for name, value in asdict(self).items() if name != "notebook"}
        return _pack(head, [self.notebook])

    @classmethod
    def unpack(cls, data: bytes) -> Report:
        """The report that `run` made into bytes."""
        head, (notebook,) = _unpack(data)
        lists = {
            "notes": tuple(Note(**note) for note in head["notes"]),
            "unanswered": tuple(head["unanswered"]),
        }
        return cls(notebook=notebook, **head | lists)


@dataclass(frozen=True)
class PageJob:
    """A feedback page to make from an executed notebook and the grades that the gradebook has for it.

    `reader` stands where the page names its student; the coordinator puts the name there.
    """

    notebook: bytes
    recorded: Recorded
    phase: str
    lab: str
    reader: str

    def pack(self) -> bytes:
        """The job as bytes for `make_page`."""
        head = {name: value for name, value in asdict(self).items() if name != "notebook"}
        return _pack(head, [self.notebook])

    @classmethod
    def unpack(cls, data: bytes) -> PageJob:
        """The job that `pack` made into bytes."""
        head, (notebook,) = _unpack(data)
        return cls(notebook=notebook, recorded=Recorded.from_json(head.pop("recorded")), **head)


def run(data: bytes) -> bytes:
    """Run the notebook of a packed Job; returns a packed Report, whatever the student wrote."""
    start = _cpu_seconds()
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    _log.addHandler(handler)
    try:
        report = _graded(Job.unpack(data))
    except CellFailed as error:  # if this machine has cells for nobody, that is no student's fault
        report = Report(failure=str(error)) if _cells_can_be_had() else Report(refusal=str(error))
        log.write(traceback.format_exc())
    except CourseError as error:
        report = Report(refusal=str(error))
    except OSError as error:
        report = Report(refusal=str(error)) if error.errno in _MACHINE else Report(failure=_last_line(error))
        log.write(traceback.format_exc())
    except Exception as error:  # one notebook must not stop the class, whatever is in it
        log.write(traceback.format_exc())
        report = Report(failure=_last_line(error))
    finally:
        _log.removeHandler(handler)
    report = replace(report, seconds=_cpu_seconds() - start, log=log.getvalue()[-_LOG_CHARACTERS:])
    try:
        return report.pack()
    except MemoryError as error:
        return Report(failure=_last_line(error)).pack()


def make_page(data: bytes) -> bytes:
    """Make the page of a packed PageJob; returns its HTML."""
    job = PageJob.unpack(data)
    notebook = nbformat.reads(job.notebook.decode(), as_version=4)
    return render(notebook, job.recorded, phase=job.phase, lab=job.lab, reader=job.reader).encode()


_log = logging.getLogger("course.grading.jobs")
_log.setLevel(logging.INFO)
_log.propagate = False


def _graded(job: Job) -> Report:
    """Rebuild, run and grade the notebook of a job."""
    notebook = rebuild(parse(job.notebook).notebook, job.lab.cells)
    if job.lab.kernelspec:
        notebook.metadata["kernelspec"] = job.lab.kernelspec
    config = Config(job.config)
    with job.laid_out() as folder:
        notes = _execute(notebook, job, config, folder)
    for step in _AFTERWARDS:
        notebook, _ = step(config=config, log=_log)(notebook, {})
    return Report(
        notebook=nbformat.writes(notebook).encode(),
        scores={
            str(grade_id(cell)): determine_grade(cell, _log)[0] for cell in notebook.cells if is_grade(cell)
        },
        unanswered=tuple(
            str(grade_id(cell)) for cell in notebook.cells if is_solution(cell) and is_untouched(cell)
        ),
        notes=notes,
    )


def _cells_can_be_had() -> bool:
    """Whether a cell can be made with nothing of a student's in it."""
    from course.grading import zygotes

    try:
        zygotes.spawn((), "course.examiner.desk:main", {}).kill()
    except CageError:
        return False
    return True


def _execute(notebook: NotebookNode, job: Job, config: Config, folder: str) -> list[Note]:
    """Run all cells of a notebook, in place; returns what happened.

    Raises CourseError where it is to be caged and cannot be.
    """
    os.environ["NBGRADER_EXECUTION"] = "autograde"
    resources: dict[str, Any] = {"metadata": {"path": folder}}
    if job.caged:
        from course.grading.execution import CagedExecute

        caged = CagedExecute(config=config, log=_log, recordings=job.lab.recordings, imports=job.lab.imports)
        _, resources = caged.preprocess(notebook, resources)
        return [Note(kind, cell) for kind, cell in resources["course_notes"]]
    Execute(config=config, log=_log).preprocess(notebook, resources)
    return [Note("timeout", cell) for cell in timed_out(notebook)]


def _pack(head: Mapping[str, Any], blobs: Sequence[bytes]) -> bytes:
    """JSON and plain bytes in one; the JSON says how long each of the others is."""
    text = json.dumps({"head": head, "sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([len(text).to_bytes(_LENGTH_BYTES, "big"), text, *blobs])


def _unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    position = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    found = json.loads(data[_LENGTH_BYTES:position])
    blobs = []
    for size in found["sizes"]:
        blobs.append(data[position : position + size])
        position += size
    return found["head"], blobs


def _cpu_seconds() -> float:
    """What this process and its finished children have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _last_line(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
