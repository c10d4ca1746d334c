"""Load the syllabus: the roadmap's points, and the labs that teach and assess them."""

from __future__ import annotations

import difflib
import heapq
import re
import tomllib
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from course.errors import CourseError

if TYPE_CHECKING:
    from rich.table import Table

SYLLABUS = Path(__file__).with_name("syllabus.toml")
MINUTES = {"lab": range(60, 151), "project": range(90, 481)}
OBJECTIVES = range(3, 7)

_HEADER = re.compile(r"\s*\[\[\s*([\w.]+)\s*\]\]")
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_T = TypeVar("_T")

Kind = Literal["lab", "project"]


class SyllabusError(CourseError):
    """A line of the syllabus that must be mended.

    Attributes:
        line: its number, from 1.
    """

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.line = line


# The model -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the roadmap; its id is `PHASE.TOPIC/point`, such as `4.14/GROUP BY, HAVING`."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the roadmap; the number is None where the roadmap gives none."""

    number: int | None
    title: str
    note: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the roadmap, and the folder its labs are in."""

    number: int
    folder: str
    title: str
    note: str
    topics: tuple[Topic, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """The points of all its topics, in order."""
        return tuple(point for topic in self.topics for point in topic.points)


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab, written or planned.

    Attributes:
        name: `<folder of the phase>/<slug>`, the lab's path in source/ and release/ without its ending.
        promise: what the student will have made, in one sentence.
        objectives: each completes "After this lab you can ...".
        requires: the names of the labs to do before it, the nearest ones only.
        minutes: how long a student takes.
        points: what its graded exercises are worth together.
        teaches: the id of each point taught -> the names of the exercises that assess it.
    """

    name: str
    title: str
    promise: str
    objectives: tuple[str, ...]
    requires: tuple[str, ...]
    minutes: int
    points: int
    kind: Kind
    teaches: Mapping[str, tuple[str, ...]] = field(hash=False)

    @property
    def folder(self) -> str:
        """The folder of its phase."""
        return self.name.split("/")[0]

    @property
    def slug(self) -> str:
        """Its name within the phase."""
        return self.name.split("/")[1]

    def source(self, root: Path) -> Path:
        """Where its text is, or will be, in the course at `root`."""
        return root / "source" / f"{self.name}.md"

    def written(self, root: Path) -> bool:
        """Whether its text exists in the course at `root`."""
        return self.source(root).is_file()


@dataclass(frozen=True, slots=True)
class Syllabus:
    """All phases and all labs, in the order of the file."""

    path: Path
    phases: tuple[Phase, ...]
    labs: tuple[Lab, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point of the roadmap, in its order."""
        return tuple(point for phase in self.phases for point in phase.points)

    def lab(self, name: str) -> Lab:
        """The lab called `<phase>/<slug>`; CourseError if there is none."""
        for lab in self.labs:
            if lab.name == name:
                return lab
        raise CourseError(
            f"The syllabus has no lab {name!r}{_did_you_mean(name, [lab.name for lab in self.labs])}"
        )

    def labs_of(self, folder: str) -> tuple[Lab, ...]:
        """The labs of the phase in this folder, its project last."""
        return tuple(lab for lab in self.labs if lab.folder == folder)

    def prerequisites(self, name: str) -> tuple[Lab, ...]:
        """The labs to do directly before this one; CourseError if there is no such lab."""
        return tuple(self.lab(required) for required in self.lab(name).requires)

    def order(self) -> tuple[Lab, ...]:
        """All labs, each after its prerequisites, otherwise as in the file."""
        place = {lab.name: number for number, lab in enumerate(self.labs)}
        sorter = TopologicalSorter({lab.name: lab.requires for lab in self.labs})
        sorter.prepare()
        ready: list[int] = []
        ordered: list[Lab] = []
        while sorter.is_active():
            for name in sorter.get_ready():
                heapq.heappush(ready, place[name])
            ordered.append(self.labs[heapq.heappop(ready)])
            sorter.done(ordered[-1].name)
        return tuple(ordered)

    def next_lab(self, done: Container[str], available: Container[str] | None = None) -> Lab | None:
        """The lab to recommend to a student who has done these, or None where nothing is left.

        It is the first one of `order()` that is not done, so all its prerequisites are, but for those that are not
        available (not written yet). Both arguments hold names of labs; without `available`, every lab is.
        """
        for lab in self.order():
            if lab.name not in done and (available is None or lab.name in available):
                return lab
        return None

    def taught(self, root: Path) -> frozenset[str]:
        """The ids of the points that a written lab teaches."""
        return frozenset(point for lab in self.labs if lab.written(root) for point in lab.teaches)

    def assessed(self, root: Path) -> frozenset[str]:
        """The ids of the points that a graded exercise of a written lab assesses; LabError if a lab cannot be read."""
        return frozenset(
            point
            for lab in self.labs
            if lab.written(root)
            for graded in [_graded_exercises(lab, root)]
            for point, exercises in lab.teaches.items()
            if graded.keys() & set(exercises)
        )

    def check(self, root: Path) -> list[SyllabusError]:
        """Where the syllabus and the written labs in the course at `root` disagree; LabError if a lab cannot be read.

        Every point that a written lab teaches must name exercises, those must exist and be graded, every graded
        exercise must be named, the points of the exercises must add up to the lab's, and every written lab must stand
        in the syllabus.
        """
        tables = _read(self.path)
        problems = [
            problem
            for lab, table in zip(self.labs, tables["lab"], strict=True)
            if lab.written(root)
            for problem in _disagreements(lab, table, _graded_exercises(lab, root))
        ]
        for phase, table in zip(self.phases, tables["phase"], strict=True):
            known = {lab.source(root) for lab in self.labs_of(phase.folder)}
            for source in sorted({*(root / "source" / phase.folder).glob("*.md")} - known):
                problems.append(table.error(f"{source} is no lab of this phase: add a [[lab]] for it"))
        return problems


def _graded_exercises(lab: Lab, root: Path) -> dict[str, float]:
    """The exercises of a written lab that have tests, and what each is worth."""
    from course.publishing.exercises import exercises  # jupytext and nbformat are slow to import
    from course.publishing.notebook import read_lab

    found = exercises(read_lab(lab.source(root)))
    return {exercise.name: exercise.points for exercise in found if exercise.tests}


def _disagreements(lab: Lab, table: _Table, graded: dict[str, float]) -> Iterator[SyllabusError]:
    for point, named in lab.teaches.items():
        if not named:
            yield table.error(
                f"the lab is written, but no exercise assesses this point: name one of {_list(graded)}", point
            )
        for exercise in named:
            if exercise not in graded:
                yield table.error(
                    f"the lab has no graded exercise {exercise!r}{_did_you_mean(exercise, graded)}",
                    point,
                    exercise,
                )
    assessing = {exercise for named in lab.teaches.values() for exercise in named}
    for exercise in graded:
        if exercise not in assessing:
            yield table.error(
                f"the exercise {exercise!r} assesses no point: name it at one under [lab.teaches]"
            )
    total = sum(graded.values())
    if total != lab.points:
        yield table.error(
            f"the exercises of the lab are worth {total:g} points: write `points = {total:g}`", "points"
        )


# Loading -------------------------------------------------------------------------------------------------------------


def load(path: Path = SYLLABUS) -> Syllabus:
    """Read and check a syllabus; SyllabusError for the first line that must be mended."""
    tables = _read(path)
    phases = _phases(tables["phase"], tables["phase.topic"])
    points = [point.id for phase in phases for point in phase.points]
    labs = tuple(_lab(table, phases, points) for table in tables["lab"])
    _check_names(labs, tables["lab"])
    _check_no_cycle(labs, tables["lab"])
    _check_all_taught(phases, labs, tables["phase.topic"])
    return Syllabus(path, phases, labs)


@dataclass(frozen=True, slots=True)
class _Table:
    """A `[[table]]` of the file: its values, and the lines they stand on."""

    path: Path
    start: int  # the line of its header, from 1
    lines: tuple[str, ...]  # from the header to the next one
    values: dict[str, Any]

    def error(self, message: str, key: str = "", item: str = "") -> SyllabusError:
        """An error at the line of a key, or of an item in the key's list, or else at the header."""
        return SyllabusError(self.path, self._line(key, item), message)

    def _line(self, key: str, item: str) -> int:
        places = enumerate(self.lines)
        at_key = re.compile(rf'\s*"?{re.escape(key)}"?\s*=')
        found = next((place for place, line in places if at_key.match(line)), 0) if key else 0
        if found and item:
            inside = (place for place in range(found, len(self.lines)) if f'"{item}"' in self.lines[place])
            found = next(inside, found)
        return self.start + found

    def allow(self, keys: Collection[str]) -> None:
        for key in self.values:
            if key not in keys:
                raise self.error(f"unknown key {key!r}{_did_you_mean(key, keys)}", key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, str, "text in quotes", default)
        if not value.strip() and default is None:
            raise self.error(f"{key!r} is empty: write a text", key)
        return value

    def number(self, key: str) -> int:
        return self._get(key, int, "a whole number", None)

    def texts(self, key: str) -> tuple[str, ...]:
        return self._texts(key, self._get(key, list, "a list of texts", None))

    def texts_by_text(self, key: str) -> dict[str, tuple[str, ...]]:
        table = self._get(key, dict, f"a table [lab.{key}]", None)
        return {name: self._texts(name, value) for name, value in table.items()}

    def _get(self, key: str, kind: type[_T], wanted: str, default: _T | None) -> _T:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(f"{key!r} is missing: add a line `{key} = ...` with {wanted}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"{key!r} must be {wanted}, not {value!r}", key)
        return value

    def _texts(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.error(f"{key!r} must be a list of texts, not {value!r}", key)
        for item in value:
            if value.count(item) > 1:
                raise self.error(f"{item!r} stands in {key!r} twice: remove one", key, item)
        return tuple(value)


def _read(path: Path) -> dict[str, list[_Table]]:
    """The tables of the file by the name in their header; SyllabusError where it is no such TOML."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        raise SyllabusError(
            path, int(place[1]) if place else len(lines), f"this is not TOML: {error}"
        ) from error

    headers = [(number, found[1]) for number, line in enumerate(lines) if (found := _HEADER.match(line))]
    ends = [number for number, _ in headers[1:]] + [len(lines)]
    contents = {"phase": _dicts(values.pop("phase", [])), "lab": _dicts(values.pop("lab", []))}
    contents["phase.topic"] = [
        topic for phase in contents["phase"] for topic in _dicts(phase.get("topic", []))
    ]
    if values:
        raise SyllabusError(
            path, 1, f"unknown at the top of the file: {_list(values)}; it holds [[phase]] and [[lab]]"
        )

    tables: dict[str, list[_Table]] = {}
    for name, dicts in contents.items():
        spans = [(start, end) for (start, header), end in zip(headers, ends, strict=False) if header == name]
        if not spans or len(spans) != len(dicts):
            raise SyllabusError(
                path, 1, f"write each {name} under a line [[{name}]] of its own, at least one"
            )
        tables[name] = [
            _Table(path, start + 1, tuple(lines[start:end]), table)
            for (start, end), table in zip(spans, dicts, strict=True)
        ]
    return tables


def _dicts(value: object) -> list[dict[str, Any]]:
    """The tables in a list, without what is not a table (`phase = 3` has none)."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _phases(phases: list[_Table], topics: list[_Table]) -> tuple[Phase, ...]:
    remaining = iter(topics)
    found: list[Phase] = []
    for table in phases:
        table.allow(["number", "folder", "title", "note", "topic"])
        number, folder = table.number("number"), table.text("folder")
        if number != len(found):
            raise table.error(f"the phases are numbered from 0 on: write `number = {len(found)}`", "number")
        if not folder.startswith(f"{number:02}-") or not _KEBAB.fullmatch(folder):
            raise table.error(
                f"the folder must be kebab-case and start with {number:02}-, not {folder!r}", "folder"
            )
        phase_topics = tuple(_topic(number, next(remaining)) for _ in _dicts(table.values.get("topic")))
        if not phase_topics:
            raise table.error("the phase has no topic: write at least one under a line [[phase.topic]]")
        found.append(Phase(number, folder, table.text("title"), table.text("note", ""), phase_topics))
    return tuple(found)


def _topic(phase: int, table: _Table) -> Topic:
    table.allow(["number", "title", "note", "points"])
    number = table.number("number") if "number" in table.values else None
    title = table.text("title")
    prefix = f"{phase}.{title if number is None else number}"
    points = tuple(Point(f"{prefix}/{text}", text) for text in table.texts("points"))
    return Topic(number, title, table.text("note", ""), points)


def _lab(table: _Table, phases: tuple[Phase, ...], points: list[str]) -> Lab:
    table.allow(Lab.__dataclass_fields__)
    name, kind = table.text("name"), table.text("kind", "lab")
    folder, _, slug = name.partition("/")
    folders = [phase.folder for phase in phases]
    if folder not in folders or not _KEBAB.fullmatch(slug):
        raise table.error(
            f"a lab is called <folder of its phase>/<kebab-case>, not {name!r}{_did_you_mean(folder, folders)}",
            "name",
        )
    if kind not in MINUTES:
        raise table.error(f'the kind must be "project" or left out, not {kind!r}', "kind")
    lab = Lab(
        name,
        table.text("title"),
        table.text("promise"),
        table.texts("objectives"),
        table.texts("requires"),
        table.number("minutes"),
        table.number("points"),
        cast(Kind, kind),
        table.texts_by_text("teaches"),
    )
    if len(lab.objectives) not in OBJECTIVES:
        raise table.error(
            f"a lab has {_span(OBJECTIVES)} objectives, not {len(lab.objectives)}", "objectives"
        )
    if lab.minutes not in MINUTES[kind]:
        raise table.error(f"a {kind} takes {_span(MINUTES[kind])} minutes, not {lab.minutes}", "minutes")
    if lab.points < 1:
        raise table.error(f"a lab is worth at least 1 point, not {lab.points}", "points")
    if not lab.teaches:
        raise table.error("the lab teaches nothing: name its points under [lab.teaches]")
    for point in lab.teaches:
        if point not in points:
            raise table.error(f"the roadmap has no point {point!r}{_did_you_mean(point, points)}", point)
    return lab


def _check_names(labs: tuple[Lab, ...], tables: list[_Table]) -> None:
    """Names are unique, and prerequisites are names of labs."""
    lines: dict[str, int] = {}
    for lab, table in zip(labs, tables, strict=True):
        if lab.name in lines:
            raise table.error(
                f"a lab {lab.name!r} stands at line {lines[lab.name]} already: rename one", "name"
            )
        lines[lab.name] = table.start
    for lab, table in zip(labs, tables, strict=True):
        for required in lab.requires:
            if required not in lines:
                raise table.error(
                    f"there is no lab {required!r}{_did_you_mean(required, lines)}", "requires", required
                )


def _check_no_cycle(labs: tuple[Lab, ...], tables: list[_Table]) -> None:
    try:
        TopologicalSorter({lab.name: lab.requires for lab in labs}).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]  # each is required by the next; the first is the last
        required, name = cycle[0], cycle[1]
        table = next(table for lab, table in zip(labs, tables, strict=True) if lab.name == name)
        way = " -> ".join(cycle)
        raise table.error(
            f"labs require each other in a circle: {way}; remove one of them", "requires", required
        ) from None


def _check_all_taught(phases: tuple[Phase, ...], labs: tuple[Lab, ...], tables: list[_Table]) -> None:
    taught = {point for lab in labs for point in lab.teaches}
    topics = [topic for phase in phases for topic in phase.topics]
    for topic, table in zip(topics, tables, strict=True):
        for point in topic.points:
            if point.id not in taught:
                raise table.error(
                    f"no lab teaches {point.id!r}: add it to a lab's [lab.teaches]", "points", point.text
                )


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {_list(names)}"


def _list(names: Iterable[str]) -> str:
    """The first few names, for a message."""
    names = list(names)
    return ", ".join(repr(name) for name in names[:6]) + (", ..." if len(names) > 6 else "") or "none"


def _span(numbers: range) -> str:
    return f"{numbers[0]} to {numbers[-1]}"


# The map -------------------------------------------------------------------------------------------------------------


def show(root: Path, *, labs: bool = False) -> int:
    """Print the map, the labs if asked for, and what must be mended; returns the exit status, 1 where anything must.

    SyllabusError if the syllabus, LabError if a written lab cannot be read.
    """
    from rich.console import Console

    console = Console()
    syllabus = load()
    console.print(map_table(syllabus, root))
    if labs:
        console.print(labs_table(syllabus, root))
    problems = syllabus.check(root)
    for problem in problems:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    return 1 if problems else 0


def map_table(syllabus: Syllabus, root: Path) -> Table:
    """The map of the course: for each phase, its labs, its points planned, taught and assessed, and its hours.

    A point is planned when a lab names it, taught when that lab is written in the course at `root`, and assessed when
    a graded exercise of such a lab is named for it. LabError if a written lab cannot be read.
    """
    from rich import box
    from rich.table import Table

    planned = frozenset(point for lab in syllabus.labs for point in lab.teaches)
    states = planned, syllabus.taught(root), syllabus.assessed(root)

    rows: list[list[int]] = []
    for phase in syllabus.phases:
        labs = syllabus.labs_of(phase.folder)
        counts = [sum(point.id in ids for point in phase.points) for ids in states]
        rows.append(
            [len(labs), sum(lab.written(root) for lab in labs), *counts, sum(lab.minutes for lab in labs)]
        )
    totals = [sum(column) for column in zip(*rows, strict=True)]

    table = Table(
        box=box.SIMPLE,
        padding=(0, 0, 0, 1),
        show_footer=True,
        caption=f"{totals[2]} of the roadmap's {len(syllabus.points)} points planned, {totals[3]} taught, {totals[4]} assessed",
    )
    table.add_column("Phase", footer="Total", no_wrap=True)
    headers = ["Labs", "written", "Points planned", "taught", "assessed", "Hours"]
    for header, total in zip(headers, _cells(totals), strict=True):
        table.add_column(header, footer=total, justify="right")
    for phase, row in zip(syllabus.phases, rows, strict=True):
        table.add_row(phase.folder, *_cells(row))
    return table


def labs_table(syllabus: Syllabus, root: Path) -> Table:
    """The labs of each phase: minutes, points, and whether the lab is written in the course at `root`."""
    from rich import box
    from rich.table import Table

    table = Table("Lab", box=box.SIMPLE, pad_edge=False)
    table.add_column("Minutes", justify="right")
    table.add_column("Points", justify="right")
    table.add_column("Status")
    for phase in syllabus.phases:
        table.add_row(phase.folder, style="bold")
        for lab in syllabus.labs_of(phase.folder):
            status = "written" if lab.written(root) else "planned"
            table.add_row(f"  {lab.slug}", str(lab.minutes), str(lab.points), status)
        table.add_section()
    return table


def _cells(numbers: list[int]) -> list[str]:
    """A row of the map as text, its last number turned from minutes into hours."""
    return [*(str(number) for number in numbers[:-1]), f"{numbers[-1] / 60:.1f}"]
