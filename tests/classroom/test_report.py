"""The class report: its figures, and its page and tables for a class that was really graded."""

import csv
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine

from course.classroom.report import figures, report, rows, sheets
from course.classroom.report.figures import (
    at_least,
    difficulty,
    discrimination,
    histogram,
    items,
    missing,
    points_mastered,
    standings,
)
from course.classroom.report.misconceptions import Met, said
from course.classroom.report.rows import ClassResults, Key, Result
from course.errors import CourseError
from course.grading import engine
from course.grading.gradebook import make_tables
from course.grading.loop import grade_class
from course.lab.services import postgres
from course.publishing.build import build

REPOSITORY = Path(__file__).resolve().parents[2]
PHASE, LAB = "01-small", "01a-money"
TAX, GOOD = Key(LAB, "with-tax"), Key(LAB, "good-customers")


# --- figures --------------------------------------------------------------------------------------------------------


def results_of(scores: dict[str, tuple[float, ...]], points: tuple[float, ...]) -> ClassResults:
    keys = [Key("lab", f"e{number}") for number in range(len(points))]
    found = {
        (student, key): Result(score, most, tried=score > 0, waiting=False)
        for student, row in scores.items()
        for key, score, most in zip(keys, row, points, strict=True)
    }
    return ClassResults(
        "p", dict.fromkeys(scores, ""), dict.fromkeys(scores), dict(zip(keys, points, strict=True)), found
    )


def test_discrimination_is_the_correlation_with_the_other_exercises():
    first = [0, 0, 1, 1, 2, 2, 3, 3]
    others = [1, 2, 2, 4, 3, 5, 6, 5]
    totals = [a + b for a, b in zip(first, others, strict=True)]
    expected = pd.Series(first).corr(pd.Series(others))
    assert discrimination(first, totals) == pytest.approx(expected)
    assert discrimination([0, 1] * 4, [1, 1] * 4) == pytest.approx(-1)


def test_there_is_no_discrimination_where_it_would_mean_nothing():
    assert discrimination([0, 1] * 3, [0, 2] * 3) is None, "too few"
    assert discrimination([1] * 8, list(range(8))) is None, "all the same"
    assert discrimination(list(range(8)), list(range(8))) is None, "no other exercise"
    assert discrimination([0.1 + 0.2, 0.3] * 4, list(range(8))) is None, "the same but for rounding"


def test_who_has_points_has_tried():
    key = Key("lab", "e0")
    by_hand = {
        ("a", key): Result(2, 2, tried=False, waiting=False),
        ("b", key): Result(0, 2, tried=True, waiting=False),
        ("c", key): Result(0, 2, tried=False, waiting=False),
    }
    students = dict.fromkeys("abc", "")
    (item,) = items(ClassResults("p", students, dict.fromkeys(students), {key: 2}, by_hand))
    assert (item.tried, item.solved) == (2, 1)


def test_the_figures_of_a_class():
    results = results_of({"a": (2, 1), "b": (1, 0), "c": (0, 0), "d": (2, 0)}, (2, 1))
    first, second = items(results)
    assert (first.difficulty, first.tried, first.solved) == (0.625, 3, 2)
    assert (second.difficulty, second.tried, second.solved) == (0.25, 1, 1)
    assert [(each.student, each.score) for each in standings(results)] == [
        ("c", 0),
        ("b", 1),
        ("d", 2),
        ("a", 3),
    ]
    assert [key.exercise for key, _ in standings(results)[1].lacking] == ["e1", "e0"], "worst first"
    [summary] = [figures.summary(results, standings(results))]
    assert (summary.students, summary.handed_in, summary.mastered) == (4, 4, 1)
    assert (summary.mean, summary.median) == (pytest.approx(0.5), pytest.approx(0.5))


def test_mastery_begins_at_eighty_percent_in_spite_of_rounding():
    assert at_least(0.1 + 0.7, 0.8)
    assert not at_least(0.799, 0.8)
    assert difficulty([0.0, 1.0]) == 0.5
    assert histogram([0, 0.0999, 0.1, 0.3, 0.8, 0.7 + 0.1, 1, 1.0]) == [2, 1, 0, 1, 0, 0, 0, 0, 2, 2]


def test_a_point_is_mastered_with_eighty_percent_of_its_exercises_together():
    results = results_of({"a": (4, 1), "b": (3, 1), "c": (4, 0), "d": (3, 0)}, (4, 1))
    e0, e1 = results.points
    [both, one] = points_mastered(
        results, {"both": [e0, e1], "one": [e1, Key("lab", "gone")], "none": [Key("lab", "gone")]}
    )
    assert (both.point, both.students, both.share) == ("both", 3, 0.75)
    assert (one.point, one.students, one.exercises) == ("one", 2, (e1,))


def test_who_handed_nothing_in_is_missing():
    results = results_of({"a": (1,)}, (1,))
    results = ClassResults("p", {"a": "", "b": "Bo"}, results.handed_in, results.points, results.results)
    assert missing(results) == ["b"]


def test_what_a_test_says_is_its_authors_words_and_the_kind_of_difference():
    source = "assert run(q, on=s) == [], 'no orders, no rows'"
    assert said("AssertionError", "no orders, no rows", source) == "no orders, no rows"
    text = "no orders, no rows\nRows: 12 missing, 3 extra. Expected 4 rows, your query returned 5."
    assert said("RowsDiffer", text, source) == "no orders, no rows (Rows: # missing, # extra)"
    assert said("KeyError", "'a student's own'", source) == "KeyError"


def test_a_spreadsheet_takes_no_text_for_a_formula():
    results = results_of({"=HYPERLINK(1)": (1,), "@b": (0,)}, (1,))
    [key] = results.points
    met = [Met(key, ("-1 for 1",), "", ("@b",))]
    found = list(csv.DictReader(sheets.scores_csv(results, met).decode("utf-8-sig").splitlines()))
    assert [row["student"] for row in found] == ["'=HYPERLINK(1)", "'@b"]
    assert found[1]["misconception"] == "'-1 for 1"


# --- a class that was graded ----------------------------------------------------------------------------------------

NEGATIVE = "def with_tax(cents: int) -> int:\n    return cents + cents * tax_percent // 100"
OTHERWISE = "def with_tax(cents: int) -> int:\n    return 220"
HOSTILE = "<script>attack()</script>"
SHOWN_ROWS = "%%sql shop --name good_customers\nSELECT 'Ada' AS customer, 50 AS paid UNION SELECT 'Bo', 50"


@pytest.fixture(scope="module")
def empty_course(tmp_path_factory):
    """A course folder with a gradebook that knows its students, and nothing handed in."""
    root = tmp_path_factory.mktemp("report") / "course"
    shutil.copytree(REPOSITORY / "tests" / "proof" / "small_course", root)
    shutil.copyfile(REPOSITORY / "nbgrader_config.py", root / "nbgrader_config.py")
    build(root)
    make_tables(f"sqlite:///{root / 'gradebook.db'}")
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}", "backend") as gradebook:
        gradebook.add_student("absent", first_name="Abel", last_name=HOSTILE)
    return root


@pytest.fixture(scope="module")
def root(empty_course):
    """The same with a class of nine, graded and reported on."""
    root = empty_course
    right = {
        cell.id: cell.source for cell in nbformat.read(root / "source" / PHASE / f"{LAB}.ipynb", 4).cells
    }
    answers = {
        **{f"right-{number}": right for number in range(4)},
        "untouched": {},
        "negative": right | {"with-tax": NEGATIVE},
        "negative-too": right | {"with-tax": NEGATIVE.replace("cents +", "(cents) +")},
        "otherwise": right | {"with-tax": OTHERWISE, "good-customers": SHOWN_ROWS},
        "=half": {"with-tax": right["with-tax"]},
    }
    for student, sources in answers.items():
        notebook = nbformat.read(root / "release" / PHASE / f"{LAB}.ipynb", 4)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = sources.get(cell.id, cell.source)
        folder = root / "submitted" / student / PHASE
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{LAB}.ipynb")
    (root / "submitted" / "negative" / PHASE / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    grade_class(root, PHASE, caged=False)
    assert report.show(root) == 0
    return root


@pytest.fixture(scope="module")
def page(root):
    text = (root / "reports" / PHASE / "report.html").read_text()
    return BeautifulSoup(text, "html.parser")


def rows_of(page, section):
    return [
        [" ".join(cell.get_text(" ").split()) for cell in row.select("th, td")]
        for row in page.select(f"#{section} tbody tr")
    ]


def test_the_page_says_how_the_class_stands(page):
    facts = {each.dt.text: each.dd.text for each in page.select(".summary div")}
    assert facts == {
        "Work graded": "9 of 10",
        "Mastered (80 %)": "4 of 9",
        "Mean score": "69 %",
        "Median score": "67 %",
    }
    assert [int(row[1]) for row in rows_of(page, "scores")] == [1, 0, 0, 1, 0, 1, 2, 0, 0, 4]


def test_the_stuck_are_listed_by_need_with_what_they_lack(page):
    stuck = page.find(id="stuck")
    assert "Nothing graded yet of 1 of the students in the gradebook: absent" in " ".join(stuck.text.split())
    found = rows_of(page, "stuck")
    assert [row[0] for row in found] == ["untouched", "otherwise", "=half", "negative", "negative-too"]
    assert found[0][2] == "Nothing is started."
    assert "Not started: Exercise 2: good customers" in found[2][2]
    assert "forgets negative prices" in found[3][2]
    assert found[3][3] == "2026-01-05 10:00"


def test_misconceptions_are_counted_by_how_the_answers_fail(page):
    found = rows_of(page, "misconceptions")
    assert found[0] == [
        "forgets negative prices",
        "Exercise 1: the price with tax",
        "2",
        "25 %",
        "negative, negative-too",
    ]
    assert found[1][0] == "written for the rows shown"
    assert found[2][:2] == ["another price came out wrong", "Exercise 1: the price with tax"], (
        "not in the bank"
    )


def test_the_bank_is_run_once(root, monkeypatch):
    kept = root / ".cache" / "misconceptions" / PHASE / f"{LAB}.json"
    before = kept.stat().st_mtime_ns
    report.show(root, PHASE)
    assert kept.stat().st_mtime_ns == before


def test_the_exercises_have_their_figures(page, root):
    tax, good = rows_of(page, "exercises")
    assert tax[:5] == ["Exercise 1: the price with tax", "3", "8", "5", "67 %"]
    assert good[:4] == ["Exercise 2: good customers", "3", "7", "6"]
    scores = pd.read_csv(root / "reports" / PHASE / "scores.csv")
    wide = scores.pivot(index="student", columns="exercise", values="score")
    correlation = wide["with-tax"].corr(wide["good-customers"])
    assert float(tax[5]) == pytest.approx(correlation, abs=0.005)
    exercises = pd.read_csv(root / "reports" / PHASE / "exercises.csv").set_index("exercise")
    assert exercises.discrimination["with-tax"] == pytest.approx(correlation, abs=1e-4)
    assert exercises.difficulty["with-tax"] == pytest.approx(scores[scores.exercise == "with-tax"].share.mean(), abs=1e-4)  # fmt: skip
    assert len(scores) == 18
    assert set(scores.student) >= {"untouched", "'=half"}


def test_each_score_leads_to_the_students_feedback(page, root):
    links = page.select("#students tbody a")
    assert len(links) == 9
    for link in links:
        assert (root / "reports" / PHASE / link["href"].replace("%3D", "=")).is_file()


def test_the_page_does_nothing_and_loads_nothing(page):
    assert not page.find_all(["script", "img", "link", "iframe"])
    assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert "default-src 'none'" in page.find("meta", attrs={"http-equiv": True})["content"]
    assert "http" not in re.sub(r'http-equiv="', "", str(page))


def test_a_name_is_text(empty_course, root):
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}", "backend") as gradebook:
        gradebook.update_or_create_student("negative", first_name=HOSTILE)
    report.show(root, PHASE)
    text = (root / "reports" / PHASE / "report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;attack()" in text


def test_a_lab_whose_bank_cannot_be_run_is_said_so(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    (copy / "tests" / "answers" / PHASE / f"{LAB}.md").unlink()
    written = report.write_report(engine.course_folder(copy), copy, PHASE)
    assert f"Not counted in {LAB}: it has no answer bank" in written.read_text()


def test_a_lab_that_was_not_graded_is_not_one_that_was_tried(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(copy / "autograded" / "untouched")
    written = report.write_report(engine.course_folder(copy), copy, PHASE)
    page = BeautifulSoup(written.read_text(), "html.parser")
    assert rows_of(page, "stuck")[0][2] == f"{LAB} : not handed in, or not to be read"


def test_a_gradebook_on_a_server_says_the_same(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    with postgres() as server:
        make_tables(server.sqlalchemy_url)
        _copy_rows(f"sqlite:///{copy / 'gradebook.db'}", server.sqlalchemy_url)
        (copy / "gradebook.db").unlink()
        with (copy / "nbgrader_config.py").open("a") as settings:
            settings.write(f"\nc.CourseDirectory.db_url = {server.sqlalchemy_url!r}\n")
        assert rows.graded_phases(engine.course_folder(copy)) == [PHASE]
        report.show(copy)
    for name in ("report.html", "scores.csv", "exercises.csv"):
        place = Path("reports") / PHASE / name
        assert (copy / place).read_bytes() == (root / place).read_bytes()


def _copy_rows(source, target):
    with create_engine(source).connect() as reader, create_engine(target).begin() as writer:
        for table in Base.metadata.sorted_tables:
            found = [dict(row) for row in reader.execute(table.select()).mappings()]
            if found and not writer.execute(table.select()).first():
                writer.execute(table.insert(), found)


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path):
    """A course folder in which nothing was graded, without a gradebook."""
    shutil.copytree(REPOSITORY / "tests" / "proof" / "small_course", tmp_path, dirs_exist_ok=True)
    shutil.copyfile(REPOSITORY / "nbgrader_config.py", tmp_path / "nbgrader_config.py")
    return tmp_path


def test_without_a_gradebook_it_says_what_to_do_and_makes_none(bare):
    for phase in (None, PHASE):
        with pytest.raises(CourseError, match=r"no gradebook yet.*course grade"):
            report.show(bare, phase)
    assert not (bare / "gradebook.db").exists()


def test_where_nobody_is_graded_it_says_what_to_do(bare):
    make_tables(f"sqlite:///{bare / 'gradebook.db'}")
    with pytest.raises(CourseError, match=f"nbgrader collect {PHASE}, then course grade {PHASE}"):
        report.show(bare, PHASE)
    with pytest.raises(CourseError, match="Nobody's work is graded yet"):
        report.show(bare)


def test_an_unknown_phase_and_a_lab_are_refused(bare):
    with pytest.raises(CourseError, match=f"did you mean {PHASE}"):
        report.show(bare, "01-smal")
    with pytest.raises(CourseError, match=f"about a phase: course report {PHASE}"):
        report.show(bare, f"{PHASE}/{LAB}")
