"""`course report`: write the class report of a phase as a page and two tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from nbformat import NotebookNode
from rich.console import Console

from course import syllabus
from course.classroom.report import figures, page, rows, sheets
from course.classroom.report.misconceptions import misconceptions
from course.classroom.report.rows import ClassResults, Key
from course.errors import CourseError
from course.files import write_atomically
from course.grading.engine import CourseFolder, course_folder
from course.grading.results import exercise_results
from course.publishing.layout import Lab, labs
from course.publishing.notebook import read_lab

COUNTING = "Counting; each new answer bank is run once, which takes half a minute a lab"
"""What to say meanwhile."""


def show(root: Path, phase: str | None = None) -> int:
    """Write the reports of one phase, or of all that are graded, and say where they are; returns the exit status.

    Raises CourseError as `write_report`.
    """
    console = Console()
    folder = course_folder(root)
    phases = [phase] if phase else rows.graded_phases(folder)
    if not phases:
        raise CourseError("Nobody's work is graded yet. Grade a phase first: course grade <phase>")
    for each in phases:
        with console.status(COUNTING):
            written = write_report(folder, root, each)
        console.print(f"{each}: {written.as_uri()}", soft_wrap=True, markup=False)
    return 0


def write_report(folder: CourseFolder, project: Path, phase: str) -> Path:
    """Write `reports/<phase>/` in a course folder, and return the path of its page.

    The labs' texts and answer banks are those of `project`. Raises CourseError where it has no such phase, where there
    is no gradebook, or where nobody's work is graded.
    """
    phase_labs = [lab for lab in labs(project, phase) if lab.phase == phase]
    if not phase_labs:
        raise CourseError(f"A report is about a phase: course report {phase.partition('/')[0]}")
    notebooks = {lab.name: read_lab(lab.text) for lab in phase_labs}
    titles = _titles(notebooks)
    results = _in_order(rows.read(folder, phase), list(titles))
    found = misconceptions(folder, results, phase_labs, notebooks)
    standings = figures.standings(results)
    items = figures.items(results)
    place = folder.root / "reports" / phase
    pages = {
        (student, lab): quote(Path(os.path.relpath(path, place)).as_posix())
        for student in results.handed_in
        for lab in notebooks
        if (path := folder.feedback(student, phase) / f"{lab}.html").is_file()
    }
    content = page.page(
        results=results,
        titles=titles,
        standings=standings,
        items=items,
        found=found,
        points=figures.points_mastered(results, _teaches(phase_labs)),
        pages=pages,
    )
    write_atomically(place / "report.html", content.encode())
    write_atomically(place / "scores.csv", sheets.scores_csv(results, found.met))
    write_atomically(place / "exercises.csv", sheets.exercises_csv(phase, items, titles))
    return place / "report.html"


def _titles(notebooks: Mapping[str, NotebookNode]) -> dict[Key, str]:
    """The headings of the exercises, in the labs' order."""
    return {
        Key(lab, result.name): result.title
        for lab, notebook in notebooks.items()
        for result in exercise_results(notebook, {})
    }


def _in_order(results: ClassResults, order: list[Key]) -> ClassResults:
    """The same results, their exercises in the labs' order."""
    place = {key: number for number, key in enumerate(order)}
    points = sorted(results.points.items(), key=lambda each: (place.get(each[0], len(place)), each[0]))
    return replace(results, points=dict(points))


def _teaches(phase_labs: list[Lab]) -> dict[str, list[Key]]:
    """The exercises that assess each point of the roadmap, as the syllabus names them; without those not in it."""
    names = {str(lab) for lab in phase_labs}
    found: dict[str, list[Key]] = {}
    for lab in syllabus.load().labs:
        if lab.name in names:
            for point, exercises in lab.teaches.items():
                found.setdefault(point, []).extend(Key(lab.slug, exercise) for exercise in exercises)
    return found
