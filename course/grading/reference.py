"""Learn from a lab's reference solution what its tests may ask of a student's objects, and what it imports.

A test may meet objects of the student's only where it meets objects of the reference solution; the examiner records
these places while it runs the lab once. What was learned is kept until the lab or the examiner changes.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

import course.examiner
import course.lab
from course.errors import CourseError
from course.files import write_atomically
from course.grading.clean import folder_files
from course.grading.execution import CagedExecute
from course.grading.imports import remember
from course.grading.jobs import Job, Lab
from course.publishing.exercises import grade_id, is_test

_CACHE = Path(".cache") / "examiner"


@dataclass(frozen=True)
class Reference:
    """`recordings` by the digest of a test's source; `imports` are the modules that the lab and its tests import.

    `failed` are the tests that the reference solution does not pass, by grade_id, with their errors. Of these only as
    much is known as ran.
    """

    recordings: dict[str, Any] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def must_pass(self, source: Path) -> None:
        """Raise CourseError where the reference solution in `source` does not pass a test: nobody could."""
        for test, error in self.failed.items():
            raise CourseError(
                f"The reference solution in {source} does not pass {test} in the examiner ({error}); "
                "mend the lab, then grade again"
            )


def learn(data: bytes) -> bytes:
    """Run the reference solution of a packed Job and return what was learned, as JSON.

    Raises CageError where there is no cage.
    """
    job = Job.unpack(data)
    notebook = nbformat.reads(job.notebook.decode(), as_version=4)
    run = CagedExecute(config=Config(job.config))
    run.recording = True
    with job.laid_out() as folder:
        run.preprocess(notebook, {"metadata": {"path": folder}})
    failed = {}
    for cell in notebook.cells:
        errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        if is_test(cell) and errors:
            failed[str(grade_id(cell))] = f"{errors[0].ename}: {errors[0].evalue}"
    imports = {*run.imports, *_imports_of(cell.source for cell in notebook.cells if is_test(cell))}
    learned = Reference(dict(run.recordings), sorted(imports), failed)
    return json.dumps(asdict(learned)).encode()


def reference(
    root: Path,
    source: Path,
    known: Sequence[NotebookNode] | None = None,
    settings: Mapping[str, Any] | None = None,
    learn: Callable[[bytes], bytes] = learn,
) -> Reference:
    """What there is to know of the lab whose notebook with solutions is `source`.

    `root` is the course folder, where it is kept; `known` are the lab's graded cells as the gradebook has them, whose
    tests are the ones that count. `settings` are nbgrader's by class; `learn` may be done elsewhere.

    Raises CourseError where the reference solution is missing, CageError where there is no cage.
    """
    if not source.is_file():
        raise CourseError(
            f"There is no {source}: without the reference solution no test can be examined. "
            "Build it (course build), or put the assignment's source notebook there"
        )
    tests = {str(grade_id(cell)): cell.source for cell in known or () if is_test(cell)}
    text = source.read_bytes() + json.dumps(tests, sort_keys=True).encode()
    kept = root / _CACHE / f"{_fingerprint(text, source.parent)}.json"
    try:
        return Reference(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        learned = learn(_job(source, tests, settings or {}).pack())
        write_atomically(kept, learned)
        found = Reference(**json.loads(learned))
        remember(root, source, found.imports)
        return found


def _job(source: Path, tests: Mapping[str, str], settings: Mapping[str, Any]) -> Job:
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        cell.source = tests.get(str(grade_id(cell)), cell.source)
    return Job(Lab([]), nbformat.writes(notebook).encode(), folder_files(source.parent), settings)


def _imports_of(tests: Iterable[str]) -> Iterator[str]:
    """The modules that tests import, and what they import from `course.lab`, which is found at its first use only."""
    for source in tests:
        with suppress(SyntaxError):  # a magic
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module == course.lab.__name__:
                    yield from (course.lab.home_of(alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module


def _fingerprint(text: bytes, folder: Path) -> str:
    """Changes with the lab, the files beside it, and the examiner."""
    digest = hashlib.sha256(text)
    for path in sorted(Path(course.examiner.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for name, content in sorted(folder_files(folder).items()):
        digest.update(repr((name, len(content))).encode() + content)
    return digest.hexdigest()
