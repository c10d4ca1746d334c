"""The gradebook is told of a phase's labs when they, or what it knows of them, have changed, and only then."""

import sqlite3
from contextlib import closing

import nbformat
import pytest
from nbgrader.api import Gradebook

from course.grading import engine, imports
from course.grading.loop import grade_own_work
from course.grading.registration import make_gradebook, registered

from .conftest import TINY


@pytest.fixture
def told(monkeypatch):
    """The phases that nbgrader's step was run for, in turn."""
    phases = []
    register = engine.register

    def noted(folder, phase):
        phases.append(phase)
        register(folder, phase)

    monkeypatch.setattr(engine, "register", noted)
    return phases


def folder_of(tiny):
    return engine.course_folder(tiny.root)


def test_what_is_known_is_not_told_again(tiny, told):
    first = registered(folder_of(tiny), TINY)
    assert told == [TINY]
    assert registered(folder_of(tiny), TINY) == first == engine.labs(folder_of(tiny), TINY)
    assert told == [TINY]


def test_a_changed_lab_is_told(tiny, told):
    registered(folder_of(tiny), TINY)
    path = tiny.root / "source" / TINY / "b-greet.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "assert greet('Bo') == 'Hello Bo', 'another name'"
    nbformat.write(notebook, path)
    assert [cell.source for cell in registered(folder_of(tiny), TINY)["b-greet"].cells][1].endswith(
        "another name'"
    )
    assert told == [TINY, TINY]


def test_a_changed_setting_is_told(tiny, told):
    registered(folder_of(tiny), TINY)
    with (tiny.root / "nbgrader_config.py").open("a") as settings:
        settings.write("\nc.ClearSolutionsByLanguage.enforce_metadata = False\n")
    registered(folder_of(tiny), TINY)
    assert told == [TINY, TINY]


@pytest.mark.parametrize("name", ["source/{}/autotests.yml", "autotests.yml", "source/{}/prices.csv"])
def test_a_changed_file_that_a_step_may_read_is_told(tiny, told, name):
    registered(folder_of(tiny), TINY)
    (tiny.root / name.format(TINY)).write_text("changed: true")
    registered(folder_of(tiny), TINY)
    assert told == [TINY, TINY]


def test_what_changes_while_it_is_told_is_told_again(tiny, monkeypatch):
    path = tiny.root / "source" / TINY / "b-greet.ipynb"
    before = path.read_bytes()
    register = engine.register

    def just_before(folder, phase):
        path.write_bytes(before.replace(b"Hello Ada", b"Goodbye Ada"))
        register(folder, phase)

    monkeypatch.setattr(engine, "register", just_before)
    registered(folder_of(tiny), TINY)
    monkeypatch.setattr(engine, "register", register)
    path.write_bytes(before)
    assert "Hello Ada" in registered(folder_of(tiny), TINY)["b-greet"].cells[1].source


def test_a_damaged_or_missing_memory_only_takes_longer(tiny, told, tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    folder = engine.private_folder(place, tiny.root)
    make_gradebook(folder, TINY, place / "gradebook.db")
    kept = list((tiny.root / ".cache" / "registered").iterdir())
    assert {path.suffix for path in kept} == {".txt", ".db"}
    for damage in (b"\xff\xfe", kept[0].read_bytes()[:40] + bytes(8192)):
        for path in kept:
            path.write_bytes(damage)
        make_gradebook(folder, TINY, place / "gradebook.db")
        assert registered(folder, TINY) == engine.labs(folder_of(tiny), TINY)
    assert told == [TINY] * 3


def test_a_new_gradebook_is_none_of_the_journal_that_an_old_one_left(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    folder = engine.private_folder(place, tiny.root)
    path = place / "gradebook.db"
    make_gradebook(folder, TINY, path)
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA cache_size = 1")
        old.executemany("INSERT INTO student (id) VALUES (?)", [(f"s{n}" * 50,) for n in range(500)])
        journal = path.with_name("gradebook.db-journal").read_bytes()
    path.with_name("gradebook.db-journal").write_bytes(journal)
    make_gradebook(folder, TINY, path)
    assert not path.with_name("gradebook.db-journal").exists()
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_gradebook_that_knows_something_else_is_told(tiny, told):
    registered(folder_of(tiny), TINY)
    with Gradebook(tiny.database) as gradebook:
        gradebook.update_or_create_grade_cell("greet-visible", "b-greet", TINY, max_score=9)
    labs = registered(folder_of(tiny), TINY)
    assert told == [TINY, TINY]
    assert [cell.metadata.nbgrader.get("points") for cell in labs["b-greet"].cells] == [None, 1]


def test_an_empty_gradebook_is_told(tiny, told):
    before = registered(folder_of(tiny), TINY)
    (tiny.root / "gradebook.db").unlink()
    assert registered(folder_of(tiny), TINY) == before
    assert told == [TINY, TINY]


def test_a_new_gradebook_knows_the_labs_and_nobody(tiny, told, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("own")
    folder = engine.private_folder(tmp_path, tiny.root)
    for _ in range(2):
        make_gradebook(folder, TINY, tmp_path / "gradebook.db")
        with folder.gradebook() as gradebook:
            assert gradebook.students == []
            gradebook.add_student("somebody")
    assert told == [TINY]
    assert registered(folder, TINY) == engine.labs(folder_of(tiny), TINY)
    assert told == [TINY]


def test_grading_ones_own_work_again_finds_what_the_first_time_has_learned(course, told):
    """The button in JupyterLab starts the process with the lab's imports before it loads anything else."""
    work = course.root / "work" / course.phase
    work.mkdir(parents=True)
    nbformat.write(course.solved(), work / course.release.name)
    assert grade_own_work(course.root, course.phase) == 0
    (found,) = imports.remembered(course.root, course.phase)
    assert "sqlite3" in found
    before = sorted((course.root / ".cache").rglob("*"))
    assert grade_own_work(course.root, course.phase) == 0
    assert sorted((course.root / ".cache").rglob("*")) == before
    assert told == [course.phase]
