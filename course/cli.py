"""The `course` command: each verb is one call into the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import course.unused_imports  # noqa: F401 - for its effect
from course.errors import CourseError


class _Commands(click.Group):
    """Shows a CourseError as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CourseError as error:
            raise click.ClickException(str(error)) from error


def _find_root() -> Path:
    """The project's folder: the working directory or the nearest one above it that holds the course.

    Raises CourseError outside a clone.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "nbgrader_config.py").is_file() and (folder / "source").is_dir():
            return folder
    raise CourseError(
        f"{here} is not inside the course's folder: cd to the folder you cloned, then try again."
    )


@click.group(cls=_Commands)
def main() -> None:
    """Learn, publish and grade the Backend Course."""


@main.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Use this port instead of the first free one from 8888."
)
@click.option("--headless", is_flag=True, help="Open no browser; print the address.")
def lab(port: int | None, headless: bool) -> None:
    """Open JupyterLab on the course home."""
    from course.classroom.launch import jupyterlab_command, student_environment

    root = _find_root()
    _fill_work(root)
    command = jupyterlab_command(root / "work", port=port, headless=headless)
    os.execve(command[0], command, student_environment())


@main.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Use this port instead of the first free one from 8888."
)
@click.option("--headless", is_flag=True, help="Open no browser; print the address.")
def teach(port: int | None, headless: bool) -> None:
    """Open JupyterLab with formgrader and nbgrader's other pages, to release and grade."""
    from course.classroom import teaching
    from course.classroom.launch import instructor_environment, jupyterlab_command

    root = _find_root()
    teaching.make_ready(root)
    command = jupyterlab_command(root, port=port, headless=headless)
    environment = instructor_environment()
    os.chdir(root)  # where nbgrader's pages look for its settings
    os.execve(command[0], command, environment)


@main.command()
def work() -> None:
    """Fill work/ with the newest labs; your answers and cells stay."""
    _fill_work(_find_root())


def _fill_work(root: Path) -> None:
    from course.classroom import working_copy
    from course.publishing.build import build

    build(root)
    for change in working_copy.refresh(root):
        click.echo(f"{change.lab} {change.message}")


@main.command()
@click.argument("lab", required=False)
@click.option("--check", is_flag=True, help="Change nothing; fail if release/ is not what source/ makes.")
def build(lab: str | None, check: bool) -> None:
    """Publish source/ to release/: everything, one PHASE, or one PHASE/LAB."""
    from course.publishing import build as publishing

    if check:
        publishing.check(_find_root())
    else:
        click.echo(publishing.build(_find_root(), lab))


@main.command()
@click.option("--labs", is_flag=True, help="List every lab too.")
def syllabus(labs: bool) -> None:
    """Print the map: points planned, taught and assessed, phase by phase."""
    from course.syllabus import show

    sys.exit(show(_find_root(), labs=labs))


@main.command()
@click.argument("lab", required=False)
def verify(lab: str | None) -> None:
    """Prove a lab's tests fair and strong with its answer bank: all labs, one PHASE, or one PHASE/LAB."""
    try:
        from course.proof.verify import verify as prove
    except ModuleNotFoundError as error:
        raise CourseError(
            f"course verify needs the authors' tools, and {error.name} is not installed: make test installs them"
        ) from error

    sys.exit(prove(_find_root(), lab))


@main.command()
@click.argument("phase")
@click.option("--force", is_flag=True, help="Grade again what has not changed since it was graded.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Use at most this many processes instead of one per core."
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Use the Dask cluster whose scheduler is at tcp://HOST:PORT."
)
def grade(phase: str, force: bool, workers: int | None, scheduler: str | None) -> None:
    """Grade PHASE: the class in submitted/, or your own work/ where nothing was submitted."""
    from course.grading import imports, zygotes

    root = _find_root()
    phase, _, lab = phase.strip("/").partition("/")
    if lab:
        raise CourseError(f"Labs are graded together, a phase at a time: course grade {phase}")
    if not scheduler:
        zygotes.begin(imports.remembered(root, phase))  # while nbgrader is imported
    from course.grading import loop

    if any((root / "submitted").glob(f"*/{phase}")):
        sys.exit(loop.grade(root, phase, force=force, scheduler=scheduler, workers=workers))
    sys.exit(loop.grade_own_work(root, phase))


@main.command()
@click.argument("phase", required=False)
def report(phase: str | None) -> None:
    """Write the class report of PHASE, or of all graded phases: a page with plots, and tables as CSV."""
    from course.classroom.report.report import show

    sys.exit(show(_find_root(), phase))


@main.command()
def doctor() -> None:
    """Say what works on this machine, and how safely it grades other people's notebooks.

    It tries everything and changes nothing. The exit status is 0 if all of it works and other people's notebooks are
    fully caged, 1 if something is missing or they would be held more weakly, or not at all.
    """
    from course.doctor import show

    sys.exit(show())


@main.command()
def demo() -> None:
    """Show the whole loop: a class of 12 submissions, graded, with feedback. It takes some minutes."""
    from course.proof.demo import demo as show

    sys.exit(show(_find_root()))
