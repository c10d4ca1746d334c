"""A student's work as a zip: all of it, nothing else, back without overwriting, and nothing out of a hostile zip."""

import io
import stat
import zipfile
from datetime import date
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.classroom import keeping
from course.classroom.working_copy import refresh
from course.errors import CourseError
from course.lab import progress

LAB = Path("04-databases") / "joins.ipynb"
OTHER = Path("04-databases") / "groups.ipynb"
RUNS = Path(".course") / "progress" / "04-databases" / "joins.jsonl"


def solution(name: str, source: str = "raise NotImplementedError()") -> NotebookNode:
    meta = {"grade_id": name, "solution": True, "grade": False, "locked": False, "task": False}
    return new_code_cell(source, id=name, metadata={"nbgrader": {"schema_version": 3, **meta}})


def write(path: Path, *cells: NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def answer(root: Path, source: str) -> None:
    notebook = nbformat.read(root / "work" / LAB, as_version=4)
    notebook.cells[1].source = source
    nbformat.write(notebook, root / "work" / LAB)


def run(test: str, second: int, passed: bool = True) -> str:
    return (
        f'{{"test": "{test}", "passed": {str(passed).lower()}, "at": "2026-01-01T00:00:{second:02}+00:00"}}'
    )


def record(root: Path, *runs: str) -> None:
    file = root / "work" / RUNS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in runs))


def new_copy(root: Path) -> Path:
    """The course as a new session has it."""
    write(root / "release" / LAB, new_markdown_cell("# Joins", id="joins-0"), solution("first"))
    write(root / "release" / OTHER, new_markdown_cell("# Groups", id="groups-0"))
    (root / "release" / "04-databases" / "shop.csv").write_text("a,b\n")
    refresh(root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return new_copy(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return new_copy(tmp_path / "new")


def saved(root: Path) -> bytes:
    return keeping.save(root, keeping.students_work(root))


def names(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def everything(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def packed(**files: str | bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(".course/saved.json", "{}")
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


# --- saving


def test_an_untouched_copy_has_no_work_of_the_students(root: Path) -> None:
    assert keeping.students_work(root) == keeping.Work((), ())


def test_opening_a_lab_is_no_work_and_running_it_is(root: Path) -> None:
    notebook = nbformat.read(root / "work" / LAB, as_version=4)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.2"}
    nbformat.write(notebook, root / "work" / LAB)
    assert keeping.students_work(root).files == ()
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="seen")]
    nbformat.write(notebook, root / "work" / LAB)
    assert keeping.students_work(root).files == (LAB,)


def test_the_zip_holds_what_the_student_made_with_its_base_and_progress(root: Path) -> None:
    answer(root, "first = 1")
    record(root, run("first-visible", 1))
    (root / "work" / "04-databases" / "my notes.txt").write_text("left join keeps all")
    checkpoint = root / "work" / "04-databases" / ".ipynb_checkpoints" / "joins-checkpoint.ipynb"
    write(checkpoint)
    environment = root / "work" / "env"
    (environment / "lib").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("")
    (environment / "lib" / "code.py").write_text("")
    (root / "work" / "04-databases" / ".~joins.ipynb").write_text("{")  # while a Jupyter server saves
    (root / "work" / ".course" / "grading").mkdir()
    (root / "work" / ".course" / "grading" / "results.json").write_text("{}")
    assert names(saved(root)) == {
        ".course/saved.json",
        ".course/base/04-databases/joins.ipynb",
        RUNS.as_posix(),
        LAB.as_posix(),
        "04-databases/my notes.txt",
    }
    assert saved(root) == saved(root)


def test_a_file_that_goes_meanwhile_is_left_out(root: Path) -> None:
    answer(root, "first = 1")
    notes = root / "work" / "notes.txt"
    notes.write_text("left join keeps all")
    work = keeping.students_work(root)
    notes.unlink()
    assert names(keeping.save(root, work)) == {
        ".course/saved.json",
        ".course/base/04-databases/joins.ipynb",
        LAB.as_posix(),
    }


def test_what_is_too_large_or_a_link_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LARGEST_FILE", 1000)
    monkeypatch.setattr(keeping, "LARGEST_WORK", 1500)
    work = root / "work"
    for name, length in (("a.csv", 1000), ("b.csv", 1001), ("c.csv", 501)):
        (work / name).write_bytes(b"." * length)
    (work / "link.csv").symlink_to("/nowhere")
    (work / "not\\portable.csv").touch()
    found = keeping.students_work(root)
    assert found.files == (Path("a.csv"),)
    assert found.left_out == (Path("b.csv"), Path("c.csv"), Path("link.csv"), Path("not\\portable.csv"))


def test_a_download_has_a_name_by_its_day() -> None:
    assert keeping.zip_name(date(2026, 11, 25)) == "backend-course-2026-11-25.zip"


def test_each_working_copy_has_a_name_of_its_own_that_stays(root: Path, new: Path) -> None:
    assert keeping.copy_id(root) == keeping.copy_id(root) != keeping.copy_id(new)


# --- restoring


def test_all_work_comes_back_in_a_new_copy(root: Path, new: Path) -> None:
    answer(root, "first = 1")
    record(root, run("first-visible", 1))
    (root / "work" / "notes.txt").write_text("mine")
    restored = keeping.restore(new, saved(root))
    assert restored == keeping.Restored(3, ())
    assert (new / "work" / LAB).read_bytes() == (root / "work" / LAB).read_bytes()
    assert (new / "work" / "notes.txt").read_text() == "mine"
    assert progress.read(new / "work") == progress.read(root / "work") != {}
    assert sorted((new / "work" / "04-databases").glob("joins*")) == [new / "work" / LAB]


def test_restoring_again_changes_nothing(root: Path, new: Path) -> None:
    answer(root, "first = 1")
    record(root, run("first-visible", 1))
    keeping.restore(new, saved(root))
    before = everything(new)
    assert keeping.restore(new, saved(root)) == keeping.Restored(0, ())
    assert everything(new) == before


def test_what_the_student_has_stays_beside_what_comes_back(root: Path, new: Path) -> None:
    for copy, text in ((root, "first = 'old session'"), (new, "first = 'new session'")):
        answer(copy, text)
        (copy / "work" / "notes.txt").write_text(text)
    restored = keeping.restore(new, saved(root))
    assert sources(new / "work" / LAB)[1] == "first = 'old session'"
    (kept,) = (new / "work" / LAB.parent).glob("joins (before *).ipynb")
    assert sources(kept)[1] == "first = 'new session'"
    (notes,) = (new / "work").glob("notes (before *).txt")
    assert notes.read_text() == "first = 'new session'"
    assert len(restored.messages) == 2
    assert any(
        f"04-databases/joins.ipynb is restored; the file that was there is kept as {kept.name}" in line
        for line in restored.messages
    )


def test_progress_of_both_is_kept_in_the_order_of_time(root: Path, new: Path) -> None:
    again = run("first-visible", 2, passed=False)
    record(root, run("first-visible", 1, passed=False), again, again, run("second-visible", 9))
    record(new, again, run("first-visible", 5))
    keeping.restore(new, saved(root))
    expected = [
        run("first-visible", 1, passed=False),
        again,
        again,
        run("first-visible", 5),
        run("second-visible", 9),
    ]
    assert (new / "work" / RUNS).read_text().splitlines() == expected


def test_answers_reach_a_newer_version_of_the_lab(root: Path, new: Path) -> None:
    answer(root, "first = 1")
    content = saved(root)
    write(
        new / "release" / LAB,
        new_markdown_cell("# Joins, mended", id="joins-0"),
        solution("zeroth"),
        solution("first"),
    )
    refresh(new)
    restored = keeping.restore(new, content)
    assert sources(new / "work" / LAB) == ["# Joins, mended", "raise NotImplementedError()", "first = 1"]
    assert any("has a new version with your answers in it" in line for line in restored.messages)
    before = everything(new)
    assert keeping.restore(new, content) == keeping.Restored(0, ())
    assert everything(new) == before


def test_a_zip_that_was_unpacked_and_packed_again_is_taken(root: Path, new: Path) -> None:
    answer(root, "first = 1")
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(root))) as old, zipfile.ZipFile(content, "w") as archive:
        for name in old.namelist():
            archive.writestr(f"backend-course-2026-11-25/{name}", old.read(name))
        archive.writestr("__MACOSX/._joins.ipynb", "")
        archive.writestr("backend-course-2026-11-25/.DS_Store", "")
    assert keeping.restore(new, content.getvalue()).files == 1
    assert sources(new / "work" / LAB)[1] == "first = 1"
    assert not list((new / "work").rglob(".DS_Store"))


# --- zips that are broken, foreign or hostile


def link() -> bytes:
    entry = zipfile.ZipInfo("shortcut")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = io.BytesIO(packed())
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(entry, "/etc")
    return content.getvalue()


def twice() -> bytes:
    content = io.BytesIO(packed(**{"notes.txt": "one"}))
    with zipfile.ZipFile(content, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("notes.txt", "two")
    return content.getvalue()


def understated() -> bytes:
    """An entry that holds more than it says."""
    content = packed(**{"notes.txt": b"x" * 4000})
    return content.replace((4000).to_bytes(4, "little"), (40).to_bytes(4, "little"))


HOSTILE = {
    "broken": (b"no zip", "not a whole zip file"),
    "cut": (packed(**{"notes.txt": "text"})[:-30], "not a whole zip file"),
    "bad checksum": (
        packed(**{"notes.txt": "some text"}).replace(b"some text", b"same text"),
        "not a whole zip file",
    ),
    "understated": (understated(), "not a whole zip file"),
    "foreign": (packed().replace(b".course/saved", b".course/waved"), "no work of this course"),
    "absolute": (packed(**{"/tmp/out.txt": ""}), "lead out of the course"),
    "parent": (packed(**{"04-databases/../../out.txt": ""}), "lead out of the course"),
    "drive": (packed(**{"C:/out.txt": ""}), "lead out of the course"),
    "backslash": (packed(**{"..\\out.txt": ""}), "lead out of the course"),
    "link": (link(), "lead out of the course"),
    "twice": (twice(), "twice to the same place"),
    "in the way": (packed(**{"04-databases": "a file"}), "something else has its name"),
    "under a file": (packed(**{"04-databases/joins.ipynb/x.txt": ""}), "something else has its name"),
}


@pytest.mark.parametrize(("content", "words"), HOSTILE.values(), ids=HOSTILE)
def test_nothing_comes_out_of_a_bad_zip(new: Path, content: bytes, words: str) -> None:
    before = everything(new.parent)
    with pytest.raises(CourseError, match=words):
        keeping.restore(new, content)
    assert everything(new.parent) == before


def test_a_zip_that_unpacks_to_too_much_is_refused(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LARGEST_WORK", 1000)
    with pytest.raises(CourseError, match="too large"):
        keeping.restore(new, packed(**{"notes.txt": "x" * 2001}))
    monkeypatch.setattr(keeping, "MOST_FILES", 3)
    with pytest.raises(CourseError, match="too large"):
        keeping.restore(new, packed(**{f"{number}.txt": "" for number in range(4)}))


def test_nothing_is_written_through_a_link_out_of_the_working_copy(new: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (new / "work" / "away").symlink_to(outside)
    with pytest.raises(CourseError, match="cannot be restored"):
        keeping.restore(new, packed(**{"away/out.txt": ""}))
    assert list(outside.iterdir()) == []


def test_of_the_markers_folder_only_progress_and_bases_come_back(new: Path) -> None:
    own = keeping.copy_id(new)
    keeping.restore(new, packed(**{".course/copy": "other", ".course/grading/results.json": "{}"}))
    assert keeping.copy_id(new) == own
    assert not (new / "work" / ".course" / "grading").exists()
