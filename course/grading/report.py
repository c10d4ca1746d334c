"""Show in the terminal what a class, or one person, scored."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from course.grading.intake import Problem
from course.grading.pages import number
from course.grading.results import ExerciseResult

_SEVERITY = {"mended": "mended", "human": "needs a human"}
_ORDER = ("human", "mended")
_FILE = 10_000  # columns of what is printed to a file, where nothing has to be wrapped
_RULED = 3  # columns of a line between two columns, with a space on both sides
_NAME = 12  # columns of a student's name on the narrowest terminal
_HEADING = 11  # columns of a wrapped lab's name


@dataclass(frozen=True)
class StudentGrades:
    """One student's score for each lab handed in, and what was wrong with the files.

    `fresh` is whether this run graded them, and not an earlier one.
    """

    student: str
    scores: dict[str, float]
    problems: tuple[Problem, ...]
    fresh: bool


@dataclass(frozen=True)
class ClassGrades:
    """A class's scores for a phase; `max_scores` is what each lab is worth."""

    phase: str
    max_scores: dict[str, float]
    students: tuple[StudentGrades, ...]

    @property
    def out_of(self) -> float:
        """What the whole phase is worth."""
        return sum(self.max_scores.values())


def class_table(grades: ClassGrades) -> RenderableType:
    """The class in the terminal: a line for each student, then what needs a human's eye, and a line for each note.

    Where the labs are too many for the terminal, their names are wrapped, and the table goes on below with further ones.
    """
    return _ClassTable(grades)


def own_table(lab: str, results: Sequence[ExerciseResult]) -> RenderableType:
    """One person's lab in the terminal: a line for each exercise, with the first thing to mend."""
    total = sum(result.score for result in results)
    out_of = sum(result.points for result in results)
    table = Table(title=f"{lab}: {number(total)} of {number(out_of)} points", title_justify="left")
    table.add_column("Exercise")
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("What to mend first")
    for result in results:
        message = "a teacher has to grade this" if result.waiting else result.message
        table.add_row(
            Text(result.title), f"{number(result.score)} / {number(result.points)}", Text(message or "✓ done")
        )
    return table


@dataclass(frozen=True)
class _Column:
    """A column of the class's table, with a cell for each student."""

    heading: str
    cells: list[Text]
    justify: JustifyMethod = "right"

    @property
    def width(self) -> int:
        lines = [*self.heading.splitlines(), *(cell.plain for cell in self.cells)]
        return max(map(cell_len, lines)) + _RULED


@dataclass(frozen=True)
class _ClassTable:
    """See `class_table`; how it is laid out depends on the console."""

    grades: ClassGrades

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not console.is_terminal:  # what rich takes for 80 columns, and cuts there
            console.width = _FILE
            options = options.update(max_width=_FILE)
        yield from console.render(Group(*self._parts(options.max_width)), options)

    def _parts(self, width: int) -> Iterator[RenderableType]:
        """What stands below one another in that many columns."""
        yield Text(f"{self.grades.phase}: {len(self.grades.students)} students", style="table.title")
        yield from self._tables(width)
        found = [(each.student, problem) for each in self.grades.students for problem in each.problems]
        yield from _eye_list([each for each in found if each[1].severity != "note"])
        yield from starmap(_note_line, [each for each in found if each[1].severity == "note"])

    def _tables(self, width: int) -> Iterator[Table]:
        """One table, or where it is wider than `width` several, each with the students and some of the labs."""
        names = [Text(each.student) for each in self.grades.students]  # a name in brackets is no markup
        longest = max(map(cell_len, ("Student", *map(str, names))))
        most = min(longest, max(_NAME, width // 3))
        room = width - most - _RULED - 1
        columns = self._columns()
        if sum(column.width for column in columns) > room:
            columns = self._columns(wrapped=True)
        for group in _groups(columns, room):
            table = Table()
            table.add_column("Student", overflow="fold", width=most)
            for column in group:
                table.add_column(column.heading, justify=column.justify, no_wrap=True)
            for row in zip(names, *(column.cells for column in group), strict=True):
                table.add_row(*row)
            yield table

    def _columns(self, *, wrapped: bool = False) -> list[_Column]:
        """All columns but the first; `wrapped` has the labs' names wrapped at their hyphens."""
        students = self.grades.students
        columns = [
            _Column(
                f"Total\n/ {self.grades.out_of:g}",
                [Text(number(sum(each.scores.values()))) for each in students],
            ),
            _Column("Problems", [_problem_count(each.problems) for each in students], "left"),
        ]
        for lab, points in self.grades.max_scores.items():
            scores = [Text(number(each.scores.get(lab, 0))) for each in students]
            columns.append(_Column(f"{_wrapped(lab) if wrapped else lab}\n/ {points:g}", scores))
        return columns


def _wrapped(lab: str) -> str:
    """A lab's name on several lines, broken after hyphens only."""
    lines = textwrap.wrap(lab.replace("-", "- "), _HEADING, break_long_words=False)
    return "\n".join(lines).replace("- ", "-")


def _groups(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """The columns in order, as many together as there is room for, and at least one."""
    group: list[_Column] = []
    left = room
    for column in columns:
        if group and column.width > left:
            yield group
            group, left = [], room
        group.append(column)
        left -= column.width
    yield group


def _problem_count(problems: Sequence[Problem]) -> Text:
    serious = sum(problem.severity == "human" for problem in problems)
    if serious:
        return Text(f"{serious} need{'s' if serious == 1 else ''} a human", style="bold red")
    return Text(str(len(problems)) if problems else "")


def _eye_list(found: Sequence[tuple[str, Problem]]) -> Iterator[RenderableType]:
    """What somebody should look at: first what scores 0 until they have, then what was graded all the same."""
    if not found:
        return
    yield Text("\nWhat needs a human's eye", style="table.title")
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for student, problem in sorted(found, key=lambda each: _ORDER.index(each[1].severity)):
        style = "bold red" if problem.severity == "human" else "dim"
        what = Text.assemble((student, "bold"), f" {problem}")
        lines.add_row(Text(_SEVERITY[problem.severity], style=style), what)
    yield lines


def _note_line(student: str, problem: Problem) -> Text:
    return Text.assemble(("note: ", "dim"), (f"{student} ", "bold"), str(problem))
