"""The syllabus: the roadmap is complete, the labs are sound, and each mistake is named with its line."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console

from course.errors import CourseError
from course.syllabus import Syllabus, SyllabusError, labs_table, load, map_table, show

SMALL = dedent("""\
    [[phase]]
    number = 0
    folder = "00-basics"
    title = "Basics"

      [[phase.topic]]
      title = "Tools"
      points = ["the terminal", "Python"]

    [[phase]]
    number = 1
    folder = "01-sql"
    title = "SQL"

      [[phase.topic]]
      number = 14
      title = "Queries"
      points = [
        "SELECT / WHERE",
        "JOINs (INNER, LEFT)",
      ]

    [[lab]]
    name = "00-basics/00a-tools"
    title = "Tools"
    promise = "You will have found your way."
    objectives = ["move", "list", "run"]
    requires = []
    minutes = 60
    points = 10

      [lab.teaches]
      "0.Tools/the terminal" = []
      "0.Tools/Python" = []

    [[lab]]
    name = "01-sql/14a-queries"
    title = "Queries"
    promise = "You will have asked a database."
    objectives = [
      "choose",
      "filter",
      "join",
    ]
    requires = [
      "00-basics/00a-tools",
    ]
    minutes = 75
    points = 3

      [lab.teaches]
      "1.14/SELECT / WHERE" = ["paid-orders"]
      "1.14/JOINs (INNER, LEFT)" = ["all-customers", "lonely-customers"]

    [[lab]]
    name = "01-sql/project-shop"
    title = "Project: a shop"
    promise = "You will have built a shop."
    objectives = ["design", "fill", "ask"]
    requires = ["01-sql/14a-queries"]
    minutes = 150
    points = 30
    kind = "project"

      [lab.teaches]
      "1.14/SELECT / WHERE" = []
    """)


def _write(folder: Path, text: str) -> Path:
    path = folder / "syllabus.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Syllabus:
    return load(_write(tmp_path, SMALL))


# The course's own ----------------------------------------------------------------------------------------------------


def test_the_roadmap_is_complete() -> None:
    phases = load().phases
    topics = [topic for phase in phases for topic in phase.topics]
    assert [len(phase.points) for phase in phases] == [11, 23, 16, 15, 12, 5, 12, 8, 7, 9, 7, 12, 9, 9]
    assert [topic.number for topic in topics if topic.number] == list(range(1, 33))
    assert len({point.id for point in load().points}) == 155


def test_every_phase_has_labs_for_its_topics_and_ends_with_a_project() -> None:
    syllabus = load()
    assert 55 <= len(syllabus.labs) <= 70
    for phase in syllabus.phases[:-1]:
        labs = syllabus.labs_of(phase.folder)
        assert [lab.kind for lab in labs] == ["lab"] * (len(labs) - 1) + ["project"]
        numbers = [topic.number or 0 for topic in phase.topics]
        assert sorted({int(lab.slug[:2]) for lab in labs[:-1]}) == sorted(set(numbers))
    projects = syllabus.labs_of("13-projects")
    assert [lab.kind for lab in projects] == ["project"] * 9
    assert all(len(lab.teaches) == 1 for lab in projects)


def test_every_point_is_taught_by_a_lab_of_its_own_phase() -> None:
    syllabus = load()
    for phase in syllabus.phases:
        taught = {point for lab in syllabus.labs_of(phase.folder) for point in lab.teaches}
        assert {point.id for point in phase.points} <= taught


def test_the_file_itself_is_a_possible_order() -> None:
    syllabus = load()
    assert syllabus.order() == syllabus.labs


def test_no_prerequisite_is_implied_by_another() -> None:
    """`requires` names the nearest labs only, so that the map of the course stays readable."""
    syllabus = load()
    before: dict[str, set[str]] = {}
    for lab in syllabus.order():
        further = set().union(*(before[required] for required in lab.requires))
        assert not further & set(lab.requires), f"{lab.name}: {further & set(lab.requires)} is implied"
        before[lab.name] = further | set(lab.requires)


def test_only_the_first_lab_needs_nothing() -> None:
    assert [lab.slug for lab in load().labs if not lab.requires] == ["00a-request-and-response"]


def test_what_students_read_is_in_one_form() -> None:
    for lab in load().labs:
        assert re.fullmatch(r"You will have .*\.", lab.promise), lab.promise
        for objective in lab.objectives:
            assert not objective.endswith("."), objective
            assert objective.split()[0].islower(), f"an objective completes 'you can ...': {objective}"


def test_the_fastapi_lab_covers_its_whole_topic() -> None:
    syllabus = load()
    topic = next(topic for topic in syllabus.phases[6].topics if topic.number == 18)
    assert list(syllabus.lab("06-web-frameworks/18a-fastapi").teaches) == [point.id for point in topic.points]


# Loading -------------------------------------------------------------------------------------------------------------


def test_what_is_loaded(small: Syllabus) -> None:
    assert [point.id for point in small.points] == [
        "0.Tools/the terminal",
        "0.Tools/Python",
        "1.14/SELECT / WHERE",
        "1.14/JOINs (INNER, LEFT)",
    ]
    lab = small.lab("01-sql/14a-queries")
    assert (lab.folder, lab.slug, lab.kind, lab.minutes, lab.points) == (
        "01-sql",
        "14a-queries",
        "lab",
        75,
        3,
    )
    assert lab.teaches["1.14/JOINs (INNER, LEFT)"] == ("all-customers", "lonely-customers")
    assert small.prerequisites(lab.name) == (small.labs[0],)


def test_an_unknown_lab_is_an_error_with_a_guess(small: Syllabus) -> None:
    with pytest.raises(CourseError, match="did you mean '01-sql/14a-queries'"):
        small.lab("01-sql/14-queries")


BROKEN = {
    # name: (what stands in SMALL, what is written instead, a part of the line to mend, a part of the message)
    "not TOML": ("minutes = 75", "minutes = x", "minutes = x", "not TOML"),
    "not TOML, at the end": (
        '"1.14/SELECT / WHERE" = []\n',
        "last = [",
        "last = [",
        "not TOML",
    ),
    "a stray key at the top": (
        "[[phase]]\nnumber = 0",
        "author = 1\n[[phase]]\nnumber = 0",
        "author",
        "'author'",
    ),
    "labs not as tables": (SMALL[SMALL.index("[[lab]]") :], "", "[[phase]]", "line [[lab]]"),
    "a mistyped key": ("objectives = [\n", "objective = [\n", "objective = [", "did you mean 'objectives'"),
    "a missing key": (
        'title = "Queries"\npromise',
        "promise",
        '[[lab]]\nname = "01-sql/14a',
        "'title' is missing",
    ),
    "an empty text": ('"Project: a shop"', '""', 'title = ""', "'title' is empty"),
    "a number as text": (
        "minutes = 75",
        'minutes = "75"',
        'minutes = "75"',
        "must be a whole number, not '75'",
    ),
    "a truth value as number": ("minutes = 75", "minutes = true", "minutes = true", "must be a whole number"),
    "a text as list": ('["design", "fill", "ask"]', '"design"', '"design"', "a list of texts"),
    "a list of numbers": ('["design", "fill", "ask"]', "[1, 2, 3]", "[1, 2, 3]", "a list of texts"),
    "exercises as text": ('["paid-orders"]', '"paid-orders"', '"paid-orders"', "must be a list of texts"),
    "a doubled exercise": ('["paid-orders"]', '["a", "a"]', '["a", "a"]', "twice"),
    "a phase left out": ("number = 1\n", "number = 2\n", "number = 2", "write `number = 1`"),
    "a phase folder without its number": ('"01-sql"', '"sql"', '"sql"', "start with 01-"),
    "a phase without topics": (
        '  [[phase.topic]]\n  title = "Tools"\n  points = ["the terminal", "Python"]\n',
        "",
        "[[phase]]\nnumber = 0",
        "has no topic",
    ),
    "too few objectives": (
        '["design", "fill", "ask"]',
        '["design"]',
        '["design"]',
        "3 to 6 objectives, not 1",
    ),
    "a long lab": (
        "minutes = 75",
        "minutes = 151",
        "minutes = 151",
        "a lab takes 60 to 150 minutes, not 151",
    ),
    "a short project": (
        "minutes = 150",
        "minutes = 75",
        "minutes = 75\npoints = 30",
        "project takes 90 to 480",
    ),
    "a worthless lab": ("points = 30", "points = 0", "points = 0", "at least 1 point"),
    "an unknown kind": ('"project"', '"exam"', '"exam"', 'must be "project" or left out'),
    "an unknown phase": (
        '"01-sql/project-shop"',
        '"02-sql/project-shop"',
        '"02-sql/project',
        "did you mean '01-sql'",
    ),
    "a name that is no file name": ('"01-sql/project-shop"', '"01-sql/My Shop"', "My Shop", "kebab-case"),
    "a doubled name": (
        '"01-sql/project-shop"',
        '"01-sql/14a-queries"',
        '"01-sql/14a-queries"\ntitle = "Pro',
        "at line 36",
    ),
    "an unknown prerequisite": (
        '  "00-basics/00a-tools",\n',
        '  "00-basics/00a-tool",\n',
        '"00-basics/00a-tool",',
        "did you mean '00-basics/00a-tools'",
    ),
    "a lab that requires itself": (
        '"00-basics/00a-tools",\n',
        '"01-sql/14a-queries",\n',
        '  "01-sql/14a-queries",',
        "in a circle",
    ),
    "an unknown point": (
        '"1.14/JOINs (INNER, LEFT)"',
        '"1.14/JOINs (INNER)"',
        '"1.14/JOINs (INNER)"',
        "did you mean '1.14/JOINs (INNER, LEFT)'",
    ),
    "a lab that teaches nothing": (
        '  "0.Tools/the terminal" = []\n  "0.Tools/Python" = []\n',
        "",
        "[[lab]]",
        "teaches nothing",
    ),
    "a point that no lab teaches": (
        '  "1.14/JOINs (INNER, LEFT)" = ["all-customers", "lonely-customers"]\n',
        "",
        '    "JOINs (INNER, LEFT)",',
        "no lab teaches '1.14/JOINs (INNER, LEFT)'",
    ),
}


@pytest.mark.parametrize(("old", "new", "place", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_each_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    assert SMALL.count(old) == 1
    broken = SMALL.replace(old, new)
    line = broken[: broken.index(place)].count("\n") + 1
    path = _write(tmp_path, broken)
    with pytest.raises(SyllabusError) as caught:
        load(path)
    assert message in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_cycle_names_all_its_labs_and_a_line_to_cut(tmp_path: Path) -> None:
    text = SMALL.replace("requires = []", 'requires = ["01-sql/project-shop"]')
    with pytest.raises(SyllabusError, match="in a circle") as caught:
        load(_write(tmp_path, text))
    for name in ("00-basics/00a-tools", "01-sql/14a-queries", "01-sql/project-shop"):
        assert name in str(caught.value)
    line = text.splitlines()[caught.value.line - 1]
    assert re.search(r'"\d\d-[a-z]+/[a-z0-9-]+"', line)
    assert line.strip().startswith(("requires", '"'))


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SyllabusError, match=r"\[\[phase\]\]"):
        load(_write(tmp_path, ""))


# Order ---------------------------------------------------------------------------------------------------------------


def test_the_order_keeps_to_prerequisites_before_the_file(tmp_path: Path) -> None:
    blocks = SMALL.split("[[lab]]\n")
    text = "[[lab]]\n".join([blocks[0], blocks[3], blocks[2], blocks[1]])
    syllabus = load(_write(tmp_path, text))
    assert [lab.slug for lab in syllabus.labs] == ["project-shop", "14a-queries", "00a-tools"]
    assert [lab.slug for lab in syllabus.order()] == ["00a-tools", "14a-queries", "project-shop"]


def test_the_next_lab_is_the_first_that_is_not_done(small: Syllabus) -> None:
    tools, queries, project = small.labs
    assert small.next_lab(done=set()) == tools
    assert small.next_lab(done={tools.name}) == queries
    assert small.next_lab(done={tools.name, project.name}) == queries
    assert small.next_lab(done={lab.name for lab in small.labs}) is None


def test_the_next_lab_is_one_that_is_there(small: Syllabus) -> None:
    _, queries, project = small.labs
    there = {queries.name, project.name}
    assert small.next_lab(set(), there) == queries
    assert small.next_lab({queries.name}, there) == project
    assert small.next_lab(there, there) is None


# The written labs ----------------------------------------------------------------------------------------------------


def _exercise(name: str, points: int) -> str:
    meta = '"schema_version": 3, "task": false'
    return dedent(f"""\
        ### {name}

        Write a query.

        ```python nbgrader={{{meta}, "solution": true, "grade": false, "locked": false, "grade_id": "{name}"}}
        ### BEGIN SOLUTION
        answer = 1
        ### END SOLUTION
        ```

        ```python tags=["raises-exception"] nbgrader={{{meta}, "solution": false, "grade": true, "locked": true, "points": {points}, "grade_id": "{name}-visible"}}
        assert answer == 1, "The answer is 1"
        ```

        ```python tags=["raises-exception"] nbgrader={{{meta}, "solution": false, "grade": true, "locked": true, "points": {points}, "grade_id": "{name}-hidden"}}
        # Hidden tests: other shops.
        ### BEGIN HIDDEN TESTS
        assert type(answer) is int, "The answer is a whole number"
        ### END HIDDEN TESTS
        ```

        """)


def _write_lab(root: Path, **exercises: int) -> None:
    path = root / "source" / "01-sql" / "14a-queries.md"
    path.parent.mkdir(parents=True)
    cells = [_exercise(name.replace("_", "-"), points) for name, points in exercises.items()]
    heading = "# Queries\n\n```python\n%load_ext course\n```\n\n## Exercises\n\n"
    path.write_text(heading + "".join(cells), encoding="utf-8")


def test_a_lab_that_agrees(small: Syllabus, tmp_path: Path) -> None:
    _write_lab(tmp_path, paid_orders=1, all_customers=1, lonely_customers=1)
    (tmp_path / "syllabus.toml").write_text(SMALL.replace("points = 3\n", "points = 6\n"), encoding="utf-8")
    syllabus = load(tmp_path / "syllabus.toml")
    assert syllabus.check(tmp_path) == []
    assert syllabus.assessed(tmp_path) == {"1.14/SELECT / WHERE", "1.14/JOINs (INNER, LEFT)"}


def test_a_lab_that_disagrees_is_told_line_by_line(small: Syllabus, tmp_path: Path) -> None:
    _write_lab(tmp_path, all_customers=2, sorted_customers=1)
    problems = {
        SMALL.splitlines()[problem.line - 1].strip(): str(problem) for problem in small.check(tmp_path)
    }
    first, second, points = (
        '"1.14/SELECT / WHERE" = ["paid-orders"]',
        '"1.14/JOINs (INNER, LEFT)" = ["all-customers", "lonely-customers"]',
        "points = 3",
    )
    assert problems.keys() == {first, second, "[[lab]]", points}
    assert "no graded exercise 'paid-orders'" in problems[first]
    assert "no graded exercise 'lonely-customers'" in problems[second]
    assert "'sorted-customers' assesses no point" in problems["[[lab]]"]
    assert "write `points = 6`" in problems[points]
    assert small.taught(tmp_path) == {"1.14/SELECT / WHERE", "1.14/JOINs (INNER, LEFT)"}
    assert small.assessed(tmp_path) == {"1.14/JOINs (INNER, LEFT)"}


def test_a_written_lab_must_name_exercises(tmp_path: Path) -> None:
    text = SMALL.replace('["paid-orders"]', "[]")
    syllabus = load(_write(tmp_path, text))
    _write_lab(tmp_path, all_customers=1, lonely_customers=1)
    messages = [str(problem) for problem in syllabus.check(tmp_path)]
    line = text[: text.index('"1.14/SELECT')].count("\n") + 1
    assert messages[0].startswith(
        f"{syllabus.path}:{line}: the lab is written, but no exercise assesses this point"
    )
    assert "'all-customers', 'lonely-customers'" in messages[0]


def test_an_exercise_without_tests_assesses_nothing(small: Syllabus, tmp_path: Path) -> None:
    _write_lab(tmp_path, paid_orders=1)
    path = small.lab("01-sql/14a-queries").source(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index('```python tags=["raises')], encoding="utf-8")
    assert small.assessed(tmp_path) == frozenset()
    assert any("no graded exercise 'paid-orders'" in str(problem) for problem in small.check(tmp_path))


def test_a_written_lab_must_stand_in_the_syllabus(small: Syllabus, tmp_path: Path) -> None:
    stray = tmp_path / "source" / "00-basics" / "00b-editors.md"
    stray.parent.mkdir(parents=True)
    stray.write_text("# Editors\n", encoding="utf-8")
    [problem] = small.check(tmp_path)
    assert "00b-editors.md is no lab of this phase: add a [[lab]]" in str(problem)
    assert problem.line == 1


def test_planned_labs_have_nothing_to_agree_with(small: Syllabus, tmp_path: Path) -> None:
    assert small.check(tmp_path) == []
    assert small.taught(tmp_path) == small.assessed(tmp_path) == frozenset()


# The map -------------------------------------------------------------------------------------------------------------


def _text(table: object) -> str:
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_map_counts_points_planned_taught_and_assessed(small: Syllabus, tmp_path: Path) -> None:
    _write_lab(tmp_path, all_customers=1)
    rows = {
        row.split()[0]: row.split()[1:]
        for row in _text(map_table(small, tmp_path)).splitlines()
        if row.strip()
    }
    assert rows["00-basics"] == ["1", "0", "2", "0", "0", "1.0"]
    assert rows["01-sql"] == ["2", "1", "2", "2", "1", "3.8"]
    assert rows["Total"] == ["3", "1", "4", "2", "1", "4.8"]
    assert "4 of the roadmap's 4 points planned, 2 taught, 1 assessed" in _text(map_table(small, tmp_path))


def test_the_map_of_the_course_fits_a_terminal(tmp_path: Path) -> None:
    text = _text(map_table(load(), tmp_path))
    assert "155 of the roadmap's 155 points planned, 0 taught, 0 assessed" in text
    assert "…" not in text + _text(labs_table(load(), tmp_path))


def test_the_list_of_labs_says_which_are_written(small: Syllabus, tmp_path: Path) -> None:
    _write_lab(tmp_path, all_customers=1)
    text = _text(labs_table(small, tmp_path))
    assert re.search(r"00a-tools +60 +10 +planned", text)
    assert re.search(r"14a-queries +75 +3 +written", text)


def test_showing_the_course_with_nothing_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(tmp_path, labs=True) == 0
    assert "14b-joins-and-groups" in capsys.readouterr().out


def test_a_disagreement_is_shown_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_lab(tmp_path, all_customers=1)
    path = tmp_path / "source" / "01-sql" / "14a-queries.md"
    path.parent.rename(tmp_path / "source" / "04-databases")
    (tmp_path / "source/04-databases/14a-queries.md").rename(
        tmp_path / "source/04-databases/14a-select-and-filter.md"
    )
    assert show(tmp_path) == 1
    assert "'all-customers' assesses no point" in capsys.readouterr().out


def test_loading_is_cheap() -> None:
    """The course home loads the syllabus: neither notebooks nor tables may be imported for that."""
    program = "import sys; from course.syllabus import load; load(); print({'rich', 'jupytext', 'nbformat'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_written_labs_are_as_the_syllabus_says() -> None:
    project = Path(__file__).parents[1]
    assert [str(error) for error in load().check(project)] == []
