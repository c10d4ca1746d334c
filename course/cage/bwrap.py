"""The outer cage: what bubblewrap is told to show.

Shown are the programs and libraries of the system, this Python with its packages, and the `course` package: nothing
else of the machine, and nothing else of the project.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import course

_PACKAGE = Path(course.__file__).resolve().parent
_PREFIX_PARTS = ("bin", "lib", "lib64", "libexec", "share", "ssl", "pyvenv.cfg")
_SYSTEM = """
    /usr/bin /usr/sbin /usr/lib /usr/lib32 /usr/lib64 /usr/libx32 /usr/libexec /usr/share
    /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/lib64 /usr/local/share
    /etc/ld.so.cache /etc/alternatives /etc/localtime /etc/mime.types /etc/fonts /etc/services /etc/protocols
    /etc/ssl/certs /etc/ssl/openssl.cnf /etc/pki/tls/certs /etc/pki/ca-trust/extracted
"""
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links into /usr, or folders on older systems
ETC = {
    "passwd": "student:x:1000:1000::/home/student:/bin/sh\n",
    "group": "student:x:1000:\n",
    "hosts": "127.0.0.1 localhost cell\n",
}
_TMP = "/tmp"  # noqa: S108 - the cage's own, as everywhere here
ENVIRONMENT = {
    "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
    "HOME": "/home/student",
    "USER": "student",
    "LANG": "C.UTF-8",
    "TMPDIR": _TMP,
    "XDG_CACHE_HOME": f"{_TMP}/cache",
    "XDG_RUNTIME_DIR": _TMP,
    "IPYTHONDIR": f"{_TMP}/ipython",
    "JUPYTER_RUNTIME_DIR": f"{_TMP}/jupyter",
    "MPLCONFIGDIR": f"{_TMP}/matplotlib",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from course.cage.inside.zygote import main; main(*sys.argv[1:])"
)


def shown() -> list[Path]:
    """What the cage shows of this machine, each at its own place: the system, this Python, the `course` package."""
    paths: list[Path] = []
    for path in sorted({*map(Path, _SYSTEM.split()), *_interpreter(), *map(Path, _packages()), _PACKAGE}):
        if path.exists() and not any(path.is_relative_to(other) for other in paths):
            paths.append(path)
    return paths


def unreadable(paths: Sequence[Path]) -> list[Path]:
    """Those that another user may not read, even where nothing stands in the way to them."""
    return [path for path in paths if not path.stat().st_mode & 0o004]


def closed_to_others(paths: Sequence[Path]) -> list[Path]:
    """Those that only their owner could reach, below root's own home for example."""
    return [path for path in paths if not all(map(_open_to_others, [path, *path.resolve().parents]))]


def command(
    program: str,
    paths: Mapping[Path, Path],
    folder: Path,
    *,
    own_user: bool,
    imports: Sequence[str],
    control: int,
) -> list[str]:
    """The command that starts the zygote in its cage.

    Args:
        program: where bubblewrap is.
        paths: what to show, and where it is to be found.
        folder: holds the files of `ETC` and the folder "cells", which the cage shows as /cells.
        own_user: whether bubblewrap must make a user namespace, because we are not in one of our own.
        imports: the modules that the zygote imports.
        control: the file descriptor of the zygote's socket.
    """
    parts = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--new-session"]
    parts += ["--as-pid-1"]  # the zygote is process 1 of the cage, so that the kernel ends all cells with it
    if own_user:
        parts += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    parts += ["--clearenv"]
    for name, value in ENVIRONMENT.items():
        parts += ["--setenv", name, value]
    # Nothing may cover a part of this /proc: the kernel would refuse the cells one of their own.
    parts += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", _TMP]
    places = [Path("/etc/passwd"), Path("/home/student"), Path("/ipc"), Path("/cells"), *paths]
    parts += _folders(places, paths)
    parts += ["--perms", "0755", "--dir", "/home/student", "--perms", "0755", "--dir", "/ipc"]
    for path, source in sorted(paths.items()):
        parts += ["--ro-bind", str(source), str(path)]
    for name in ETC:
        parts += ["--ro-bind", str(folder / name), f"/etc/{name}"]
    parts += _top_level()
    parts += ["--bind", str(folder / "cells"), "/cells"]
    parts += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]
    return [*parts, *zygote(imports, control)]


def zygote(imports: Sequence[str], control: int) -> list[str]:
    """The command for the zygote itself, with the same two arguments."""
    start = [sys.executable, "-I", "-B", "-c", _BOOT, json.dumps(_import_path())]
    return [*start, str(control), json.dumps(imports)]


def _folders(places: Sequence[Path], shown: Mapping[Path, Path]) -> list[str]:
    """The folders above what is shown; those that bubblewrap makes itself are closed to the cells' users."""
    above = {parent for place in places for parent in place.parents if parent != Path("/")}
    parts = []
    for folder in sorted(above - {Path(_TMP), Path("/dev"), Path("/proc")}):
        if not any(folder.is_relative_to(path) for path in shown):
            parts += ["--perms", "0755", "--dir", str(folder)]
    return parts


def _top_level() -> Iterator[str]:
    for name in _TOP:
        top = Path("/") / name
        if top.is_symlink():
            yield from ("--symlink", str(top.readlink()), str(top))
        elif top.is_dir():
            yield from ("--ro-bind", str(top), str(top))


def _interpreter() -> Iterator[Path]:
    """The parts that make up this Python; its whole prefix could hold anything else too."""
    for prefix in {Path(sys.prefix), Path(sys.base_prefix), *_linked_prefixes()} - {Path("/"), Path("/usr")}:
        yield from (prefix / part for part in _PREFIX_PARTS)


def _linked_prefixes() -> Iterator[Path]:
    """An environment's `python` is a link, which may lead to another link."""
    program = Path(sys.executable)
    while program.is_symlink():
        program = program.parent / program.readlink()
        yield Path(os.path.normpath(program)).parent.parent


def _packages() -> list[str]:
    """The folders of installed packages that this Python uses, the user's own among them; no folders of sources."""
    return [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]


def _import_path() -> list[str]:
    """What the zygote's `sys.path` is: the standard library, the installed packages, and where `course` is."""
    library = Path(sysconfig.get_path("stdlib"))
    standard = [place for place in sys.path if Path(place).is_relative_to(library)]
    return list(dict.fromkeys([*standard, *_packages(), str(_PACKAGE.parent)]))


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (0o001 if path.is_dir() else 0o004))
