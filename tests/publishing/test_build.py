"""`release/` is what `source/` makes: reproducible, incremental, and the same as stock nbgrader's."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course.errors import CourseError
from course.publishing.build import build, check
from course.publishing.notebook import LabError
from course.publishing.outputs import Outputs
from course.publishing.stubs import PYTHON_STUB, SQL_STUB, ClearSolutionsByLanguage

from .conftest import LAB


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def released(root: Path) -> nbformat.NotebookNode:
    return nbformat.read(root / "release" / f"{LAB}.ipynb", as_version=4)


def cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def nbgrader(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Stock nbgrader as an instructor calls it, in an environment that is not activated."""
    environment = {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "JUPYTER_DATA_DIR": str(root / ".jupyter"),
    }
    program = Path(sys.executable).with_name("nbgrader")
    return subprocess.run([program, *arguments], cwd=root, env=environment, capture_output=True, text=True)


def test_students_get_stubs_tests_and_no_solutions(root: Path) -> None:
    assert build(root).built == (LAB,)
    notebook = released(root)
    nbformat.validate(notebook)
    assert cell(notebook, "by-customer").source == f"%%sql shop --name by_customer\n{SQL_STUB}"
    assert cell(notebook, "total").source.endswith(f'"""The sum of all prices."""\n    {PYTHON_STUB}')
    assert cell(notebook, "by-customer-hidden").source == "# Hidden tests: other shops."
    assert cell(notebook, "total-visible").source.startswith("assert total")
    assert sorted(tree(root / "release")) == ["04-databases/14b-orders.ipynb", "04-databases/prices.csv"]


def test_a_page_gets_a_stub_that_is_a_comment_of_html() -> None:
    source = (
        "%%writefile site/index.html\n<!doctype html>\n### BEGIN SOLUTION\n<h1>Mugs</h1>\n### END SOLUTION"
    )
    metadata = {"nbgrader": {"grade_id": "page", "solution": True, "grade": False, "schema_version": 3}}
    made = nbformat.v4.new_code_cell(source, metadata=metadata)
    made, _ = ClearSolutionsByLanguage().preprocess_cell(made, {"language": "python"}, 0)
    assert made.source == "%%writefile site/index.html\n<!doctype html>\n<!-- Write your page here -->"


def test_a_build_is_the_same_byte_for_byte(root: Path, another_root: Path) -> None:
    build(root)
    first = tree(root / "release")
    shutil.rmtree(root / "release")
    build(root)
    build(another_root)
    assert tree(root / "release") == first == tree(another_root / "release")
    assert first[f"{LAB}.ipynb"].endswith(b"}\n")


def test_a_build_leaves_the_gradebook_alone(root: Path) -> None:
    build(root)
    assert not list(root.glob("gradebook.db*"))


def test_only_what_changed_is_built(root: Path) -> None:
    other = root / "source" / "04-databases" / "14c-more.md"
    other.write_text("# More\n\n```python\n%load_ext course\n```\n")
    assert build(root).built == (LAB, "04-databases/14c-more")
    assert build(root).built == ()
    os.utime(other)
    assert build(root).built == ()
    other.write_text(other.read_text() + "\nNew.\n")
    assert build(root).built == ("04-databases/14c-more",)
    (root / "release" / f"{LAB}.ipynb").unlink()
    assert build(root).built == (LAB,)
    (root / "source" / "04-databases" / "prices.csv").write_text("name,price\n")
    assert len(build(root).built) == 2
    assert (root / "release" / "04-databases" / "prices.csv").read_text() == "name,price\n"
    assert check(root) is None


def test_nothing_to_build_takes_no_time_and_no_nbgrader(root: Path) -> None:
    build(root)
    program = (
        "import pathlib, sys, time; from course.publishing.build import build; built = build(pathlib.Path('.'))\n"
        "assert built.unchanged and not built.built\n"
        "assert not {'nbgrader', 'nbformat', 'jupytext'} & set(sys.modules)\n"
        "assert time.process_time() < 1"
    )
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)


def test_one_phase_or_lab_is_built_alone(root: Path) -> None:
    broken = root / "source" / "06-web" / "18a-broken.md"
    broken.parent.mkdir()
    broken.write_text("# Broken\n")
    assert build(root, LAB).built == (LAB,)
    assert build(root, "04-databases").unchanged == (LAB,)
    with pytest.raises(LabError, match=r"18a-broken.md:1: the first code cell"):
        build(root)
    with pytest.raises(
        CourseError, match=r"There is no phase or lab '04-database' .* did you mean 04-databases"
    ):
        build(root, "04-database")


def test_a_lab_without_source_leaves_release(root: Path) -> None:
    build(root)
    (root / "source" / f"{LAB}.md").rename(root / "source" / "04-databases" / "14c-renamed.md")
    built = build(root)
    assert built.built == ("04-databases/14c-renamed",)
    assert set(built.removed) == {f"release/{LAB}.ipynb", f"source/{LAB}.ipynb"}
    assert sorted(tree(root / "release")) == ["04-databases/14c-renamed.ipynb", "04-databases/prices.csv"]
    shutil.rmtree(root / "source" / "04-databases")
    build(root)
    assert tree(root / "release") == {}


def test_what_somebody_edited_is_kept(root: Path) -> None:
    build(root)
    source, text = root / "source" / f"{LAB}.ipynb", root / "source" / f"{LAB}.md"
    edited = source.read_text().replace("You will count", "You shall count")
    source.write_text(edited)
    assert build(root).kept == (f"source/{LAB}.ipynb.edited",)
    assert Path(f"{source}.edited").read_text() == edited
    assert "You will count" in source.read_text()
    text.write_text(text.read_text() + "\nNew.\n")
    assert build(root).kept == ()
    release = root / "release" / f"{LAB}.ipynb"
    release.write_text("a student's answers")
    assert build(root).kept == (f"release/{LAB}.ipynb.edited",)
    assert Path(f"{release}.edited").read_text() == "a student's answers"
    release.write_text("another one's")
    assert build(root).kept == (f"release/{LAB}.ipynb.edited-2",)
    check(root)


def test_what_is_committed_is_replaced_in_a_fresh_clone(root: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)

    build(root)
    git("init")
    git("add", "source", "release")
    git("commit", "-m", "Release it")
    shutil.rmtree(root / ".cache")  # a clone has none
    text, release = root / "source" / f"{LAB}.md", root / "release" / f"{LAB}.ipynb"
    committed = release.read_bytes()
    text.write_text(text.read_text() + "\nNew.\n")
    assert build(root).kept == ()
    assert b"New." in release.read_bytes()

    shutil.rmtree(root / ".cache")
    release.write_bytes(committed + b" ")
    text.write_text(text.read_text() + "\nNewer.\n")
    assert f"release/{LAB}.ipynb.edited" in build(root).kept


def test_two_builds_at_once_take_nothing_of_each_other_for_edited(tmp_path: Path) -> None:
    first, second = Outputs(tmp_path), Outputs(tmp_path)
    one, two = tmp_path / "one.ipynb", tmp_path / "two.ipynb"
    first.put(one, b"one")
    first.save()
    second.put(two, b"two")
    second.save()
    third = Outputs(tmp_path)
    assert third.is_own(one)
    assert third.is_own(two)
    third.remove(one)
    third.save()
    assert not Outputs(tmp_path).is_own(one)


def test_running_a_source_notebook_is_no_edit(root: Path) -> None:
    build(root)
    path = root / "source" / f"{LAB}.ipynb"
    notebook = json.loads(path.read_text())
    for code in notebook["cells"]:
        if code["cell_type"] == "code":
            code["execution_count"] = 1
            code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["hello"]}]
    path.write_text(json.dumps(notebook))
    assert build(root).unchanged == (LAB,)
    (root / "release" / f"{LAB}.ipynb").unlink()
    built = build(root)
    assert (built.built, built.kept) == ((LAB,), ())


def test_a_damaged_record_costs_a_build_and_nothing_else(root: Path) -> None:
    build(root)
    (root / ".cache" / "build.json").write_text("{")
    built = build(root)
    assert (built.built, built.kept, built.removed) == ((LAB,), (), ())


def test_a_lab_that_cannot_be_published_writes_nothing(root: Path) -> None:
    build(root)
    before = tree(root)
    (root / "source" / "04-databases" / "14c-more.md").write_text(
        "# More\n\n```python\n%load_ext course\n```\n"
    )
    lab = root / "source" / f"{LAB}.md"
    lab.write_text(lab.read_text().replace('"grade_id": "total"}', '"grade_id": "by-customer"}'))
    with pytest.raises(LabError, match="by-customer"):
        build(root)
    after = tree(root)
    assert {name for name in after if after[name] != before.get(name)} == {
        f"source/{LAB}.md",
        "source/04-databases/14c-more.md",
    }


def test_check_compares_release_with_source(root: Path) -> None:
    build(root)
    check(root)
    lab = root / "source" / f"{LAB}.md"
    lab.write_text(lab.read_text().replace("You will", "You shall"))
    (root / "source" / "04-databases" / "14c-more.md").write_text(
        "# More\n\n```python\n%load_ext course\n```\n"
    )
    (root / "release" / "04-databases" / "old.ipynb").write_text("{}")
    before = tree(root)
    with pytest.raises(CourseError) as caught:
        check(root)
    assert str(caught.value).splitlines() == [
        "release/ is not what source/ makes:",
        "  no source   release/04-databases/old.ipynb",
        f"  out of date release/{LAB}.ipynb",
        "  missing     release/04-databases/14c-more.ipynb",
        "Run `course build`, look at the difference, and commit it.",
    ]
    assert tree(root) == before


def test_check_does_not_believe_the_record(root: Path) -> None:
    build(root)
    path = f"release/{LAB}.ipynb"
    (root / path).write_text((root / path).read_text().replace(SQL_STUB, "SELECT 1"))
    record = root / ".cache" / "build.json"
    noted = json.loads(record.read_text())
    noted["files"][path] = hashlib.sha256((root / path).read_bytes()).hexdigest()
    record.write_text(json.dumps(noted))
    assert build(root).unchanged == (LAB,)
    with pytest.raises(CourseError, match=f"out of date release/{LAB}.ipynb"):
        check(root)


def test_stock_nbgrader_releases_the_same_without_flags(root: Path) -> None:
    build(root)
    expected = tree(root / "release")
    source = root / "source" / f"{LAB}.ipynb"
    executed = nbformat.read(source, as_version=4)
    executed.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"x": "SELECT 42"}}
    }
    executed.cells[0]["attachments"] = {"plan.png": {"image/png": "AAAA"}}
    cell(executed, "total").outputs = [nbformat.v4.new_output("stream", text="6.5")]
    nbformat.write(executed, source)
    (root / "release" / f"{LAB}.ipynb").write_text("an older release")
    done = nbgrader(root, "generate_assignment", "04-databases")
    assert done.returncode == 0, done.stderr
    assert tree(root / "release") == expected
    assert (root / "gradebook.db").is_file()


def test_stock_nbgrader_refuses_a_source_notebook_that_is_out_of_date(root: Path) -> None:
    build(root)
    text = root / "source" / f"{LAB}.md"
    text.write_text(text.read_text().replace("You will", "You shall"))
    done = nbgrader(root, "generate_assignment", "04-databases")
    assert done.returncode != 0
    assert "14b-orders.ipynb is not what 14b-orders.md makes. Run `course build`" in done.stderr
    build(root)
    assert "You shall" in (root / "release" / f"{LAB}.ipynb").read_text()


FORM = """
```python tags=["form"] nbgrader={"schema_version": 3, "solution": true, "grade": false, "locked": false, "task": false, "grade_id": "roles"}
# Write a letter between the quotes.
### BEGIN SOLUTION
client = "A"
server_2 = "C, D"  # who waits?
### END SOLUTION
```
"""


def test_a_form_is_released_with_nothing_between_its_quotes(root: Path) -> None:
    text = root / "source" / f"{LAB}.md"
    text.write_text(text.read_text() + FORM)
    build(root)
    assert cell(released(root), "roles").source == (
        '# Write a letter between the quotes.\nclient = ""\nserver_2 = ""  # who waits?'
    )


def test_a_form_has_only_texts(root: Path) -> None:
    text = root / "source" / f"{LAB}.md"
    text.write_text(text.read_text() + FORM.replace('"C, D"', "5"))
    with pytest.raises(CourseError, match=r":\d+: a form .* has comments and lines like name"):
        build(root)
