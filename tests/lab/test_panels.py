from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from course.lab import panels
from course.lab.differences import Difference
from course.lab.exchanges import Exchange, Expectation
from course.lab.failures import Failure, Line
from course.lab.hints import Hints
from course.lab.progress import Standing, Try

ASSERT = Failure(
    kind="assert",
    headline="Not yet: status-class",
    message="404 is a client error:\nuse the `first` digit, as in `code // 100`, and neither a table of the codes nor a chain of ifs",
    error="AssertionError",
    cell="status-class-visible",
    call="status_class(404)",
    names={"code": "404"},
    operator="==",
    got="<b>'err'</b>",
    expected="'4xx'",
    got_type="str",
    expected_type="int",
    differences=[Difference("['<i>']", "nothing", "1")],
    exchanges=[
        Exchange("POST", "/orders?<q>", '{"a": 1}', 422, "Unprocessable", "application/json", "<body>")
    ],
    details={"kind": "rows", "html": "<table><tr><td>Ines</td></tr></table>", "text": "- Ines"},
    test_line=Line("In[3]", 2, "assert status_class(code) == '4xx' < <u>"),
    raised_line=Line("In[2]", 1, "return '<s>'"),
    traceback="Traceback: <em>",
)
ANSWERED = Failure(
    kind="assert",
    headline="Not yet: place-order",
    call="answer.status_code",
    got="200",
    expected="201",
    exchanges=[
        Exchange(
            "POST", "/orders", "", 200, "OK", "application/json", "<b>", "", Expectation("Status", "201 <i>")
        )
    ],
)
NOON = datetime(2026, 11, 5, 12, 0, tzinfo=UTC)
TRIES = [Try(passed, NOON) for passed in (False, True, False, False)]
HINTS = Hints(("Think of `this <u>`", "Then of that"), newest_is_new=True, left=1)
UNSOLVED = Failure(
    kind="unsolved", headline="Not solved yet: orders", message="Write it", cell="orders-visible"
)


class Reader(HTMLParser):
    """Checks that tags are balanced, and keeps the text and the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


STANDINGS = [
    Standing("orders<1>", True, 2, True),
    Standing("sums", False, 1, True),
    Standing("joins", None, 0, False),
]


@pytest.mark.parametrize(
    "html",
    [
        panels.failure_html(ASSERT),
        panels.failure_html(ANSWERED, TRIES, HINTS),
        panels.failure_html(UNSOLVED),
        panels.passed_html("orders"),
        panels.passed_html("orders", "a note", [*TRIES, Try(True, NOON)]),
        panels.later_html(),
        panels.progress_html(STANDINGS, "a note"),
        panels.progress_html([], ""),
    ],
)
def test_html_is_sound_labelled_and_needs_no_script(html):
    page = Reader(html)
    (panel,) = [attrs for tag, attrs in page.tags if "course-panel" in (attrs.get("class") or "")]
    assert panel["role"] == "group"
    assert panel["aria-label"]
    assert [attrs["aria-level"] for _, attrs in page.tags if attrs.get("role") == "heading"] == ["4"]
    assert all(attrs.get("aria-label") for _, attrs in page.tags if "tabindex" in attrs)
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in page.tags if tag == "th")
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert "http" not in html.replace("https://", "http")  # nothing is fetched


def test_values_are_never_markup():
    html = panels.failure_html(ASSERT) + panels.failure_html(ANSWERED, TRIES, HINTS)
    tags = {tag for tag, _ in Reader(html).tags} - {"em"}  # our own, where a part differs
    assert not tags & {"b", "i", "q", "u", "s", "body"}
    assert "em" not in {tag for tag, _ in Reader(panels.failure_html(ASSERT)).tags}


def test_a_failure_says_everything_in_words_in_both_forms():
    html, text = Reader(panels.failure_html(ASSERT)).text, panels.failure_text(ASSERT)
    for words in [
        "✗", "Not yet: status-class", "404 is a client error:", "Call", "status_class(404)", "where code is", "You got",
        "<b>'err'</b>  (type str)", "Expected", "'4xx'  (type int)", "What differs", "['<i>']", "Ines", "POST /orders?<q>",
        '{"a": 1}', "422 Unprocessable", "application/json", "<body>", "In[2], line 1", "return '<s>'", "In[3], line 2",
    ]:  # fmt: skip
        assert words in html
        assert words in text
    assert "Traceback: <em>" in html
    assert "Traceback" not in text


def test_what_a_call_may_have_changed_is_told_as_it_is_now():
    text = panels.failure_text(replace(ASSERT, names={"code": "404", "orders": "[3, 1]"}))
    assert "where code is" in text
    assert "where orders is now" in text


def test_text_is_for_a_terminal_of_80_columns():
    text = panels.failure_text(ASSERT)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "  You got        <b>'err'</b>" in text  # values stand below each other


def test_a_response_stands_beside_what_was_expected_of_it():
    html, text = Reader(panels.failure_html(ANSWERED)).text, panels.failure_text(ANSWERED)
    assert "Request and response" in html
    for words in ["POST /orders", "✗ Status differs", "200 OK", "201 <i>", "application/json", "<b>"]:
        assert words in html
        assert words in text
    assert "You got" not in html  # it would say the same again
    assert "Request body" not in html
    piece = Expectation("Body", "3", place='json()["total"]')
    inner = replace(ANSWERED, exchanges=[replace(ANSWERED.exchanges[0], expectation=piece)])
    html = Reader(panels.failure_html(inner)).text
    assert "✗ Body differs" in html
    assert 'json()["total"]: 3' in html
    assert "You got" in html  # the piece itself
    lost = replace(piece, part="Header location", place="", got="None")
    header = replace(ANSWERED, exchanges=[replace(ANSWERED.exchanges[0], expectation=lost)])
    assert "  ✗ Header location differs  None" in panels.failure_text(header)


def test_hints_come_folded_and_say_how_many_are_left():
    html, text = (
        Reader(panels.failure_html(ANSWERED, TRIES, HINTS)).text,
        panels.failure_text(ANSWERED, TRIES, HINTS),
    )
    for words in ["Hint 2", "Hint 3, new", "Then of that", "One more hint comes after another try."]:
        assert words in html
        assert words in text
    assert "Hint 2, new" not in html
    assert "<code>this &lt;u&gt;</code>" in panels.failure_html(ANSWERED, TRIES, HINTS)
    before = Reader(panels.failure_html(ANSWERED, TRIES, Hints(left=2))).text
    assert (
        "The first hint stands in the exercise's text. 2 more hints come, one after each further try."
        in before
    )
    assert "hint" not in Reader(panels.failure_html(ANSWERED)).text.lower()


def test_the_tries_are_listed():
    html, text = Reader(panels.failure_html(ANSWERED, TRIES)).text, panels.failure_text(ANSWERED, TRIES)
    assert "Your tries: 4 · ✗ ✓ ✗ ✗" in html
    assert "Your tries: 4 · ✗ ✓ ✗ ✗" in text
    when = f"{NOON.astimezone():%d %b, %H:%M}".removeprefix("0")
    assert html.count(f"not passed, {when}") == 3
    many = panels.failure_html(ANSWERED, TRIES * 10)
    assert "Your tries: 40 · … " in Reader(many).text
    assert many.count("<li>") == 10
    assert '<ol start="31">' in many


@pytest.mark.parametrize(
    ("tries", "words"),
    [
        ("✓", ""),
        ("✗✗✗✓", "Passed at the 4th try. Trying again is how code gets written."),
        ("✗✓", "Passed at the 2nd try. Trying again is how code gets written."),
        ("✗" * 11 + "✓", "Passed at the 12th try. Trying again is how code gets written."),
        ("✗✓✓", ""),
        ("✗✓✗✓", "It passes again, after 1 try that did not."),
        ("✓✗✗✓", "It passes again, after 2 tries that did not."),
    ],
)
def test_a_pass_after_failures_is_told_kindly(tries, words):
    tries = [Try(sign == "✓", NOON) for sign in tries]
    assert panels.passed_text("orders", tries=tries) == "\n  ".join(filter(None, ["✓ Passed: orders", words]))
    html = Reader(panels.passed_html("orders", tries=tries)).text
    assert words in html
    assert ("Your tries" in html) == bool(words)


def test_code_stays_in_one_piece():
    stub = 'raise NotImplementedError("Write your code here, then delete this line")'
    words = f"Write your code in place of the line `{stub}`, and run the cell again."
    text = panels.failure_text(Failure(kind="unsolved", headline="Not solved yet: orders", message=words))
    assert f"  `{stub}`," in text.splitlines()
    assert " ".join(text.split()).endswith(words)
    assert max(map(len, text.splitlines())) <= 80
    assert " line\n  `raise" in text  # it is the prose that is broken


def test_code_in_an_authors_message_is_set_as_code():
    html = panels.failure_html(ASSERT)
    assert "<code>first</code>" in html
    assert "`" not in Reader(html).text
    odd = Failure(kind="assert", headline="Not yet", message="one ` only")
    assert "one ` only" in Reader(panels.failure_html(odd)).text


def test_the_line_below_the_panel():
    assert panels.verdict(ASSERT) == "✗ status-class-visible: not yet. See above."
    assert panels.verdict(UNSOLVED) == "○ orders-visible: not solved yet. See above."
    assert panels.verdict(Failure(kind="assert", headline="Not yet")) == "✗ Not yet. See above."


def test_progress_is_told_in_words():
    html, text = (
        Reader(panels.progress_html(STANDINGS, "a note")).text,
        panels.progress_text(STANDINGS, "a note"),
    )
    for words in ["1 of 3 exercises pass", "not now, but passed before", "not tried", "orders<1>", "a note"]:
        assert words in html
        assert words in text
    assert "✓ passed" in html
    assert "✓ orders<1>: passed, 2 tries" in text


def test_a_line_of_the_test_that_only_holds_its_message_is_not_shown():
    line = Line("In[3]", 9, 'raise AssertionError("Begin with async def.")')
    for show in (panels.failure_html, panels.failure_text):
        assert "The test stopped in" in show(ASSERT, [], Hints())
        assert "The test stopped in" not in show(replace(ASSERT, test_line=line), [], Hints())
