"""Real cells, with an agent in each that runs what a test sends it."""

import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from course.cage.host import Zygote

AGENT = (Path(__file__).parent / "agent.py").read_bytes()
IMPORTS = ["numpy", "pandas", "duckdb", "sqlalchemy", "uvicorn", "fastapi", "requests", "no_such_module"]


class Refused(Exception):
    """What a cell's code raised: `str(error)` is "Type: text"."""


class Agent:
    """A cell whose door leads to the agent."""

    def __init__(self, cell):
        self.cell = cell
        cell.door.settimeout(30)

    def run(self, source: str):
        """Run the source in the cell; the value of its last expression, as JSON carries it."""
        self.start(source)
        return self.answer()

    def start(self, source: str) -> None:
        self.cell.door.send(textwrap.dedent(source).encode())

    def answer(self):
        reply = json.loads(self.cell.door.recv(1 << 18) or b'{"error": "Ended", "text": ""}')
        if "error" in reply:
            raise Refused(f"{reply['error']}: {reply['text']}")
        return reply["value"]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote(IMPORTS) as zygote:
        yield zygote


@pytest.fixture
def spawn(zygote):
    """Make cells with an agent; they are killed after the test."""
    cells = []

    def new(*, of: Zygote = zygote, **options) -> Agent:
        files = {"agent.py": AGENT, **options.pop("files", {})}
        cells.append(of.spawn("agent:main", options.pop("options", {}), files=files, **options))
        return Agent(cells[-1])

    yield new
    for cell in cells:
        cell.kill()


@pytest.fixture
def agent(spawn) -> Agent:
    return spawn()


@pytest.fixture
def as_root() -> bool:
    return os.geteuid() == 0
