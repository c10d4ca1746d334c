"""Small labs for the tests of what becomes of a submission: cells as the gradebook knows them."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def graded(name, source="", **claims):
    """A graded cell: a test by its name, else an answer."""
    solution = not name.endswith(("-visible", "-hidden"))
    meta = {
        "schema_version": 3,
        "grade_id": name,
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
        "task": False,
        "cell_type": "code",
    }
    if not solution:
        meta["points"] = 1
    return new_code_cell(source or f"# {name}", id=name, metadata={"nbgrader": meta | claims})


def notebook(*names):
    """A notebook with these graded cells below its title."""
    return new_notebook(cells=[new_markdown_cell("# Lab", id="title"), *(graded(name) for name in names)])
