"""Write the report's page: self-contained, without scripts, readable in light and dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from course.classroom.report import charts, figures
from course.classroom.report.figures import Item, Mastery, Standing
from course.classroom.report.misconceptions import Found
from course.classroom.report.rows import ClassResults, Key
from course.grading.pages import number

_HARD = 0.4
_EASY = 0.9
_WEAK = 0.2  # Ebel's rule: items below this are to be revised or rejected


def page(
    *,
    results: ClassResults,
    titles: Mapping[Key, str],
    standings: Sequence[Standing],
    items: Sequence[Item],
    found: Found,
    points: Sequence[Mastery],
    pages: Mapping[tuple[str, str], str],
) -> str:
    """The page as HTML; every text in it is escaped. `pages` are the addresses of feedback by student and lab."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = _percent
    labs = list(dict.fromkeys(key.lab for key in results.points))
    named = {(student, met.key): met.titles for met in found.met for student in met.students}
    return environment.get_template("page.html.j2").render(
        results=results,
        summary=figures.summary(results, standings),
        out_of=sum(results.points.values()),
        labs=labs,
        lab_scores=_lab_scores(results),
        title=lambda key: titles.get(key, key.exercise),
        standings=standings,
        stuck=[each for each in standings if not each.mastered],
        missing=figures.missing(results),
        absent_labs={
            student: [lab for lab in labs if (student, lab) in results.absent]
            for student in results.handed_in
        },
        counts=figures.histogram(each.share for each in standings),
        items=items,
        remarks={item.key: words for item in items if (words := _remark(item))},
        met=[each for each in found.met if each.titles],
        unmatched=[each for each in found.met if not each.titles],
        unknown=found.unknown,
        named=lambda student, key: named.get((student, key), ()),
        points=points,
        pages=pages,
        charts=charts,
        mastery=figures.MASTERY,
        least=figures.LEAST_SUBMISSIONS,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _lab_scores(results: ClassResults) -> dict[tuple[str, str], float]:
    scores: dict[tuple[str, str], float] = {}
    for (student, key), result in results.results.items():
        scores[student, key.lab] = scores.get((student, key.lab), 0.0) + result.score
    return scores


def _remark(item: Item) -> str:
    """What an instructor should look at, or an empty text."""
    if item.discrimination is not None and item.discrimination < 0:
        return "Check it: students who do well elsewhere lose points here."
    if item.difficulty < _HARD:
        return "Hard: go through it with the class."
    if item.discrimination is not None and item.discrimination < _WEAK and item.difficulty < _EASY:
        return "Who fails here does not fail elsewhere: check that its text is clear."
    return ""
