"""Landlock holds what it says: each escape is tried for real, by a process that may do it before and not after."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest

from course.cage.inside import landlock

pytestmark = pytest.mark.skipif(
    landlock.held().abi < 6, reason="this kernel's Landlock does not hold signals"
)

TRY = """
import ctypes, json, os, signal, socket, subprocess, sys
from course.cage.inside import landlock

def attempt(arguments):
{attempt}

def outcome(arguments):
    try:
        return attempt(arguments) or "done"
    except OSError as error:
        return type(error).__name__
    except subprocess.CalledProcessError:
        return "PermissionError"  # of the program that it started

arguments = json.loads(sys.argv[1])
before = outcome(arguments)
with landlock.Ruleset() as rules:
    for path in (sys.prefix, sys.base_prefix, "/usr", "/proc"):
        rules.allow(path, landlock.READ)
    rules.allow(arguments["private"], landlock.WRITE)
    rules.allow("/dev/null", landlock.DEVICE)
    rules.allow_ports([0, *landlock.ephemeral_ports()])
    rules.enforce()
print(json.dumps([before, outcome(arguments)]))
"""


def before_and_after(attempt: str, private: Path, **arguments: object) -> list[str]:
    """What came of an attempt (the body of a function) in one process, unrestricted and then restricted."""
    script = TRY.format(attempt=indent(dedent(attempt), "    "))
    arguments["private"] = str(private)
    run = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the private folder."""
    file = tmp_path / "gradebook"
    file.write_text("marks")
    return file


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that has nothing to do with the cell."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "attempt",
    [
        "return open(arguments['secret']).read()",
        "open(arguments['secret'], 'a').write('')",
        "os.truncate(arguments['secret'], 5)",
        "os.listdir(os.path.dirname(arguments['secret']))",
        "os.rename(arguments['secret'], arguments['secret'])",
        "os.link(arguments['secret'], arguments['private'] + '/link' + str(len(os.listdir(arguments['private']))))",
        "os.chdir(arguments['private']); return open('../gradebook').read()",
        "return subprocess.check_output(['cat', arguments['secret']], stderr=subprocess.DEVNULL, text=True)",
    ],
)
def test_nothing_outside_is_read_or_changed(attempt: str, private: Path, secret: Path) -> None:
    before, after = before_and_after(attempt, private, secret=str(secret))
    assert before in {"done", "marks"}
    assert after in {"PermissionError", "OSError"}
    assert secret.read_text() == "marks"


def test_nothing_outside_is_made(private: Path, tmp_path: Path) -> None:
    attempt = """
        path = arguments["outside"] + "/made"
        os.mkdir(path)
        os.rmdir(path)
    """
    assert before_and_after(attempt, private, outside=str(tmp_path)) == ["done", "PermissionError"]


def test_the_private_folder_is_its_own(private: Path) -> None:
    attempt = """
        os.makedirs("a/b", exist_ok=True)
        with open("a/b/file", "w") as file:
            file.write("text")
        os.truncate("a/b/file", 2)
        os.rename("a/b/file", "a/file")
        os.symlink("file", "a/link")
        text = open("a/link").read()
        os.remove("a/link")
        os.remove("a/file")
        subprocess.run([sys.executable, "-c", "open('by-a-child', 'w').write('x')"], check=True)
        return text
    """
    attempt = "os.chdir(arguments['private'])\n" + dedent(attempt)
    assert before_and_after(attempt, private) == ["te", "te"]


def test_a_device_cannot_be_made(private: Path) -> None:
    attempt = """
        import stat
        path = arguments["private"] + "/device"
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.remove(path)
    """
    before, after = before_and_after(attempt, private)
    if before != "done":
        pytest.skip("only root makes devices")
    assert after == "PermissionError"


def test_a_server_of_the_machine_is_out_of_reach(private: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", _free_low_port()))
        server.listen()
        attempt = "socket.create_connection(('127.0.0.1', arguments['port']), timeout=5).close()"
        port = server.getsockname()[1]
        assert before_and_after(attempt, private, port=port) == ["done", "PermissionError"]


def test_a_low_port_cannot_be_taken(private: Path) -> None:
    attempt = "socket.create_server(('127.0.0.1', arguments['port'])).close()"
    assert before_and_after(attempt, private, port=_free_low_port()) == ["done", "PermissionError"]


def test_a_server_of_the_cell_is_reached(private: Path) -> None:
    attempt = """
        with socket.create_server(("127.0.0.1", 0)) as server:
            with socket.create_connection(server.getsockname(), timeout=5) as client:
                client.sendall(b"hello")
                connection, _ = server.accept()
                with connection:
                    return connection.recv(5).decode()
    """
    assert before_and_after(attempt, private) == ["hello", "hello"]


@pytest.mark.parametrize(
    "attempt",
    [
        "os.kill(arguments['pid'], 0)",
        "os.kill(arguments['pid'], signal.SIGCONT)",
        "signal.pidfd_send_signal(os.pidfd_open(arguments['pid']), signal.SIGCONT)",
        "subprocess.run(['kill', '-CONT', str(arguments['pid'])], check=True)",
        "open('/proc/%d/mem' % arguments['pid'], 'rb').close()",
        "os.readlink('/proc/%d/exe' % arguments['pid']) and None",
        "os.readlink('/proc/%d/fd/1' % arguments['pid']) and None",
        """
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(16, arguments['pid'], 0, 0):
            raise OSError(ctypes.get_errno(), "ptrace")
        os.waitpid(-1, 0x40000000)
        if libc.ptrace(17, arguments['pid'], 0, 0):
            raise OSError(ctypes.get_errno(), "ptrace")
        """,
    ],
)
def test_a_process_outside_is_out_of_reach(
    attempt: str, private: Path, bystander: subprocess.Popen[bytes]
) -> None:
    before, after = before_and_after(attempt, private, pid=bystander.pid)
    assert before == "done"
    assert after == "PermissionError"


def test_its_own_children_are_within_reach(private: Path) -> None:
    attempt = """
        child = subprocess.Popen(["sleep", "60"])
        child.kill()
        return str(child.wait(10))
    """
    assert before_and_after(attempt, private) == ["-9", "-9"]


def test_an_abstract_socket_outside_is_out_of_reach(private: Path) -> None:
    name = f"\0course-test-{private}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        attempt = "with socket.socket(socket.AF_UNIX) as client: client.connect(arguments['name'])"
        assert before_and_after(attempt, private, name=name) == ["done", "PermissionError"]


def test_two_cells_are_out_of_each_others_reach(private: Path) -> None:
    """Not parent and child domains, but siblings of one user: the student's and the examiner's."""
    script = """
import os, signal, sys
from course.cage.inside import landlock
victim = os.fork()
if victim == 0:
    with landlock.Ruleset() as rules:
        rules.enforce()
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(victim, os.WUNTRACED)  # it is restricted now
attacker = os.fork()
if attacker == 0:
    with landlock.Ruleset() as rules:
        rules.allow("/proc", landlock.READ)
        rules.enforce()
    reached = 0
    try:
        os.kill(victim, signal.SIGKILL)
        reached |= 1
    except PermissionError:
        pass
    try:
        open(f"/proc/{victim}/mem", "rb")
        reached |= 2
    except PermissionError:
        pass
    os._exit(reached)
_, status = os.waitpid(attacker, 0)
os.kill(victim, signal.SIGKILL)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with landlock.Ruleset() as rules, pytest.raises(FileNotFoundError):
        rules.allow(tmp_path / "missing", landlock.READ)


def _free_low_port() -> int:
    """A port below the ephemeral ones that nobody listens on."""
    for port in range(8000, landlock.ephemeral_ports().start):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
