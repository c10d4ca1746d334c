"""Grade a lab's reference solution and its untouched release with stock nbgrader, as an instructor without us would."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from course.publishing.exercises import grade_id, is_test, points
from course.publishing.layout import Lab, other_files
from course.publishing.notebook import read_lab

if TYPE_CHECKING:
    from course.grading.engine import CourseFolder


def stock_faults(chosen: Sequence[Lab], place: Path) -> dict[str, list[str]]:
    """By lab the graded cells to which nbgrader does not give all points in the reference, or gives some in the release.

    The labs are of one phase, and built. `place` becomes a folder with a gradebook of their own. Raises CourseError
    where nbgrader cannot even read the phase.
    """
    from course.grading import engine  # nbgrader takes seconds to import
    from course.grading.gradebook import make_tables

    folder = _folder(chosen, place)
    folder.config.Autograde.pop("autograde_preprocessors", None)  # nbgrader's own steps, without the examiner
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's use of its database
        make_tables(folder.database)
        engine.register(folder, chosen[0].phase)
        return {lab.name: _faults(folder, lab) for lab in chosen}


def _folder(chosen: Sequence[Lab], place: Path) -> CourseFolder:
    """A course folder with these labs only, so that one which is just being written does not matter."""
    from course.grading import engine

    for lab in chosen:
        _copy(lab, lab.source, place / "source" / lab.phase)
    return replace(engine.private_folder(place, lab.root), source=place / "source")


def _faults(folder: CourseFolder, lab: Lab) -> list[str]:
    from course.grading.engine import NotGraded

    worth = {str(grade_id(cell)): points(cell) for cell in read_lab(lab.text).cells if is_test(cell)}
    try:
        reference = _scores(folder, lab, "reference", lab.source)
        untouched = _scores(folder, lab, "untouched", lab.release)
    except NotGraded as error:
        return [f"nbgrader cannot grade it: {error}"]
    lost = [test for test, most in worth.items() if reference.get(test) != most]
    given = [test for test in worth if untouched.get(test) != 0]
    return [
        *(f"nbgrader does not give the reference solution all points for {test}" for test in lost),
        *(f"nbgrader gives the untouched release points for {test}" for test in given),
    ]


def _scores(folder: CourseFolder, lab: Lab, student: str, notebook: Path) -> dict[str, float]:
    """What nbgrader gives each graded cell of a notebook."""
    from course.grading import engine

    staged = folder.root / "staged" / lab.name
    _copy(lab, notebook, staged / student / lab.phase)
    graded = engine.autograde(folder, lab.phase, student, lab.name, staged)
    return {name: grade.score for name, grade in engine.auto_grades(graded).items()}


def _copy(lab: Lab, notebook: Path, place: Path) -> None:
    """Put a lab's notebook, and the files beside it, into a folder."""
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(notebook, place / f"{lab.name}.ipynb")
    for name, path in other_files(lab.text.parent).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
