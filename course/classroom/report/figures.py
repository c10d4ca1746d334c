"""The report's statistics, computed from a class's results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean, median

from course.classroom.report.rows import ClassResults, Key, Result

MASTERY = 0.8
"""The share of the points from which something counts as mastered."""

LEAST_SUBMISSIONS = 8
"""With fewer, a correlation says more about chance than about an exercise."""

BINS = 10
_CLOSE = 1e-9  # sums of partial points are not exact


@dataclass(frozen=True)
class Standing:
    """One student's score, and the exercises in which points are missing, worst first."""

    student: str
    score: float
    share: float
    lacking: tuple[tuple[Key, Result], ...]

    @property
    def mastered(self) -> bool:
        """Whether the student has mastered the phase."""
        return at_least(self.share, MASTERY)


@dataclass(frozen=True)
class Item:
    """How an exercise did: how many solved it wholly and how many tried it, and the two figures below.

    Who has points has tried: a teacher may have given them for an answer that stands elsewhere.
    """

    key: Key
    points: float
    tried: int
    solved: int
    difficulty: float
    discrimination: float | None


@dataclass(frozen=True)
class Mastery:
    """How many students have mastered a point of the roadmap, by the exercises that assess it."""

    point: str
    exercises: tuple[Key, ...]
    students: int
    share: float


@dataclass(frozen=True)
class Summary:
    """The class in a line."""

    students: int
    handed_in: int
    mastered: int
    mean: float
    median: float


def at_least(share: float, bound: float) -> bool:
    """Whether a share reaches a bound, in spite of rounding."""
    return share >= bound - _CLOSE


def difficulty(shares: Sequence[float]) -> float:
    """The mean share of the points that an exercise gave: 1 where all solved it, 0 where nobody did.

    The classical item difficulty, called p (Crocker and Algina, Introduction to Classical and Modern Test Theory, 1986,
    chapter 14). A high one means an easy exercise.
    """
    return fmean(shares)


def discrimination(scores: Sequence[float], totals: Sequence[float]) -> float | None:
    """The corrected item-total correlation: Pearson's r of an exercise's scores and the totals without them.

    How well an exercise tells apart those who do well in the rest from those who do not (S. Henrysson, Correction of
    item-total correlations in item analysis, Psychometrika 28, 1963, pages 211-218). None with too few submissions, and
    where the exercise or the rest gave everybody the same.
    """
    if len(scores) < LEAST_SUBMISSIONS:
        return None
    rest = [total - score for score, total in zip(scores, totals, strict=True)]
    if max(scores) - min(scores) < _CLOSE or max(rest) - min(rest) < _CLOSE:
        return None
    try:
        return correlation(scores, rest)
    except StatisticsError:  # nearly constant: the squares are too small for a float
        return None


def items(results: ClassResults) -> list[Item]:
    """The figures of each exercise."""
    totals = [
        sum(results.results[student, key].score for key in results.points) for student in results.handed_in
    ]
    found = []
    for key, points in results.points.items():
        scored = results.of(key)
        found.append(
            Item(
                key=key,
                points=points,
                tried=sum(result.tried or result.score > 0 for result in scored),
                solved=sum(at_least(result.share, 1) for result in scored),
                difficulty=difficulty([result.share for result in scored]),
                discrimination=discrimination([result.score for result in scored], totals),
            )
        )
    return found


def standings(results: ClassResults) -> list[Standing]:
    """Each student whose work is graded, those with the least points first."""
    out_of = sum(results.points.values())
    found = []
    for student in results.handed_in:
        own = {key: results.results[student, key] for key in results.points}
        lacking = [(key, result) for key, result in own.items() if not at_least(result.share, 1)]
        score = sum(result.score for result in own.values())
        found.append(
            Standing(
                student,
                score,
                score / out_of if out_of else 0.0,
                tuple(sorted(lacking, key=lambda each: each[1].share)),
            )
        )
    return sorted(found, key=lambda each: (each.share, each.student))


def missing(results: ClassResults) -> list[str]:
    """The students of the gradebook of whom nothing is graded."""
    return sorted(results.names.keys() - results.handed_in.keys())


def summary(results: ClassResults, standing: Sequence[Standing]) -> Summary:
    """The class in a line; `standing` as `standings` gives it, and not empty."""
    shares = [each.share for each in standing]
    return Summary(
        students=len(results.names.keys() | results.handed_in.keys()),
        handed_in=len(standing),
        mastered=sum(each.mastered for each in standing),
        mean=fmean(shares),
        median=median(shares),
    )


def histogram(shares: Iterable[float]) -> list[int]:
    """How many shares are in each tenth; a full score is in the last one."""
    counts = [0] * BINS
    for share in shares:
        counts[min(BINS - 1, max(0, int(share * BINS + _CLOSE)))] += 1
    return counts


def points_mastered(results: ClassResults, teaches: Mapping[str, Sequence[Key]]) -> list[Mastery]:
    """For each point, how many have mastered it: with at least `MASTERY` of the points of its exercises together.

    `teaches` says which exercises assess a point; those that are not graded are left out, and so is a point with none.
    """
    found = []
    for point, named in teaches.items():
        keys = tuple(key for key in named if key in results.points)
        out_of = sum(results.points[key] for key in keys)
        if not keys:
            continue
        students = sum(
            at_least(
                sum(results.results[student, key].share * results.points[key] for key in keys) / out_of,
                MASTERY,
            )
            for student in results.handed_in
        )
        found.append(Mastery(point, keys, students, students / len(results.handed_in)))
    return found
