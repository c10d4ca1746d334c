"""The demo: a class made from an answer bank scores what the bank promises, or the demo fails."""

import pytest
from bs4 import BeautifulSoup

from course.errors import CourseError
from course.proof import demo as module
from course.proof.demo import demo


def test_a_class_of_twelve_scores_what_the_bank_promises(course, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    gradebook = (course.root / "gradebook.db").read_bytes()
    assert demo(course.root) == 0

    out = " ".join(capsys.readouterr().out.split())
    assert "all came out" in out
    place = course.root / "demo"
    report = place / "reports" / course.phase
    page = BeautifulSoup((report / "report.html").read_text(), "html.parser")
    scores = {row.th.text: row.td.text for row in page.select("#students tbody tr")}
    assert scores == {
        "ada-right": "6",
        "bo-other-way": "6",
        "chen-other-way": "6",
        "dora-wrong": "4",
        "emil-wrong": "4",
        "fatima-wrong": "3",
        "goran-half-done": "3",
        "hana-nothing-yet": "0",
        "ivan-not-json": "0",
        "jana-renamed": "6",
        "kofi-copied-cell": "6",
        "lina-endless-loop": "6",
    }
    for link in page.select("#students tbody a"):
        assert (report / link["href"]).exists()
    assert "every thing is in the list" in page.find(id="misconceptions").text
    assert (report / "report.html").as_uri() in out
    assert "needs a human ivan-not-json 01a-prices.ipynb cannot be read" in out
    assert (course.root / "gradebook.db").read_bytes() == gradebook
    assert not (course.root / "submitted").exists()


def test_a_score_that_was_not_promised_is_an_error(course, capsys, monkeypatch):
    bank = course.root / "tests" / "answers" / course.phase / f"{course.lab}.md"
    bank.write_text(
        bank.read_text().replace(
            "return prices[name]\n```\n\n### wrong: the list",
            "return prices.get(name, 0)\n```\n\n### wrong: the list",
        )
    )
    monkeypatch.setattr(module, "_CLASS", {"dora-wrong": module._wrong(0)})
    assert demo(course.root) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "dora-wrong: 01a-prices price-hidden got 2.0, and the answer bank promises 0" in out


def test_a_folder_of_somebody_elses_is_left_alone(course):
    (course.root / "demo").mkdir()
    (course.root / "demo" / "mine.txt").write_text("mine")
    with pytest.raises(CourseError, match="move it away"):
        demo(course.root)
    assert (course.root / "demo" / "mine.txt").read_text() == "mine"


def test_a_course_without_answers_says_so(course):
    (course.root / "tests" / "answers" / course.phase / f"{course.lab}.md").unlink()
    with pytest.raises(CourseError, match="answer bank"):
        demo(course.root)
