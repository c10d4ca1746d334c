"""Binder emulated on one machine: repo2docker builds `binder/` with podman, and the image runs as BinderHub runs it.

What is not Binder's own: the base image is made here, from Debian's packages and this machine's Python of the version
that `binder/Dockerfile` names, so that no image registry is asked; the network is this machine's; podman's images, its
settings and all else lie in `.cache/binder/`, away from what the user has.

It needs root, and Debian's podman, runc and debootstrap, and `pip install jupyter-repo2docker repo2podman`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import requests

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".cache" / "binder"
IMAGE = "localhost/course-on-binder"
BASE_URL = "/user/x/"
MEMORY = "2g"  # what mybinder.org gives a session

_PROGRAMS = ["podman", "runc", "debootstrap", "jupyter-repo2docker"]
_REPO2DOCKER_CONFIG = Path(__file__).with_name("repo2docker_config.py")
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Beside the smallest Debian the real base image has what Python's own modules are linked with.
_LIBRARIES = (
    "ca-certificates,netbase,tzdata,libbz2-1.0,libdb5.3,libexpat1,libffi8,libgdbm6,liblzma5,libncursesw6,"
    "libreadline8,libsqlite3-0,libssl3,libuuid1,zlib1g"
)
# BinderHub starts a session with both spellings of each option.
_LAUNCH = """
exec jupyter-lab --ip=127.0.0.1 --port="$1" --NotebookApp.base_url="$2" --NotebookApp.token="$3" \\
  --NotebookApp.trust_xheaders=True --ServerApp.base_url="$2" --ServerApp.token="$3" --ServerApp.trust_xheaders=True \\
  --LabApp.expose_app_in_browser=True
"""


@cache
def missing() -> str:
    """Why Binder cannot be emulated here; empty where it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"Binder is emulated with programs that are not installed here: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "making the stand-in for Binder's base image needs root"
    if _python() is None:
        return f"Binder's base image has Python {_base().version}, and there is none here to stand in for it"
    return ""


@dataclass(frozen=True)
class _Base:
    """The image that `binder/Dockerfile` starts from."""

    name: str
    version: str  # of Python, as in 3.12
    debian: str

    @property
    def local(self) -> str:
        """The name under which podman finds the stand-in, and asks nobody."""
        return f"localhost/{self.name}"


@cache
def _base() -> _Base:
    dockerfile = (PROJECT / "binder" / "Dockerfile").read_text()
    found = re.search(r"^FROM (python:(\d+\.\d+)\.\d+-slim-(\w+))$", dockerfile, re.MULTILINE)
    assert found, "binder/Dockerfile starts from another kind of image than the emulation knows"
    return _Base(*found.groups())


def _python() -> Path | None:
    """The folder of a Python of the base image's version that can be copied: not the system's own."""
    version = _base().version
    try:
        asked = subprocess.run(
            [f"python{version}", "-c", "import sys; print(sys.base_prefix)"],
            env=os.environ | {"PYENV_VERSION": version},  # pyenv's command asks for it; others do not look
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    folder = Path(asked.stdout.strip())
    return None if folder == Path("/usr") else folder


@dataclass(frozen=True)
class Image:
    """The built image."""

    size: int  # bytes
    seconds: float  # the build took, without the stand-in for the base image


def build() -> Image:
    """Build `binder/` as repo2docker does, from the files that a clone of this working tree would have."""
    if _podman("image", "exists", _base().local, check=False).returncode != 0:
        _make_base_image()
    clone = CACHE / "clone"
    _copy_project(clone)
    started = time.monotonic()
    with (CACHE / "build.log").open("w") as log:
        command = ["jupyter-repo2docker", "--engine", "podman", "--config", str(_REPO2DOCKER_CONFIG)]
        command += ["--no-run", "--user-id", "1000", "--user-name", "jovyan"]
        command += ["--image-name", IMAGE, str(clone)]
        built = subprocess.run(command, cwd=CACHE, env=_environment(), stdout=log, stderr=log, check=False)
    assert built.returncode == 0, f"repo2docker failed:\n{(CACHE / 'build.log').read_text()[-5000:]}"
    size = _podman("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout
    return Image(int(size), time.monotonic() - started)


def _make_base_image() -> None:
    """A small Debian with this machine's Python in /usr/local, under the real base image's name."""
    root = CACHE / "base"
    shutil.rmtree(root, ignore_errors=True)
    _make_debian(root)
    _add_python(root / "usr" / "local")
    shutil.copy2(_CERTIFICATES, root / _CERTIFICATES[1:])  # this machine's, which may have a proxy's
    subprocess.run(["ldconfig", "-r", root], check=True)
    ensurepip = ["python", "-m", "ensurepip", "--default-pip"]
    subprocess.run(["chroot", root, *ensurepip], check=True, capture_output=True)
    archive = CACHE / "base.tar"
    subprocess.run(["tar", "--create", "--file", archive, "--directory", root, "."], check=True)
    settings = ["LANG=C.UTF-8", f"PATH={_PATH}"]
    settings += [f"{name}={_CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
    changes = [f"--change=ENV {setting}" for setting in settings]
    _podman("import", *changes, str(archive), _base().local)
    archive.unlink()
    shutil.rmtree(root)


def _make_debian(root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={_LIBRARIES}", _base().debian, str(root)]
    with (CACHE / "base.log").open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, check=True)
    for junk in ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]:
        shutil.rmtree(root / junk)  # the real base image has none of these either


def _add_python(local: Path) -> None:
    python, name = _python(), f"python{_base().version}"
    assert python is not None
    for library in (python / "lib").glob(f"lib{name}.so*"):
        shutil.copy2(library, local / "lib", follow_symlinks=False)
    junk = shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "*.a")
    shutil.copytree(python / "lib" / name, local / "lib" / name, symlinks=True, ignore=junk)
    shutil.copy2(python / "bin" / name, local / "bin" / name)
    for link in ["python", "python3"]:
        (local / "bin" / link).symlink_to(name)


def _copy_project(clone: Path) -> None:
    """Copy what is in git, and what is new and not ignored."""
    shutil.rmtree(clone, ignore_errors=True)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, clone / name)


@dataclass(frozen=True)
class Session:
    """A running container: `url` ends with the base URL's slash."""

    url: str
    token: str
    container: str
    seconds: float  # from the launch to an answer from /lab

    def run(self, *command: str, text: str = "") -> str:
        """What a command prints in the session, given `text` on its standard input."""
        return _podman("exec", "--interactive", self.container, *command, text=text).stdout

    def memory(self) -> str:
        """What the container uses now, and what it may use."""
        return _podman("stats", "--no-stream", "--format", "{{.MemUsage}}", self.container).stdout.strip()


@contextmanager
def launched() -> Iterator[Session]:
    """The image as a user of Binder gets it; it stops at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    options = ["--memory", MEMORY, "--memory-swap", MEMORY]
    options += ["--env", "BINDER_LAUNCH_HOST=https://mybinder.org/"]
    options += ["--env", f"JUPYTERHUB_SERVICE_PREFIX={BASE_URL}"]
    launch = ["sh", "-c", _LAUNCH, "sh", str(port), BASE_URL, token]
    started = time.monotonic()
    container = _podman("run", "--detach", *options, IMAGE, *launch).stdout.strip()
    try:
        url = f"http://127.0.0.1:{port}{BASE_URL}"
        _wait_for(f"{url}lab?token={token}", container)
        yield Session(url, token, container, time.monotonic() - started)
    finally:
        _podman("rm", "--force", "--time", "5", container)


def _wait_for(url: str, container: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=10).ok:
                return
        time.sleep(0.05)
    raise AssertionError(f"no answer from the session:\n{_podman('logs', container).stderr}")


def _podman(*arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["podman", *arguments], env=_environment(), input=text, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, f"podman {arguments[0]}: {done.stderr}"
    return done


@cache
def _environment() -> dict[str, str]:
    """The environment for podman, and for repo2docker which calls it: settings and images of our own."""
    CACHE.mkdir(parents=True, exist_ok=True)
    storage, containers = CACHE / "storage.conf", CACHE / "containers.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{CACHE}/images"\nrunroot = "{CACHE}/running"\n'
    )
    containers.write_text(
        '[containers]\nnetns = "host"\n'
        'default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(containers)}
