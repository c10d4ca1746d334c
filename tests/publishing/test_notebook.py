"""A lab's text becomes the same valid notebook every time, and mistakes are told by line."""

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from course.errors import CourseError
from course.publishing.exercises import grade_id
from course.publishing.notebook import LabError, notebook_bytes, read_lab, write_source_notebook


@pytest.fixture
def lab(tmp_path: Path, lab_text: str) -> Path:
    path = tmp_path / "14b-orders.md"
    path.write_text(lab_text)
    return path


def line_of(text: str, part: str) -> int:
    """The number of the first line of `text` that holds `part`."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_lab_reads_the_same_every_time_and_is_a_valid_notebook(lab: Path) -> None:
    notebook = read_lab(lab)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook_bytes(notebook) == notebook_bytes(read_lab(lab))
    assert notebook_bytes(notebook).endswith(b"}\n")


def test_cell_ids_are_grade_ids_or_positions(lab: Path) -> None:
    assert [cell.id for cell in read_lab(lab).cells] == [
        "14b-1", "14b-2", "14b-3", "by-customer", "by-customer-visible", "by-customer-hidden", "14b-7",
        "total", "total-visible",
    ]  # fmt: skip


def test_only_the_kernel_and_the_language_are_in_the_notebooks_metadata(lab: Path) -> None:
    metadata = read_lab(lab).metadata
    assert set(metadata) == {"kernelspec", "language_info"}
    assert metadata.kernelspec.name == "python3"


def test_sql_fences_become_sql_cells_even_where_no_fence_is_python(tmp_path: Path) -> None:
    path = tmp_path / "1-sql.md"
    fences = "".join(f'```sql magic_args="shop"\nSELECT {n}\n```\n\n' for n in range(4))
    path.write_text(f"# SQL\n\n```python\n%load_ext course\n```\n\n{fences}")
    sources = [cell.source for cell in read_lab(path).cells if cell.cell_type == "code"]
    assert sources == ["%load_ext course", *(f"%%sql shop\nSELECT {n}" for n in range(4))]


def test_sql_that_is_only_shown_stays_prose(tmp_path: Path) -> None:
    path = tmp_path / "1-sql.md"
    path.write_text(
        "# SQL\n\n```python\n%load_ext course\n```\n\nLike this:\n\n```sql .noeval\nSELECT 1\n```\n"
    )
    assert [cell.cell_type for cell in read_lab(path).cells].count("code") == 1


def test_test_cells_let_run_all_go_on(lab: Path) -> None:
    tests = [cell for cell in read_lab(lab).cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert len(tests) == 3
    assert all("raises-exception" in cell.metadata.tags for cell in tests)


@pytest.mark.parametrize("kernel_chosen", [False, True])
def test_a_lab_saved_by_jupytext_differs_only_by_the_edit(lab: Path, kernel_chosen: bool) -> None:
    before = read_lab(lab)
    # What nbgrader's Create Assignment panel changes in a notebook opened from the text:
    opened = jupytext.read(lab)
    graded = next(cell for cell in opened.cells if grade_id(cell) == "total-visible")
    graded.metadata.nbgrader["points"] = 5
    if kernel_chosen:
        del opened.metadata["jupytext"]
        opened.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(opened, lab, fmt="md")
    assert lab.read_text().startswith("---") == kernel_chosen
    after = read_lab(lab)
    changed = [a.id for a, b in zip(after.cells, before.cells, strict=True) if a != b]
    assert changed == ["total-visible"]
    assert next(cell for cell in after.cells if cell.id == "total-visible").metadata.nbgrader["points"] == 5


def test_the_source_notebook_stands_beside_the_text(lab: Path) -> None:
    path = write_source_notebook(lab)
    assert path == lab.with_suffix(".ipynb")
    assert nbformat.read(path, as_version=4) == read_lab(lab)
    assert [file.name for file in sorted(lab.parent.iterdir())] == ["14b-orders.ipynb", "14b-orders.md"]


HIDDEN = '"grade_id": "by-customer-hidden"'
TOTAL_TEST = '"grade_id": "total-visible"'


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        ('"grade_id": "total"}', '"grade_id": "total"', '"grade_id": "total"', "cannot read the metadata"),
        ('"grade_id": "total"}', '"grade_id": "sum"}', TOTAL_TEST, "'total-visible' has no solution cell"),
        ("    ### END SOLUTION\n", "", "    ### BEGIN SOLUTION", "BEGIN SOLUTION without END SOLUTION"),
        ("-- BEGIN SOLUTION\n", "", "-- END SOLUTION", "END SOLUTION without BEGIN SOLUTION"),
        ("-- END SOLUTION\n", "-- BEGIN SOLUTION\n-- END SOLUTION\n", None, "BEGIN SOLUTION inside the solution"),
        ("You will", "### BEGIN SOLUTION\n### END SOLUTION\nYou will", "# Orders", "not a solution cell"),
        ("### BEGIN HIDDEN TESTS\n", "", "### END HIDDEN TESTS", "END HIDDEN TESTS without"),
        ("You will", "### BEGIN MARK SCHEME\n### END MARK SCHEME\nYou will", "# Orders", "not a task cell"),
        (HIDDEN, '"grade_id": "by-customer-visible-2"', '"by-customer-visible-2"', "named <exercise>-hidden"),
        (f'"points": 1, {TOTAL_TEST}', TOTAL_TEST, TOTAL_TEST, '"points": a number'),
        (f'"points": 1, {TOTAL_TEST}', f'"points": "1", {TOTAL_TEST}', TOTAL_TEST, '"points": a number'),
        ('"grade_id": "total"}', '"grade_id": "Total_1"}', '"Total_1"', "'Total_1' is not kebab-case"),
        ('"grade_id": "total"}', f'"grade_id": "{"x" * 65}"}}', "xxxx", "longer than 64"),
        ('"task": false, "grade_id": "total"}', '"grade_id": "total"}', '"total"}', "without task"),
        ('"grade_id": "total"}', '"grade_id": "total", "weight": 2}', '"weight"', "unknown nbgrader metadata weight"),
        (f'"locked": true, "task": false, "points": 1, {TOTAL_TEST}',
         f'"locked": false, "task": false, "points": 1, {TOTAL_TEST}', TOTAL_TEST, '"locked": true'),
        ("```python\n%load_ext course", "```python\nx = 1", "```python", "first code cell"),
        ('"grade_id": "total"}', '"grade_id": "total-hidden-sum"}', '"total-hidden-sum"', "named like a test cell"),
        ("## Count\n", "### Count\n", "### Count", "write ## instead of ###"),
        ("# Orders\n", "Orders\n", "## Count", "write # instead of ##"),
        ("```python\n%load_ext", '```python tag=["x"]\n%load_ext', '```python tag', "unknown metadata tag"),
        ('magic_args="shop --name by_customer" ', "", "```sql", "which database"),
        ('"total adds up all prices"\n```\n', '"total adds up all prices"\n', TOTAL_TEST, "never closed"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(lab: Path, old: str, new: str, at: str | None, message: str) -> None:
    text = lab.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    lab.write_text(text)
    with pytest.raises(LabError) as caught:
        read_lab(lab)
    assert message in str(caught.value)
    if at:
        assert caught.value.line == line_of(text, at)
        assert str(caught.value).startswith(f"{lab}:{caught.value.line}: ")


def test_a_duplicate_grade_id_names_both_lines(lab: Path) -> None:
    text = lab.read_text().replace('"grade_id": "total"}', '"grade_id": "by-customer"}')
    lab.write_text(text)
    lines = [n for n, line in enumerate(text.splitlines(), start=1) if '"grade_id": "by-customer"}' in line]
    with pytest.raises(LabError, match=rf":{lines[1]}: grade_id 'by-customer' is also in line {lines[0]};"):
        read_lab(lab)


def test_hidden_tests_without_markers_are_refused(lab: Path) -> None:
    text = re.sub(r"### (BEGIN|END) HIDDEN TESTS\n", "", lab.read_text())
    lab.write_text(text)
    with pytest.raises(LabError, match="'by-customer-hidden' hides nothing") as caught:
        read_lab(lab)
    assert caught.value.line == line_of(text, HIDDEN)


def test_lines_are_those_of_the_file_below_a_header(lab: Path) -> None:
    header = "---\njupyter:\n  kernelspec:\n    name: python3\n---\n"
    text = header + lab.read_text().replace("-- END SOLUTION\n", "", 1)
    lab.write_text(text)
    with pytest.raises(LabError) as caught:
        read_lab(lab)
    assert caught.value.line == line_of(text, "-- BEGIN SOLUTION")


def test_headings_inside_code_are_no_headings(lab: Path) -> None:
    lab.write_text(lab.read_text().replace("You will", "```json\n#### not a heading\n```\n\nYou will"))
    read_lab(lab)


def test_what_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "1-x.md"
    path.write_bytes(b"# T\n\n\xff\xfe\n")
    with pytest.raises(LabError, match=r":3: not UTF-8"):
        read_lab(path)
    with pytest.raises(CourseError, match="There is no lab at"):
        read_lab(tmp_path / "2-y.md")


def test_a_grade_id_cannot_be_another_cells_id(lab: Path) -> None:
    lab.write_text(lab.read_text().replace('"grade_id": "total"}', '"grade_id": "14b-3"}'))
    with pytest.raises(LabError, match="'14b-3' is like the ids of other cells"):
        read_lab(lab)


def test_the_notebook_is_json_with_sorted_keys(lab: Path) -> None:
    content = notebook_bytes(read_lab(lab)).decode()
    assert content == json.dumps(json.loads(content), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
