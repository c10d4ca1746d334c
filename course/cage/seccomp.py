"""The system calls that no cell may use, as a program for the kernel."""

from __future__ import annotations

import errno
import struct
import tempfile
from types import ModuleType
from typing import Any

from course.cage import CageError

_NEW_NAMESPACES = (
    0x20000,
    0x2000000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)  # flags of clone
_OTHER_PROCESSES = """
    ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd perf_event_open lookup_dcookie
"""
_MOUNTS = """
    unshare setns mount umount umount2 pivot_root chroot move_mount fsopen fsconfig fsmount fspick open_tree
    name_to_handle_at open_by_handle_at fanotify_init quotactl
"""
_THE_MACHINE = """
    reboot kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff acct syslog settimeofday
    clock_settime iopl ioperm vhangup nfsservctl _sysctl
"""
# Large or old parts of the kernel that labs do not need, and where holes have been.
_RISKY = """
    bpf userfaultfd keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register personality modify_ldt
    uselib ustat sysfs
"""
# Younger than the libseccomp of many machines; from 424 on a call has the same number on every processor.
_BY_NUMBER = {
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "process_mrelease": 448,
    "open_tree_attr": 467,
}
_FIRST_UNKNOWN = 470  # what a later kernel adds from here on is refused unseen

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_FAMILIES = {_UNIX, _INET, _INET6, _NETLINK}
_NETLINK_ROUTE = 0

_LOAD_NUMBER = struct.pack("HBBI", 0x20, 0, 0, 0)
_SKIP_IF_BELOW = struct.pack("HBBI", 0x35, 0, 1, _FIRST_UNKNOWN)
_NO_SUCH_CALL = struct.pack("HBBI", 0x06, 0, 0, 0x50000 | errno.ENOSYS)


def program() -> bytes:
    """The filter that every cell gets, as the kernel loads it (an array of `struct sock_filter`).

    Raises CageError where libseccomp is missing or too old.
    """
    seccomp = library()
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    denied = " ".join((_OTHER_PROCESSES, _MOUNTS, _THE_MACHINE, _RISKY)).split()
    try:
        for call in (*denied, *_BY_NUMBER.values()):
            rules.add_rule(seccomp.ERRNO(errno.EPERM), call)
        for flag in _NEW_NAMESPACES:
            argument = seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag)
            rules.add_rule(seccomp.ERRNO(errno.EPERM), "clone", argument)
    except OSError as error:
        raise CageError(
            f"libseccomp does not know a system call ({error}): install version 2.5 or newer."
        ) from error
    # A filter cannot see the flags of clone3, so the C library is made to fall back to clone.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    _deny_families(rules)
    return _LOAD_NUMBER + _SKIP_IF_BELOW + _NO_SUCH_CALL + compiled(rules)


def _deny_families(rules: Any) -> None:  # noqa: ANN401 - of a module without types
    """A network namespace does not hold every family, and to ask for some loads a part of the kernel."""
    seccomp = library()
    refused = seccomp.ERRNO(errno.EAFNOSUPPORT)
    for call in ("socket", "socketpair"):
        for family in set(range(max(_FAMILIES))) - _FAMILIES:
            rules.add_rule(refused, call, seccomp.Arg(0, seccomp.EQ, family))
        rules.add_rule(refused, call, seccomp.Arg(0, seccomp.GT, max(_FAMILIES)))
    netlink = seccomp.Arg(0, seccomp.EQ, _NETLINK)
    rules.add_rule(refused, "socket", netlink, seccomp.Arg(2, seccomp.NE, _NETLINK_ROUTE))


def library() -> ModuleType:
    """The module `pyseccomp`; raises CageError where it, or the libseccomp that it needs, is missing."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise CageError(
            f"libseccomp is missing ({error}): install it (Debian, Ubuntu: apt install libseccomp2; "
            "Fedora: dnf install libseccomp) and run `pip install pyseccomp`."
        ) from error
    module: ModuleType = pyseccomp
    return module


def compiled(rules: Any) -> bytes:  # noqa: ANN401 - of a module without types
    """The kernel's form of a `pyseccomp.SyscallFilter`."""
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
