"""Grade a lab's reference solution and its untouched release with stock nbgrader, as an instructor without us would."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from course.publishing.exercises import grade_id, is_test, points
from course.publishing.layout import Lab, other_files
from course.publishing.notebook import read_lab

if TYPE_CHECKING:
    from course.grading.engine import CourseFolder


def stock_faults(lab: Lab, place: Path) -> list[str]:
    """The graded cells to which nbgrader does not give all points in the reference, or gives some in the release.

    The lab must be built. `place` is a folder for a gradebook of its own; with the same one, further labs are quicker.
    Raises CourseError where nbgrader cannot even read the lab's phase.
    """
    from course.grading import engine  # nbgrader takes seconds to import
    from course.grading.gradebook import make_tables

    worth = {str(grade_id(cell)): points(cell) for cell in read_lab(lab.text).cells if is_test(cell)}
    folder = engine.private_folder(place, lab.root)
    folder.config.Autograde.pop("autograde_preprocessors", None)  # nbgrader's own steps, without the examiner
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's use of its database
        make_tables(folder.database)
        engine.register(folder, lab.phase)
        try:
            reference = _scores(folder, lab, "reference", lab.source)
            untouched = _scores(folder, lab, "untouched", lab.release)
        except engine.NotGraded as error:
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
    place = staged / student / lab.phase
    place.mkdir(parents=True)
    shutil.copyfile(notebook, place / f"{lab.name}.ipynb")
    for name, path in other_files(lab.text.parent).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)
    graded = engine.autograde(folder, lab.phase, student, lab.name, staged)
    return {name: grade.score for name, grade in engine.auto_grades(graded).items()}
