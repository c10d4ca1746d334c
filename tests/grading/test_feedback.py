"""What a student gets back: readable, complete, and nothing of the hidden tests but their authors' messages."""

import shutil
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain

import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.utils import compute_checksum

from course.files import write_atomically
from course.grading import engine
from course.grading.feedback import HideTests, problem_page
from course.grading.intake import Problem
from course.grading.messages import authors_words
from course.grading.rendering import Recorded, RecordedGrade, render
from course.grading.results import FAILURE, Grade, exercise_results, message_for
from course.lab.panels import passed_html

from .cells import graded as graded_cell
from .conftest import REPOSITORY

HIDDEN = """\
# Hidden tests: other prices.
### BEGIN HIDDEN TESTS
for name, why in [("a", "the first price is wrong"), ("b", "the second price is wrong")]:
    assert price(name) == 7919, why
assert price("c") == 1, f"the price of {name!r} is wrong"
assert price("d") == 1, f"{name}"
check_rows(price, message="it must be a whole number")
await check("quokka", "zanzibar cloves", slug("a sentence that is data"))
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
        "the price of 'b' is wrong and the data are 7919",
        "any text at all",
        "a sentence that is data",
        "quokka",
        "zanzibar cloves",
        "",
    ],
)
def test_a_hidden_test_tells_no_other_message(message):
    assert message_for(failed(HIDDEN, message=message)) == "A hidden test failed."
    assert message_for(failed(HIDDEN, evalue=message)) == "A hidden test failed."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The stock is wrong. An order of many.", "The stock is wrong. An order of many."),
        ("An order of many. Nothing should be saved.", "An order of many. Nothing should be saved."),
        ("An order of many. The name is: 7919", "An order of many. The name is: …"),
        ("The stock is wrong. 7919", ""),
        ("7919 Nothing should be saved.", ""),
    ],
)
def test_texts_put_together_are_told_as_far_as_their_author_wrote_them(text, told):
    source = (
        'for name, message in [("7919", "An order of many.")]:\n'
        '    assert stock, "The stock is wrong. " + message\n'
        '    assert stock, message + " Nothing should" + " be saved."\n'
        '    assert stock, message + " The name is: " + name\n'
        "    message = message + message\n"
    )
    assert authors_words(text, source) == told


def test_a_hidden_test_tells_the_message_of_the_case_in_which_the_students_code_raises():
    source = (
        "def test(cases):\n    for day, message in cases:\n        found = slug(day)\n        assert found, message\n"
        'test([(1, "too late in the day")])'
    )
    raised = failed(source, error="KeyError", evalue="7919", message="too late in the day")
    assert message_for(raised) == "too late in the day"


def test_of_an_f_string_only_the_authors_words_are_told_since_its_fields_are_data():
    for field in ("'b'", "7919", "x" * 500, "the data:\n7919"):
        told = message_for(failed(HIDDEN, message=f"the price of {field} is wrong"))
        assert told == "the price of … is wrong"


@pytest.mark.parametrize(
    "source",
    [
        'assert x == 1, "too late in the day"',
        'assert x == 1, "too late in the day" if x else "too early"',
        'for change, why in {"x": "too late in the day"}.items():\n    assert x, why',
        'for why, change in {"too late in the day": 7}.items():\n    assert x, why',
        'for n, (change, why) in enumerate([(1, "too late in the day")], start=7):\n    assert x, why',
        'CASES = [(1, (2, "too late in the day"))]\nfor a, (b, why) in CASES:\n    assert x, why',
        'advice = {"x": "too late in the day"}\nassert x, advice[field]',
        'def check(x, why):\n    assert x, why\ncheck(1, "too late in the day")',
        'def check(x, message="" ):\n    run(x, message=message)\ncheck(1, message="too late in the day")',
        'for x, why in zip([1], ["too late in the day"]):\n    assert x, why',
        'import pytest\npytest.fail("too late in the day")',
        'raise AssertionError("too late in the day")',
    ],
)
def test_a_message_is_the_authors_by_way_of_names_too(source):
    assert authors_words("too late in the day", source) == "too late in the day"


@pytest.mark.parametrize(
    "source",
    [
        'data = "too late in the day"\nassert slug(data) == 1, why',
        'for text, why in [("too late in the day", "no")]:\n    assert slug(text), why',
        'assert slug("too late in the day") == "too late in the day", "no"',
        'advice = {"too late in the day": "no"}\nassert x, advice[field]',
        'def check(text, why):\n    assert text, why\ncheck("too late in the day", "no")',
        'raise ValueError("too late in the day")',
        'assert x, f"{text}"',
        'assert x, f"too {a}"',
        "why = why2 = why\nassert x, why",
        "not Python (",
        "assert x, '\x00'",
    ],
)
def test_data_are_no_message_however_much_they_look_like_one(source):
    assert authors_words("too late in the day", source) == ""


def test_a_hidden_test_names_the_error_and_not_its_data():
    raised = failed(HIDDEN, "KeyError", "'quokka'", message="'quokka'", raised_line={"code": "x[name]"})
    assert message_for(raised) == "Your code raised KeyError while a hidden test ran."
    raised = failed(HIDDEN, "TypeError", "'quokka'")
    assert (
        message_for(raised)
        == "A hidden test stopped with TypeError: it could not use what your code gave back."
    )


def test_an_error_that_is_none_of_the_usual_is_not_named():
    """Else code that has seen hidden data could spell it, an error for each letter."""
    raised = failed(HIDDEN, "BufferError", "", raised_line={"code": "x"})
    assert message_for(raised) == "Your code raised an error while a hidden test ran."


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


def after_a_hidden_test(cell):
    notebook = new_notebook(cells=[failed(HIDDEN), cell])
    results = exercise_results(
        notebook, {each.metadata.nbgrader.grade_id: Grade(0) for each in notebook.cells}
    )
    return [test for result in results for test in result.tests if not test.hidden]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ({"message": "tea costs 3", "got": "7919"}, "tea costs 3. Run this test in your notebook to see what came."),
        ({"message": "stolen: 7919"}, "This test failed. Run this test in your notebook to see what came."),
        (
            {"call": "f()", "got": "7919", "expected": "3"},
            "This test failed. Run this test in your notebook to see what came.",
        ),
        (
            {"error": "KeyError", "message": "7919", "raised_line": {"code": "x"}},
            "Your code raised an error while this test ran. Run this test in your notebook to see what came.",
        ),
        (
            {"error": "Quokka7919", "headline": "7919", "details": {"kind": "sql", "summary": {"hint": "7919"}}},
            "This test failed. Run this test in your notebook to see what came.",
        ),
        ({"error": "NotImplementedError"}, "This test failed: this exercise is not written yet."),
    ],
)  # fmt: skip
def test_a_visible_test_after_a_hidden_one_tells_no_more_than_its_author_wrote(failure, message):
    """The student's code has seen hidden data by then, and could return or raise it."""
    cell = failed('assert price("tea") == 3, "tea costs 3"', grade_id="money-visible", **failure)
    (outcome,) = after_a_hidden_test(cell)
    assert (outcome.message, outcome.guarded) == (message, True)


def test_a_heading_made_to_hurt_takes_no_time():
    long = new_markdown_cell("# a" + " " * 3_000_000 + "b\n## Exercise 1: a ##\n#")
    (result,) = exercise_results(new_notebook(cells=[long, failed(HIDDEN)]), {"price-hidden": Grade(0)})
    assert result.title == "Exercise 1: a"


def test_a_heading_is_told_as_it_is_read():
    cells = [new_markdown_cell("### Exercise 7: \\_\\_main\\_\\_.py"), failed(HIDDEN)]
    (result,) = exercise_results(new_notebook(cells=cells), {"price-hidden": Grade(0)})
    assert result.title == "Exercise 7: __main__.py"


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
        comment.manual_comment = "**Think** of `a < b` <again>: list<int>.<img src=x>"
        gradebook.db.commit()
    engine.generate_feedback(engine.course_folder(course.root), course.phase, "ann")
    page = course.feedback("ann").read_text()
    assert "2.5 / 3" in page
    told = "<strong>Think</strong> of <code>a &lt; b</code> &lt;again&gt;: list&lt;int&gt;.&lt;img src=x&gt;"
    assert told in page


# --- what a student put into the page -------------------------------------------------------------------------------


def page_of(*cells, **grades):
    """The page of a notebook with these cells, all tests failed but for `grades`."""
    notebook = new_notebook(cells=list(cells))
    tests = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    names = [cell.metadata.nbgrader.grade_id for cell in tests]
    recorded = Recorded(
        score=0,
        max_score=2 * len(names),
        late_penalty=0,
        grades={name: RecordedGrade(grades.get(name, 0), 2, None, False) for name in names},
    )
    return render(notebook, recorded, phase=HOSTILE, lab=HOSTILE, reader=HOSTILE)


def shown(page):
    return BeautifulSoup(page, "html.parser").body.get_text()


def printing(text, name="stdout"):
    cell = new_code_cell("x = 1")
    cell.outputs = [new_output("stream", name=name, text=text)]
    return cell


def displaying(data, metadata=None):
    cell = new_code_cell("x = 1")
    cell.outputs = [new_output("display_data", data, metadata=metadata or {})]
    return cell


def test_nothing_that_ran_after_a_hidden_test_is_shown():
    raised = new_code_cell("y = 2")
    raised.outputs = [new_output("error", ename="E", evalue="stolen", traceback=["stolen"])]
    visible = failed('assert x, "tea costs 3"', message="stolen", got="stolen", grade_id="money-visible")
    passed = failed("assert True", grade_id="other-visible")
    passed.outputs = [new_output("stream", text="stolen")]
    cells = [failed(HIDDEN), printing("stolen"), displaying({"text/html": "stolen"}), raised, visible, passed]
    page = page_of(printing("mine"), *cells, **{"other-visible": 2})
    assert "mine" in shown(page)
    assert "stolen" not in page
    assert "7919" not in page
    assert page.count("From here on this page does not show what cells put out") == 1
    assert "This test failed. Run this test in your notebook to see what came." in shown(page)
    assert "x = 1" in shown(page)  # the student's own text stays


def test_a_page_tells_not_even_whether_a_cell_put_something_out_after_a_hidden_test():
    """A cell that prints or does not print tells a bit of hidden data."""
    pages = [page_of(failed(HIDDEN), cell) for cell in (printing("x"), new_code_cell("x = 1"))]
    assert without_ids(pages[0]) == without_ids(pages[1])


def without_ids(page):
    tree = BeautifulSoup(page, "html.parser")
    for tag in tree.find_all(id=True):
        del tag["id"]
    return str(tree)


def test_before_a_hidden_test_all_is_shown():
    visible = failed('assert x, "tea"', message="it is 7919", grade_id="price-visible")
    page = page_of(printing("before"), visible, failed(HIDDEN))
    assert "before" in shown(page)
    assert "<p>7919</p>" in page
    assert "it is 7919" in shown(page)


SCRIPTS = [
    "<script>attack()</script>",
    "<script src='{address}/script.js'></script>",
    "<img src=x onerror='attack()'>",
    "<img src='{address}/image.png'>",
    "<img srcset='{address}/set.png 1x'>",
    "<svg onload='attack()'><script>attack()</script><image href='{address}/svg.png'/></svg>",
    "<iframe src='{address}/frame'></iframe>",
    "<iframe srcdoc='<script>parent.attack()</script>'></iframe>",
    "<object data='{address}/object'></object><embed src='{address}/embed'>",
    "<link rel=stylesheet href='{address}/style.css'>",
    "<style>@import '{address}/import.css'; body {{ background: url({address}/body.png) }}</style>",
    "<p style='background: url({address}/p.png); position: fixed; top: 0'>over</p>",
    "<meta http-equiv=refresh content='0; url={address}/refresh'>",
    "<base href='{address}/'>",
    "<form action='{address}/form'><input name=a autofocus onfocus='attack()'><button>press</button></form>",
    "<a href='javascript:attack()'>a</a><a href='java&#10;script:attack()'>b</a>",
    "<a href='data:text/html,<script>attack()</script>'>c</a>",
    "<details open ontoggle='attack()'><summary>d</summary></details>",
    "<math><mtext><table><mglyph><style><img src=x onerror='attack()'></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=attack()>'></noscript>",
    "<video src='{address}/video' autoplay></video><audio src='{address}/audio' autoplay></audio>",
    "<table background='{address}/table.png'><tr><td onclick='attack()'>e</td></tr></table>",
    "</pre></div></section></main></body><script>attack()</script>",
    "<template><script>attack()</script></template>",
    "{{{{ 7 * 7 }}}}{{% include 'style.css' %}}",
    "\x1b[31m<script>attack()</script>\x1b[0m\x1b[38m\x1b[38;5m",
]
HOSTILE = "\"'><script>attack()</script><img src=x onerror=attack()>"


def hostile_cells(address="http://outside.example"):
    """Every way into a page, with each thing that could be tried there; a list for each of these."""
    for number, script in enumerate(SCRIPTS):
        yield list(_trying(script.format(address=address), f"price{number}-visible"))
    yield list(_further_ways(address))


def _trying(text, test):
    yield new_code_cell(text)
    yield new_code_cell(f"%%html\n{text}")
    yield new_markdown_cell(text)
    yield new_markdown_cell(f"# {text}\n\n[x]({text})\n\n![x](<{text}>)\n\n```{text}\n{text}\n```\n")
    yield new_raw_cell(text)
    yield printing(text)
    yield printing(text, "stderr")
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'>{text}</svg>"
    for kind in ("text/html", "text/markdown", "text/latex", "text/plain", "application/javascript"):
        yield displaying({kind: text})
    yield displaying({"image/svg+xml": svg})
    yield displaying({"image/png": f'">{text}'})
    raised = new_code_cell("x")
    raised.outputs = [new_output("error", ename=text, evalue=text, traceback=[text, text])]
    yield raised
    yield failed("assert x", error=text, message=text, grade_id=test)


def _further_ways(address):
    picture = {"image/png": "iVBORw0KGgo=", "text/html": ""}
    yield displaying(
        picture, {"image/png": {"width": "1 onload=attack()", "alt": HOSTILE, "unconfined": True}}
    )
    yield displaying({"text/html": "<b>x</b>"}, {"text/html": {"isolated": True}})
    yield displaying(picture, {"filenames": {"image/png": f"{address}/file.png"}})
    yield displaying({"application/vnd.jupyter.widget-view+json": {"model_id": HOSTILE}, "text/plain": "w"})
    yield new_markdown_cell(
        f"[a](javascript:attack()) ![b]({address}/b.png) <{address}/c> ![d](attachment:d)"
    )
    yield new_code_cell(
        "x", metadata={"tags": [HOSTILE], "raw_mimetype": "text/html", "magics_language": HOSTILE}
    )


@pytest.mark.parametrize("cells", list(hostile_cells()), ids=[*SCRIPTS, "further ways"])
def test_nothing_on_a_page_does_anything(cells):
    tree = BeautifulSoup(page_of(*cells), "html.parser")
    policy = tree.head.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert "default-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not tree.body.find_all(
        ["script", "style", "link", "meta", "base", "iframe", "object", "embed", "form", "input", "button", "svg",
         "math", "video", "audio", "template", "noscript"]
    )  # fmt: skip
    assert len(tree.find_all("body")) == len(tree.find_all("main")) == 1
    for tag in tree.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not {"srcset", "background", "action", "formaction", "data", "poster"} & set(tag.attrs)
        if tag.has_attr("href"):
            assert tag["href"].startswith(("#", "http://", "https://", "mailto:"))
        if tag.has_attr("src"):
            assert tag["src"].startswith("data:image/")
        assert "position" not in tag.get("style", "")
        assert "url" not in tag.get("style", "")


def formgraders_page(*cells):
    """The page on which formgrader shows a submission, with the settings of `nbgrader_config.py`."""
    config = engine.course_folder(REPOSITORY).config.copy()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    where = {"base_url": "", "student": "ann", "assignment_id": "", "notebook_id": "", "submission_id": "",
             "first_name": "", "last_name": "", "index": 0, "total": 1, "notebook_path": ""}  # fmt: skip
    page, _ = HTMLExporter(config=config).from_notebook_node(new_notebook(cells=list(cells)), resources=where)
    return BeautifulSoup(page, "html.parser")


@pytest.mark.parametrize("cells", list(hostile_cells()), ids=[*SCRIPTS, "further ways"])
def test_nothing_a_student_wrote_acts_in_formgrader(cells):
    def acts(tree):
        return [
            tag
            for tag in tree.find_all(True)
            if tag.name in ("script", "style", "link", "meta", "base", "iframe", "object", "embed", "form", "svg")
            or [name for name in tag.attrs if name.startswith("on")]
            or str(tag.get("href", "#")).startswith(("java", "data"))
            or (tag.name == "img" and not tag.get("src", "data:").startswith("data:"))
        ]  # fmt: skip

    assert acts(formgraders_page(*cells)) == acts(formgraders_page(new_code_cell("x")))


def test_formgrader_shows_all_of_what_is_harmless():
    page = formgraders_page(
        printing("a" * 100_000 + "the end"),
        displaying({"text/html": "<table><tr><th>head</th></tr></table>"}),
        new_markdown_cell("## A *heading*"),
    )
    assert "the end" in page.text
    assert page.find("th", string="head")
    assert page.select_one("h2 em").text == "heading"


def test_a_page_of_problems_does_nothing_either():
    page = problem_page(HOSTILE, HOSTILE, HOSTILE, [Problem(HOSTILE, HOSTILE, HOSTILE, "human")])
    tree = BeautifulSoup(page, "html.parser")
    assert "base-uri 'none'" in tree.head.find("meta", attrs={"http-equiv": True})["content"]
    assert not tree.find_all(["script", "img"])
    assert "attack()" in tree.body.get_text()


def test_a_problem_page_replaces_a_link_and_does_not_follow_it(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "page.html").symlink_to(tmp_path / "mine.txt")
    write_atomically(tmp_path / "page.html", problem_page("ann", "01-shop", "01a-prices", []))
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "could not be graded" in (tmp_path / "page.html").read_text()


def test_what_is_harmless_stays_as_it_is():
    html = (
        "<table border='1'><thead><tr><th scope='col'>a</th></tr></thead><tbody><tr><td colspan='2'>1</td></tr></tbody>"
        "</table><details open><summary>more</summary><p class='message'>x</p></details>"
        "<img src='data:image/png;base64,iVBORw0KGgo=' alt='a plot'><a href='https://docs.python.org/3/'>docs</a>"
    )
    cells = [
        displaying({"text/html": html}),
        new_markdown_cell("## A *heading*\n\n| a |\n|---|\n| 1 |\n\n`x < 1`"),
    ]
    tree = BeautifulSoup(page_of(*cells), "html.parser")
    assert tree.select_one(".output_html th[scope=col]").text == "a"
    assert tree.select_one(".output_html td[colspan]").text == "1"
    assert tree.select_one("details[open] .message").text == "x"
    assert tree.select_one(".output_html img")["alt"] == "a plot"
    assert tree.select_one(".output_html a")["href"] == "https://docs.python.org/3/"
    assert tree.select_one(".text h2 em").text == "heading"
    assert tree.select_one(".text td").text == "1"
    assert tree.select_one(".text code").text == "x < 1"


def test_a_picture_that_a_student_attached_is_shown():
    cell = new_markdown_cell("![plot](attachment:a.png)")
    cell.attachments = {"a.png": {"image/png": "iVBORw0KGgo="}}
    tree = BeautifulSoup(page_of(cell), "html.parser")
    assert tree.select_one(".text img")["src"] == "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/svg+xml"])
def test_a_picture_that_a_cell_put_out_is_shown_and_can_be_read_out(kind):
    content = b64encode(b"<svg/>").decode()
    picture = displaying({kind: "<svg/>" if kind == "image/svg+xml" else content})
    shown_as = BeautifulSoup(page_of(picture), "html.parser").select_one(".cell img")
    assert shown_as["src"] == f"data:{kind};base64,{content}"
    assert shown_as["alt"] == "A picture that this cell put out"


def test_a_panel_keeps_its_looks():
    """Styles within outputs go, because they could restyle the page; the course's own stand in the page's head."""
    panel = passed_html("price")
    tree = BeautifulSoup(page_of(displaying({"text/html": panel})), "html.parser")
    assert tree.select_one(".course-panel.ok") is not None
    assert ".course-panel.ok{" in tree.head.find("style").text
    assert ".course-sql" in tree.head.find("style").text


CHATTY = [
    [printing("x" * 5_000_000)],
    [printing("x\n" * 500_000)],
    [printing("<&>\"'" * 4_000) for _ in range(2_000)],
    [displaying({"text/html": "<b>x</b>" * 100_000, "text/plain": "y" * 100_000}) for _ in range(20)],
    [displaying({"image/png": "A" * 900_000}) for _ in range(50)],
    [displaying({"image/svg+xml": "<svg>" + "x" * 900_000}) for _ in range(50)],
    [new_code_cell("+" * 1_000_000) for _ in range(20)],
    [new_markdown_cell("*a* " * 1_000_000) for _ in range(20)],
    [new_markdown_cell("\\\\[" * 1_000_000) for _ in range(3)],
    [new_code_cell("") for _ in range(2_000)],
]


@pytest.mark.parametrize("cells", CHATTY, ids=range(len(CHATTY)))
def test_there_is_an_end_to_a_page(cells):
    many = printing("")
    many.outputs = [new_output("stream", text="x") for _ in range(20_000)]
    start = time.process_time()
    page = page_of(many, *cells, failed(HIDDEN))
    assert len(page) < 9_000_000
    assert time.process_time() - start < 60


def test_a_page_that_is_cut_says_so():
    text = shown(page_of(printing("a" * 100_000 + "the end"), printing("next")))
    assert "the rest is not shown here; your notebook has it" in text
    assert "the end" not in text
    assert "next" in text


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
def test_in_a_browser_no_page_runs_or_asks_for_anything(graded, outside, tmp_path):
    """Neither with the page's policy, nor without it: what a student wrote has been made harmless before."""
    from playwright.sync_api import sync_playwright

    course, _ = graded
    address, asked = outside
    hostile = page_of(*chain.from_iterable(hostile_cells(address)), failed(HIDDEN))
    pages = {"hostile.html": hostile, "open.html": hostile.replace("Content-Security-Policy", "X-Nothing")}
    for name, page in pages.items():
        (tmp_path / name).write_text(page)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        attacks = []
        page.expose_function("attack", lambda: attacks.append(page.url))
        page.on("dialog", lambda dialog: attacks.append(dialog.message))
        own = [course.feedback("wrong"), course.feedback("spy"), course.feedback("unreadable")]
        for path in (*own, *(tmp_path / name for name in pages)):
            page.goto(path.as_uri(), wait_until="networkidle")
            assert page.locator("h1").first.is_visible()
            assert page.url == path.as_uri()
        for path in own:
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        browser.close()
    assert asked == []
    assert attacks == []


def test_a_mark_scheme_is_not_for_its_student():
    scheme = new_markdown_cell(
        "Explain.\n\n=== BEGIN MARK SCHEME ===\nOne point for idempotence.\n=== END MARK SCHEME ==="
    )
    scheme.metadata["nbgrader"] = {"task": True, "grade_id": "essay", "points": 1, "schema_version": 3}

    notebook, _ = HideTests().preprocess(new_notebook(cells=[scheme]), {})

    assert "Explain." in notebook.cells[0].source
    assert "idempotence" not in notebook.cells[0].source


def test_an_exercise_that_is_as_it_was_released_is_called_unwritten():
    answer, test = (
        graded_cell("greet", "# Write your code here"),
        graded_cell("greet-visible", "assert greet() == 1"),
    )
    answer.metadata.nbgrader["checksum"] = compute_checksum(answer)
    test.outputs = [new_output("error", ename="SQLError", evalue="no", traceback=[])]
    lab = new_notebook(cells=[answer, test])
    grades = {"greet-visible": Grade(0)}

    [untouched] = exercise_results(lab, grades)
    answer.source = "def greet(): return 2"
    [wrong] = exercise_results(lab, grades)

    assert untouched.message == "This exercise is not written yet: its cell is as you got it."
    assert wrong.message == "SQLError: no"
