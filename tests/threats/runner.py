"""Grade a class in which some are hostile, through a real pipeline, and gather what came of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from .bait import caught
from .classroom import TIMEOUT, VICTIMS, Classroom, classroom, promised, worth
from .pages import dangers
from .submission import Submission

Pipeline = Literal["course grade", "nbgrader autograde", "stock"]

MEMORY = 2048  # MiB that the process which grades may take itself
PAGE = 10_000_000  # bytes of a student's feedback

_READ = 100_000_000  # bytes of a file whose content is compared
# What Jupyter and nbgrader make for themselves.
_TOOLS = (".cache", ".config", ".ipython", ".jupyter", ".local", ".nbgrader.log")
_GRADED = (".cache", "autograded", "feedback", "gradebook.db", ".nbgrader.log", "set_aside")
_WIDE = (
    "/",
    "/dev/shm",
    "/etc",
    "/etc/cron.d",
    "/home",
    "/opt",
    "/root",
    "/run",
    "/tmp",
    "/usr/local",
    "/var/tmp",
)


@dataclass(frozen=True)
class Evidence:
    """What came of grading one class: for each student, and for everybody.

    `shown` is the text of all that a student gets to see, by the name of the file. `marks` are the files with a word of
    a hostile student's in their names, anywhere. The rest is told in lines that should not be there.
    """

    phase: str
    victims: tuple[str, ...]
    status: tuple[int | None, ...]
    seconds: float
    memory: float
    output: str
    scores: dict[str, float]
    shown: dict[str, dict[str, str]]
    marks: list[str]
    left: list[str]
    changed: list[str]
    gradebook: list[str]
    visits: list[str]


def grade(
    published: Path,
    hostile: Sequence[Submission],
    pipeline: Pipeline,
    victims: Sequence[str] = tuple(VICTIMS),
) -> Evidence:
    """Grade hostile students' work, all on one phase, beside that of victims."""
    (phase,) = {each.phase for each in hostile}
    root = Path(tempfile.mkdtemp(prefix="threats-"))
    try:
        with classroom(published, root, hostile, victims, stock=pipeline == "stock") as room:
            files, rows = _files(room), _rows(room, phase)
            reports = [_run(room, command, _seconds(hostile)) for command in _commands(pipeline, phase)]
            students = [*victims, *(each.student for each in hostile)]
            return Evidence(
                phase=phase,
                victims=tuple(victims),
                status=tuple(report["status"] for report in reports),
                seconds=sum(report["seconds"] for report in reports),
                memory=max(report["memory"] for report in reports),
                output="\n".join(report["output"] for report in reports),
                scores=_scores(room, phase, students),
                shown={student: dict(_shown(room, phase, student, pipeline)) for student in students},
                marks=list(_marks(room, hostile)),
                left=[line for report in reports for line in report["left"]],
                changed=sorted(_differences(files, _files(room))),
                gradebook=sorted(_differences(rows, _rows(room, phase))),
                visits=list(room.visits),
            )
    finally:
        shutil.rmtree(root, ignore_errors=True)


def harm(evidence: Evidence) -> list[str]:
    """What should not have come of grading a class, whoever did it; empty where all is well."""
    found = [f"ended with {status}" for status in evidence.status if status]
    if None in evidence.status:
        found.append("did not end in time")
    for student, points in promised(evidence.phase, evidence.victims).items():
        score = evidence.scores.get(student)
        if score != points:
            found.append(f"{student} has {score} points and earned {points:g}")
        for name, shown in evidence.shown[student].items():
            if "left-by-" in shown:
                found.append(f"{student} is shown another's words in {name}")
    if evidence.memory > MEMORY:
        found.append(f"the grading process took {evidence.memory:.0f} MiB")
    found += [f"still running: {line[:200]}" for line in evidence.left]
    found += [f"file {line}" for line in evidence.changed]
    found += [f"gradebook {line}" for line in evidence.gradebook]
    found += [f"somebody came to the host's {name}" for name in sorted(set(evidence.visits))]
    return found


def gains(evidence: Evidence, submission: Submission) -> list[str]:
    """What a hostile student got that was not earned; empty where there is nothing."""
    found = []
    score, deserved = evidence.scores.get(submission.student, 0.0), worth(submission.solves)
    if score > deserved:
        found.append(f"has {score:g} points and earned {deserved:g}")
    shown = evidence.shown[submission.student]
    found += [
        f"is shown {where}" for where in sorted({place for each in shown.values() for place in caught(each)})
    ]
    found += [
        f"{name}: {danger}"
        for name, each in shown.items()
        if name.endswith(".html")
        for danger in dangers(each)
    ]
    found += [f"{name} is {len(each)} bytes long" for name, each in shown.items() if len(each) > PAGE]
    found += [f"left {path}" for path in evidence.marks if submission.mark in path]
    return found


def is_flagged(evidence: Evidence, submission: Submission) -> bool:
    """Whether the report names a student as one whom a human should look at."""
    _, _, table = evidence.output.partition("What needs a human's eye")
    return f" {submission.student} " in table


# --- the run ----------------------------------------------------------------------------------------------------------------


def _commands(pipeline: Pipeline, phase: str) -> list[list[str]]:
    if pipeline == "course grade":
        return [["course", "grade", phase]]
    feedback = [] if pipeline == "stock" else [["nbgrader", "generate_feedback", phase]]
    return [["nbgrader", "autograde", phase], *feedback]


def _seconds(hostile: Sequence[Submission]) -> float:
    """The time in which a class must be graded, were each of the hostile to use up the time of five cells."""
    return 120.0 + 5 * TIMEOUT * len(hostile)


def _run(room: Classroom, command: list[str], seconds: float) -> dict[str, object]:
    report, output = room.root / "report.json", room.root / "output.txt"
    report.unlink(missing_ok=True)
    supervisor = Path(__file__).with_name("supervisor.py")
    with output.open("w+b") as stream:  # read through this, whatever becomes of the file
        done = subprocess.run(
            [sys.executable, supervisor, report, str(seconds), sys.executable, "-m", *command],
            cwd=room.course,
            env=room.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        stream.seek(0)
        said = stream.read().decode(errors="replace")
    found = {
        "status": done.returncode,
        "seconds": 0.0,
        "left": [],
        "memory": 0.0,
    }  # where it was killed itself
    if report.exists():
        found = json.loads(report.read_text())
    return found | {"output": said}


# --- the evidence -----------------------------------------------------------------------------------------------------------


def _scores(room: Classroom, phase: str, students: Sequence[str]) -> dict[str, float]:
    """The score of each student that the gradebook knows; of nobody where it cannot be read."""
    try:
        with Gradebook(f"sqlite:///{room.course / 'gradebook.db'}", "backend") as gradebook:
            found = {each.student.id: float(each.score) for each in gradebook.assignment_submissions(phase)}
    except (SQLAlchemyError, MissingEntry):
        return {}
    return {student: found[student] for student in students if student in found}


def _shown(room: Classroom, phase: str, student: str, pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """All that a student gets back.

    Stock nbgrader's pages show every hidden test to everybody. There, what counts are the outputs of the other cells,
    and the files that lie beside the notebook and are given back with it.
    """
    if pipeline != "stock":
        for path in sorted((room.course / "feedback" / student).rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes().decode(errors="replace")
        return
    for path in sorted((room.course / "autograded" / student / phase).rglob("*")):
        if path.suffix == ".ipynb" and path.is_file():
            cells = nbformat.read(path, as_version=4).cells
            outputs = [cell.get("outputs", []) for cell in cells if "HIDDEN" not in cell.source]
            yield path.name, json.dumps(outputs)
        elif path.is_file() and path.lstat().st_size < PAGE:
            yield path.name, path.read_bytes().decode(errors="replace")


def _marks(room: Classroom, hostile: Sequence[Submission]) -> Iterator[str]:
    """Files that a hostile student left, by their names, wherever such may be left."""
    wide = [Path(folder) for folder in _WIDE] + [Path(sys.prefix), Path.home(), Path.cwd()]
    packages = [Path(each) for each in sys.path if each.endswith("site-packages")]
    marks = [each.mark for each in hostile]
    narrow = [path for folder in (room.root,) for path in folder.rglob("*left-by-*")]
    for folder in {*wide, *packages}:
        if os.access(folder, os.R_OK):
            narrow += [path for path in folder.iterdir() if "left-by-" in path.name]
    own = [room.course / name for name in ("submitted", "set_aside")]
    for path in sorted(set(narrow)):
        planted = any(folder in path.parents for folder in own)
        if not planted and any(mark in path.name for mark in marks):
            yield str(path)


def _files(room: Classroom) -> dict[str, str]:
    """What must stay as it is: every file of the trial but what grading makes, by its path, with what is in it."""
    found = {}
    for folder in (room.home, room.elsewhere, room.course):
        for path in folder.rglob("*"):
            first, second = (*path.relative_to(folder).parts, "")[:2]
            own = first == "submitted" and second.startswith("x-")  # what is not graded may be set aside
            if own or first in (_GRADED if folder == room.course else _TOOLS):
                continue
            found[str(path.relative_to(room.root))] = _content(path)
    return found


def _content(path: Path) -> str:
    status = path.lstat()
    kind = f"{status.st_mode:o} of {status.st_uid}"
    if path.is_symlink():
        return f"{kind} -> {path.readlink()}"
    if not path.is_file() or status.st_size > _READ:
        return kind
    return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _rows(room: Classroom, phase: str) -> dict[str, str]:
    """What the gradebook holds but the work on one phase, by what it is about; nothing where it cannot be read."""
    try:
        return _read_rows(room, phase)
    except SQLAlchemyError:
        return {}


def _read_rows(room: Classroom, phase: str) -> dict[str, str]:
    engine = create_engine(f"sqlite:///{room.course / 'gradebook.db'}")
    with Gradebook(str(engine.url), "backend") as gradebook:
        found = {
            f"student {each.id}": f"{each.email} {each.first_name}"
            for each in gradebook.students
            if not each.id.startswith("x-")
        }
        for assignment in gradebook.assignments:
            for notebook in assignment.notebooks:
                cells = [
                    notebook.grade_cells,
                    notebook.solution_cells,
                    notebook.task_cells,
                    notebook.source_cells,
                ]
                for cell in (each for kind in cells for each in kind):
                    name = f"{type(cell).__name__} {assignment.name} {notebook.name} {cell.name}"
                    found[name] = repr(
                        [getattr(cell, each, None) for each in ("max_score", "source", "cell_type")]
                    )
            if assignment.name != phase:
                for submission in assignment.submissions:
                    for notebook in submission.notebooks:
                        for score in notebook.grades:
                            found[f"grade {assignment.name} {submission.student_id} {score.name}"] = repr(
                                [score.auto_score, score.manual_score, score.extra_credit]
                            )
    with engine.connect() as connection:
        for table in sorted(inspect(engine).get_table_names()):
            found[f"table {table}"] = "is there"
        found["integrity"] = str(connection.execute(text("PRAGMA integrity_check")).scalar())
    engine.dispose()
    return found


def _differences(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for name in before.keys() | after.keys():
        if name not in after:
            yield f"{name} is gone"
        elif name not in before:
            yield f"{name} is new"
        elif before[name] != after[name]:
            yield f"{name} has changed"
