"""What hostile submissions gain under stock nbgrader and under this engine: the threat suite as a table.

    .venv/bin/python benchmarks/threats.py [WORD...]     all, or those with one of the words in `threat/name`

Under this engine a class of threat is graded at once, by `course grade`. Under stock nbgrader 0.9.6 each submission is
graded on its own, with two victims, inside a bubblewrap sandbox with a copy of everything; those that would harm the
machine from there too are left out. Both are judged alike: see tests/threats/runner.py.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from threats.classroom import publish  # noqa: E402
from threats.runner import gains, grade, harm  # noqa: E402
from threats.submission import Submission, submissions  # noqa: E402

_VICTIMS = ("ada", "zoe")
_SECONDS = 240
_KILLED = {
    code for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP) for code in (-number, 128 + number)
}
_LIMITS = {
    resource.RLIMIT_AS: 6 << 30,
    resource.RLIMIT_FSIZE: 1 << 30,
    resource.RLIMIT_CPU: 120,
    resource.RLIMIT_CORE: 0,
}


def main(words: Sequence[str]) -> None:
    """Run both, and print the table and its sums."""
    chosen = [
        each
        for each in submissions()
        if not words or any(word in f"{each.threat}/{each.name}" for word in words)
    ]
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        published = publish(Path(folder) / "course")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            running = {pool.submit(_under_stock, published, each): each for each in chosen}
            for number, done in enumerate(as_completed(running), start=1):
                line = f"{number} of {len(chosen)}, stock, {running[done].name}: {_said(done.result())}"
                console.print(line, style="dim", markup=False)
        stock = {each.name: done.result() for done, each in running.items()}
        engine = dict(_under_this_engine(published, chosen))
    table = Table(title="What hostile submissions gain, and what others lose by them", title_justify="left")
    for column in ("Threat", "Submission", "Stock nbgrader 0.9.6", "This engine"):
        table.add_column(column, overflow="fold")
    for each in chosen:
        table.add_row(each.threat, each.title, _said(stock[each.name]), _said(engine[each.name]))
    console.print(table)
    judged = [found for found in stock.values() if not isinstance(found, str)]
    console.print(
        f"Stock nbgrader: {sum(map(bool, judged))} of {len(judged)} succeed, {len(stock) - len(judged)} were not judged."
    )
    console.print(f"This engine: {sum(map(bool, engine.values()))} of {len(engine)} succeed.")


def _said(found: list[str] | str) -> str:
    """The first few of the gains, or why nothing is known."""
    if isinstance(found, str):
        return found
    return "; ".join(line[:90] for line in found[:4]) or "nothing"


def _under_this_engine(published: Path, chosen: Sequence[Submission]) -> Iterator[tuple[str, list[str]]]:
    """What each gained; harm that cannot be laid at one's door is laid at that of the first of its class."""
    for _, group in groupby(chosen, lambda each: (each.threat, each.phase)):
        together = list(group)
        evidence = grade(published, together, "course grade")
        for position, submission in enumerate(together):
            yield submission.name, gains(evidence, submission) + (harm(evidence) if position == 0 else [])


def _under_stock(published: Path, submission: Submission) -> list[str] | str:
    """What one gained, or why that is not known."""
    if not submission.safe_under_stock:
        return "not run: unsafe"
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        sys.exit("Install bubblewrap: nothing is run under stock nbgrader outside a sandbox.")
    sandbox = [
        bwrap,
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
    ]
    sandbox += [
        "--proc",
        "/proc",
        "--size",
        str(1 << 30),
        "--tmpfs",
        "/tmp",
        "--ro-bind",  # once more, as it may be in there
        ROOT,
        ROOT,
        "--ro-bind",
        published,
        "/tmp/published",
    ]
    inside = [sys.executable, __file__, "--inside", "/tmp/published", submission.name]
    try:
        done = subprocess.run(
            [*sandbox, "--chdir", "/tmp", *inside],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            preexec_fn=_limit,
        )
    except subprocess.TimeoutExpired:
        return ["nothing came of it in time"]
    if done.returncode in _KILLED:
        return ["everything was killed"]
    if done.returncode:
        return f"not judged: {done.stderr.strip().splitlines()[-1:]}"
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _limit() -> None:
    for kind, value in _LIMITS.items():
        resource.setrlimit(kind, (value, value))


def _inside(published: str, name: str) -> None:
    """In the sandbox: grade one, and print what it gained as JSON."""
    (submission,) = [each for each in submissions() if each.name == name]
    evidence = grade(Path(published), [submission], "stock", _VICTIMS)
    print(json.dumps(gains(evidence, submission) + harm(evidence)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        _inside(*sys.argv[2:])
    else:
        main(sys.argv[1:])
