"""How well this machine can hold untrusted code: found by trying, and said together with what would make it better.

"namespaces": each cell is alone in namespaces of its own. "landlock": the kernel holds files, TCP ports and signals
of processes that otherwise share the machine. "none": nobody else's code may run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from course.cage import CageError, bwrap, cgroups
from course.cage.outer import FIRST_USER
from course.cage.refusal import NOT_INSTALLED, Missing, Refused, explain

_PROJECT = Path(__file__).parents[2]
_SECONDS = 20  # for one trial; it takes a tenth of one
_TRIAL = "import sys; sys.path.append(sys.argv.pop(1)); from course.cage.inside.trial import main; main()"
_ROOM = 64 << 20  # bytes of /dev/shm: what Docker gives where nobody asks for more


@dataclass(frozen=True)
class Level:
    """What this machine gives.

    `missing` says why it is not "namespaces", and `unheld` why it is not "landlock" either; `weaker` is what cannot be
    promised here, in whole sentences, at any level. `own_users` is whether each cell can be a user of its own outside
    namespaces.
    """

    name: Literal["namespaces", "landlock", "none"]
    missing: tuple[Missing, ...] = ()
    unheld: Missing | None = None
    weaker: tuple[str, ...] = ()
    own_users: bool = False

    def workers(self, cores: int) -> int:
        """How many submissions may be graded at a time: cells that share a network could meet."""
        return 1 if self.name == "landlock" else cores

    @property
    def reason(self) -> str:
        """Why this is not the best level, in one line; "" if it is."""
        return "; ".join(each.reason for each in self.missing)

    @property
    def remedy(self) -> str:
        """What to do about it, in one line; "" if there is nothing to do."""
        return "; ".join(each.remedy for each in self.missing)


def probe() -> Level:
    """Try what this machine gives; takes about half a second and leaves nothing behind."""
    if sys.platform != "linux":
        return Level("none", (_not_linux(),))
    alone = _alone()
    unfiltered = _seccomp_missing(alone)
    if unfiltered:
        return Level("none", (unfiltered,))
    missing = _namespaces_missing()
    if not missing:
        return Level("namespaces", weaker=tuple(_unbounded()))
    unheld = _landlock_missing(alone)
    if unheld:
        return Level("none", tuple(missing), unheld)
    weaker = (*_weaker(alone), *_unbounded())
    return Level("landlock", tuple(missing), weaker=weaker, own_users=alone["own_user"])


def found() -> Level:
    """What `probe` has found, which takes a tenth of a second; it is asked again only while that is nothing."""
    level = _probed()
    if level.name == "none":  # what is missing may be installed, or was missing for a moment
        _probed.cache_clear()
    return level


@cache
def _probed() -> Level:
    return probe()


def require_cage() -> Level:
    """The level at which others' work is graded here; raises CageError, in one line, where it must not be."""
    level = found()
    if level.name == "none":
        raise CageError(
            f"Other people's notebooks are not run here, because {level.reason}. What to do: {level.remedy}. "
            "`course doctor` says more."
        )
    return level


def cage_for_own_work() -> tuple[Level | None, str]:
    """The level to grade one's own work at, and a line to show with it; None is: without a cage.

    It is one's own code, which has run in one's own kernel before; so it is never refused, and a cage that would hold
    back honest programs is not used.
    """
    level = found()
    if level.name == "namespaces":
        return level, ""
    return None, f"Your own work runs here without a cage, as in your notebook, because {level.reason}."


def _not_linux() -> Missing:
    name = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
    ways = "in a Linux container or on a Linux machine"
    if sys.platform == "win32":
        ways = f"in WSL (wsl --install), {ways}"
    return Missing(f"{name} has no cage for them", f"grade {ways}")


def _namespaces_missing() -> list[Missing]:
    """What stands against the real thing: a cage with a cell in it."""
    from course.cage.host import Zygote  # which itself knows of levels

    if shutil.which("bwrap") is None:
        found = _answer(_trial("cell", str(FIRST_USER)))
        return [NOT_INSTALLED, *([explain(f"{found['step']}: {found['error']}")] if found["step"] else [])]
    try:
        with Zygote() as zygote:
            zygote.spawn("course.cage.inside.trial:be_a_cell", {})
    except Refused as refused:
        return [refused.missing]
    except CageError as error:
        return [explain(str(error).strip().splitlines()[-1])]
    return []


def _seccomp_missing(alone: dict[str, Any]) -> Missing | None:
    """What stands against filtering system calls, which no level can do without."""
    from course.cage import seccomp

    if not alone["seccomp"]:
        return Missing("this kernel filters no system calls (seccomp)", "use one that is built with it")
    try:
        seccomp.program()
    except CageError as error:
        reason, _, remedy = str(error).partition(": ")
        return Missing(reason, remedy.rstrip("."))
    return None


def _landlock_missing(alone: dict[str, Any]) -> Missing | None:
    """What stands against the fallback."""
    if os.geteuid() == 0 and not alone["own_user"]:
        closed = bwrap.closed_to_others(bwrap.shown())
        if closed:
            return Missing(
                f"root's cells would be users of their own, who cannot read {closed[0]}",
                "put Python and the course where every user can read them, or grade as an ordinary user",
            )
        return Missing("root may not make its cells users of their own here", "grade as an ordinary user")
    if not alone["files"]:
        return Missing(
            "this kernel has no Landlock",
            "add landlock to the kernel's start line (`lsm=landlock,...`), or use Linux 6.12 or a newer one",
        )
    lacking = [
        *(["system calls of all threads"] if not alone["all_threads"] else []),
        *(["TCP ports"] if not alone["ports"] else []),
        *(["signals"] if not (alone["signals"] or alone["own_user"]) else []),
    ]
    if not lacking:
        return None
    return Missing(
        f"this kernel (Landlock ABI {alone['abi']}) does not hold {' and '.join(lacking)}",
        "use Linux 6.12 or a newer one",
    )


def _weaker(alone: dict[str, Any]) -> Iterator[str]:
    """What Landlock, seccomp and limits do not hold."""
    from course.cage.inside.landlock import ephemeral_ports

    ports = ephemeral_ports()
    yield "Submissions are graded one at a time."
    yield (
        f"A notebook can reach TCP servers on the ports {ports.start} to {ports.stop - 1} of this machine and of any "
        "other, and can serve on no other port: where a lab wants a certain one, honest answers fail."
    )
    yield "A notebook can see that a file exists, its size and its dates, and which processes run; not what is in them."
    yield "How much disk a submission fills is bounded for each file only."
    yield "Unix sockets, UDP and message queues do not work in a notebook."
    if alone["own_user"]:
        yield (
            "PostgreSQL does not start in a notebook, because its user has no name: where a lab wants it, honest "
            "answers fail. It does where an ordinary user grades."
        )
    else:
        yield "A notebook runs as you: the System V shared memory of your own programs is within its reach."
        yield (
            "Pools and locks of multiprocessing, and shell commands (`!ls`), do not work in a notebook: where a lab "
            "wants them, honest answers fail."
        )


def _unbounded() -> Iterator[str]:
    """What is bounded for each process only, or not at all."""
    lacking = {"memory", "pids"} - cgroups.controllers()
    if "memory" in lacking:
        yield (
            "The memory of a submission is bounded for each of its processes, not for all together: to bound that, "
            "start with `systemd-run --user --scope -p Delegate=yes course grade PHASE`, or run as root."
        )
    room = shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else 0  # noqa: S108
    if room < _ROOM:
        yield f"/dev/shm has {room >> 20} MB, too little to grade: give it more (Docker: `--shm-size=1g`)."  # noqa: S108


def _alone() -> dict[str, Any]:
    """What a process can take from itself here; see `course.cage.inside.trial`."""
    return _answer(_trial("alone", str(FIRST_USER), *map(str, bwrap.shown())))


def _trial(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _TRIAL, str(_PROJECT), *arguments]


def _answer(command: list[str]) -> dict[str, Any]:
    run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    if run.returncode:
        raise CageError(f"Python could not be started to look at this machine: {run.stderr.strip()}")
    return dict(json.loads(run.stdout))
