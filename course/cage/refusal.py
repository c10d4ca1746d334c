"""Why there is no cage, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from course.cage import CageError

_DOCKER = (
    "start the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined` (and, where "
    "the host has AppArmor, `--security-opt apparmor=unconfined`; Podman: `--security-opt seccomp=unconfined "
    "--security-opt unmask=ALL`), or grade outside it, on the host or in a virtual machine"
)
_APPARMOR_PROFILE = """\
abi <abi/4.0>,
include <tunables/global>
profile bwrap /usr/bin/bwrap flags=(unconfined) {
  userns,
  include if exists <local/bwrap>
}"""


@dataclass(frozen=True)
class Missing:
    """What this machine lacks, and what to do about it, in words that follow "because" and a colon.

    `file` is the text of a file that `remedy` speaks of.
    """

    reason: str
    remedy: str
    file: str = ""


class Refused(CageError):
    """This machine does not let us build the cage."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(f"There is no cage here, because {missing.reason}. What to do: {missing.remedy}.")
        self.missing = missing


NOT_INSTALLED = Missing(
    "bubblewrap is not installed",
    "install it (Debian, Ubuntu: `apt install bubblewrap`; Fedora: `dnf install bubblewrap`; "
    "Arch: `pacman -S bubblewrap`)",
)


def explain(said: str) -> Missing:
    """What stands against namespaces; `said` is bubblewrap's or the kernel's complaint."""
    if _setting("user/max_user_namespaces") == 0:
        return Missing(
            f"user namespaces are switched off by user.max_user_namespaces=0 ({said})",
            "as root: `sysctl -w user.max_user_namespaces=15000`, and the same line in /etc/sysctl.d/ to keep it",
        )
    if os.geteuid() != 0 and _setting("kernel/unprivileged_userns_clone") == 0:
        return Missing(
            f"user namespaces are switched off for ordinary users by kernel.unprivileged_userns_clone=0 ({said})",
            "as root: `sysctl -w kernel.unprivileged_userns_clone=1`, and the same line in /etc/sysctl.d/ to keep it",
        )
    if _in_container():
        return Missing(f"this container does not let programs make namespaces ({said})", _DOCKER)
    if os.geteuid() != 0 and _setting("kernel/apparmor_restrict_unprivileged_userns") == 1:
        return Missing(
            f"AppArmor keeps user namespaces from bubblewrap, as Ubuntu 24.04 does unless told otherwise ({said})",
            "as root: give bubblewrap a profile in /etc/apparmor.d/bwrap (`course doctor` prints it), in place of "
            "bwrap-userns-restrict if that is there, and `systemctl reload apparmor`; or allow them to every program: "
            "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
            _APPARMOR_PROFILE,
        )
    return Missing(
        f"user namespaces are refused ({said})",
        "allow them to this user: see user.max_user_namespaces, kernel.unprivileged_userns_clone and your security "
        "module (AppArmor, SELinux); or grade on another Linux machine or in a virtual one",
    )


def _setting(name: str) -> int | None:
    """A number that the system is set to; None where this kernel does not have it."""
    try:
        return int((Path("/proc/sys") / name).read_text())
    except (OSError, ValueError):
        return None


def _in_container() -> bool:
    """A guess, which only chooses the words of a remedy."""
    return (
        any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
        or "KUBERNETES_SERVICE_HOST" in os.environ
    )
