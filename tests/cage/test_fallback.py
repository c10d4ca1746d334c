"""Cells without namespaces: honest work in them, and what hostile work in them cannot do, as root and as anybody."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from course.cage import CageError, ZygoteDied
from course.cage.host import Zygote
from course.cage.inside import landlock
from course.cage.level import Level
from course.cage.limits import Limits
from course.cage.refusal import Missing
from course.examiner.preload import PRELOAD
from tests.cage import others
from tests.cage.others import REPOSITORY
from tests.examiner.submission import Submission

AS_SOMEBODY = "COURSE_TEST_FALLBACK_AS"
ROOT = os.geteuid() == 0


HERE_ITSELF = AS_SOMEBODY in os.environ or (not ROOT or others.open_to_others(Path(sys.executable).resolve()))
here_itself = pytest.mark.skipif(
    not HERE_ITSELF, reason="cells of root cannot read this Python: see the last tests"
)
pytestmark = pytest.mark.skipif(
    landlock.held().abi < 6, reason="this kernel's Landlock does not hold signals"
)


@pytest.fixture(scope="module")
def sharing() -> Iterator[Zygote]:
    with Zygote(["duckdb", "psycopg"], level=Level("landlock", own_users=ROOT)) as zygote:
        yield zygote


@pytest.fixture
def student(spawn, sharing):
    return spawn(of=sharing)


@pytest.fixture
def other(spawn, sharing):
    """The examiner's cell, which runs beside the student's."""
    return spawn(of=sharing)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], env={"SECRET": "of mine"})
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    """A file of the grader's, in a folder that everybody can enter."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "gradebook.db")
        file.write_text("marks")
        file.chmod(0o644)
        yield file


def low_port() -> int:
    """A port below the ephemeral ones that nobody listens on."""
    for port in range(8000, landlock.ephemeral_ports().start):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


def refused(agent, source: str) -> str:
    """The name of the error that a cell's code ends with."""
    return agent.run(
        f"""
        import ctypes, errno, os, signal, socket, subprocess
        libc = ctypes.CDLL(None, use_errno=True)
        def checked(result):
            if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            return result
        try:
            {textwrap.indent(textwrap.dedent(source), " " * 12).lstrip()}
            outcome = "done"
        except OSError as error:
            outcome = errno.errorcode[error.errno]
        outcome
        """
    )


def ends(pid: int, seconds: float = 10) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


def working_in(folder: str) -> list[int]:
    """The processes whose working directory is in a folder, or was."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder in str((process / "cwd").readlink()):
                found.append(int(process.name))
    return found


@here_itself
class TestHonestWork:
    def test_it_has_a_home_of_its_own(self, spawn, sharing):
        agent = spawn(of=sharing, files={"data/rows.csv": b"a,b\n"}, options={"x": 1})
        assert agent.run("open('data/rows.csv').read(), here.options") == ["a,b\n", {"x": 1}]
        assert agent.run("import os; os.getcwd() == os.environ['HOME']")
        assert agent.run("import tempfile; tempfile.gettempdir() == os.environ['TMPDIR']")
        assert agent.run("open('new', 'w').write('x'); tempfile.NamedTemporaryFile().write(b'x')") == 1
        assert agent.run("os.stat('data/rows.csv').st_uid == os.getuid()")
        assert agent.run("sorted(os.environ)") == sorted(set(agent.run("sorted(os.environ)")) - {"SECRET"})

    def test_programs(self, student):
        assert student.run("import subprocess; subprocess.getoutput('echo hi | wc -c')") == "3"
        assert (
            student.run("import sys; subprocess.getoutput(f'{sys.executable} -c \"import json; print(2)\"')")
            == "2"
        )

    def test_databases(self, student):
        assert student.run(
            """
            import duckdb, sqlite3
            db = duckdb.connect("x.db"); db.execute("set threads = 4")
            lite = sqlite3.connect("s.db"); mode = lite.execute("pragma journal_mode=wal").fetchone()
            mode[0], db.execute("select count(*) from range(100000)").fetchone()[0]
            """
        ) == ["wal", 100_000]

    @pytest.mark.skipif(ROOT, reason="initdb asks for its user's name, and a cell's has none")
    def test_postgresql(self, student):
        assert student.run(
            """
            from course.lab import postgres
            import psycopg
            with postgres() as server, psycopg.connect(server.url) as db:
                found = db.execute("select 40 + 2").fetchone()
            found
            """
        ) == [42]

    def test_asyncio_and_threads(self, student):
        assert student.run(
            """
            import asyncio, threading
            async def work():
                program = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
                return (await program.communicate())[0].decode()
            said = []
            thread = threading.Thread(target=said.append, args=(1,)); thread.start(); thread.join()
            asyncio.run(work()), said
            """
        ) == ["hi\n", [1]]

    @pytest.mark.skipif(
        not ROOT, reason="needs a place in /dev/shm, which an ordinary user's cells do not have"
    )
    def test_multiprocessing(self, student):
        assert student.run(
            """
            import math
            from concurrent.futures import ProcessPoolExecutor
            with ProcessPoolExecutor(2) as pool:
                roots = list(pool.map(math.sqrt, [4, 9]))
            roots
            """
        ) == [2, 3]

    def test_the_examiner_reaches_the_students_server(self, student, other):
        port = student.run(
            """
            import http.server, threading
            server = http.server.HTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            open("served", "w").write("by the student")
            server.server_port
            """
        )
        student.cell.porter.send(b"tcp")
        _, (line,), _, _ = socket.recv_fds(student.cell.porter, 16, 1)
        with socket.socket(fileno=line) as fresh:
            fresh.connect(("127.0.0.1", port))
        said = other.run(
            f"import urllib.request; urllib.request.urlopen('http://localhost:{port}/served').read().decode()"
        )
        assert said == "by the student"

    def test_sockets_made_before_it_is_ready_stay(self, sharing):
        entry = b"""
import socket
def main(here):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(here.ipc / "kernel")); server.listen()
    here.ready()
    connection, _ = server.accept()
    connection.sendall(b"hello"); connection.close()
    here.door.recv(1)
"""
        cell = sharing.spawn("listening:main", {}, files={"listening.py": entry}, ipc=True)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(cell.ipc / "kernel"))
            assert client.recv(5) == b"hello"
        cell.kill()

    def test_an_interrupt_and_the_ways_to_end(self, spawn, sharing):
        agent = spawn(of=sharing)
        agent.start("here.door.send(b'started'); import time; time.sleep(60)")
        assert agent.cell.door.recv(16) == b"started"
        agent.cell.interrupt()
        with pytest.raises(Exception, match="KeyboardInterrupt"):
            agent.answer()
        agent.start("import os; os._exit(3)")
        assert agent.cell.wait(10)
        assert agent.cell.why_dead() == "exit 3"
        assert not agent.cell.ipc.joinpath("home").exists()

    def test_a_failing_entry_says_why(self, sharing):
        with pytest.raises(CageError, match="No module named 'nowhere'"):
            sharing.spawn("nowhere:main", {})
        assert sharing.alive()


@here_itself
def test_a_submission_is_examined():
    """The real kernel and the real desk, in two cells."""
    level = Level("landlock", own_users=ROOT)
    with Zygote(PRELOAD, level=level) as zygote, Submission(zygote) as submission:
        assert submission.run("def double(x): return 2 * x\nprint(double(4))").text == "8\n"
        assert submission.examine("assert double(21) == 42", record=True)["passed"]
        assert not submission.examine("assert double(21) == 43", record=True)["passed"]
        submission.run("import time\ndef double(x): time.sleep(60)")
        assert submission.examine("double(1)", seconds=1.0, record=True)["stopped"] == "time"
        assert submission.run("print('alive')").text == "alive\n"


@here_itself
class TestFiles:
    def test_the_graders_file(self, student, mine):
        assert refused(student, f"open({str(mine)!r})") == "EACCES"
        assert refused(student, f"open({str(mine)!r}, 'a')") == "EACCES"
        assert refused(student, f"os.truncate({str(mine)!r}, 0)") == "EACCES"
        assert refused(student, f"os.remove({str(mine)!r})") == "EACCES"
        assert refused(student, f"os.rename({str(mine)!r}, 'x')") in {"EACCES", "EXDEV"}
        assert refused(student, f"os.link({str(mine)!r}, 'x')") in {"EACCES", "EXDEV", "EPERM"}
        assert refused(student, f"os.listdir({str(mine.parent)!r})") == "EACCES"
        assert refused(student, f"open({str(mine.parent / 'new')!r}, 'x')") == "EACCES"
        assert mine.read_text() == "marks"

    def test_what_it_is_called_and_whose_and_when(self, student, mine):
        before = mine.stat()
        refused(student, f"os.chmod({str(mine)!r}, 0)")
        refused(student, f"os.utime({str(mine)!r}, (1, 1))")
        refused(student, f"os.setxattr({str(mine)!r}, 'user.x', b'1')")
        refused(student, f"os.chown({str(mine)!r}, -1, os.getgid())")
        refused(student, f"checked(libc.syscall(452, -100, {os.fsencode(mine)!r}, 0, 0))")  # fchmodat2
        after = mine.stat()
        assert (after.st_mode, after.st_mtime, after.st_ctime) == (
            before.st_mode,
            before.st_mtime,
            before.st_ctime,
        )
        assert not os.listxattr(mine)

    def test_the_python_it_runs_on(self, student):
        before = Path(os.__file__).stat()
        refused(student, "os.fchmod(os.open(os.__file__, os.O_RDONLY), 0o777)")
        assert Path(os.__file__).stat().st_ctime == before.st_ctime
        assert refused(student, "open(os.__file__, 'a')") == "EACCES"

    def test_the_project(self, student):
        assert student.run("import course.lab, os; os.path.isfile(course.lab.__file__)")
        assert refused(student, f"os.listdir({str(REPOSITORY)!r})") == "EACCES"
        assert refused(student, f"open({str(REPOSITORY / 'nbgrader_config.py')!r})") == "EACCES"

    def test_the_other_cell(self, student, other):
        other.run("open('test', 'w').write('hidden')")
        path = other.run("import os; os.path.abspath('test')")
        assert refused(student, f"open({path!r})") == "EACCES"
        assert refused(student, f"open({path!r}, 'w')") == "EACCES"

    def test_one_file_is_bounded(self, spawn, sharing):
        agent = spawn(of=sharing, limits=Limits(file_size=1 << 20))
        agent.run("import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); None")
        assert refused(agent, "open('big', 'wb').write(bytes(2 << 20))") == "EFBIG"


@here_itself
class TestOtherProcesses:
    def test_signals(self, student, other, sharing, bystander):
        zygote = int(Path(f"/proc/{student.cell.pid}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in (bystander.pid, other.cell.pid, zygote, os.getpid()):
            assert refused(student, f"os.kill({pid}, signal.SIGTERM)") == "EPERM"
            assert refused(student, f"os.kill({pid}, 0)") == "EPERM"
            assert (
                refused(student, f"signal.pidfd_send_signal(os.pidfd_open({pid}), signal.SIGTERM)") == "EPERM"
            )
        refused(student, "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(-1, signal.SIGTERM)")
        assert bystander.poll() is None
        assert other.run("1") == 1
        assert sharing.alive()

    def test_memory_and_environment(self, student, other, bystander):
        other.run("secret = 'hidden'")
        for pid in (bystander.pid, other.cell.pid):
            for name in ("mem", "environ", "maps"):
                assert refused(student, f"open('/proc/{pid}/{name}', 'rb').read(1)") == "EACCES"
            assert refused(student, f"os.readlink('/proc/{pid}/fd/0')") == "EACCES"
            assert refused(student, f"checked(libc.ptrace(16, {pid}, 0, 0))") == "EPERM"
            assert refused(student, f"checked(libc.process_vm_readv({pid}, 0, 0, 0, 0, 0))") == "EPERM"

    def test_limits_and_priorities(self, student, bystander):
        pid = bystander.pid

        def standing():
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            return (
                limits,
                os.getpriority(os.PRIO_PROCESS, pid),
                os.sched_getaffinity(pid),
                os.sched_getscheduler(pid),
            )

        before = standing()
        set_limits = f"import resource; resource.prlimit({pid}, resource.RLIMIT_NOFILE, (1, 1))"
        assert refused(student, set_limits) == "EPERM"
        refused(student, f"os.setpriority(os.PRIO_PROCESS, {pid}, 19)")
        refused(student, "os.setpriority(os.PRIO_USER, 0, 19)")
        refused(student, f"os.sched_setaffinity({pid}, {{0}})")
        refused(student, f"os.sched_setscheduler({pid}, os.SCHED_IDLE, os.sched_param(0))")
        assert standing() == before
        assert refused(student, "os.nice(1)") == "done"

    def test_privileges(self, student):
        assert refused(student, "os.setuid(0)") == "EPERM"
        assert refused(student, "checked(libc.unshare(0x10000000))") == "EPERM"
        assert student.run("open('/proc/self/status').read().split('CapEff:')[1].split()[0]") == "0" * 16
        assert student.run("open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0]") == "1"


@here_itself
class TestNetwork:
    def test_a_server_of_the_machine(self, student):
        port = low_port()
        with socket.create_server(("127.0.0.1", port)):
            address = f"('127.0.0.1', {port})"
            assert refused(student, f"socket.create_connection({address}, timeout=5)") == "EACCES"
            fast_open = f"socket.socket().sendto(b'x', socket.MSG_FASTOPEN, {address})"
            assert refused(student, fast_open) == "EPERM"
            assert refused(
                student, f"socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect({address})"
            ) in {
                "EAFNOSUPPORT",
                "EACCES",
            }

    def test_a_low_port(self, student):
        assert refused(student, f"socket.create_server(('127.0.0.1', {low_port()}))") == "EACCES"

    @pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_RAW", "SOCK_SEQPACKET"])
    @pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
    def test_nothing_but_tcp(self, student, family, kind):
        assert refused(student, f"socket.socket(socket.{family}, socket.{kind})") == "EAFNOSUPPORT"

    def test_a_service_of_the_machine(self, student, mine):
        path = mine.with_name("service")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            path.chmod(0o777)
            assert refused(student, f"socket.socket(socket.AF_UNIX).connect({str(path)!r})") == "EAFNOSUPPORT"
        assert refused(student, "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)") == "EAFNOSUPPORT"
        assert refused(student, "socket.socketpair()") == "done"

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="calls by their numbers")
    def test_numbers_with_an_upper_half(self, student):
        """The kernel cuts them off; a filter must not be deceived by them."""
        upper = "1 << 32 |"
        call = "checked(libc.syscall(ctypes.c_ulong(41), ctypes.c_ulong({}), ctypes.c_ulong({}), ctypes.c_ulong({})))"
        for family, kind, protocol in (
            (f"{upper} 1", "1", "0"),
            (f"{upper} 2", f"{upper} 2", "0"),
            ("2", f"{upper} 2", "0"),
            ("2", "1", f"{upper} 262"),
            ("2", f"{upper} 1", f"{upper} 132"),
        ):
            assert refused(student, call.format(family, kind, protocol)) == "EAFNOSUPPORT"

    def test_also_in_threads_that_were_there_before(self, spawn, sharing):
        entry = b"""
import errno, queue, socket, threading
def main(here):
    asked, said = queue.Queue(), queue.Queue()
    def attempt():
        asked.get()
        try:
            socket.socket(socket.AF_UNIX); said.put("done")
        except OSError as error:
            said.put(errno.errorcode[error.errno])
    threading.Thread(target=attempt, daemon=True).start()
    here.ready()
    asked.put(1)
    here.door.send(said.get().encode())
    here.door.recv(1)
"""
        cell = sharing.spawn("threaded:main", {}, files={"threaded.py": entry})
        cell.door.settimeout(10)
        assert cell.door.recv(64) == b"EAFNOSUPPORT"
        cell.kill()

    def test_message_queues_and_semaphores(self, student):
        assert refused(student, "checked(libc.msgget(0, 0o1600))") == "EPERM"
        assert refused(student, "checked(libc.semget(0, 1, 0o1600))") == "EPERM"


@here_itself
class TestTheEnd:
    def test_daemons_go_too(self, student):
        pids = student.run(
            """
            import os, time
            reader, writer = os.pipe()
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        os.setsid(); os.write(writer, f"{os.getpid()} ".encode())
                        while True: time.sleep(60)
                    os._exit(0)
            text = b""
            while text.count(b" ") < 3: text += os.read(reader, 99)
            [int(pid) for pid in text.split()]
            """
        )
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        student.cell.kill()
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

    def test_daemons_go_when_the_cell_ends_by_itself(self, student):
        student.start(
            """
            import os, time
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    here.door.send(str(os.getpid()).encode())
                    time.sleep(60)
                os._exit(0)
            os.wait()
            time.sleep(0.2)  # the message is on its way before we are gone
            os._exit(0)
            """
        )
        pid = int(student.cell.door.recv(99))
        assert student.cell.wait(10)
        assert not Path(f"/proc/{pid}").exists()

    @pytest.mark.parametrize(
        "bomb",
        [
            "while True:\n    try: os.fork()\n    except OSError: pass",
            "while True:\n    if os.fork(): os._exit(0)\n    os.setsid()",
        ],
        ids=["growing", "running away"],
    )
    def test_a_fork_bomb_stays_within_its_bound_and_ends(self, spawn, sharing, bomb):
        agent = spawn(of=sharing, limits=Limits(processes=40))
        agent.run(
            "import os\nif os.fork() == 0:\n" + textwrap.indent(f"os.nice(5)\n{bomb}", "    ") + "\nNone"
        )
        folder = str(agent.cell.ipc)
        until = time.monotonic() + 0.5
        most = 0
        while time.monotonic() < until:
            most = max(most, len(working_in(folder)))
        assert 2 <= most <= 45
        agent.cell.kill()
        assert not working_in(folder)

    def test_its_files_go(self, student):
        folder = student.cell.ipc
        student.run(
            """
            import os
            os.mkdir("shut"); open("shut/file", "w").close(); os.umask(0o777); os.mkdir("shut/inner")
            os.mkdir("none", 0)
            os.umask(0o022)
            for _ in range(1500):
                os.mkdir("deep"); os.chdir("deep")
            None
            """
        )
        assert folder.exists()
        student.cell.kill()
        assert not folder.exists()

    def test_its_shared_memory_goes(self, student):
        number = student.run(
            "import ctypes; ctypes.CDLL(None).shmget(0, 4096, 0o1600)",
        )
        segments = Path("/proc/sysvipc/shm")
        assert any(int(line.split()[1]) == number for line in segments.read_text().splitlines()[1:])
        student.cell.kill()
        assert not any(int(line.split()[1]) == number for line in segments.read_text().splitlines()[1:])

    @pytest.mark.skipif(not ROOT, reason="only root's cells have a place in /dev/shm")
    def test_its_part_of_dev_shm_goes(self, student):
        student.run("open('/dev/shm/course-test-left', 'w').write('x')")
        assert Path("/dev/shm/course-test-left").exists()
        student.cell.kill()
        assert not Path("/dev/shm/course-test-left").exists()

    def test_a_killed_grader_takes_its_cells_along(self, tmp_path):
        script = textwrap.dedent(
            f"""
            import sys, time
            sys.path.append({str(REPOSITORY)!r})
            from course.cage.host import Zygote
            from course.cage.level import Level
            zygote = Zygote(level=Level("landlock", own_users={ROOT}))
            files = {{"agent.py": open({str(Path(__file__).with_name("agent.py"))!r}, "rb").read()}}
            cell = zygote.spawn("agent:main", {{}}, files=files)
            cell.door.send(b"import os, time; pid = os.fork() or (os.setsid(), time.sleep(60)); pid")
            print(cell.pid, int(cell.door.recv(99).split(b":")[1].strip(b" }}")), cell.ipc, flush=True)
            time.sleep(60)
            """
        )
        grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        main, daemon, folder = grader.stdout.readline().split()
        grader.kill()
        grader.wait()
        grader.stdout.close()
        assert ends(int(main))
        assert ends(int(daemon))
        Zygote(level=Level("landlock", own_users=ROOT)).close()
        assert not Path(folder).exists()

    def test_what_a_killed_grader_left_stops_nobody(self):
        """A folder deeper than any path may be long."""
        script = textwrap.dedent(
            f"""
            import os, sys
            sys.path.append({str(REPOSITORY)!r})
            from course.cage.host import Zygote
            from course.cage.level import Level
            folder = Zygote(level=Level("landlock", own_users={ROOT}))._folder
            os.chdir(folder / "cells")
            for _ in range(3000): os.mkdir("deep"); os.chdir("deep")
            print(folder, flush=True)
            os.kill(os.getpid(), 9)
            """
        )
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        folder = Path(run.stdout.strip())
        assert folder.exists()
        Zygote(level=Level("landlock", own_users=ROOT)).close()
        assert not folder.exists()

    def test_a_dead_zygote_takes_its_cells_along(self, spawn):
        with Zygote(level=Level("landlock", own_users=ROOT)) as zygote:
            agent = spawn(of=zygote)
            os.kill(zygote._process.pid, signal.SIGKILL)
            assert agent.cell.wait(10)
            with pytest.raises(ZygoteDied):
                spawn(of=zygote)


def test_no_cage_is_no_zygote():
    with pytest.raises(CageError, match=r"because nothing holds. What to do: mend it\."):
        Zygote(level=Level("none", (Missing("nothing holds", "mend it"),)))


@pytest.mark.skipif(not ROOT or AS_SOMEBODY in os.environ, reason="already somebody")
@pytest.mark.parametrize("user", [0, others.anybody()], ids=["root", "an ordinary user"])
def test_all_this_as(user):
    """The same tests again, with a Python that everybody can run."""
    python, path = others.python_for_all()
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user, user)
        run = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/pytest", __file__],
            user=user,
            group=user,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "HOME": folder,
                AS_SOMEBODY: str(user),
            },
        )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
