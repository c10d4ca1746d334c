"""What hostile code tries from a cell, sorted by what it is after; the zygote and a second cell are alive beside it."""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from course.cage.cgroups import controllers
from course.cage.limits import Limits

REPOSITORY = Path(__file__).resolve().parents[2]
TRY = """
import ctypes, errno, os, socket

libc = ctypes.CDLL(None, use_errno=True)

def outcome(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return "done"

def libc_call(name, *arguments):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if getattr(libc, name)(*arguments) < 0 else "done"

def syscall(number, *arguments):
    return libc_call("syscall", number, *arguments)
"""
NEW = {  # system calls that have the same number on every processor
    "clone3": (435, "ENOSYS"),
    "open_tree": (428, "EPERM"),
    "move_mount": (429, "EPERM"),
    "fsopen": (430, "EPERM"),
    "io_uring_setup": (425, "EPERM"),
    "pidfd_getfd": (438, "EPERM"),
    "process_madvise": (440, "EPERM"),
    "mount_setattr": (442, "EPERM"),
    "open_tree_attr": (467, "EPERM"),
    "one that does not exist yet": (470, "ENOSYS"),
    "another one": (900, "ENOSYS"),
}
CLONE_FLAGS = {
    "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
    "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000,
}  # fmt: skip


@pytest.fixture
def intruder(agent):
    agent.run(TRY)
    return agent


@pytest.fixture
def victim(spawn):
    return spawn()


class TestFiles:
    def test_nothing_of_the_machine_is_there(self, intruder, tmp_path):
        secrets = [
            str(REPOSITORY / part) for part in ("source", "tests", "pyproject.toml", "gradebook.db", ".git")
        ]
        secrets += [
            "/etc/shadow",
            "/etc/hostname",
            "/var",
            "/run",
            "/sys",
            "/boot",
            "/mnt",
            "/opt",
            "/srv",
            str(tmp_path),
        ]
        assert intruder.run(f"[path for path in {secrets!r} if os.path.lexists(path)]") == []

    def test_roots_home_shows_only_the_interpreter(self, intruder):
        found = intruder.run("sorted(os.listdir('/root')) if os.path.exists('/root') else []")
        assert [f"/root/{name}" for name in found] == sorted(
            {
                "/".join(prefix.split("/")[:3])
                for prefix in {sys.prefix, sys.base_prefix, str(REPOSITORY)}
                if prefix.startswith("/root/")
            }
        )

    def test_the_environment_says_nothing(self, spawn, monkeypatch):
        monkeypatch.setenv("SECRET_TOKEN", "1234")
        assert "1234" not in spawn().run("import os; str(os.environ) + open('/proc/self/environ').read()")

    def test_nothing_but_its_own_disk_can_be_written(self, intruder):
        places = ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/cells", "/ipc", "/home"]
        places += [place for place in sys.path if place.endswith("site-packages")]
        places += [str(REPOSITORY / "course")]
        # below a cell's own disk, the folders above what is shown are the cell's too
        places += [str(place) for place in (Path(sys.prefix), REPOSITORY) if not place.is_relative_to("/tmp")]
        made = intruder.run(f"[outcome(open, place + '/new', 'w') for place in {places!r}]")
        assert set(made) <= {"EROFS", "EACCES", "EPERM", "ENOENT"}  # /proc makes no files
        files = ["/etc/passwd", "/usr/bin/env", str(REPOSITORY / "course" / "__init__.py")]
        files += [
            f"/proc/{file}"
            for file in ("sys/kernel/hostname", "sys/kernel/core_pattern", "kmsg", "1/oom_score_adj")
        ]
        opened = intruder.run(f"[outcome(open, file, 'r+') for file in {files!r}]")
        assert set(opened) <= {"EROFS", "EACCES", "EPERM"}
        own = intruder.run("[outcome(open, d + '/new', 'w') for d in ('/tmp', '/dev/shm', '/home/student')]")
        assert own == ["done"] * 3

    def test_read_only_mounts_stay_read_only(self, intruder):
        assert (
            intruder.run(
                "[os.chmod('/tmp', 0o777), libc_call('mount', None, b'/usr/bin', None, 32 | 4096, None)][1]"
            )
            == "EPERM"
        )

    def test_other_cells_files_and_shared_memory(self, intruder, victim):
        victim.run(
            """
            from multiprocessing import shared_memory
            for folder in ("/tmp", "/home/student", "/dev/shm"): open(folder + "/secret", "w").close()
            block = shared_memory.SharedMemory("victim", create=True, size=10)
            import os; terminal = os.openpty()
            """
        )
        assert (
            intruder.run("[os.path.exists(d + '/secret') for d in ('/tmp', '/home/student', '/dev/shm')]")
            == [False] * 3
        )
        assert intruder.run(
            "os.path.exists('/dev/shm/victim'), os.listdir('/cells'), os.listdir('/ipc')"
        ) == [False, [], []]
        assert "0" not in intruder.run("os.listdir('/dev/pts')")

    def test_system_v_shared_memory_of_other_cells(self, intruder, victim):
        get = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.shmget(4711, 4096, {})"
        assert victim.run(get.format("0o1666")) >= 0
        assert intruder.run(get.format("0")) == -1

    def test_open_descriptors_lead_nowhere(self, intruder):
        """Only the door is a socket; it is the only way out."""
        assert (
            intruder.run(
                """
            targets = {}
            for name in os.listdir("/proc/self/fd"):
                try: targets[int(name)] = os.readlink("/proc/self/fd/" + name)
                except OSError: pass
            [target for number, target in targets.items() if target != "/dev/null" and number != here.door.fileno()]
            """
            )
            == []
        )

    def test_going_up_from_an_old_root(self, intruder):
        assert intruder.run("libc_call('chroot', b'/tmp'), libc_call('syscall', 155, b'/tmp', b'/tmp')") == [
            "EPERM",
            "EPERM",
        ]
        assert intruder.run("outcome(os.listdir, '/proc/1/root'), outcome(os.listdir, '/proc/1/cwd')") == [
            "EACCES",
            "EACCES",
        ]


class TestProcesses:
    def test_only_its_own_are_seen(self, intruder, victim):
        seen = intruder.run("sorted(int(name) for name in os.listdir('/proc') if name.isdigit())")
        assert seen == [1, 2]

    def test_the_first_process_cannot_be_hurt(self, intruder):
        assert (
            intruder.run(
                """
            import signal, contextlib
            for number in range(1, signal.SIGRTMAX + 1):
                for _ in range(3):
                    with contextlib.suppress(OSError): os.kill(1, number)
            with contextlib.suppress(OSError): os.kill(-1, signal.SIGKILL)
            os.getppid()
            """
            )
            == 1
        )
        intruder.cell.porter.send(b"tcp")
        intruder.cell.porter.settimeout(10)
        message, descriptors, *_ = socket.recv_fds(intruder.cell.porter, 16, 1)
        assert message == b"tcp"
        os.close(descriptors[0])

    def test_the_first_process_cannot_be_read(self, intruder):
        looks = intruder.run(
            "[outcome(open, '/proc/1/' + file, 'rb') for file in ('mem', 'environ', 'maps', 'auxv', 'syscall')]"
        )
        assert set(looks) <= {"EACCES", "EPERM"}
        assert intruder.run("outcome(os.listdir, '/proc/1/fd')") == "EACCES"
        assert intruder.run(
            "libc_call('ptrace', 16, 1, 0, 0), libc_call('process_vm_readv', 1, 0, 0, 0, 0, 0)"
        ) == ["EPERM", "EPERM"]

    def test_no_other_process_can_be_signalled(self, intruder, victim):
        assert (
            intruder.run(
                f"[outcome(os.kill, pid, 0) for pid in ({os.getpid()}, {victim.cell.pid}, {intruder.cell.pid})]"
            )
            == ["ESRCH"] * 3
        )
        reachable = "own = {int(t) for t in os.listdir('/proc/self/task')}; [n for n in range(2, 5000) if n not in own and outcome(os.kill, n, 0) != 'ESRCH']"
        assert intruder.run(reachable) == []

    def test_descriptors_cannot_be_taken_from_another_process(self, intruder):
        assert intruder.run("syscall(438, os.pidfd_open(1), 0, 0)") == "EPERM"

    @pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's cells can be no other users")
    def test_each_cell_is_a_user_of_its_own(self, intruder, victim):
        owners = {Path(f"/proc/{agent.cell.pid}").stat().st_uid for agent in (intruder, victim)}
        assert len(owners) == 2
        assert all(owner >= 600_000 for owner in owners)


class TestNetwork:
    def test_it_reaches_no_other_machine(self, intruder):
        assert intruder.run("outcome(socket.create_connection, ('192.0.2.1', 80), 2)") == "ENETUNREACH"
        assert (
            intruder.run(
                "import socket\ntry: socket.getaddrinfo('example.com', 80)\nexcept socket.gaierror: resolved = False\nresolved"
            )
            is False
        )

    def test_it_reaches_no_server_of_this_machine(self, intruder):
        with socket.create_server(("127.0.0.1", 0)) as server:
            connect = f"outcome(socket.create_connection, ('127.0.0.1', {server.getsockname()[1]}), 2)"
            assert intruder.run(connect) == "ECONNREFUSED"

    def test_each_cell_has_a_loopback_of_its_own(self, intruder, victim):
        for agent in (intruder, victim):
            agent.run("import socket; server = socket.create_server(('127.0.0.1', 8000)); None")
        victim.run("other = socket.create_server(('127.0.0.1', 8001)); None")
        assert intruder.run("outcome(socket.create_connection, ('127.0.0.1', 8000), 2)") == "done"
        assert intruder.run("outcome(socket.create_connection, ('127.0.0.1', 8001), 2)") == "ECONNREFUSED"

    def test_abstract_sockets_are_apart(self, intruder, victim):
        victim.run(r"import socket; s = socket.socket(socket.AF_UNIX); s.bind('\0victim'); s.listen()")
        assert intruder.run(r"outcome(socket.socket(socket.AF_UNIX).connect, '\0victim')") == "ECONNREFUSED"
        with socket.socket(socket.AF_UNIX) as ours:
            ours.bind(f"\0ours-{os.getpid()}")
            ours.listen()
            assert (
                intruder.run(rf"outcome(socket.socket(socket.AF_UNIX).connect, '\0ours-{os.getpid()}')")
                == "ECONNREFUSED"
            )

    def test_only_harmless_families(self, intruder):
        found = intruder.run(
            "[family for family in range(64) if outcome(lambda: socket.socket(family, socket.SOCK_DGRAM)) != 'EAFNOSUPPORT']"
        )
        assert set(found) <= {
            int(family) for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
        }
        assert (
            intruder.run(
                "[outcome(socket.socket, 40, 1), outcome(socket.socket, 17, 3), outcome(socket.socketpair, 30)]"
            )
            == ["EAFNOSUPPORT"] * 3
        )
        assert (
            intruder.run("[outcome(socket.socket, 16, 3, protocol) for protocol in range(32)]")
            == ["done"] + ["EAFNOSUPPORT"] * 31
        )

    def test_raw_sockets_and_interfaces(self, intruder):
        assert intruder.run("outcome(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)") == "EPERM"
        assert intruder.run("[name for _, name in socket.if_nameindex()]").count("lo") == 1
        assert (
            intruder.run(
                "import fcntl, struct; outcome(fcntl.ioctl, socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0))"
            )
            == "EPERM"
        )


class TestPrivileges:
    def test_it_has_none_and_can_get_none(self, intruder):
        status = intruder.run(
            "dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines())"
        )
        assert all(int(status[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Uid"].split() == ["1000"] * 4

    def test_the_first_process_has_none_either(self, intruder):
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{parent(intruder.cell.pid)}/status").read_text().splitlines()
        )
        assert all(int(status[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")

    def test_it_can_become_nobody_else(self, intruder):
        refused = intruder.run("outcome(os.setuid, 0), outcome(os.setgid, 0), outcome(os.setgroups, [0])")
        assert set(refused) <= {"EPERM", "EINVAL"}  # EINVAL: there is no such user in the cell's namespace
        tried = intruder.run(
            "import subprocess; subprocess.getoutput('su -c id; sudo -n id; mount -t tmpfs x /tmp; id')"
        )
        assert "uid=1000" in tried
        assert "uid=0" not in tried

    @pytest.mark.parametrize("kind", CLONE_FLAGS)
    def test_no_new_namespaces(self, intruder, kind):
        flag = CLONE_FLAGS[kind]
        assert intruder.run(f"libc_call('unshare', {flag})") == "EPERM"
        clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
        assert intruder.run(f"syscall({clone}, {flag} | 17, 0, 0, 0, 0)") == "EPERM"

    def test_no_mounts_and_no_foreign_namespaces(self, intruder):
        calls = [
            "'mount', b'x', b'/tmp', b'tmpfs', 0, None",
            "'umount2', b'/tmp', 2",
            "'setns', 0, 0",
            "'umount2', b'/proc', 2",
        ]
        assert [intruder.run(f"libc_call({call})") for call in calls] == ["EPERM"] * 4

    @pytest.mark.parametrize("call", NEW)
    def test_dangerous_and_unknown_system_calls(self, intruder, call):
        number, refusal = NEW[call]
        assert intruder.run(f"syscall({number}, 0, 0, 0, 0, 0, 0)") == refusal

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
    def test_dangerous_old_system_calls(self, intruder):
        numbers = {
            "keyctl": 250,
            "add_key": 248,
            "bpf": 321,
            "perf_event_open": 298,
            "userfaultfd": 323,
            "personality": 135,
        }
        numbers |= {
            "open_by_handle_at": 304,
            "syslog": 103,
            "init_module": 175,
            "kexec_load": 246,
            "reboot": 169,
            "modify_ldt": 154,
        }
        assert intruder.run(f"[syscall(number, 0, 0, 0, 0, 0) for number in {list(numbers.values())!r}]") == [
            "EPERM"
        ] * len(numbers)

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are ways of x86-64")
    def test_the_other_system_call_tables_are_shut(self, intruder):
        """Calls of 32-bit programs have other numbers: the x32 ones are refused, the i386 ones end the program."""
        assert intruder.run("syscall(0x40000000 | 39)") == "ENOSYS"
        ended = intruder.run(
            r"""
            import mmap
            getpid_the_old_way = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
            child = os.fork()
            if not child:
                memory = mmap.mmap(-1, 4096, prot=7); memory.write(getpid_the_old_way)
                ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
                os._exit(0)
            os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            """
        )
        assert ended in (-31, -11)  # SIGSYS; SIGSEGV where the kernel has no such table


class TestResources:
    def test_the_disk_is_one_and_bounded(self, spawn):
        agent = spawn(limits=Limits(disk=8 << 20, inodes=500))
        fill = "import errno\ntry:\n  with open({!r}, 'wb') as file: file.write(bytes({} << 20))\n  full = ''\nexcept OSError as error: full = errno.errorcode[error.errno]\nfull"
        assert agent.run(fill.format("/tmp/a", 5)) == ""
        assert agent.run(fill.format("/dev/shm/b", 5)) == "ENOSPC"
        assert agent.run(fill.format("/home/student/c", 5)) == "ENOSPC"
        assert (
            agent.run(
                "count = 0\ntry:\n  while count < 5000: open(f'/tmp/{count}', 'x').close(); count += 1\nexcept OSError: pass\ncount"
            )
            < 500
        )

    def test_a_file_is_bounded(self, spawn):
        agent = spawn(limits=Limits(file_size=1 << 20))
        with pytest.raises(Exception, match="File too large"):
            agent.run(
                "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nopen('big', 'wb').write(bytes(2 << 20))"
            )

    def test_address_space_and_files_and_processor_time_are_bounded(self, spawn):
        agent = spawn(limits=Limits(address_space=2 << 30, open_files=64, cpu_seconds=1))
        with pytest.raises(Exception, match="MemoryError"):
            agent.run("block = bytearray(3 << 30)")
        with pytest.raises(Exception, match="Too many open files"):
            agent.run("files = [open('/dev/null') for _ in range(100)]")
        agent.start("while True: pass")
        assert agent.cell.wait(20)
        assert agent.cell.why_dead() in ("signal 24", "signal 9")

    def test_limits_cannot_be_raised(self, intruder):
        assert (
            intruder.run(
                "import resource; [resource.getrlimit(r)[0] == resource.getrlimit(r)[1] for r in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU)]"
            )
            == [True] * 3
        )
        with pytest.raises(Exception, match="not allowed to raise"):
            intruder.run("resource.setrlimit(resource.RLIMIT_NPROC, (10000, 10000))")

    def test_a_fork_bomb_hurts_nobody_else(self, spawn, victim):
        bomb = spawn(limits=Limits(processes=60))
        bomb.start(
            "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: here.door.send(b'full'); time.sleep(0.05)"
        )
        assert bomb.cell.door.recv(16) == b"full"
        assert victim.run("sum(range(1000))") == 499500
        assert spawn().run("1") == 1
        everybody = family(bomb.cell.pid)
        assert 30 < len(everybody) <= 70
        began = time.monotonic()
        bomb.cell.kill()
        assert time.monotonic() - began < 30
        assert not any(Path(f"/proc/{pid}").exists() for pid in everybody)

    @pytest.mark.skipif("memory" not in controllers(), reason="this user may make no control group")
    def test_a_memory_bomb_of_many_processes_ends_its_cell_only(self, spawn, victim):
        bomb = spawn(limits=Limits(memory=100 << 20))
        bomb.start(
            """
            import os, time
            for _ in range(4):
                if not os.fork(): block = b"1" * (60 << 20); time.sleep(1000)
            block = b"1" * (60 << 20)
            while True: block += b"1" * (60 << 20)
            """
        )
        assert bomb.cell.wait(20)
        assert bomb.cell.why_dead() == "memory"
        bomb.cell.kill()
        assert bomb.cell.why_dead() == "memory"
        assert victim.run("1") == 1

    def test_a_flood_of_orphans_leaves_the_porter_at_work(self, intruder):
        intruder.run("""
            import signal, time
            child = os.fork()
            if not child:
                for _ in range(50):
                    if not os.fork():
                        time.sleep(1000)
                os._exit(0)
            os.waitpid(child, 0)
            os.kill(-1, signal.SIGKILL)
        """)
        intruder.cell.porter.settimeout(20)
        for _ in range(3):
            intruder.cell.porter.send(b"tcp")
            _, descriptors, *_ = socket.recv_fds(intruder.cell.porter, 16, 1)
            os.close(descriptors[0])
        end = time.monotonic() + 20
        while len(processes := intruder.run("[p for p in os.listdir('/proc') if p.isdigit()]")) > 2:
            assert time.monotonic() < end, f"nobody buries the dead: {processes}"


class TestPersistence:
    def test_a_daemon_does_not_outlive_its_cell(self, intruder):
        intruder.run(
            """
            import subprocess
            if not os.fork():
                os.setsid()
                if not os.fork():
                    import signal
                    [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]
                    os.execvp("sleep", ["sleep", "1000"])
                os._exit(0)
            os.wait() and None
            """
        )
        everybody = family(intruder.cell.pid)
        intruder.cell.kill()
        assert len(everybody) >= 3
        assert not any(Path(f"/proc/{pid}").exists() for pid in everybody)

    def test_nothing_is_left_for_the_next_cell(self, intruder, spawn):
        intruder.run("import sys; sys.modules['planted'] = sys; open('/tmp/planted', 'w').close()")
        intruder.cell.kill()
        assert spawn().run("import os, sys; [os.path.exists('/tmp/planted'), 'planted' in sys.modules]") == [
            False,
            False,
        ]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def family(main: int) -> list[int]:
    """A cell's processes, by its main one."""
    found, waiting = [], [parent(main)]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
    return found
