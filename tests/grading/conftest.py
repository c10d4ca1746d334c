"""A course folder with one small lab, and a class that handed it in, right and broken in every way."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

REPOSITORY = Path(__file__).resolve().parents[2]
PHASE = "01-shop"
LAB = "01a-prices"
TIMEOUT = 10  # seconds for a cell

SOLUTION = '"solution": true, "grade": false, "locked": false, "task": false'
TEST = '"solution": false, "grade": true, "locked": true, "task": false'
TEXT = f"""\
# Prices

```python
%load_ext course
```

```python
from course.lab import run, sqlite

shop = sqlite()
shop.run("CREATE TABLE orders (customer TEXT, total INTEGER)")
shop.run("INSERT INTO orders VALUES ('Ada', 30), ('Bo', 50)")
```

## Exercise 1: the price of a name

Write `price(name, prices)`: what a thing costs, and 0 for a thing that is not in `prices`.

```python nbgrader={{"schema_version": 3, {SOLUTION}, "grade_id": "price"}}
def price(name: str, prices: dict[str, int]) -> int:
    ### BEGIN SOLUTION
    return prices.get(name, 0)
    ### END SOLUTION
```

```python tags=["raises-exception"] nbgrader={{"schema_version": 3, {TEST}, "points": 1, "grade_id": "price-visible"}}
assert price("tea", {{"tea": 3}}) == 3, "tea costs what the list says"
```

```python tags=["raises-exception"] nbgrader={{"schema_version": 3, {TEST}, "points": 2, "grade_id": "price-hidden"}}
# Hidden tests: other lists, and a thing that is in none.
### BEGIN HIDDEN TESTS
secret_list = {{"zanzibar cloves": 7919}}
assert price("zanzibar cloves", secret_list) == 7919, "a thing of another list has another price"
assert price("quokka", secret_list) == 0, "a thing that is not in the list costs 0"
### END HIDDEN TESTS
```

## Exercise 2: all money

List each customer with their total, by name.

```sql magic_args="shop --name money" nbgrader={{"schema_version": 3, {SOLUTION}, "grade_id": "money"}}
-- BEGIN SOLUTION
SELECT customer, sum(total) AS paid FROM orders GROUP BY customer ORDER BY customer
-- END SOLUTION
```

```python tags=["raises-exception"] nbgrader={{"schema_version": 3, {TEST}, "points": 1, "grade_id": "money-visible"}}
assert run(money, on=shop) == [("Ada", 30), ("Bo", 50)], "each customer once, with their total"
```

```python tags=["raises-exception"] nbgrader={{"schema_version": 3, {TEST}, "points": 2, "grade_id": "money-hidden"}}
# Hidden tests: a customer with two orders.
### BEGIN HIDDEN TESTS
other = sqlite()
other.run("CREATE TABLE orders (customer TEXT, total INTEGER)")
other.run("INSERT INTO orders VALUES ('Xanthippe', 1), ('Xanthippe', 2)")
assert run(money, on=other) == [("Xanthippe", 3)], "two orders of one customer are added up"
other.close()
### END HIDDEN TESTS
```
"""

BANK = """\
# Answers

## price

### correct: asking first
```python
if name in prices:
    return prices[name]
return 0
```

### correct: an exception
```python
try:
    return prices[name]
except KeyError:
    return 0
```

### wrong: every thing is in the list -> price-hidden
```python
return prices[name]
```

### wrong: the list is always the same -> price-hidden
```python
return 3
```

### wrong: a text -> price-visible
```python
return str(prices.get(name, 0))
```

## money

### correct: a subquery
```sql
SELECT * FROM (SELECT customer, sum(total) FROM orders GROUP BY 1) ORDER BY 1
```

### wrong: no GROUP BY, for everybody has one order -> money-hidden
```sql
SELECT customer, total FROM orders ORDER BY customer
```

### wrong: an INNER JOIN with itself -> money-hidden
```sql
SELECT a.customer, a.total FROM orders a JOIN orders b ON a.customer = b.customer ORDER BY 1
```

### wrong: one sum -> money-visible
```sql
SELECT 'Ada', sum(total) FROM orders
```
"""

SECRETS = ["zanzibar", "7919", "quokka", "Xanthippe", "secret_list"]
"""What stands in the hidden tests only."""


class Course:
    """A course folder on disk, and what the tests do to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.phase = PHASE
        self.lab = LAB
        self.secrets = SECRETS
        self.source = root / "source" / PHASE / f"{LAB}.ipynb"
        self.release = root / "release" / PHASE / f"{LAB}.ipynb"

    def solved(self, **answers: str) -> nbformat.NotebookNode:
        """The released lab with the author's answers, or those given by grade_id, written in."""
        author = {
            cell.metadata.nbgrader.grade_id: cell.source
            for cell in nbformat.read(self.source, 4).cells
            if cell.metadata.get("nbgrader", {}).get("solution")
        }
        notebook = nbformat.read(self.release, 4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = (author | answers).get(name, cell.source)
        return notebook

    def cell(self, notebook: nbformat.NotebookNode, grade_id: str) -> int:
        """The position of a graded cell."""
        names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
        return names.index(grade_id)

    def hand_in(
        self, student: str, work: nbformat.NotebookNode | str | None, name: str = f"{LAB}.ipynb"
    ) -> Path:
        """Put a student's work where nbgrader collects it to."""
        folder = self.root / "submitted" / student / PHASE
        folder.mkdir(parents=True, exist_ok=True)
        if work is not None:
            (folder / name).write_text(
                work if isinstance(work, str) else nbformat.writes(work), encoding="utf-8"
            )
        return folder

    def feedback(self, student: str) -> Path:
        """A student's feedback page."""
        return self.root / "feedback" / student / PHASE / f"{LAB}.html"


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The small course, built, and known to its gradebook (making an empty one takes seconds)."""
    from course.grading import engine
    from course.publishing.build import build

    root = tmp_path_factory.mktemp("published")
    for path, text in (
        (root / "source" / PHASE / f"{LAB}.md", TEXT),
        (root / "tests" / "answers" / PHASE / f"{LAB}.md", BANK),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    settings = (REPOSITORY / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(f"{settings}\nc.Execute.timeout = {TIMEOUT}\n", encoding="utf-8")
    build(root)
    engine.register(engine.course_folder(root), PHASE)
    return root


@pytest.fixture
def course(published, tmp_path):
    """A small course of one's own."""
    return Course(shutil.copytree(published, tmp_path / "course"))


@pytest.fixture(scope="session")
def graded(published, tmp_path_factory):
    """A class that was graded, as (course, grades by student); not to be changed."""
    from course.grading.loop import grade_class

    course = Course(shutil.copytree(published, tmp_path_factory.mktemp("class") / "course"))
    course.hand_in("right", course.solved())
    course.hand_in("unreadable", '{"cells": [')
    course.hand_in("missing", None)
    course.hand_in("renamed", course.solved(), f"{LAB} (1).ipynb")

    copied = course.solved(price="def price(name, prices):\n    return 3")
    twin = nbformat.from_dict(copied.cells[course.cell(copied, "price")])
    twin.id, twin.source = "twin", course.solved().cells[course.cell(copied, "price")].source
    copied.cells.insert(course.cell(copied, "money"), twin)
    course.hand_in("copied", copied)

    deleted = course.solved()
    del deleted.cells[course.cell(deleted, "price-hidden")]
    course.hand_in("deleted", deleted)

    endless = course.solved()
    endless.cells.insert(course.cell(endless, "price"), new_code_cell("while True:\n    pass"))
    course.hand_in("endless", endless)

    died = course.solved()
    died.cells.insert(course.cell(died, "price"), new_code_cell("import os\nos._exit(1)"))
    course.hand_in("died", died)

    course.hand_in("untouched", nbformat.read(course.release, 4))
    course.hand_in(
        "wrong",
        course.solved(
            price="def price(name, prices):\n    return prices[name]",
            money="%%sql shop --name money\nSELECT customer, total FROM orders ORDER BY customer",
        ),
    )
    spy = "def price(name, prices):\n    print(name, prices)\n    raise AssertionError(name)"
    spying = course.solved(price=spy)
    spying.cells.append(
        new_code_cell(
            "from IPython.display import HTML\n"
            'HTML(\'<img src="http://outside.example/i.png"><script src="http://outside.example/s.js"></script>\'\n'
            "'<iframe src=\"http://outside.example/docs\"></iframe>')"
        )
    )
    spying.cells.append(new_code_cell("from course.lab import show_progress\nshow_progress()"))
    course.hand_in("spy", spying)
    grades = grade_class(course.root, PHASE, workers=2)
    return course, {student.student: student for student in grades.students}


# --- a class whose notebooks take no time, for what grading does around them ----------------------------------------

TINY = "02-tiny"
_KINDS = {
    "answer": {"solution": True, "grade": False, "locked": False, "task": False},
    "test": {"solution": False, "grade": True, "locked": True, "task": False},
    "essay": {"solution": True, "grade": True, "locked": False, "task": False},
    "task": {"solution": False, "grade": False, "locked": True, "task": True},
}


class Tiny:
    """A course folder with one phase of two small labs, and what tests do to it."""

    phase = TINY

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = f"sqlite:///{root / 'gradebook.db'}"

    def hand_in(self, student: str, when: str = "", **answers: str | None) -> Path:
        """Hand in both labs with these answers by grade_id, at a time; a lab that is None is missing."""
        folder = self.root / "submitted" / student / TINY
        folder.mkdir(parents=True, exist_ok=True)
        for lab in ("a-double", "b-greet"):
            notebook = nbformat.read(self.root / "source" / TINY / f"{lab}.ipynb", as_version=4)
            for cell in notebook.cells:
                cell.source = answers.get(cell.id, cell.source)
            if answers.get(lab[0], "") is not None:
                nbformat.write(notebook, folder / f"{lab}.ipynb")
        if when:
            (folder / "timestamp.txt").write_text(when)
        return folder

    def rows(self, database: str = "") -> list[tuple]:
        """All that a gradebook says of the class, without the ids that are made anew each time."""
        from nbgrader.api import Gradebook

        with Gradebook(database or self.database) as gradebook:
            found = []
            for submission in gradebook.find_assignment(TINY).submissions:
                student = submission.student_id
                found.append((student, submission.timestamp, submission.score, submission.max_score))
                for notebook in submission.notebooks:
                    lab = student, notebook.name
                    found.append((*lab, notebook.score, notebook.late_submission_penalty))
                    found += [
                        (*lab, grade.name, grade.auto_score, grade.manual_score, grade.extra_credit,
                         grade.score, bool(grade.needs_manual_grade))
                        for grade in notebook.grades
                    ]  # fmt: skip
                    found += [
                        (*lab, comment.name, comment.auto_comment, comment.manual_comment)
                        for comment in notebook.comments
                    ]
        return sorted(found, key=repr)


def _tiny_lab(*cells: tuple[str, str, str, int]) -> nbformat.NotebookNode:
    notebook = new_notebook()
    for kind, name, source, points in cells:
        maker = new_code_cell if kind in ("answer", "test") else new_markdown_cell
        cell = maker(source, id=name)
        cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, **_KINDS[kind]}
        if points:
            cell.metadata["nbgrader"]["points"] = points
        notebook.cells.append(cell)
    return notebook


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory):
    from course.grading import engine
    from course.grading.gradebook import make_tables

    root = tmp_path_factory.mktemp("tiny")
    (root / "source" / TINY).mkdir(parents=True)
    labs = {
        "a-double": _tiny_lab(
            ("answer", "double", "def double(number):\n    ### BEGIN SOLUTION\n    return 2 * number\n    ### END SOLUTION", 0),
            ("test", "double-visible", "assert double(2) == 4, 'two and two'", 1),
            ("test", "double-hidden", "### BEGIN HIDDEN TESTS\nassert double(7) == 14, 'any number'\n### END HIDDEN TESTS", 2),
            ("test", "double-share", "sum(double(n) == 2 * n for n in (2, 7)) / 2 * 3", 3),
            ("essay", "why", "Why is that so?\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION", 2),
            ("task", "draw", "Draw it.", 2),
        ),
        "b-greet": _tiny_lab(
            ("answer", "greet", "def greet(name):\n    ### BEGIN SOLUTION\n    return f'Hello {name}'\n    ### END SOLUTION", 0),
            ("test", "greet-visible", "assert greet('Ada') == 'Hello Ada', 'a name'", 1),
        ),
    }  # fmt: skip
    for lab, notebook in labs.items():
        nbformat.write(notebook, root / "source" / TINY / f"{lab}.ipynb")
    settings = (REPOSITORY / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    tiny = Tiny(root)
    make_tables(tiny.database)
    engine.register(engine.course_folder(root), TINY)
    return root


@pytest.fixture
def tiny(tiny_source, tmp_path):
    """A course folder of one's own whose notebooks take no time."""
    return Tiny(shutil.copytree(tiny_source, tmp_path / "tiny"))
