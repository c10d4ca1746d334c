"""The level is found by trying: on this machine as it is, and with what a cage needs truly taken away."""

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from course.cage import CageError, level, refusal
from course.cage.inside import landlock
from course.cage.level import Level
from course.cage.refusal import Missing
from tests.cage import others

ROOT = os.geteuid() == 0
PROBE = "import dataclasses, json; from course.cage import level; print(json.dumps(dataclasses.asdict(level.probe())))"
needs_landlock = pytest.mark.skipif(
    landlock.held().abi < 6, reason="this kernel's Landlock does not hold signals"
)


@pytest.fixture
def anybody():
    """Run Python code as an ordinary user, with something done before: a command to put in front, or more variables."""
    python, path = others.python_for_all()
    user = others.anybody() if ROOT else os.geteuid()
    as_user = {"user": user, "group": user, "extra_groups": []} if ROOT else {}

    def run(source: str, *before: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/",
        }
        return subprocess.run(
            [*before, python, "-c", source],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            **as_user,
        )

    return run


def probed(run: subprocess.CompletedProcess[str]) -> Level:
    assert run.returncode == 0, run.stderr
    fields = json.loads(run.stdout)
    fields["missing"] = tuple(Missing(**each) for each in fields["missing"])
    fields["unheld"] = fields["unheld"] and Missing(**fields["unheld"])
    return Level(**fields)


def without(preparation: str) -> str:
    """Source that takes something away from itself, for good, and then probes."""
    return (
        textwrap.dedent(
            """
            import ctypes, errno, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            def denied(*names, flags=()):
                import pyseccomp as s
                rules = s.SyscallFilter(s.ALLOW)
                for name in names: rules.add_rule(s.ERRNO(errno.EPERM), name)
                for name in flags:
                    rules.add_rule(s.ERRNO(errno.EPERM), name, s.Arg(0, s.MASKED_EQ, 0x10000000, 0x10000000))
                if flags: rules.add_rule(s.ERRNO(errno.ENOSYS), "clone3")
                rules.load()
            """
        )
        + textwrap.dedent(preparation)
        + f"\nos.execv(sys.executable, [sys.executable, '-c', {PROBE!r}])"
    )


NO_NAMESPACES = "denied(flags=('clone', 'unshare'))"


@pytest.fixture(autouse=True)
def forgotten():
    """What was found out of this machine before, and what a test makes of it."""
    level._probed.cache_clear()
    yield
    level._probed.cache_clear()


class TestHere:
    @pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
    def test_a_machine_that_gives_all(self):
        found = level.probe()
        assert found.name == "namespaces"
        assert found.reason == found.remedy == ""
        assert level.require_cage().name == "namespaces"

    @pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
    def test_for_an_ordinary_user_too(self, anybody):
        found = probed(anybody(PROBE))
        assert found.name == "namespaces"

    def test_it_is_quick(self):
        """Counted in processor time, since other work may slow this machine down."""

        def used() -> float:
            return sum(
                getattr(resource.getrusage(who), field)
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
                for field in ("ru_utime", "ru_stime")
            )

        before = used()
        level.probe()
        assert used() - before < 1

    def test_it_leaves_nothing(self):
        def traces() -> set[str]:
            own = f"-{os.getpid()}-"  # what this process makes has its number in the name
            places = [Path("/dev/shm"), Path("/var/tmp")]
            found = {
                str(path) for place in places for path in place.glob("course-cage-*") if own in path.name
            }
            found |= {str(path) for path in Path("/sys/fs/cgroup").rglob("course-cell-*") if own in path.name}
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            return found | set(children) | {str(len(list(Path("/proc/self/fd").iterdir())))}

        before = traces()
        level.probe()
        assert traces() == before


class TestNoBubblewrap:
    @needs_landlock
    def test_an_ordinary_user(self, anybody):
        found = probed(anybody(PROBE, PATH="/nowhere"))
        assert found.name == "landlock"
        assert not found.own_users
        assert found.reason == "bubblewrap is not installed"
        assert "apt install bubblewrap" in found.remedy
        assert any("graded one at a time" in sentence for sentence in found.weaker)
        assert found.workers(8) == 1

    @needs_landlock
    @pytest.mark.skipif(not ROOT, reason="for root")
    def test_root(self):
        python, path = others.python_for_all()
        environment = {"PATH": "/nowhere", "PYTHONPATH": path}
        found = probed(subprocess.run([python, "-c", PROBE], env=environment, capture_output=True, text=True))
        assert found.name == "landlock"
        assert found.own_users

    @pytest.mark.skipif(
        not ROOT or others.open_to_others(Path(sys.executable).resolve()), reason="all can read this Python"
    )
    def test_root_whose_cells_could_not_read_python(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        found = level.probe()
        assert found.name == "none"
        assert "cannot read" in found.unheld.reason

    def test_what_else_is_missing_is_said_too(self, anybody):
        found = probed(anybody(without(NO_NAMESPACES), PATH="/nowhere"))
        first, second = found.missing
        assert first.reason == "bubblewrap is not installed"
        assert "namespace" in second.reason

    def test_the_grader_is_told_in_one_line(self, anybody):
        ask = "from course.cage import CageError, level\ntry: level.require_cage()\nexcept CageError as e: print(e)"
        run = anybody(without("denied(444)").replace(repr(PROBE), repr(ask)), PATH="/nowhere")
        (line,) = run.stdout.splitlines()
        assert "bubblewrap is not installed" in line
        assert "apt install bubblewrap" in line
        assert "course doctor" in line


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
class TestNamespacesRefused:
    @needs_landlock
    def test_by_a_filter_as_a_container_has(self, anybody):
        found = probed(anybody(without(NO_NAMESPACES)))
        assert found.name == "landlock"
        assert "namespace" in found.reason

    @needs_landlock
    def test_by_a_number(self, anybody):
        set_to_none = """
            user, group = os.getuid(), os.getgid()
            assert libc.unshare(0x10000000) == 0
            open("/proc/self/setgroups", "w").write("deny")
            open("/proc/self/uid_map", "w").write(f"{user} {user} 1")
            open("/proc/self/gid_map", "w").write(f"{group} {group} 1")
            open("/proc/sys/user/max_user_namespaces", "w").write("0")
        """
        found = probed(anybody(without(set_to_none)))
        assert found.name == "landlock"
        assert "user.max_user_namespaces=0" in found.reason
        assert "sysctl -w user.max_user_namespaces=" in found.remedy

    @needs_landlock
    def test_below_the_first(self, anybody):
        """Enough for bubblewrap, not for the cells in it."""
        bwrap = ["bwrap", "--unshare-user", "--disable-userns", "--dev-bind", "/", "/", "--proc", "/proc"]
        assert probed(anybody(PROBE, *bwrap)).name == "landlock"

    @needs_landlock
    def test_by_a_covered_proc_as_docker_has(self, anybody):
        bwrap = ["bwrap", "--unshare-user", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc"]
        found = probed(anybody(PROBE, *bwrap, "--tmpfs", "/proc/fs"))
        assert found.name == "landlock"
        assert "proc" in found.reason

    def test_and_no_landlock(self, anybody):
        found = probed(anybody(without(f"{NO_NAMESPACES}; denied(444)")))
        assert found.name == "none"
        assert "no Landlock" in found.unheld.reason

    def test_no_libseccomp(self, anybody):
        hidden = without("").replace(
            repr(PROBE), repr(f"import sys; sys.modules['pyseccomp'] = None; {PROBE}")
        )
        found = probed(anybody(hidden))
        assert found.name == "none"
        assert "libseccomp is missing" in found.reason
        assert "apt install libseccomp2" in found.remedy


class TestWords:
    """What the settings of a system, which a test must not change, are told to mean."""

    @pytest.fixture
    def settings(self, monkeypatch):
        values: dict[str, int] = {}
        monkeypatch.setattr(refusal, "_setting", values.get)
        monkeypatch.setattr(refusal, "_in_container", lambda: False)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        return values

    def test_ubuntu(self, settings):
        settings["kernel/apparmor_restrict_unprivileged_userns"] = 1
        missing = refusal.explain("bwrap: setting up uid map: Permission denied")
        assert "AppArmor" in missing.reason
        assert "kernel.apparmor_restrict_unprivileged_userns=0" in missing.remedy
        assert "profile bwrap /usr/bin/bwrap" in missing.file

    def test_debian_hardened(self, settings):
        settings["kernel/unprivileged_userns_clone"] = 0
        assert "kernel.unprivileged_userns_clone=1" in refusal.explain("no").remedy

    def test_docker(self, settings, monkeypatch):
        monkeypatch.setattr(refusal, "_in_container", lambda: True)
        missing = refusal.explain("bwrap: Can't mount proc on /newroot/proc: Operation not permitted")
        assert "--security-opt seccomp=unconfined --security-opt systempaths=unconfined" in missing.remedy

    def test_nothing_known(self, settings):
        assert "(no)" in refusal.explain("no").reason

    @pytest.mark.parametrize(("platform", "way"), [("darwin", "Linux container"), ("win32", "WSL")])
    def test_no_linux(self, monkeypatch, platform, way):
        monkeypatch.setattr(sys, "platform", platform)
        found = level.probe()
        assert found.name == "none"
        assert way in found.remedy
        with pytest.raises(CageError, match=way) as refused:
            level.require_cage()
        assert "\n" not in str(refused.value)
        chosen, note = level.cage_for_own_work()
        assert chosen is None
        assert "without a cage" in note


def test_own_work_is_caged_where_that_harms_nobody(monkeypatch):
    best = Level("namespaces")
    monkeypatch.setattr(level, "probe", lambda: best)
    assert level.cage_for_own_work() == (best, "")
    monkeypatch.setattr(level, "probe", lambda: dataclasses.replace(best, name="landlock"))
    level._probed.cache_clear()
    chosen, note = level.cage_for_own_work()
    assert chosen is None
    assert note


def test_a_machine_that_has_got_its_cage_is_asked_again(monkeypatch):
    """A server that grades may run for weeks."""
    answers = [Level("none"), Level("none"), Level("namespaces"), Level("none")]
    monkeypatch.setattr(level, "probe", lambda: answers.pop(0))
    for _ in range(2):
        with pytest.raises(CageError):
            level.require_cage()
    assert [level.require_cage().name for _ in range(2)] == ["namespaces"] * 2
