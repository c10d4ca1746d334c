"""Cells: made, used for honest work, ended; and what happens when the zygote or the grader goes."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from course.cage import CageError, ZygoteDied, cgroups
from course.cage.host import Zygote
from course.cage.limits import Limits

from .conftest import AGENT, IMPORTS

REPOSITORY = Path(__file__).resolve().parents[2]
ORDINARY_USER = 54321  # nobody's on any system
AS_ORDINARY_USER = "COURSE_TEST_AS_ORDINARY_USER"


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process that is not our child ends within so many seconds."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


class TestSpawn:
    def test_the_entry_function_gets_its_options_and_the_files_are_there(self, spawn):
        options = {"number": 1, "nested": {"list": [None, True, "ü"]}}
        agent = spawn(options=options, files={"data/rows.csv": b"a,b\n", "empty": b""})
        assert agent.run("here.options") == options
        assert agent.run("open('data/rows.csv').read(), open('empty').read()") == ["a,b\n", ""]
        assert agent.run("import os; os.getcwd()") == "/home/student"
        assert agent.run("os.stat('data/rows.csv').st_uid == os.getuid() == 1000")

    def test_big_files_and_options_arrive_whole(self, spawn):
        agent = spawn(options={"text": "x" * 3_000_000}, files={"big": bytes(range(256)) * 40_000})
        assert agent.run("len(here.options['text'])") == 3_000_000
        assert agent.run("open('big', 'rb').read() == bytes(range(256)) * 40_000")

    @pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "."])
    def test_a_file_outside_home_is_refused(self, zygote, name):
        with pytest.raises(ValueError, match="path"):
            zygote.spawn("agent:main", {}, files={name: b""})

    def test_an_entry_that_fails_says_why(self, zygote):
        with pytest.raises(CageError, match="ModuleNotFoundError: No module named 'nowhere'"):
            zygote.spawn("nowhere:main", {})
        with pytest.raises(CageError, match="RuntimeError: not today"):
            zygote.spawn("bad:main", {}, files={"bad.py": b"def main(here): raise RuntimeError('not today')"})
        with pytest.raises(CageError, match="before it was ready"):
            zygote.spawn("bad:main", {}, files={"bad.py": b"import os\ndef main(here): os._exit(3)"})
        assert zygote.alive()

    def test_files_that_do_not_fit_say_so(self, zygote):
        with pytest.raises(CageError, match="No space left"):
            zygote.spawn("agent:main", {}, files={"big": bytes(2 << 20)}, limits=Limits(disk=1 << 20))

    def test_many_at_once(self, spawn):
        with ThreadPoolExecutor(6) as pool:
            agents = list(pool.map(lambda _: spawn(), range(12)))
        assert [agent.run("6 * 7") for agent in agents] == [42] * 12

    def test_file_descriptors_pass_both_ways_through_the_door(self, spawn, tmp_path):
        agent = spawn()
        agent.start(
            """
            import os, socket
            _, (received,), *_ = socket.recv_fds(here.door, 16, 1)
            os.write(received, b"from within")
            mine = os.memfd_create("mine"); os.write(mine, b"given away")
            socket.send_fds(here.door, [b"here"], [mine]) and None
            """
        )
        with (tmp_path / "outside").open("wb") as file:
            socket.send_fds(agent.cell.door, [b"take"], [file.fileno()])
        _, (received,), *_ = socket.recv_fds(agent.cell.door, 16, 1)
        assert os.pread(received, 100, 0) == b"given away"
        os.close(received)
        assert (tmp_path / "outside").read_bytes() == b"from within"

    def test_ipc_is_there_until_the_cell_is_ready(self, zygote):
        source = textwrap.dedent("""
            import os, socket
            def main(here):
                server = socket.socket(socket.AF_UNIX)
                server.bind("/ipc/s")
                server.listen()
                here.ready()
                connection, _ = server.accept()
                connection.send(repr(os.listdir("/ipc")).encode())
        """)
        cell = zygote.spawn("door:main", {}, files={"door.py": source.encode()}, ipc=True)
        folder = cell.ipc
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(folder / "s"))
            assert client.recv(100) == b"[]"
        cell.kill()
        assert not folder.exists()

    def test_the_porter_gives_sockets_of_the_cells_network(self, agent):
        port = agent.run(
            """
            import socket
            server = socket.create_server(("127.0.0.1", 0))
            server.getsockname()[1]
            """
        )
        for _ in range(3):
            agent.cell.porter.send(b"tcp")
            _, (descriptor,), *_ = socket.recv_fds(agent.cell.porter, 16, 1)
            with socket.socket(fileno=descriptor) as client:
                client.settimeout(10)
                client.connect(("127.0.0.1", port))
                agent.run("connection, _ = server.accept(); connection.send(b'hello'); connection.close()")
                assert client.recv(10) == b"hello"
        with socket.socket() as outside:
            assert outside.connect_ex(("127.0.0.1", port)) != 0

    def test_random_generators_differ_from_cell_to_cell(self, spawn):
        draw = "import random, numpy; [random.random(), numpy.random.random(), numpy.random.default_rng().random()]"
        first, second = spawn().run(draw), spawn().run(draw)
        assert all(a != b for a, b in zip(first, second, strict=True))


class TestHonestWork:
    """What labs do must work inside."""

    def test_the_project_shows_only_its_package(self, agent):
        assert agent.run("import course, course.lab, os; course.__file__").endswith("course/__init__.py")
        assert "source" not in agent.run(f"os.listdir({str(REPOSITORY)!r})")

    def test_a_file_handed_in_does_not_shadow_a_module(self, spawn):
        agent = spawn(files={"tabnanny.py": b"stolen = True", "helper.py": b"five = 5"})
        assert agent.run(
            "import sys; before = 'tabnanny' in sys.modules; import tabnanny; before, hasattr(tabnanny, 'stolen')"
        ) == [False, False]
        assert agent.run("import helper; helper.five") == 5

    def test_pandas_and_duckdb(self, agent):
        assert agent.run("import pandas; int(pandas.DataFrame({'a': range(1000)}).a.sum())") == 499500
        assert agent.run(
            """
            import duckdb
            db = duckdb.connect("x.db"); db.execute("set threads = 4")
            db.execute("create table t as select * from range(100000)")
            db.execute("select count(*) from t").fetchone()
            """
        ) == [100_000]

    def test_sqlalchemy_and_sqlite_with_a_write_ahead_log(self, agent):
        assert agent.run(
            """
            import sqlalchemy
            with sqlalchemy.create_engine("sqlite:///s.db").connect() as db:
                mode = db.execute(sqlalchemy.text("pragma journal_mode=wal")).scalar()
                db.execute(sqlalchemy.text("create table t (x)"))
                found = db.execute(sqlalchemy.text("select count(*) from t")).scalar()
            mode, found
            """
        ) == ["wal", 0]

    def test_a_server_in_a_thread(self, agent):
        assert agent.run(
            """
            import fastapi, requests, threading, uvicorn
            app = fastapi.FastAPI()
            app.get("/")(lambda: {"a": 1})
            server = uvicorn.Server(uvicorn.Config(app, port=8000, log_level="error"))
            thread = threading.Thread(target=server.run); thread.start()
            import time
            while not server.started: time.sleep(0.01)
            said = requests.get("http://localhost:8000/").json()
            server.should_exit = True; thread.join()
            said
            """
        ) == {"a": 1}

    def test_asyncio(self, agent):
        assert (
            agent.run(
                """
            import asyncio
            async def work():
                program = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
                return await asyncio.gather(asyncio.sleep(0, 1), program.communicate())
            asyncio.run(work())[0]
            """
            )
            == 1
        )
        assert (
            agent.run(
                "asyncio.get_event_loop_policy().new_event_loop().run_until_complete(asyncio.sleep(0, 2))"
            )
            == 2
        )

    def test_programs(self, agent):
        assert (
            agent.run("import subprocess; subprocess.getoutput('echo hi | wc -c; id -un; hostname')")
            == "3\nstudent\ncell"
        )
        assert (
            agent.run(
                "import sys; subprocess.run([sys.executable, '-c', 'import json; print(2)'], capture_output=True, text=True).stdout"
            )
            == "2\n"
        )

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_multiprocessing(self, agent, method):
        assert agent.run(
            f"""
            import math, multiprocessing
            from concurrent.futures import ProcessPoolExecutor
            with ProcessPoolExecutor(2, multiprocessing.get_context({method!r})) as pool:
                roots = list(pool.map(math.sqrt, [4, 9]))
            roots
            """
        ) == [2, 3]

    def test_shared_memory_and_queues(self, agent):
        assert (
            agent.run(
                """
            import multiprocessing
            from multiprocessing import shared_memory
            fork = multiprocessing.get_context("fork")
            queue = fork.Queue(); child = fork.Process(target=queue.put, args=(5,)); child.start()
            got = queue.get(timeout=10); child.join()
            block = shared_memory.SharedMemory(create=True, size=100); block.close(); block.unlink()
            got
            """
            )
            == 5
        )

    def test_postgresql(self, agent):
        assert agent.run(
            """
            from course.lab import postgres
            import psycopg
            with postgres() as server, psycopg.connect(server.url) as db:
                found = db.execute("select 40 + 2").fetchone()
            found
            """
        ) == [42]

    def test_time_zones_certificates_and_types(self, agent):
        assert agent.run(
            """
            import mimetypes, ssl, zoneinfo, datetime
            zoneinfo.ZoneInfo("Europe/Berlin").key, ssl.create_default_context() is not None, mimetypes.guess_type("a.html")[0]
            """
        ) == ["Europe/Berlin", True, "text/html"]


class TestEnd:
    def test_kill_takes_everything_along(self, agent):
        agent.run(
            "import subprocess; [subprocess.Popen(['sleep', '1000'], start_new_session=True) for _ in range(3)] and None"
        )
        processes = [agent.cell.pid, *descendants(agent.cell.pid)]
        assert len(processes) == 4
        agent.cell.kill()
        agent.cell.kill()
        assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
        assert not agent.cell.alive()
        assert agent.cell.wait(0)
        assert agent.cell.why_dead() == "signal 9"

    def test_a_program_that_ignores_signals_or_is_stopped_is_killed_too(self, spawn):
        stubborn, stopped = spawn(), spawn()
        stubborn.start(
            "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]\nwhile True: pass"
        )
        stopped.start("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
        for agent in (stubborn, stopped):
            agent.cell.kill()
            assert gone(agent.cell.pid, 0)

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("import os; os._exit(3)", "exit 3"),
            ("import os; os.kill(os.getpid(), 11)", "signal 11"),
            ("quit_", ""),
        ],
    )
    def test_why_dead(self, agent, source, why):
        agent.start(source)
        assert agent.cell.wait(10 if why else 0) == bool(why)
        assert agent.cell.why_dead() == why

    def test_the_end_of_the_main_process_ends_the_cell(self, agent):
        agent.run(
            "import subprocess; subprocess.Popen(['setsid', 'sh', '-c', 'trap \"\" TERM HUP; sleep 1000']) and None"
        )
        left = descendants(agent.cell.pid)
        agent.start("import os; os._exit(0)")
        assert agent.cell.wait(10)
        assert left
        assert all(gone(pid, 0) for pid in left)

    def test_interrupt_reaches_the_main_process_only(self, agent):
        agent.run("import subprocess, time; child = subprocess.Popen(['sleep', '1000'])")
        agent.start("here.door.send(b'asleep'); time.sleep(1000)")
        agent.cell.door.recv(16)
        with pytest.raises(Exception, match="KeyboardInterrupt"):
            self._interrupted(agent)
        assert agent.run("child.poll()") is None

    def _interrupted(self, agent):
        """Interrupt until it is heard: Python does not see a signal that comes just before the sleep begins."""
        agent.cell.door.settimeout(5)
        for _ in range(6):
            agent.cell.interrupt()
            with contextlib.suppress(TimeoutError):
                return agent.answer()
        raise AssertionError("no interrupt was heard")

    def test_times(self, agent):
        agent.run(
            """
            import subprocess, sys, time
            end = time.process_time() + 0.3
            while time.process_time() < end: pass
            burn = "import time\\nwhile time.process_time() < 0.3: pass"
            subprocess.run([sys.executable, "-c", burn]).returncode
            """
        )
        assert 0.5 < agent.cell.cpu_seconds() < 5
        assert 0 <= agent.cell.starved() < 30
        agent.cell.kill()
        assert agent.cell.cpu_seconds() > 0.5
        assert agent.cell.starved() == 0


class TestZygote:
    def test_it_skips_what_is_missing_and_keeps_what_it_has(self, zygote, agent):
        assert zygote.alive()
        assert agent.run("import sys; 'pandas' in sys.modules, 'no_such_module' in sys.modules") == [
            True,
            False,
        ]

    def test_a_module_that_starts_threads_is_left_to_the_cells(self, tmp_path, monkeypatch, caplog, spawn):
        packages = tmp_path / "site-packages"
        packages.mkdir()
        (packages / "busy_module.py").write_text(
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
        )
        (packages / "idle_module.py").write_text("")
        monkeypatch.syspath_prepend(packages)
        with Zygote(["idle_module", "busy_module"]) as zygote:
            loaded = spawn(of=zygote).run(
                "import sys; [name in sys.modules for name in ('idle_module', 'busy_module')]"
            )
            again = spawn(of=zygote).run("import busy_module, threading; threading.active_count()")
        assert loaded == [True, False]
        assert again == 2
        assert "busy_module starts threads" in caplog.text

    def test_when_it_dies_its_cells_die_and_a_new_one_takes_over(self, spawn):
        zygote = Zygote()
        agent = spawn(of=zygote)
        os.kill(zygote_pid(zygote), signal.SIGKILL)
        assert agent.cell.wait(10)
        assert not zygote.alive()
        with pytest.raises(ZygoteDied):
            spawn(of=zygote)
        zygote.close()
        with Zygote() as another:
            assert spawn(of=another).run("1") == 1

    def test_the_cells_of_a_forked_process_end_with_that_process(self, zygote, spawn):
        hears, says = os.pipe()
        forked = os.fork()
        if forked == 0:
            with contextlib.suppress(BaseException):
                cell = zygote.spawn("agent:main", {}, files={"agent.py": AGENT})
                cell.door.send(b"import subprocess; subprocess.Popen(['sleep', '1000'])")
                cell.door.recv(1 << 18)
                os.write(says, " ".join(map(str, [cell.pid, *descendants(cell.pid)])).encode())
                signal.pause()
            os._exit(1)
        os.close(says)
        pids = list(map(int, os.read(hears, 100).split()))
        os.close(hears)
        assert len(pids) == 2
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)
        assert all(map(gone, pids))
        assert spawn().run("1 + 1") == 2

    def test_close_leaves_nothing(self, spawn):
        before = leftovers()
        zygote = Zygote()
        agents = [spawn(of=zygote, ipc=True) for _ in range(2)]
        assert leftovers() != before
        zygote.close()
        zygote.close()
        assert leftovers() == before
        assert all(agent.cell.wait(0) for agent in agents)
        with pytest.raises(CageError):
            spawn(of=zygote)

    def test_it_can_be_closed_before_it_is_ready(self):
        before = leftovers()
        zygote = Zygote(IMPORTS)
        assert not zygote.alive()
        zygote.close()
        assert leftovers() == before
        assert not zygote.ready().alive()
        with pytest.raises(ZygoteDied):
            zygote.spawn("agent:main", {}, files={"agent.py": AGENT})

    def test_a_killed_grader_takes_the_cage_along_and_the_next_one_sweeps(self, tmp_path):
        """Its forked child, as a process pool has them, holds the same sockets and must not keep the cage alive."""
        script = tmp_path / "grader.py"
        script.write_text(
            textwrap.dedent(
                """
                import os, sys, time
                sys.path.append(sys.argv[1])
                from course.cage.host import Zygote
                zygote = Zygote()
                cell = zygote.spawn("agent:main", {}, files={"agent.py": open(sys.argv[2], "rb").read()}, ipc=True)
                child = os.fork()
                if not child: time.sleep(1000)
                print(cell.pid, child, flush=True)
                time.sleep(1000)
                """
            )
        )
        agent = Path(__file__).with_name("agent.py")
        with subprocess.Popen([sys.executable, script, REPOSITORY, agent], stdout=subprocess.PIPE) as grader:
            cell, child = map(int, grader.stdout.readline().split())
            with Zygote():
                assert not gone(cell, 0), "a living grader's cage was swept"
                assert leftovers(grader.pid)
            cage = descendants(grader.pid)
            grader.kill()
            grader.wait()
            try:
                assert gone(cell)
                assert all(gone(pid) for pid in cage if pid != child)
            finally:
                os.kill(child, signal.SIGKILL)
            grader.stdout.close()
        assert leftovers(grader.pid)
        Zygote().close()
        assert not leftovers(grader.pid)

    def test_it_says_what_is_missing(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CageError, match=r"bubblewrap.*apt install bubblewrap") as caught:
            Zygote()
        assert "\n" not in str(caught.value)

    def test_it_fails_closed_where_namespaces_are_refused(self):
        """In a user namespace that allows no other."""
        script = (
            "from course.cage import CageError\nfrom course.cage.host import Zygote\n"
            "try: Zygote().ready()\nexcept CageError as error: print('refused:', error)\n"
        )
        shell = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        command = [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            shell,
            "sh",
            sys.executable,
            "-c",
            script,
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)]),
        }
        run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")
        assert run.stdout.startswith("refused: "), run.stderr
        assert run.stdout.count("\n") == 1
        assert "max_user_namespaces" in run.stdout


def zygote_pid(zygote: Zygote) -> int:
    fields = dict(
        line.split(":\t") for line in Path(f"/proc/self/fdinfo/{zygote._pidfd}").read_text().splitlines()
    )
    return int(fields["Pid"])


def leftovers(pid: int | None = None) -> set[Path]:
    """What a grader, by default this process, has on the machine."""
    groups = [
        path
        for parent in cgroups._parents()
        for path in parent.folder.glob(f"course-cell-*-{pid or os.getpid()}-*")
    ]
    return {*Path("/dev/shm").glob(f"course-cage-*-{pid or os.getpid()}-*"), *groups}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("module", ["test_cells.py", "test_escape.py"])
def test_all_of_this_as_an_ordinary_user(module):
    """The same tests again, by somebody with no rights."""
    python, path = interpreter_for_others()
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, ORDINARY_USER, ORDINARY_USER)
        run = subprocess.run(
            [
                python,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--basetemp",
                f"{folder}/pytest",
                Path(__file__).with_name(module),
            ],
            user=ORDINARY_USER,
            group=ORDINARY_USER,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": folder,
            },
        )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]


def interpreter_for_others() -> tuple[str, str]:
    """A Python of this version that an ordinary user can run, and the PYTHONPATH with which it finds what we have."""
    if not open_to_others(REPOSITORY / "course" / "__init__.py"):
        pytest.skip(f"an ordinary user cannot read {REPOSITORY}")
    packages = [place for place in sys.path if place.endswith("site-packages")]
    if open_to_others(Path(sys.executable).resolve()) and open_to_others(Path(sys.executable).parent):
        return sys.executable, str(REPOSITORY)
    version = "import sys; print(sys.version_info[:2])"
    for python in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(python).exists() and subprocess.check_output(
            [python, "-c", version], text=True
        ).strip() == str(sys.version_info[:2]):
            return python, os.pathsep.join([*packages, str(REPOSITORY)])
    pytest.skip(f"an ordinary user cannot run {sys.executable}, and the system has no Python of this version")


def open_to_others(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in path.parents) and bool(path.stat().st_mode & 0o004)
