"""Every way in which a solution, a hidden test or a mark scheme could reach students is caught."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode, from_dict, reads
from nbformat.v4 import new_output

from course.publishing.build import build
from course.publishing.checks import LeakError, check_other_file, check_release
from course.publishing.notebook import read_lab

from .conftest import LAB


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[NotebookNode, NotebookNode]:
    from .conftest import make_course

    root = make_course(tmp_path_factory.mktemp("checks") / "course")
    build(root)
    released = reads((root / "release" / f"{LAB}.ipynb").read_text(), as_version=4)
    return read_lab(root / "source" / f"{LAB}.md"), released


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def _append(name: str, line: str) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        cell(notebook, name).source += f"\n{line}"

    return spoil


def _note(value: object, name: str = "nbgrader") -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        cell(notebook, "total").metadata.setdefault(name, {})["note"] = from_dict(value)

    return spoil


def _outputs(notebook: NotebookNode) -> None:
    cell(notebook, "total").outputs = [new_output("stream", text="6.5")]


def _attachment(notebook: NotebookNode) -> None:
    cell(notebook, "14b-1")["attachments"] = {"plan.png": {"image/png": "AAAA"}}


def _widgets(notebook: NotebookNode) -> None:
    notebook.metadata["widgets"] = {"state": {"1": {"value": "anything"}}}


def _language(notebook: NotebookNode) -> None:
    notebook.metadata.language_info["note"] = "return sum(prices, start=0.0)"


LEAKS = {
    "SQL solution line": (_append("14b-3", "FROM orders  GROUP BY customer_id"), "'14b-3', line 4: .*solution of by-customer"),
    "Python solution line": (_append("total", "        return sum(prices, start=0.0)"), "'total', line 4: .*solution of total"),
    "solution line inside another": (_append("14b-1", "Hint: `return sum(prices, start=0.0)`."), "'14b-1'.*solution of total"),
    "hidden test line": (_append("by-customer-hidden", 'assert by_customer.name == "by_customer", "Keep the name of the query"'), "hidden tests of by-customer-hidden"),
    "solution marker": (_append("total", "### BEGIN SOLUTION"), "the marker BEGIN SOLUTION"),
    "hidden test marker": (_append("total", "### END HIDDEN TESTS"), "the marker END HIDDEN TESTS"),
    "mark scheme marker": (_append("14b-1", "=== BEGIN MARK SCHEME ==="), "the marker BEGIN MARK SCHEME"),
    "cell metadata": (_note({"deep": ["x", "return sum(prices, start=0.0)"]}), "'total', metadata: .*solution of total"),
    "cell metadata key": (_note({"return sum(prices, start=0.0)": 1}), "'total', metadata: .*solution of total"),
    "unknown cell metadata": (_note(1, "author"), "metadata holds author"),
    "notebook metadata": (_language, "notebook's metadata: .*solution of total"),
    "widgets": (_widgets, "metadata holds widgets"),
    "outputs": (_outputs, "outputs"),
    "attachment": (_attachment, "attachments"),
}  # fmt: skip


def test_an_honest_release_passes(notebooks: tuple[NotebookNode, NotebookNode]) -> None:
    check_release(LAB, *notebooks)


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_is_caught(notebooks: tuple[NotebookNode, NotebookNode], kind: str) -> None:
    source, released = copy.deepcopy(notebooks)
    spoil, message = LEAKS[kind]
    spoil(released)
    with pytest.raises(LeakError, match=message) as caught:
        check_release(LAB, source, released)
    assert str(caught.value).startswith(f"{LAB}: ")


def test_a_solution_that_the_text_itself_shows_is_caught(root: Path) -> None:
    lab = root / "source" / f"{LAB}.md"
    shown = "SELECT customer_id, count(*) AS placed\nFROM orders GROUP BY customer_id"
    lab.write_text(lab.read_text().replace("You will", f"```sql .noeval\n{shown}\n```\n\nYou will"))
    with pytest.raises(LeakError, match="shows the whole solution of by-customer"):
        build(root)
    assert not (root / "release").exists()


def test_lines_to_order_may_be_shown(root: Path) -> None:
    lab = root / "source" / f"{LAB}.md"
    shown = "FROM orders GROUP BY customer_id\nSELECT customer_id, count(*) AS placed"
    lab.write_text(lab.read_text().replace("You will", f"```sql .noeval\n{shown}\n```\n\nYou will"))
    build(root)


def test_a_solution_cell_without_markers_is_secret_as_a_whole(root: Path) -> None:
    lab = root / "source" / f"{LAB}.md"
    lab.write_text(lab.read_text().replace("-- BEGIN SOLUTION\n", "").replace("-- END SOLUTION\n", ""))
    build(root)
    released = (root / "release" / f"{LAB}.ipynb").read_text()
    assert "count(*)" not in released
    assert "%%sql shop --name by_customer" in released


def test_a_solution_in_a_file_beside_the_lab_is_caught(root: Path) -> None:
    (root / "source" / "04-databases" / "helpers.py").write_text(
        "def t(prices):\n    return sum(prices, start=0.0)\n"
    )
    with pytest.raises(
        LeakError, match=r"helpers.py, line 2 \(of 04-databases/14b-orders\): .*solution of total"
    ):
        build(root)
    assert not (root / "release").exists()


def test_a_file_that_is_no_text_passes(notebooks: tuple[NotebookNode, NotebookNode]) -> None:
    check_other_file(Path("logo.png"), b"\x89PNG\xff\x00", {LAB: notebooks[0]})


def test_a_mark_scheme_stays_with_the_author(root: Path) -> None:
    lab = root / "source" / f"{LAB}.md"
    scheme = "One point for naming the index, one for saying why."
    meta = '{"schema_version": 3, "solution": false, "grade": false, "locked": true, "task": true, "points": 2, "grade_id": "design"}'
    task = f"Which index?\n=== BEGIN MARK SCHEME ===\n{scheme}\n=== END MARK SCHEME ==="
    lab.write_text(f"{lab.read_text()}\n<!-- #region nbgrader={meta} -->\n{task}\n<!-- #endregion -->\n")
    build(root)
    released = reads((root / "release" / f"{LAB}.ipynb").read_text(), as_version=4)
    assert cell(released, "design").source == "Which index?"
    cell(released, "14b-1").source += f"\n{scheme}"
    with pytest.raises(LeakError, match="mark scheme of design"):
        check_release(LAB, read_lab(lab), released)
