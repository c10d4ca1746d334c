"""Write the report's figures as CSV, for a spreadsheet or pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from course.classroom.report.figures import Item
from course.classroom.report.misconceptions import Met
from course.classroom.report.rows import ClassResults, Key

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def scores_csv(results: ClassResults, met: Iterable[Met]) -> bytes:
    """A row for each student and exercise."""
    titles = {(student, each.key): " / ".join(each.titles) for each in met for student in each.students}
    rows = (
        [
            *(student, results.names.get(student, ""), results.phase, key.lab, key.exercise),
            *(result.score, result.points, round(result.share, 4)),
            *("yes" if result.tried else "no", "yes" if result.waiting else "no"),
            titles.get((student, key), ""),
        ]
        for student in results.handed_in
        for key in results.points
        for result in [results.results[student, key]]
    )
    header = [
        "student",
        "name",
        "phase",
        "lab",
        "exercise",
        "score",
        "points",
        "share",
        "tried",
        "waits_for_teacher",
        "misconception",
    ]
    return _csv(header, rows)


def exercises_csv(phase: str, items: Iterable[Item], titles: dict[Key, str]) -> bytes:
    """A row for each exercise."""
    rows = (
        [
            *(phase, item.key.lab, item.key.exercise, titles.get(item.key, ""), item.points),
            *(item.tried, item.solved, round(item.difficulty, 4)),
            "" if item.discrimination is None else round(item.discrimination, 4),
        ]
        for item in items
    )
    header = [
        "phase",
        "lab",
        "exercise",
        "title",
        "points",
        "tried",
        "solved",
        "difficulty",
        "discrimination",
    ]
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")  # spreadsheets take other files for Latin-1


def _harmless(value: object) -> object:
    """A text that a spreadsheet would take for a formula, marked as text (OWASP, CSV Injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
