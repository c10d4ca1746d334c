"""The class in the terminal: who is who, and what each scored, however narrow it is and however many labs there are."""

from io import StringIO

import pytest
from rich.console import Console

from course.grading.intake import Problem
from course.grading.report import ClassGrades, StudentGrades, class_table

LABS = (
    "01a-variables-and-types",
    "02a-decisions",
    "02b-loops",
    "03a-functions",
    "04a-lists-and-tuples",
    "04b-sets-and-dictionaries",
    "05a-strings",
    "project-log-report",
)
NAMES = ("s2026001", "s2026002", "[b]maria.hernandez-de-la-vega@students.university.example")
UNREADABLE = Problem("04b-sets-and-dictionaries.ipynb", "is empty", "hand it in again", "human")
RENAMED = Problem("loops (1).ipynb", "is 02b-loops under another name", "nothing is to be done", "mended")


def grades(labs: int) -> ClassGrades:
    students = tuple(
        StudentGrades(
            student,
            {lab: 10.25 + number + 3 * place for place, lab in enumerate(LABS[:labs])},
            (RENAMED, UNREADABLE) * (number == 1),
            fresh=True,
        )
        for number, student in enumerate(NAMES)
    )
    return ClassGrades("01-python", dict.fromkeys(LABS[:labs], 40), students)


def printed(shown: ClassGrades, width: int | None) -> list[str]:
    """The lines on a terminal of that width, or in a file."""
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=width is not None,
        color_system=None,
        legacy_windows=False,
    )
    console.print(class_table(shown))
    return console.file.getvalue().splitlines()


def cells(lines: list[str], name: str, marks: str = "│") -> list[str]:
    """What stands in the rows of that name, in all tables together, without the name."""
    rows = [[cell.strip() for cell in line.strip(marks).split(marks)] for line in lines if marks in line]
    return [cell for first, *others in rows if first == name for cell in others]


@pytest.mark.parametrize("labs", [1, len(LABS)])
@pytest.mark.parametrize("width", [60, 80, 120, 200, None])
def test_names_and_scores_are_whole_at_every_width(width, labs):
    lines = printed(shown := grades(labs), width)
    assert max(map(len, lines)) <= (width or 1000)
    assert not any("…" in line for line in lines)
    assert "".join("".join(lines).split()).count("Total") == 1
    for student in shown.students[:2]:
        scores = [f"{score:g}" for score in student.scores.values()]
        problems = "1 needs a human" if student.problems else ""
        assert cells(lines, student.student) == [f"{sum(student.scores.values()):g}", problems, *scores]
    folded = "".join(line[1:].partition("│")[0].strip() for line in lines if line.startswith("│"))
    assert NAMES[2] in folded


def test_the_names_of_labs_are_wrapped_at_hyphens_where_they_must_be():
    lines = printed(grades(len(LABS)), 80)
    headings: dict[int, dict[int, str]] = {}
    table = 0
    for line in lines:
        table += line.startswith("┏")
        for place, cell in enumerate(line.strip("┃").split("┃") if line.startswith("┃") else []):
            column = headings.setdefault(table, {})
            column[place] = column.get(place, "") + cell.strip()
    assert table > 1
    found = [heading for columns in headings.values() for heading in columns.values()]
    assert [each.removesuffix("/ 40") for each in found if each.endswith("/ 40")] == list(LABS)


def test_in_a_file_a_student_is_a_line_and_a_problem_is_one():
    lines = printed(grades(len(LABS)), None)
    assert sum("━┓" in line for line in lines) == 1
    assert all(any(f" {lab} " in line for line in lines) for lab in LABS)
    assert [line.rstrip() for line in lines[-2:]] == [
        f"needs a human  {NAMES[1]} {UNREADABLE}",
        f"mended         {NAMES[1]} {RENAMED}",
    ]


def test_what_needs_a_humans_eye_is_told_in_whole_words():
    lines = printed(grades(len(LABS)), 60)
    told = " ".join(" ".join(lines[lines.index("What needs a human's eye") + 1 :]).split())
    assert told == f"needs a human {NAMES[1]} {UNREADABLE} mended {NAMES[1]} {RENAMED}"
