"""Grade the same class with stock nbgrader and with this project's engine, in turns, and compare.

    .venv/bin/python -m benchmarks.autograde [PART ...] [OPTIONS]     (--help lists parts and options)

Parts:

- `pairs`: stock and the engine, n times in turns, on the same submissions to each phase. The gradebooks must be equal row
  by row. Prints wall and CPU seconds, their ratios pair by pair with medians, and the floor: the CPU of the cells alone,
  see `benchmarks/floor.py`, whose verdicts must be the gradebook's too.
- `feedback`: the same once for each phase with the feedback pages: `nbgrader autograde` and `nbgrader generate_feedback`
  against all of `course grade`. In the other parts nobody makes pages.
- `growth`: one phase with more and more submissions, and one and two workers.
- `memory`: the most that the engine and stock hold at a time, the coordinator and all processes together.
- `kernel`: from asking the zygote for a kernel in a cage to its first executed cell.
- `hostile`: 200 submissions, a tenth of them hostile, on the engine only: nobody else's score may change, and the
  coordinator's memory must stay flat.

"Stock" is nbgrader 0.9.6's `nbgrader autograde` with its own preprocessors and nothing of the course's: one notebook after
the other, each in a kernel started as nbgrader starts it. The time limit for a cell is the course's. No submission of an
honest class needs the mending that stock lacks. Both begin with a gradebook in which the phase is registered, and with
all packages compiled to bytecode, as an installation leaves them: stock would else compile what it imports in each kernel,
wherever Python may not write. Run it on a quiet machine: everything is measured, nothing is corrected.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import statistics
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.classes import make_class
from benchmarks.gradebooks import Cell, Row, broken_promises, differences
from benchmarks.kernel_start import kernel_starts
from benchmarks.measure import Measure
from benchmarks.runs import (
    ENGINE,
    ENGINE_WITH_FEEDBACK,
    HEAVY,
    ROOT,
    STOCK,
    STOCK_WITH_FEEDBACK,
    Bench,
    floor_disagreements,
    promises,
)
from course.cage.level import probe
from course.grading.executors import cores
from course.publishing.layout import labs

_SHOWN = 30  # faults on the screen


@dataclass
class Settings:
    """What the command line asks for."""

    phases: list[str]
    students: int
    pairs: int
    seed: int
    sizes: list[int]
    workers: list[int]
    one_phase: str
    hostile_students: int
    starts: int
    results: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def compare_pairs(bench: Bench, settings: Settings, console: Console) -> None:
    """Stock and the engine in turns on each phase, with the floor."""
    for phase in settings.phases:
        submissions = make_class(bench.kits[phase], settings.students, settings.seed)
        floor = bench.floor(phase, submissions)
        seconds = sum(each["cpu"] for each in floor.values())
        pairs: list[tuple[Measure, Measure]] = []
        for number in range(1, settings.pairs + 1):
            stock, stock_rows = bench.time(STOCK, phase, submissions)
            engine, engine_rows = bench.time(ENGINE, phase, submissions)
            pairs.append((stock, engine))
            where = f"{phase}, pair {number}"
            _note(settings, f"{where}: stock | engine", differences(stock_rows, engine_rows))
            _note(settings, f"{where}: stock", broken_promises(stock_rows, promises(submissions)))
            if number == 1:
                _note(settings, phase, floor_disagreements(floor, stock_rows, bench.kits[phase]))
            console.print(
                f"{where}: {len(stock_rows)} rows, stock {stock.wall:.1f} s, engine {engine.wall:.1f} s",
                style="dim",
            )
        console.print(_pairs_table(phase, settings.students, pairs, seconds))
        console.print(
            f"The cells alone keep {cores()} cores busy for {seconds / cores():.1f} s: "
            f"no grader could be more than {_medians(pairs, seconds)['wall_ratio_limit']:.1f} times as fast as stock."
        )
        settings.results.setdefault("pairs", {})[phase] = {
            "students": settings.students,
            "kinds": [each.kind for each in submissions],
            "rows": len(stock_rows),
            "floor_cpu": seconds,
            "floor": {f"{student} {lab}": each["cpu"] for (student, lab), each in floor.items()},
            "pairs": [{"stock": asdict(stock), "engine": asdict(engine)} for stock, engine in pairs],
            "medians": _medians(pairs, seconds),
        }


def _medians(pairs: Sequence[tuple[Measure, Measure]], floor: float) -> dict[str, float]:
    return {
        "wall_ratio_limit": statistics.median(stock.wall for stock, _ in pairs) / (floor / cores()),
        "wall_ratio": statistics.median(stock.wall / engine.wall for stock, engine in pairs),
        "cpu_ratio": statistics.median(stock.cpu / engine.cpu for stock, engine in pairs),
        "machine_cpu_ratio": statistics.median(stock.machine / engine.machine for stock, engine in pairs),
        "stock_cpu_to_floor": statistics.median(stock.cpu / floor for stock, _ in pairs),
        "engine_cpu_to_floor": statistics.median(engine.cpu / floor for _, engine in pairs),
        "engine_machine_cpu_to_floor": statistics.median(engine.machine / floor for _, engine in pairs),
    }


def _pairs_table(phase: str, students: int, pairs: Sequence[tuple[Measure, Measure]], floor: float) -> Table:
    table = Table(
        title=f"{phase}: {students} submissions; the cells alone: {floor:.1f} s of CPU", title_justify="left"
    )
    table.add_column("pair")
    for column in ("wall", "CPU", "its children's", "machine's"):
        table.add_column(f"{column}\nstock", justify="right")
        table.add_column("\nengine", justify="right")
        table.add_column("\nratio", justify="right", style="bold")
    table.add_column("CPU / floor\nstock", justify="right")
    table.add_column("\nengine", justify="right", style="bold")
    for number, (stock, engine) in enumerate(pairs, start=1):
        cells = []
        for one, other in (
            (stock.wall, engine.wall),
            (stock.cpu, engine.cpu),
            (stock.children, engine.children),
            (stock.machine, engine.machine),
        ):
            cells += [f"{one:.1f} s", f"{other:.1f} s", f"{one / other:.1f}"]
        table.add_row(str(number), *cells, f"{stock.cpu / floor:.2f}", f"{engine.cpu / floor:.2f}")
    middle = _medians(pairs, floor)
    table.add_section()
    table.add_row(
        "median",
        *("", "", f"{middle['wall_ratio']:.1f}"),
        *("", "", f"{middle['cpu_ratio']:.1f}"),
        *("", "", ""),
        *("", "", f"{middle['machine_cpu_ratio']:.1f}"),
        f"{middle['stock_cpu_to_floor']:.2f}",
        f"{middle['engine_cpu_to_floor']:.2f}",
    )
    return table


def compare_feedback(bench: Bench, settings: Settings, console: Console) -> None:
    """One pair for each phase, with the feedback pages."""
    table = Table(title=f"With feedback pages: {settings.students} submissions", title_justify="left")
    table.add_column("phase")
    for column in ("wall", "CPU"):
        table.add_column(f"{column}\nstock", justify="right")
        table.add_column("\nengine", justify="right")
        table.add_column("\nratio", justify="right", style="bold")
    for phase in settings.phases:
        submissions = make_class(bench.kits[phase], settings.students, settings.seed)
        stock, stock_rows = bench.time(STOCK_WITH_FEEDBACK, phase, submissions)
        engine, engine_rows = bench.time(ENGINE_WITH_FEEDBACK, phase, submissions)
        _note(settings, f"{phase}, with feedback: stock | engine", differences(stock_rows, engine_rows))
        cells = []
        for one, other in ((stock.wall, engine.wall), (stock.cpu, engine.cpu)):
            cells += [f"{one:.1f} s", f"{other:.1f} s", f"{one / other:.1f}"]
        table.add_row(phase, *cells)
        settings.results.setdefault("feedback", {})[phase] = {
            "stock": asdict(stock),
            "engine": asdict(engine),
        }
    console.print(table)


def measure_growth(bench: Bench, settings: Settings, console: Console) -> None:
    """One phase with more and more submissions, and each number of workers."""
    phase = settings.one_phase
    table = Table(title=f"Growth: {phase}", title_justify="left")
    table.add_column("submissions", justify="right")
    table.add_column("by")
    for column in ("wall", "CPU", "machine's CPU", "wall for each", "CPU for each"):
        table.add_column(column, justify="right")
    found = []
    for size in settings.sizes:
        submissions = make_class(bench.kits[phase], size, settings.seed)
        expected: dict[Cell, Row] = {}
        for runner, workers in [(STOCK, None), *((ENGINE, each) for each in settings.workers)]:
            name = runner.name if workers is None else f"{runner.name}, {workers} worker{'s' * (workers > 1)}"
            measure, rows = bench.time(runner, phase, submissions, workers)
            expected = expected or rows
            _note(settings, f"{size} submissions, stock | {name}", differences(expected, rows))
            found.append({"size": size, "runner": runner.name, "workers": workers, **asdict(measure)})
            table.add_row(
                str(size),
                name,
                f"{measure.wall:.1f} s",
                f"{measure.cpu:.1f} s",
                f"{measure.machine:.1f} s",
                f"{measure.wall / size:.2f} s",
                f"{measure.cpu / size:.2f} s",
            )
            console.print(f"{size} submissions by {name}: {measure.wall:.1f} s", style="dim")
    console.print(table)
    settings.results["growth"] = found


def measure_memory(bench: Bench, settings: Settings, console: Console) -> None:
    """The most that each holds while it grades one phase."""
    phase = settings.one_phase
    submissions = make_class(bench.kits[phase], settings.students, settings.seed)
    table = Table(title=f"Memory at its most: {phase}, {settings.students} submissions", title_justify="left")
    for column in ("by", "first process", "all processes", "processes"):
        table.add_column(column, justify="right")
    for runner in (STOCK, ENGINE):
        memory, _, _ = bench.hold(runner, phase, submissions)
        settings.results.setdefault("memory", {})[runner.name] = asdict(memory)
        table.add_row(
            runner.name,
            f"{memory.coordinator:.0f} MiB",
            f"{memory.all_processes:.0f} MiB",
            str(memory.processes),
        )
    console.print(table)


def survive_hostile(bench: Bench, settings: Settings, console: Console) -> None:
    """A large class with a tenth of hostile submissions, on the engine."""
    if probe().name != "namespaces":
        raise click.ClickException(
            "Hostile submissions run in a cage only, and there is none here: see course doctor."
        )
    phase = settings.one_phase
    submissions = make_class(bench.kits[phase], settings.hostile_students, settings.seed, hostile=0.1)
    attacks = sum(each.kind.startswith("hostile") for each in submissions)
    memory, rows, status = bench.hold(ENGINE, phase, submissions)
    broken = list(broken_promises(rows, promises(submissions)))
    missing = {each.student for each in submissions} - {cell.student for cell in rows}
    _note(settings, f"{len(submissions)} submissions, {attacks} hostile", broken)
    _note(settings, "not in the gradebook", sorted(missing))
    from_20 = [memory.marks[each] for each in sorted(memory.marks) if each >= 20] or [0.0]
    early, late = from_20[0], max(from_20)
    table = Table(
        title=f"{len(submissions)} submissions, {attacks} of them hostile: {phase}", title_justify="left"
    )
    for column in (
        "exit status",
        "scores that changed",
        "not graded",
        "coordinator at the 20th",
        "at most after it",
        "all processes",
        "wall",
    ):
        table.add_column(column, justify="right")
    table.add_row(
        str(status),
        str(len(broken)),
        str(len(missing)),
        f"{early:.0f} MiB",
        f"{late:.0f} MiB ({late - early:+.0f})",
        f"{memory.all_processes:.0f} MiB",
        f"{memory.wall:.0f} s",
    )
    console.print(table)
    settings.results["hostile"] = {
        "students": len(submissions),
        "attacks": attacks,
        "status": status,
        "broken": broken,
        "missing": sorted(missing),
        "coordinator_at_20": early,
        "coordinator_at_most_after": late,
        **asdict(memory),
    }


def time_kernels(settings: Settings, console: Console) -> None:
    """Kernels started in the cage, one after another."""
    taken = sorted(kernel_starts(settings.starts))
    console.print(
        f"Kernel in a cage, from request to first executed cell, {len(taken)} starts: "
        f"median {statistics.median(taken):.0f} ms, from {taken[0]:.0f} to {taken[-1]:.0f} ms"
    )
    settings.results["kernel_ms"] = taken


def _note(settings: Settings, where: str, lines: Sequence[str] | Iterator[str]) -> None:
    settings.faults += [f"{where}: {line}" for line in lines]


PARTS: dict[str, Callable[[Bench, Settings, Console], None]] = {
    "pairs": compare_pairs,
    "feedback": compare_feedback,
    "growth": measure_growth,
    "memory": measure_memory,
    "hostile": survive_hostile,
}


def _numbers(context: click.Context, option: click.Parameter, value: str) -> list[int]:
    return [int(each) for each in value.split(",")]


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "kernel"]))
@click.option("--phase", "phases", multiple=True, help="A phase for `pairs`; all of them by default.")
@click.option("--students", default=24, show_default=True, help="Submissions for `pairs` and `memory`.")
@click.option("--pairs", default=3, show_default=True, help="How often stock and the engine take turns.")
@click.option(
    "--sizes", default="6,24,96", show_default=True, callback=_numbers, help="Submissions for `growth`."
)
@click.option("--workers", default="1,2", show_default=True, callback=_numbers, help="Workers for `growth`.")
@click.option(
    "--one-phase", default="06-web-frameworks", show_default=True, help="The phase of the other parts."
)
@click.option("--hostile-students", default=200, show_default=True)
@click.option("--starts", default=30, show_default=True, help="Kernels for `kernel`.")
@click.option("--seed", default=2026, show_default=True)
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write all results to this file.")
@click.option(
    "--place", type=click.Path(path_type=Path), help="Work in this new folder, and keep it with its logs."
)
def main(
    parts: tuple[str, ...],
    phases: tuple[str, ...],
    students: int,
    pairs: int,
    sizes: list[int],
    workers: list[int],
    one_phase: str,
    hostile_students: int,
    starts: int,
    seed: int,
    target: Path | None,
    place: Path | None,
) -> None:
    """Compare this project's engine with stock nbgrader: all PARTS, or those named."""
    console = Console(width=max(Console().width, 160))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    every = sorted({lab.phase for folder in (ROOT, HEAVY) for lab in labs(folder)})
    settings = Settings(
        phases=list(phases or every),
        students=students,
        pairs=pairs,
        seed=seed,
        sizes=sizes,
        workers=workers,
        one_phase=one_phase,
        hostile_students=hostile_students,
        starts=starts,
    )
    settings.results["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load": os.getloadavg(),
    }
    chosen = parts or (*PARTS, "kernel")
    for packages in (sysconfig.get_path("purelib"), ROOT / "course"):
        compileall.compile_dir(packages, quiet=2, workers=0)
    if "kernel" in chosen:
        time_kernels(settings, console)
    with tempfile.TemporaryDirectory(prefix="autograde-") as temporary:
        asked = [PARTS[part] for part in chosen if part != "kernel"]
        if asked:
            bench = Bench(place or Path(temporary) / "bench", sorted({*settings.phases, one_phase}), console)
            for phase in bench.kits:
                bench.warm_up(phase, ENGINE)
        for part in asked:
            part(bench, settings, console)
        settings.faults += bench.failed if asked else []
    settings.results["faults"] = settings.faults
    if target is not None:
        target.write_text(json.dumps(settings.results, indent=1))
    for fault in settings.faults[:_SHOWN]:
        console.print(fault, style="bold red", markup=False, highlight=False)
    console.print(f"{len(settings.faults)} faults" if settings.faults else "All grades agree.", style="bold")
    sys.exit(1 if settings.faults else 0)


if __name__ == "__main__":
    main()
