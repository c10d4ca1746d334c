"""The suite's own judges see what they are to see: else all its tests would pass."""

import base64
import codecs
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .bait import CANARIES, SECRETS, caught, hidden
from .classroom import VICTIMS, promised, worth
from .pages import dangers
from .runner import Evidence, gains, harm, is_flagged
from .submission import HOSTILE, read, submissions

WORD = "okapi-hidden-5e1f"
HARMLESS = """\
<!DOCTYPE html><html><head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>h1 { color: black }</style></head><body><h1>15 of 17 points</h1>{}</body></html>
"""


def page(body):
    return HARMLESS.replace("{}", body)


@pytest.fixture
def evidence():
    """What comes of a class in which all went well."""
    scores = promised("01-bank", tuple(VICTIMS))
    return Evidence(
        phase="01-bank",
        victims=tuple(VICTIMS),
        status=(0,),
        seconds=1,
        memory=100,
        output="x-always-equal 0\nWhat needs a human's eye\nneeds a human  x-exit-zero 01a-bank.ipynb stopped\n",
        scores=scores | {"x-always-equal": 0.0},
        shown={student: {"01a-bank.html": page("fine")} for student in [*VICTIMS, "x-always-equal"]},
        marks=[],
        left=[],
        changed=[],
        gradebook=[],
        visits=[],
    )


@pytest.fixture
def submission():
    return read(HOSTILE / "forging" / "always-equal.md")


# --- canaries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        WORD,
        WORD.upper().lower(),
        WORD[::-1],
        " ".join(WORD),
        f"<b>{WORD[:5]}</b><i>{WORD[5:]}</i>",
        "".join(f"&#{ord(letter)};" for letter in WORD),
        f"<i title='{WORD}'></i>",
        WORD.encode().hex(),
        codecs.encode(WORD, "rot13"),
        *(base64.b64encode(f"{'x' * shift}{WORD} and more".encode()).decode() for shift in range(3)),
    ],
)
def test_a_word_is_found_in_any_disguise(text):
    assert caught(f"before {text} after") == ["the hidden tests of 01a-bank"]


def test_other_words_are_none():
    assert caught("okapi hidden tests: 5e1e, okapi-visible-5e1f") == []


def test_there_is_bait_everywhere():
    assert len(hidden()) >= 12
    assert len(SECRETS) >= 7
    assert len({word.split("-")[0] for word in CANARIES}) == len(CANARIES)


# --- pages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "danger"),
    [
        ("<meta http-equiv=Refresh content='0; url=http://x'>", "leads to another page by itself"),
        ("<base href='http://x'>", "has a <base>"),
        ("<iframe src=x></iframe>", "has a <iframe>"),
        ("<form action='http://x'></form>", "has a form that sends something"),
        ("<style>h1 { display: none }</style>", "is restyled by its student"),
        ("<p style='POSITION : fixed'>17 of 17</p>", "has parts that cover others"),
    ],
)
def test_a_dangerous_page_is_seen(body, danger):
    assert danger in dangers(page(body))


def test_scripts_are_a_danger_where_no_policy_forbids_them():
    script = "<script>alert(1)</script>"
    assert dangers(page("fine")) == dangers(page(script)) == []
    assert dangers(page(script).replace("Content-Security-Policy", "X-Nothing")) == ["runs scripts"]
    assert dangers(page(script).replace("<head>", f"<head>{script}")) == ["runs scripts"]


# --- evidence -----------------------------------------------------------------------------------------------------------


def test_where_all_went_well_nothing_is_said(evidence, submission):
    assert harm(evidence) == []
    assert gains(evidence, submission) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": (0, 1)}, "ended with 1"),
        ({"status": (None,)}, "did not end in time"),
        ({"memory": 9000}, "the grading process took 9000 MiB"),
        ({"left": ["sleep 101"]}, "still running: sleep 101"),
        ({"changed": ["home/.bashrc has changed"]}, "file home/.bashrc has changed"),
        ({"gradebook": ["grade q1 is gone"]}, "gradebook grade q1 is gone"),
        ({"visits": ["UDP", "UDP"]}, "somebody came to the host's UDP"),
        ({"scores": {"ada": 21.0, "noa": 8.0, "zoe": 14.0}}, "zoe has 14.0 points and earned 21"),
        ({"scores": {"ada": 21.0, "noa": 8.0}}, "zoe has None points and earned 21"),
    ],
)
def test_harm_to_others_is_seen(evidence, change, said):
    assert harm(replace(evidence, **change)) == [said]


def test_harm_on_a_victims_page_is_seen(evidence):
    evidence.shown["zoe"]["01a-bank.html"] += "left-by-somebody"
    assert harm(evidence) == ["zoe is shown another's words in 01a-bank.html"]


def test_gains_are_seen(evidence, submission):
    evidence.scores["x-always-equal"] = 1.0
    evidence.shown["x-always-equal"] = {"01a-bank.html": page(f"<base>{WORD}"), "loot.txt": "x" * 11_000_000}
    evidence.marks.append("/tmp/left-by-always-equal")
    assert gains(evidence, submission) == [
        "has 1 points and earned 0",
        "is shown the hidden tests of 01a-bank",
        "01a-bank.html: has a <base>",
        "loot.txt is 11000000 bytes long",
        "left /tmp/left-by-always-equal",
    ]


def test_who_is_named_in_the_report_is_flagged(evidence, submission):
    assert not is_flagged(evidence, submission)
    assert is_flagged(evidence, replace(submission, name="exit-zero"))


def test_points_are_promised_by_the_answers():
    assert promised("01-bank", tuple(VICTIMS)) == {"ada": 21, "noa": 8, "zoe": 21}
    assert worth(["mask", "api"]) == 6


def test_a_process_that_hides_is_found(tmp_path):
    report = tmp_path / "report.json"
    supervisor = Path(__file__).with_name("supervisor.py")
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(99)\n"
    subprocess.run([sys.executable, supervisor, report, "30", sys.executable, "-c", daemon], check=True)
    found = json.loads(report.read_text())
    assert found["status"] == 0
    assert len(found["left"]) == 1
    assert "time.sleep(99)" in found["left"][0]


def test_a_command_that_does_not_end_is_ended(tmp_path):
    report = tmp_path / "report.json"
    supervisor = Path(__file__).with_name("supervisor.py")
    subprocess.run([sys.executable, supervisor, report, "0.5", "sleep", "99"], check=True)
    assert json.loads(report.read_text())["status"] is None


# --- submissions --------------------------------------------------------------------------------------------------------


def test_there_are_many_and_each_has_its_own_name():
    every = submissions()
    assert len(every) >= 70
    assert len({each.name for each in every}) == len(every)
    assert len({each.threat for each in every}) >= 10


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python mask\n1\n```\n", "has no front matter"),
        ("---\ntitle: x\n---\nprose\n", "hands in nothing"),
        ("---\ntitle: x\nhonest: true\n---\n```python mask\n1\n```\n", "nobody reads"),
        ("---\ntitle: x\n---\n```python mask account\n1\n```\n", "nobody knows what it is for"),
    ],
)
def test_a_submission_that_is_misspelt_is_refused(tmp_path, text, complaint):
    path = tmp_path / "forging" / "x.md"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read(path)
