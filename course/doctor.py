"""Look at this machine: does it have what the labs need, and can it grade other people's notebooks safely?

Everything is tried, not guessed; nothing is changed.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import click
from packaging.requirements import Requirement

from course.cage.level import Level, probe
from course.cage.refusal import Missing
from course.errors import CourseError

_DISTRIBUTION = "backend-course"
_IMPORT_ALL = """
import importlib, json, sys
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
sys.__stdout__.write("\\n" + json.dumps(failed))
"""
_COLOURS = {"ok": "green", "weaker": "yellow", "missing": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it (lines, none where it is "ok")."""

    verdict: Literal["ok", "weaker", "missing"]
    text: str
    remedies: tuple[str, ...] = ()


def show() -> int:
    """Print what was found; returns the exit status: 0 if nothing is missing and others' work is fully caged, else 1."""
    good = True
    for title, findings in (
        ("Python and packages", _packages()),
        ("Servers for the labs", _servers()),
        ("Grading other people's work", grading(probe())),
    ):
        click.echo(f"{title}:")
        for finding in findings:
            good &= finding.verdict == "ok"
            _print(finding)
    return 0 if good else 1


def grading(level: Level) -> Iterator[Finding]:
    """What a level means for the one who grades."""
    if level.name == "namespaces":
        yield Finding("ok", "fully caged: each notebook runs alone, in namespaces of its own")
        for sentence in level.weaker:
            yield Finding("ok", f"note: {sentence}")
        return
    if level.name == "landlock":
        yield Finding("weaker", "caged, but more weakly: Landlock, seccomp and limits instead of namespaces")
    else:
        yield Finding("missing", "refused: nothing here would hold a hostile notebook")
    for each in level.missing:
        yield _lack(each)
    if level.unheld:
        yield Finding("missing", f"nor is there a weaker cage: {level.unheld.reason}", (level.unheld.remedy,))
    for sentence in level.weaker:
        yield Finding("weaker", sentence)
    yield Finding("ok", "your own work is graded all the same, without a cage, as it runs in your notebook")


def _lack(missing: Missing) -> Finding:
    return Finding("missing", missing.reason, (missing.remedy, *missing.file.splitlines()))


def _print(finding: Finding) -> None:
    click.echo(f"  {click.style(f'{finding.verdict:7}', fg=_COLOURS[finding.verdict])}  {finding.text}")
    for number, line in enumerate(finding.remedies):
        click.echo(f"           {'-> ' if number == 0 else '   '}{line}")


def _packages() -> Iterator[Finding]:
    yield Finding("ok", f"Python {platform.python_version()} on {platform.system()}, {sys.prefix}")
    try:
        wanted = [Requirement(each) for each in metadata.requires(_DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        yield Finding("missing", "the course is not installed in this Python", ("pip install -e .",))
        return
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    faults = dict(_wrong_versions(wanted))
    faults |= _broken(each.name for each in wanted if each.name not in faults and _compiled(each.name))
    for name, fault in faults.items():
        yield Finding("missing", f"{name} {fault}", ("pip install -e .",))
    if not faults:
        yield Finding(
            "ok", f"the {len(wanted)} packages that the course needs, and those that are compiled load"
        )


def _wrong_versions(wanted: Iterable[Requirement]) -> Iterator[tuple[str, str]]:
    for each in wanted:
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            yield each.name, "is not installed"
            continue
        if not each.specifier.contains(version, prereleases=True):
            yield each.name, f"is version {version}, but {each.specifier} is needed"


def _compiled(name: str) -> bool:
    """Whether a package may be there and still not fit this machine."""
    return any(path.suffix in (".so", ".pyd") for path in metadata.files(name) or ())


def _broken(names: Iterable[str]) -> dict[str, str]:
    """Which packages cannot be imported, and why; in a process of its own, for what an import leaves behind."""
    packages = {_module(name): name for name in names}
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, json.dumps(list(packages))],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    try:
        failed = json.loads(run.stdout.splitlines()[-1])
    except (IndexError, ValueError):  # one of them has taken the process down
        return {"a package": f"ends Python when it is imported (exit status {run.returncode})"}
    return {packages[module]: f"cannot be imported ({error})" for module, error in failed.items()}


def _module(distribution: str) -> str:
    """The module that a package is imported by: mostly its own name."""
    own = distribution.replace("-", "_").lower()
    tops = {
        path.parts[0].removesuffix(".py")
        for path in metadata.files(distribution) or ()
        if path.suffix == ".py"
    }
    return next((top for top in tops if top.lower() == own), own)


def _servers() -> Iterator[Finding]:
    from course.lab.services import postgres

    try:
        with postgres() as server:
            version = server.database().run("SHOW server_version")[0][0]
    except (CourseError, OSError) as error:
        first, *more = f"PostgreSQL does not start: {error}".splitlines()
        yield Finding("missing", first, tuple(more))
    else:
        yield Finding("ok", f"PostgreSQL {version} starts")
