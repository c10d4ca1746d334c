"""A course folder with a class that handed in, and bait all around it: the place of one trial."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from course.grading.reference import reference

from .bait import LABS, secret
from .submission import Submission

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 6  # seconds for a cell

_BANK = ("mask", "account", "rich", "monthly", "api", "table", "twice")
_SCORES = {
    "whole": dict.fromkeys((*_BANK, "poor"), 3),
    "half": {"mask": 3, "account": 1, "rich": 3, "monthly": 0, "api": 1, "table": 0, "twice": 0, "poor": 1},
}
VICTIMS = {"ada": "whole", "noa": "half", "zoe": "whole"}
"""Honest students: two with all points, before and after the hostile ones by name, and one with some."""

_HALF = {
    "account": (
        "class Overdrawn(Exception):\n    pass\n\n\nclass Account:\n    def __init__(self, owner):\n"
        "        self.owner, self.balance = owner, 0\n\n    def deposit(self, amount):\n"
        "        self.balance += amount\n\n    def withdraw(self, amount):\n        self.balance -= amount"
    ),
    "monthly": None,
    "table": None,
    "twice": None,
    "api": 'from fastapi import FastAPI\n\napi = FastAPI()\n\n\n@api.get("/hello/{name}")\ndef hello(name):\n'
    '    return {"hello": "Ada"}',
    "poor": "%%sql ledger --name poor\nSELECT owner FROM accounts WHERE amount BETWEEN 50 AND 99 ORDER BY owner",
}
_STOCK_SETTINGS = """\
import os
import sys

c = get_config()
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
c.CourseDirectory.course_id = "backend"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.md", "notes.txt"]
c.Execute.timeout = {timeout}
"""


def publish(folder: Path) -> Path:
    """Make the labs of this suite in a course folder of their own, known to its gradebook, with an older phase in it."""
    shutil.copytree(LABS, folder / "source")
    settings = (REPOSITORY / "nbgrader_config.py").read_text(encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(
        f"{settings}\nc.Execute.timeout = {TIMEOUT}\n", encoding="utf-8"
    )
    for command in (
        ["course", "build"],
        *(["nbgrader", "generate_assignment", path.name] for path in sorted(LABS.iterdir())),
    ):
        subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True, capture_output=True)
    for path in sorted((folder / "source").glob("*/*.ipynb")):
        reference(folder, path)  # learned once, and not by each class
    (folder / "source" / "notes.txt").write_text(secret("the notes beside the labs' sources"))
    with (
        warnings.catch_warnings(category=SAWarning, action="ignore"),
        Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "backend") as gradebook,
    ):
        gradebook.add_assignment("00-history")
        gradebook.add_notebook("quiz", "00-history")
        gradebook.add_grade_cell("q1", "quiz", "00-history", max_score=5, cell_type="code")
        for student in VICTIMS:
            gradebook.add_student(student, email=secret("the gradebook"))
            gradebook.add_submission("00-history", student)
            gradebook.find_grade("q1", "quiz", "00-history", student).manual_score = 4
        gradebook.db.commit()
    return folder


def worth(exercises: Sequence[str]) -> float:
    """The points of exercises."""
    return float(sum(_SCORES["whole"][exercise] for exercise in exercises))


def promised(phase: str, victims: Sequence[str]) -> dict[str, float]:
    """What victims must score in a phase."""
    names = ("poor",) if phase == "02-server" else _BANK
    return {student: float(sum(_SCORES[VICTIMS[student]][name] for name in names)) for student in victims}


@dataclass
class Classroom:
    """The folders of a trial, all in one: the course, the instructor's home, and others' files.

    `visits` is who came to the host's services, which nothing in a cage can reach.
    """

    root: Path
    visits: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    @property
    def course(self) -> Path:
        return self.root / "course"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def elsewhere(self) -> Path:
        return self.root / "elsewhere"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """What the grading commands are started with: little, and a secret."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "COLUMNS": "600",
            "NO_COLOR": "1",
            "GRADER_TOKEN": secret("the environment of the grader"),
        }


@contextmanager
def classroom(
    published: Path, root: Path, hostile: Sequence[Submission], victims: Sequence[str], *, stock: bool
) -> Iterator[Classroom]:
    """A class at `root`, in which victims and hostile students handed in; the host's services run.

    With `stock`, the course's settings are nbgrader's own.
    """
    room = Classroom(root)
    shutil.copytree(published, room.course)
    for folder in (room.home / ".ssh", room.elsewhere, room.temporary):
        folder.mkdir(parents=True)
    (room.home / ".ssh" / "id_rsa").write_text(secret("the key in the instructor's home"))
    (room.home / ".bashrc").write_text("# nothing yet\n")
    (room.elsewhere / "salaries.csv").write_text(secret("a file beside the course's folder"))
    if stock:
        (room.course / "nbgrader_config.py").write_text(_STOCK_SETTINGS.format(timeout=TIMEOUT))
    with _services(room):
        phases = {(each.phase, each.lab) for each in hostile}
        for phase, lab in phases:
            for student in victims:
                _hand_in(room, student, phase, lab, _honest(room, phase, lab, VICTIMS[student]))
        for submission in hostile:
            _hand_in_hostile(room, submission)
        yield room


# --- what is handed in ----------------------------------------------------------------------------------------------------


def _hand_in(room: Classroom, student: str, phase: str, lab: str, work: NotebookNode | str | bytes) -> Path:
    folder = room.course / "submitted" / student / phase
    folder.mkdir(parents=True)
    if isinstance(work, dict):
        work = json.dumps(work)  # as it is: nbformat would mend it
    (folder / f"{lab}.ipynb").write_bytes(work if isinstance(work, bytes) else work.encode())
    return folder


def _honest(room: Classroom, phase: str, lab: str, kind: str) -> NotebookNode:
    notebook = _released(room, phase, lab)
    _write_answers(notebook, _reference(room, phase, lab) | (_HALF if kind == "half" else {}))
    notebook.cells.append(new_markdown_cell(secret("a classmate's submission")))
    return notebook


def _hand_in_hostile(room: Classroom, submission: Submission) -> None:
    notebook = _released(room, submission.phase, submission.lab)
    reference = _reference(room, submission.phase, submission.lab)
    honest = {name: reference[name] for name in submission.solves}
    own = {name: _filled(room, submission, source) for name, source in submission.answers.items()}
    _write_answers(notebook, honest | own)
    for extra in submission.extras:
        new = new_markdown_cell if extra.cell_type == "markdown" else new_code_cell
        notebook.cells.insert(_place(notebook, extra.after), new(_filled(room, submission, extra.source)))
    work: Any = notebook
    if "tamper" in submission.programs:
        changed = _program(room, submission, "tamper")(notebook)
        work = notebook if changed is None else changed
    folder = _hand_in(room, submission.student, submission.phase, submission.lab, work)
    if "plant" in submission.programs:
        _program(room, submission, "plant")(folder)


def _released(room: Classroom, phase: str, lab: str) -> NotebookNode:
    return nbformat.read(room.course / "release" / phase / f"{lab}.ipynb", as_version=4)


def _reference(room: Classroom, phase: str, lab: str) -> dict[str, str]:
    author = nbformat.read(room.course / "source" / phase / f"{lab}.ipynb", as_version=4)
    return {_name(cell): cell.source for cell in author.cells if _meta(cell).get("solution")}


def _write_answers(notebook: NotebookNode, answers: Mapping[str, str | None]) -> None:
    """Write answers into the solution cells; SQL that names no database goes below the cell's own first line."""
    for cell in notebook.cells:
        answer = answers.get(_name(cell))
        if answer is not None:
            magic = cell.source.partition("\n")[0]
            cell.source = answer.replace("%%sql", magic, 1) if answer.startswith("%%sql\n") else answer


def _place(notebook: NotebookNode, after: str) -> int:
    """Where an extra cell goes: after a graded cell and the extras that stand there, else before the first exercise."""
    names = [_name(cell) for cell in notebook.cells]
    if not after:
        return next(index for index, cell in enumerate(notebook.cells) if _meta(cell)) - 1
    index = names.index(after) + 1
    while index < len(names) and not names[index] and notebook.cells[index].cell_type == "code":
        index += 1
    return index


def _name(cell: NotebookNode) -> str:
    return str(_meta(cell).get("grade_id", ""))


def _meta(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def _program(room: Classroom, submission: Submission, name: str) -> Any:
    names: dict[str, Any] = {}
    exec(_filled(room, submission, submission.programs[name]), names)
    return names[name]


def _filled(room: Classroom, submission: Submission, source: str) -> str:
    """A source with the places in it that a well-informed attacker would know."""
    known = {
        "HOME_FOLDER": str(room.home),
        "COURSE_FOLDER": str(room.course),
        "OTHER_FOLDER": str(room.elsewhere),
        "LEFT_BY": submission.mark,
        "OWN_NAME": submission.student,
        **room.places,
    }
    for word, meaning in known.items():
        source = source.replace(word, meaning)
    return source


# --- what else runs on the host -----------------------------------------------------------------------------------------


@contextmanager
def _services(room: Classroom) -> Iterator[None]:
    """Services of the host's that hold a secret, and note each visit."""
    tcp = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0threats-{os.getpid()}-{tcp.getsockname()[1]}")
    path = socket.socket(socket.AF_UNIX)
    path.bind(str(room.elsewhere / "service"))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    room.places |= {
        "HOST_PORT": str(tcp.getsockname()[1]),
        "HOST_UDP": str(udp.getsockname()[1]),
        "HOST_SOCKET": abstract.getsockname().decode().removeprefix("\0"),
    }
    for listener in (abstract, path):
        listener.listen()
    for name, each in (("TCP", tcp), ("abstract socket", abstract), ("socket file", path)):
        threading.Thread(target=_answer, args=(room, name, each), daemon=True).start()
    threading.Thread(target=_hear, args=(room, udp), daemon=True).start()
    try:
        yield
    finally:
        for each in (tcp, abstract, path, udp):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _answer(room: Classroom, name: str, listener: socket.socket) -> None:
    body = secret("a service of the host's").encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            room.visits.append(name)
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(4096)
                connection.sendall(head % len(body) + body)


def _hear(room: Classroom, listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            listener.recv(4096)
            room.visits.append("UDP")
