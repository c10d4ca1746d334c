"""What the names of course.lab mean in a test cell that runs in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

from course.examiner.mirrors import stands_in
from course.examiner.network import Network
from course.examiner.session import Session
from course.lab.programs import Ran
from course.lab.terminal.commands import text_of
from course.lab.terminal.folder import PracticeFolder, required
from course.lab.terminal.outcome import Outcome, outcome_of

_PAUSE = 0.01  # seconds between two looks at a condition
_PORTS = range(1, 1 << 16)

_Class = TypeVar("_Class", bound=type)


def places() -> list[tuple[ModuleType, str]]:
    """Where `install` puts its own: modules, and the names in them."""
    import course.lab
    import course.lab.programs
    import course.lab.services
    import course.lab.serving
    import course.lab.serving.server
    import course.lab.sql.drivers.duckdb
    import course.lab.terminal.outcome
    import course.lab.testing

    lab, serving = course.lab, course.lab.serving
    testing = ("given", "until", "read_file", "write_file", "shared")
    return [
        *((module, name) for module in (lab, course.lab.testing) for name in testing),
        *((module, "run_program") for module in (lab, course.lab.programs)),
        *((module, "run_commands") for module in (lab, course.lab.terminal, course.lab.terminal.outcome)),
        *((module, "serve") for module in (lab, serving, serving.server)),
        (serving.server, "last_traceback"),
        *((module, "postgres") for module in (lab, course.lab.services)),
        (course.lab.sql.drivers.duckdb, "tested_queries_reach_files"),
    ]


def install(session: Session, network: Network) -> None:
    """Put this process's helpers in the place of those for the student's own kernel."""
    import course.lab.services
    import course.lab.serving.server

    helpers = _Helpers(session)
    servers = _Servers(session, network, course.lab.serving.server)
    lender = _Lender(network, course.lab.services.postgres)
    own: dict[str, object] = {
        "given": helpers.given,
        "until": helpers.until,
        "read_file": helpers.read_file,
        "write_file": helpers.write_file,
        "shared": helpers.shared,
        "run_program": helpers.run_program,
        "run_commands": helpers.run_commands,
        "serve": servers.serve,
        "last_traceback": servers.last_traceback,
        "postgres": lender.postgres,
        "tested_queries_reach_files": False,
    }
    for module, name in places():
        setattr(module, name, own[name])


class _Helpers:
    """Those of course.lab.testing that must ask the student's kernel."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def given(self, **names: object) -> None:
        """Set global names of the notebook."""
        for name, value in names.items():
            self._session.ask("bind", name, self._session.twin(value))

    def until(self, condition: Callable[[], object], seconds: float = 2.0) -> bool:
        """Wait for a condition; meanwhile the student's threads run, and may call what the test handed over."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self._session.ask("rest", _PAUSE)
        return True

    def read_file(self, path: str | Path) -> str:
        """The text of a file of the student's."""
        text = self._session.ask("read", str(path))
        if type(text) is not str:
            raise TypeError(f"{path} is no text")
        return text

    def write_file(self, path: str | Path, text: str) -> None:
        """Write a file for the student's code."""
        self._session.ask("write", str(path), text)

    def run_program(self, program: object, typing: Sequence[str] = (), **given: object) -> Ran:
        """Run a program of the student's again. Raises what it raises."""
        told = self._session.ask("tool", "run_program", program, tuple(typing), tuple(given.items()))
        if type(told) is not tuple or len(told) != 3 or type(told[0]) is not str:
            raise TypeError("the submission's program did not run")
        printed, asked, names = told
        return Ran(printed, [*asked], dict(names))

    def run_commands(self, commands: object, on: PracticeFolder) -> Outcome:
        """Run terminal commands of the student's again, in their kernel. Raises what `course.lab.run_commands` raises."""
        text, folder = text_of(commands), required(on)
        given = tuple(folder.contents.items())
        return outcome_of(self._session.ask("tool", "run_commands", text, given, folder.name, folder.start))

    def shared(self, cls: _Class) -> _Class:
        """A class whose objects live in the student's kernel, and whose methods are called back."""
        return self._session.twin(cls)  # type: ignore[no-any-return] # it stands in for the class


class _Servers:
    """Servers of the student's apps, which run in the student's kernel, and of the test's own, which run here."""

    def __init__(self, session: Session, network: Network, here: ModuleType) -> None:
        self._session = session
        self._network = network
        self._serve_here: Callable[..., Any] = here.serve
        self._traceback_here: Callable[[int], str] = here.last_traceback
        self._there: set[int] = set()

    def serve(self, app: object, name: str = "app", port: int = 0) -> Any:  # noqa: ANN401 - a server here or there
        """Serve an app where it lives. Raises what `course.lab.serve` raises."""
        if not stands_in(app):
            return self._serve_here(app, name, port)
        server = _Server(self._session, name, self._session.ask("tool", "serve", app, name, port))
        self._there.add(server.port)
        self._network.add(server.port)
        return server

    def last_traceback(self, port: int) -> str:
        """The last traceback in the log of the server that listens, or last listened, on a port."""
        if port not in self._there:
            return self._traceback_here(port)
        found = self._session.ask("tool", "last_traceback", port)
        return found if type(found) is str else ""


class _Server:
    """A server in the student's kernel, as `course.lab.serving.Server` is one in the notebook."""

    def __init__(self, session: Session, name: str, server: Any) -> None:  # noqa: ANN401 - stands in for a Server
        port = server.port
        if type(port) is not int or port not in _PORTS:
            raise TypeError("the submission's server has no port")
        self._session = session
        self._server = server
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Stop the server. Raises ServeError where the app's own shutdown fails."""
        self._server.stop()

    def logs(self, lines: int = 20) -> str:
        """The last lines that the server logged."""
        text = self._server.logs(lines)
        return str(text)

    def docs(self, path: str = "/docs", height: int = 600) -> None:
        """Nothing: there is no one to show a page to."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.name!r} at {self.url}>"


class _Lender:
    """Services that a test starts: the student's code reaches them under the same address."""

    def __init__(self, network: Network, postgres: Callable[..., Any]) -> None:
        self._network = network
        self._start_postgres = postgres

    def postgres(self, *, system: bool = False) -> Any:  # noqa: ANN401 - a Postgres
        """Start a PostgreSQL server, as course.lab's."""
        server = self._start_postgres(system=system)
        self._network.lend(server.port)
        return server
