"""What a student gets back: readable, complete, and nothing of the hidden tests but their authors' messages."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course.grading.results import FAILURE, Grade, exercise_results, message_for

HIDDEN = """\
# Hidden tests: other prices.
### BEGIN HIDDEN TESTS
for name, why in [("a", "the first price is wrong"), ("b", "the second price is wrong")]:
    assert price(name) == 7919, why
assert price("c") == 1, f"the price of {name!r} is wrong"
assert price("d") == 1, f"{name}"
check_rows(price, message="it must be a whole number")
await check("quokka", "zanzibar cloves")
### END HIDDEN TESTS
"""


def failed(source, error="AssertionError", evalue="", grade_id="price-hidden", **failure):
    cell = new_code_cell(source, id=grade_id)
    cell.metadata["nbgrader"] = {"grade_id": grade_id, "grade": True, "solution": False, "points": 2}
    if failure:
        failure = {"error": error, "message": "", "call": "", "got": "", "expected": ""} | failure
        cell.outputs.append(new_output("display_data", {FAILURE: failure, "text/html": "<p>7919</p>"}))
    cell.outputs.append(new_output("error", ename=error, evalue=evalue, traceback=["7919"]))
    return cell


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "the first price is wrong",
        "the second price is wrong",
        "the price of 'b' is wrong",
        "it must be a whole number",
    ],
)
def test_a_hidden_test_tells_its_authors_message(message):
    assert message_for(failed(HIDDEN, message=message)) == message
    assert message_for(failed(HIDDEN, evalue=message)) == message  # the course's extension was not loaded


@pytest.mark.parametrize(
    "message",
    [
        "7919",
        "the data are a, 7919",
        "the price of " + "x" * 61 + " is wrong",
        "the price of 'b' is wrong and the data are 7919",
        "any text at all",
        "quokka",
        "zanzibar cloves",
        "",
    ],
)
def test_a_hidden_test_tells_no_other_message(message):
    assert message_for(failed(HIDDEN, message=message)) == "A hidden test failed."
    assert message_for(failed(HIDDEN, evalue=message)) == "A hidden test failed."


def test_a_hidden_test_names_the_error_and_not_its_data():
    raised = failed(HIDDEN, "KeyError", "'quokka'", message="'quokka'", raised_line={"code": "x[name]"})
    assert message_for(raised) == "Your code raised KeyError while a hidden test ran."
    raised = failed(HIDDEN, "TypeError", "'quokka'")
    assert (
        message_for(raised)
        == "A hidden test stopped with TypeError: it could not use what your code gave back."
    )


def test_an_errors_name_that_is_not_pythons_own_is_not_told():
    assert message_for(failed(HIDDEN, "Quokka7919", "x")) == "A hidden test failed."
    assert message_for(failed(HIDDEN, "print", "x")) == "A hidden test failed."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotImplementedError", "not written yet"),
        ("NameError", "does not exist"),
        ("CellTimeoutError", "ran too long"),
    ],
)
def test_common_errors_are_explained(error, words):
    assert words in message_for(failed(HIDDEN, error, "quokka"))


def test_a_visible_test_tells_all():
    source = 'assert price("a") == 3'
    visible = {"grade_id": "price-visible"}
    assert message_for(failed(source, message="what a is worth", **visible)) == "what a is worth"
    compared = failed(source, call="price('a')", got="2", expected="3", **visible)
    assert message_for(compared) == "price('a') gave 2, expected 3"
    assert message_for(failed(source, "KeyError", "'a'", **visible)) == "KeyError: 'a'"
    assert message_for(failed(source, **visible)) == "AssertionError"


def test_a_visible_test_tells_what_the_database_said():
    stopped = failed(
        "run(money, on=shop)",
        "SQLError",
        "SQLite could not run this statement: no such column: nam",
        "money-visible",
        headline="This cell stopped before its end",
        details={"kind": "sql", "summary": {"hint": "Did you mean name?"}},
    )
    assert message_for(stopped) == (
        "SQLite could not run this statement: no such column: nam. Hint: Did you mean name?"
    )
    differs = failed(
        "check_rows(rows, [])",
        "RowsDiffer",
        "Column 1 should be named paid.\nRows: 1 extra.",
        "money-visible",
        headline="Not yet",
        details={"kind": "rows", "summary": {"problems": []}},
    )
    assert message_for(differs) == "Column 1 should be named paid."
    stopped.source = HIDDEN
    assert message_for(stopped) == "A hidden test failed."


def test_points_and_messages_are_put_together_by_exercise():
    cell = failed(HIDDEN, message="the first price is wrong")
    (result,) = exercise_results(new_notebook(cells=[cell]), {"price-hidden": Grade(0.5)})
    assert (result.name, result.score, result.points) == ("price", 0.5, 2)
    assert result.message == "the first price is wrong"
    (result,) = exercise_results(new_notebook(cells=[cell]), {"price-hidden": Grade(2)})
    assert result.message == ""


# --- the page -------------------------------------------------------------------------------------------------------


def test_nothing_of_a_hidden_test_is_on_anybodys_page(graded):
    course, grades = graded
    for student in grades:
        page = course.feedback(student).read_text()
        for secret in course.secrets:
            assert secret not in page, f"{secret} on the page of {student}"


def test_the_page_tells_what_to_mend(graded):
    course, _ = graded
    page = BeautifulSoup(course.feedback("wrong").read_text(), "html.parser")
    rows = [
        [" ".join(cell.text.split()) for cell in row.find_all(["th", "td"])]
        for row in page.select("table.overview tr")
    ]
    assert rows == [
        ["Exercise", "Result", "Points", "What to mend first"],
        [
            "Exercise 1: the price of a name",
            "◐ partly",
            "1 / 3",
            "Your code raised KeyError while a hidden test ran.",
        ],
        ["Exercise 2: all money", "◐ partly", "1 / 3", "two orders of one customer are added up"],
        ["Together", "", "2 / 6", ""],
    ]
    for link in page.select("table.overview a"):
        assert page.find(id=link["href"].removeprefix("#")) is not None


def test_the_table_can_be_read_out(graded):
    course, _ = graded
    page = BeautifulSoup(course.feedback("wrong").read_text(), "html.parser")
    table = page.select_one("table.overview")
    assert table.caption.text
    assert {cell.get("scope") for cell in table.find_all("th")} == {"col", "row"}
    assert page.html["lang"] == "en"
    assert [len(page.find_all(level)) for level in ("h1",)] == [1]


def test_a_visible_test_shows_its_panel(graded):
    course, _ = graded
    page = BeautifulSoup(course.feedback("spy").read_text(), "html.parser")
    (price_visible,) = [
        cell for cell in page.select("section.test") if "tea costs" in cell.text or "tea" in cell.text
    ]
    assert price_visible.select_one(".course-panel") is not None
    assert "application/vnd.course.failure" not in str(page)


def test_progress_is_not_on_the_page(graded):
    course, _ = graded
    executed = course.root / "autograded" / "spy" / course.phase / f"{course.lab}.ipynb"
    assert "Progress is kept" in executed.read_text()
    page = course.feedback("spy").read_text()
    assert "show_progress" in page
    assert "Progress" not in page


def test_a_teachers_points_and_words_are_on_the_page(course):
    from nbgrader.api import Gradebook

    from course.grading import engine
    from course.grading.loop import grade_class

    course.hand_in("ann", course.solved(price="def price(name, prices):\n    return 3"))
    grade_class(course.root, course.phase)
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("price-hidden", course.lab, course.phase, "ann").manual_score = 1.5
        comment = gradebook.find_comment("price", course.lab, course.phase, "ann")
        comment.manual_comment = "Think of `tea` <again>."
        gradebook.db.commit()
    engine.generate_feedback(engine.course_folder(course.root), course.phase, "ann")
    page = course.feedback("ann").read_text()
    assert "2.5 / 3" in page
    assert "Think of <code>tea</code> &lt;again&gt;." in page


@pytest.fixture
def outside():
    """A server that the pages must not ask, as (address, the paths it was asked for)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.browser
def test_the_page_asks_nothing_from_outside(graded, outside, tmp_path):
    """A student's output that names a server is shown without asking it; without the page's policy it would be."""
    from playwright.sync_api import sync_playwright

    course, _ = graded
    address, asked = outside
    spied = course.feedback("spy").read_text().replace("http://outside.example", address)
    assert address in spied
    (tmp_path / "spied.html").write_text(spied)
    (tmp_path / "open.html").write_text(spied.replace("Content-Security-Policy", "X-Nothing"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        for path in (tmp_path / "spied.html", course.feedback("wrong"), course.feedback("unreadable")):
            page.goto(path.as_uri(), wait_until="networkidle")
            assert page.locator("h1").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert asked == []
        page.goto((tmp_path / "open.html").as_uri(), wait_until="networkidle")
        browser.close()
    assert {"/i.png", "/s.js"} <= set(asked)
    assert "/docs" not in asked
