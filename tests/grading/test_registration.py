"""The gradebook is told of a phase's labs when they, or what it knows of them, have changed, and only then."""

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
