"""Root's way into the cage: run a program as the root of a user namespace that owns no file of this machine.

    python -I -S outer.py '{"STAGED": "PATH", ...}' PROGRAM ARGUMENT...

Within the namespace the users 0 to 65535 are users 600000 to 665535 of the machine, so that each cell can have a user
of its own. Such a root may enter only what is open to everybody; so each PATH, which need not be (root's own home), is
first bound to STAGED, in a mount namespace that ends with the program. Runs alone: it imports nothing of this project.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

FIRST_USER, USERS = 600_000, 65_536
_NEWNS, _NEWUSER = 0x20000, 0x10000000
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18


def main() -> None:
    """Enter the namespaces and become the program."""
    staged, program = json.loads(sys.argv[1]), sys.argv[2:]
    if staged:
        _call("unshare", _NEWNS)
        _call("mount", None, b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None)
    for place, path in staged.items():
        _call("mount", path.encode(), place.encode(), None, ctypes.c_ulong(_BIND | _REC), None)
    _rule_own_users()
    os.execvp(program[0], program)


def _rule_own_users() -> None:
    """Enter a new user namespace as its root; only a process that stays outside may write its map."""
    me, (waiting, entered) = os.getpid(), os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(entered)
        if os.read(waiting, 1):
            for kind in ("uid_map", "gid_map"):
                Path(f"/proc/{me}/{kind}").write_text(f"0 {FIRST_USER} {USERS}")
        os._exit(0)
    _call("unshare", _NEWUSER)
    os.write(entered, b".")
    if os.waitpid(helper, 0)[1]:
        sys.exit("the map of a user namespace was refused")
    os.close(waiting)
    os.close(entered)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
