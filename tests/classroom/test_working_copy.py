"""A student's copy: filled, renewed with their answers in it, and never overwritten."""

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.classroom.working_copy import refresh

LAB = Path("04-databases") / "joins.ipynb"
STUB = "raise NotImplementedError()"


def solution(name: str, source: str = STUB) -> NotebookNode:
    meta = {
        "schema_version": 3,
        "grade_id": name,
        "solution": True,
        "grade": False,
        "locked": False,
        "task": False,
    }
    return new_code_cell(source, id=name, metadata={"nbgrader": meta})


def lab(*cells: NotebookNode) -> NotebookNode:
    return new_notebook(cells=list(cells))


def save(path: Path, notebook: NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    intro = new_markdown_cell("# Joins", id="joins-0")
    save(tmp_path / "release" / LAB, lab(intro, solution("first"), solution("second")))
    refresh(tmp_path)
    return tmp_path


@pytest.fixture
def mine(root: Path) -> Path:
    """The student's file, with one answer and one cell of their own after it."""
    path = root / "work" / LAB
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "first = 1"
    notebook.cells.insert(2, new_code_cell("print(first)", id="0f3c"))
    nbformat.write(notebook, path)
    return path


def kept_files(mine: Path) -> list[Path]:
    return sorted(mine.parent.glob("joins (*.ipynb"))


def test_a_new_student_gets_the_released_labs(root: Path) -> None:
    assert (root / "work" / LAB).read_bytes() == (root / "release" / LAB).read_bytes()


def test_nothing_happens_while_the_release_stays(root: Path, mine: Path) -> None:
    before = mine.read_bytes()
    assert refresh(root) == []
    assert mine.read_bytes() == before
    assert kept_files(mine) == []


def test_a_new_version_arrives_with_answers_and_own_cells(root: Path, mine: Path) -> None:
    before = mine.read_bytes()
    title = new_markdown_cell("# Joins, mended", id="joins-0")
    save(
        root / "release" / LAB,
        lab(title, solution("zeroth"), solution("first", "# new stub"), solution("second")),
    )

    [change] = refresh(root)

    assert sources(mine) == ["# Joins, mended", STUB, "first = 1", "print(first)", STUB]
    [kept] = kept_files(mine)
    assert kept.read_bytes() == before
    assert change.lab == "04-databases/joins"
    assert kept.name in change.message
    assert refresh(root) == []


def test_an_untouched_stub_takes_the_new_stub(root: Path, mine: Path) -> None:
    save(root / "release" / LAB, lab(solution("first"), solution("second", "# a kinder stub")))
    refresh(root)
    assert sources(mine)[-1] == "# a kinder stub"


def test_an_answer_to_a_removed_exercise_is_kept_as_text(root: Path, mine: Path) -> None:
    save(root / "release" / LAB, lab(new_markdown_cell("# Joins", id="joins-0"), solution("second")))
    refresh(root)
    assert "first = 1" in sources(mine)[1]
    assert sources(mine)[2:] == ["print(first)", STUB]


def test_a_second_update_on_one_day_keeps_both_old_files(root: Path, mine: Path) -> None:
    for text in ("# once", "# twice"):
        save(root / "release" / LAB, lab(new_markdown_cell(text, id="joins-0"), solution("first")))
        refresh(root)
    assert len(kept_files(mine)) == 2
    assert "first = 1" in sources(mine)


def test_a_broken_file_is_kept_and_a_fresh_copy_comes(root: Path, mine: Path) -> None:
    mine.write_text("not JSON {")
    save(root / "release" / LAB, lab(new_markdown_cell("# Joins again", id="joins-0"), solution("first")))
    [change] = refresh(root)
    assert "could not be read" in change.message
    assert [kept.read_text() for kept in kept_files(mine)] == ["not JSON {"]
    assert sources(mine) == ["# Joins again", STUB]


def test_a_deleted_lab_comes_back_fresh(root: Path, mine: Path) -> None:
    mine.unlink()
    refresh(root)
    assert mine.read_bytes() == (root / "release" / LAB).read_bytes()


def test_a_data_file_of_the_student_stays(root: Path) -> None:
    (root / "release" / LAB.parent / "orders.csv").write_text("id\n1\n")
    refresh(root)
    own = root / "work" / LAB.parent / "orders.csv"
    assert own.read_text() == "id\n1\n"
    own.write_text("mine")
    refresh(root)
    assert own.read_text() == "mine"
