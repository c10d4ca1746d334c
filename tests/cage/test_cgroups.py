"""Control groups where version 2 is in charge: a folder that looks like one, as no test can mount the real thing."""

import os
from pathlib import Path

import pytest

from course.cage import cgroups
from course.cage.limits import Limits

PLACE = "user.slice/app.slice"


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A session in a scope of its own, beside which its user may make groups."""
    root = tmp_path / "cgroup"
    (root / PLACE / "run-1.scope").mkdir(parents=True)
    (root / PLACE / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (root / PLACE / "run-1.scope" / "cgroup.subtree_control").write_text("\n")
    process = tmp_path / "process"
    process.mkdir()
    (process / "cgroup").write_text(f"0::/{PLACE}/run-1.scope\n")
    (process / "mountinfo").write_text(
        f"30 23 0:26 / {root} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    monkeypatch.setattr(cgroups, "_PROCESS", process)
    return root


def test_a_group_beside_ours_with_both_limits(machine):
    assert cgroups.controllers() == {"memory", "pids"}
    group = cgroups.Cgroup(Limits(memory=1 << 20, processes=10))
    (folder,) = (machine / PLACE).glob("course-cell-*")
    assert (folder / "memory.max").read_text() == str(1 << 20)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert 10 <= int((folder / "pids.max").read_text()) < 30
    group.add(os.getpid())
    assert (folder / "cgroup.procs").read_text() == str(os.getpid())
    assert not group.out_of_memory()
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n")
    assert group.out_of_memory()


def test_a_missing_controller_is_not_used(machine):
    (machine / PLACE / "cgroup.subtree_control").write_text("pids\n")
    assert cgroups.controllers() == {"pids"}
    cgroups.Cgroup(Limits())
    (folder,) = (machine / PLACE).glob("course-cell-*")
    assert [file.name for file in folder.iterdir()] == ["pids.max"]


def test_nothing_delegated_is_no_group(machine):
    (machine / PLACE / "cgroup.subtree_control").unlink()
    assert cgroups.controllers() == set()
    cgroups.Cgroup(Limits()).add(os.getpid())
    assert not list(machine.glob("**/course-cell-*"))


def test_a_group_that_our_mount_does_not_show_is_no_group(machine, tmp_path):
    (tmp_path / "process" / "cgroup").write_text("0::/../../elsewhere\n")
    assert cgroups.controllers() == set()
