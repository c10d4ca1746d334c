"""Read an answer bank: the other correct answers, and the wrong ones with the test that must catch each.

A bank is a Markdown file, `tests/answers/<phase>/<lab>.md`:

    ## orders-per-customer                                    the exercise
    ### correct: a subquery instead of a join                 another idea, not another spelling
    ### wrong: INNER JOIN drops people -> orders-per-customer-visible
    ### equivalent: ids are never 0                           why a mutant cannot be told from the reference

Under each heading stand fences: the answer's code (one fence for each solution cell, in their order), or for an
equivalent mutant the changed lines as ```` ```diff ````, as `course verify` prints them. Anything else is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from course.errors import CourseError
from course.proof.mutants import line_changes
from course.publishing.exercises import Exercise, grade_id
from course.publishing.stubs import STUBS

MIN_CORRECT = 1
MIN_WRONG = 3

_BEGIN = re.compile(r"^(?P<indent>[ \t]*)(?:###|--|#) BEGIN SOLUTION[ \t]*$", re.MULTILINE)
_END = re.compile(r"^[ \t]*(?:###|--|#) END SOLUTION[ \t]*$", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async[ ]+def|def|class)[ ]+(\w+)", re.MULTILINE)


class BankError(CourseError):
    """A mistake in an answer bank, with the file and the line where it stands."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path = path
        self.line = line


@dataclass(frozen=True)
class Answer:
    """What a student might write for one exercise.

    `cells` holds the code of each solution cell in order, `caught_by` the grade_ids of the tests that a wrong answer
    must fail (empty for a correct one), `line` the heading's line in the bank, counted from 1.
    """

    kind: Literal["correct", "wrong"]
    title: str
    cells: tuple[str, ...]
    language: str
    caught_by: tuple[str, ...]
    line: int

    @property
    def code(self) -> str:
        """The whole answer as one text."""
        return "\n\n".join(self.cells)

    @property
    def name(self) -> str:
        """What an author is told of it."""
        return f"the {self.kind} answer “{self.title}” (line {self.line} of the bank)"


@dataclass(frozen=True)
class Equivalent:
    """A mutant no test can catch, and why. `change` is its changed lines, see `line_changes`."""

    reason: str
    change: tuple[str, ...]
    line: int


@dataclass
class Bank:
    """The answers to a lab's exercises, by the exercise's name; `lines` says where each exercise begins."""

    path: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    equivalents: dict[str, list[Equivalent]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def correct(self, exercise: str) -> list[Answer]:
        """The other correct answers to an exercise."""
        return [answer for answer in self.answers.get(exercise, []) if answer.kind == "correct"]

    def wrong(self, exercise: str) -> list[Answer]:
        """The wrong answers to an exercise."""
        return [answer for answer in self.answers.get(exercise, []) if answer.kind == "wrong"]


def bank_path(root: Path, phase: str, lab: str) -> Path:
    """Where the bank of a lab is kept."""
    return root / "tests" / "answers" / phase / f"{lab}.md"


def load_bank(path: Path) -> Bank:
    """Read a bank; whether it fits its lab is `bank_faults`' question.

    Raises BankError for a file that is missing or not written as the module's docstring says.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BankError(path, 1, "there is no answer bank; write one, AUTHORING says how") from None
    bank = Bank(path)
    exercise = ""
    for heading, line, fences in _sections(path, text):
        level, title = heading
        if level == "h2":
            if title in bank.lines:
                raise BankError(path, line, f"{title} begins twice; put all its answers under one heading")
            if fences:
                raise BankError(
                    path, line, "code needs a heading: ### correct: ... or ### wrong: ... -> test"
                )
            exercise = title
            bank.lines[title] = line
            bank.answers[title] = []
            bank.equivalents[title] = []
        elif level == "h3":
            if not exercise:
                raise BankError(
                    path, line, "an answer stands under its exercise: write ## <exercise> above it"
                )
            _add(bank, exercise, title, line, fences)
        elif fences:
            raise BankError(path, line, "code needs a heading: ### correct: ... or ### wrong: ... -> test")
    return bank


def bank_faults(bank: Bank, exercises: Sequence[Exercise]) -> list[BankError]:
    """What keeps a bank from being the proof of these exercises; empty where nothing does."""
    faults = []
    known = {exercise.name: exercise for exercise in exercises}
    for name, line in bank.lines.items():
        if name not in known:
            faults.append(
                BankError(bank.path, line, f"the lab has no exercise {name!r}; it has {', '.join(known)}")
            )
    for name, exercise in known.items():
        line = bank.lines.get(name, 1)
        for kind, answers, least in (
            ("correct", bank.correct(name), MIN_CORRECT),
            ("wrong", bank.wrong(name), MIN_WRONG),
        ):
            if len(answers) < least:
                faults.append(
                    BankError(
                        bank.path,
                        line,
                        f"{name} has {len(answers)} {kind} answers, but needs at least {least}",
                    )
                )
        for answer in bank.answers.get(name, []):
            faults += [BankError(bank.path, answer.line, fault) for fault in _misfits(answer, exercise)]
    return faults


def fill(exercise: Exercise, cells: Sequence[str]) -> dict[str, str]:
    """The sources of an exercise's solution cells with an answer written in, by grade_id.

    `exercise` is the author's, with the solution markers in its cells. An answer takes the place of what stands
    between them, indented as they are; it is the whole cell where there is no such place or more than one, or where
    it defines again a function or class that the cell begins outside of them. The first line of a cell magic
    (`%%sql ...`) stays.
    """
    return {
        str(grade_id(cell)): _written_in(cell.source, code)
        for cell, code in zip(exercise.solutions, cells, strict=True)
    }


def language_of(source: str) -> str:
    """The language a cell is written in: "sql" under `%%sql` and so on, "python" otherwise."""
    magic = re.match(r"%%(\w+)", source)
    return magic[1] if magic and magic[1] in STUBS else "python"


def _written_in(source: str, code: str) -> str:
    magic, newline, _ = source.partition("\n") if source.startswith("%%") else ("", "", source)
    begins, ends = list(_BEGIN.finditer(source)), list(_END.finditer(source))
    if len(begins) != 1 or len(ends) != 1:
        return magic + newline + code
    begin, end = begins[0], ends[0]
    frame = source[: begin.start()] + source[end.end() :]
    if set(_DEFINITION.findall(frame)) & set(_DEFINITION.findall(code)):
        return magic + newline + code
    body = indent(dedent(code).strip("\n"), begin["indent"])
    return source[: begin.start()] + body + source[end.end() :]


def _misfits(answer: Answer, exercise: Exercise) -> Iterator[str]:
    """What is wrong with an answer in the light of the exercise it answers."""
    if len(answer.cells) != len(exercise.solutions):
        yield (
            f"{exercise.name} has {len(exercise.solutions)} solution cells, this answer {len(answer.cells)} fences; "
            "write one fence for each cell, in their order"
        )
    elif answer.language != language_of(exercise.solutions[0].source):
        yield (
            f"this answer is written in {answer.language}, but {exercise.name} asks for "
            f"{language_of(exercise.solutions[0].source)}"
        )
    tests = [str(grade_id(cell)) for cell in exercise.tests]
    for test in answer.caught_by:
        if test not in tests:
            yield f"{exercise.name} has no test {test!r}; it has {', '.join(tests)}"


def _add(bank: Bank, exercise: str, heading: str, line: int, fences: list[Token]) -> None:
    """Put what stands under a third-level heading into the bank."""
    kind, _, rest = (part.strip() for part in heading.partition(":"))
    title, _, tests = (part.strip() for part in rest.partition("->"))
    if kind not in ("correct", "wrong", "equivalent"):
        raise BankError(
            bank.path, line, f"a heading begins with correct:, wrong: or equivalent:, not {heading!r}"
        )
    if not title:
        raise BankError(bank.path, line, f"say after '{kind}:' what idea, misconception or reason this is")
    if not fences:
        raise BankError(bank.path, line, f"{heading!r} has no code under it")
    if kind == "equivalent":
        _add_equivalents(bank, exercise, rest, line, fences)
        return
    caught_by = tuple(test.strip() for test in tests.split(",") if test.strip())
    if kind == "wrong" and not caught_by:
        raise BankError(
            bank.path, line, "name the test that must catch this wrong answer: '... -> <test's grade_id>'"
        )
    languages = {fence.info.split()[0] if fence.info.strip() else "" for fence in fences}
    if len(languages) > 1 or not languages <= {"python", *STUBS}:
        raise BankError(
            bank.path, line, f"an answer's fences are all of one language: python, {', '.join(STUBS)}"
        )
    bank.answers[exercise].append(
        Answer(
            kind="correct" if kind == "correct" else "wrong",
            title=title if kind == "wrong" else rest,
            cells=tuple(fence.content.rstrip("\n") for fence in fences),
            language=languages.pop(),
            caught_by=caught_by if kind == "wrong" else (),
            line=line,
        )
    )


def _add_equivalents(bank: Bank, exercise: str, reason: str, line: int, fences: list[Token]) -> None:
    for fence in fences:
        change = line_changes(fence.content)
        if fence.info.strip() != "diff" or not change:
            raise BankError(
                bank.path, line, "an equivalent mutant is a ```diff of its lines, as course verify prints it"
            )
        bank.equivalents[exercise].append(Equivalent(reason, change, line))


def _sections(path: Path, text: str) -> Iterator[tuple[tuple[str, str], int, list[Token]]]:
    """Each heading as (level, text) with its line and the fences below it; level is "" for what stands before."""
    heading, line = ("", ""), 1
    fences: list[Token] = []
    lines = text.splitlines()
    tokens = MarkdownIt().parse(text)
    for position, token in enumerate(tokens):
        if token.map is None:
            continue
        if token.type == "heading_open":
            yield heading, line, fences
            heading, line, fences = (token.tag, tokens[position + 1].content), token.map[0] + 1, []
        elif token.type == "fence":
            closed = lines[token.map[1] - 1].strip().startswith(token.markup)
            swallowed = any(line.startswith(token.markup) for line in token.content.splitlines())
            if not closed or swallowed:
                raise BankError(
                    path, token.map[0] + 1, f"this fence is never closed; end it with {token.markup}"
                )
            fences.append(token)
    yield heading, line, fences
