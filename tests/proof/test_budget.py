"""Words are counted as a reader sees them, and what a lab has too much or too little of is named."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.proof.budget import MAX_WORDS, budget_faults, words
from course.proof.trials import CellRun, LabRun


def lab(number_of_exercises: int, *texts: str):
    notebook = new_notebook()
    notebook.cells = [new_markdown_cell(text) for text in texts]
    for number in range(number_of_exercises):
        for name, test in ((f"e{number}", False), (f"e{number}-visible", True)):
            nbgrader = {"grade_id": name, "solution": not test, "grade": test, "points": 1}
            notebook.cells.append(new_code_cell("x = 'words in code'", metadata={"nbgrader": nbgrader}))
    return notebook


def run(seconds: float) -> LabRun:
    return LabRun((CellRun("1", "", "", seconds),), {}, ())


def test_words_are_prose_only():
    text = (
        "# Joins\n\nYou don't lose **rows**: see [the manual](https://example.org/left-join).\n\n"
        "```sql\nSELECT many, more, words\n```\n\n<details><summary>Hint</summary>Which side?</details>"
    )

    assert words(lab(1, text)) == len(
        ["Joins", "You", "don't", "lose", "rows", "see", "the", "manual", "Hint", "Which", "side"]
    )


def test_a_lab_within_its_budget_has_no_faults():
    assert list(budget_faults(lab(6, "word " * MAX_WORDS), run(59.9), project=False)) == []


def test_each_excess_is_named():
    assert list(budget_faults(lab(6, "word " * (MAX_WORDS + 1)), run(0), project=False)) == [
        "it has 2001 words of prose, but a lab has at most 2000"
    ]
    assert list(budget_faults(lab(6), run(60.6), project=False)) == [
        "it runs for 61 s, but a lab runs top to bottom in 60 s"
    ]
    assert list(budget_faults(lab(10), run(0), project=False)) == [
        "it has 10 graded exercises, but a lab has 6 to 9"
    ]
    assert list(budget_faults(lab(5), run(0), project=False)) == [
        "it has 5 graded exercises, but a lab has 6 to 9"
    ]


def test_a_project_has_as_many_exercises_as_it_needs():
    assert list(budget_faults(lab(3), run(0), project=True)) == []
