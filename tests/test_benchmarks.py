"""The benchmark's class maker and its checks: grades that are wrong, or not the same, are found out."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
SMALL = ROOT / "tests" / "proof" / "small_course"
PHASE = "01-small"
SEED = 1  # its wrong answer ends


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))  # benchmarks are no part of the installed package
        from benchmarks import classes, gradebooks, runs

        yield SimpleNamespace(classes=classes, gradebooks=gradebooks, runs=runs)


@pytest.fixture(scope="module")
def bench(modules, tmp_path_factory):
    return modules.runs.Bench(tmp_path_factory.mktemp("bench") / "place", [PHASE], Console(), homes=[SMALL])


def texts(submissions):
    return [
        (each.student, {lab: nbformat.writes(work.notebook) for lab, work in each.work.items()})
        for each in submissions
    ]


def test_a_seed_makes_the_same_class_and_a_smaller_one_is_its_beginning(modules, bench):
    kits = bench.kits[PHASE]
    made = modules.classes.make_class(kits, 40, SEED)
    assert texts(modules.classes.make_class(kits, 40, SEED)) == texts(made)
    assert texts(modules.classes.make_class(kits, 6, SEED)) == texts(made)[:6]
    assert texts(modules.classes.make_class(kits, 40, SEED + 1)) != texts(made)


def test_every_kind_has_its_share(modules, bench):
    kits = bench.kits[PHASE]
    kinds = Counter(each.kind for each in modules.classes.make_class(kits, 40, SEED))
    assert kinds["reference"] == kinds["other"] == kinds["wrong"] == 8
    assert kinds["slow"] == kinds["raising"] == kinds["chatty"] == kinds["untouched"] == 2
    hostile = modules.classes.make_class(kits, 80, SEED, hostile=0.1)
    attacks = [each for each in hostile if each.kind.startswith("hostile")]
    assert len({each.kind for each in attacks}) == len(attacks) == 8
    assert not any(each.work["01a-money"].promised for each in attacks)


def test_stock_gives_what_the_bank_promises_and_what_is_not_equal_is_named(modules, bench):
    submissions = modules.classes.make_class(bench.kits[PHASE], 3, SEED)[::2]
    assert [each.kind for each in submissions] == ["reference", "wrong"]
    promised = modules.runs.promises(submissions)
    floor = bench.floor(PHASE, submissions)
    measure, rows = bench.time(modules.runs.STOCK, PHASE, submissions)

    assert measure.status == 0
    assert len(rows) == 2 * 4
    assert 0.0 in promised.values()
    assert list(modules.gradebooks.broken_promises(rows, promised)) == []
    assert list(modules.runs.floor_disagreements(floor, rows, bench.kits[PHASE])) == []
    assert list(modules.gradebooks.differences(rows, dict(rows))) == []

    cell = next(each for each, score in promised.items() if score)
    forged = rows | {cell: replace(rows[cell], auto_score=99.0)}
    (line,) = modules.gradebooks.differences(rows, forged)
    assert line.startswith(str(cell))
    assert line.endswith("| 99.0")
    (line,) = modules.gradebooks.broken_promises(forged, promised)
    assert line.startswith(f"{cell}: got 99.0")
    (line,) = modules.runs.floor_disagreements(floor, forged, bench.kits[PHASE])
    assert line.startswith(str(cell))

    lost = {each: row for each, row in rows.items() if each != cell}
    (line,) = modules.gradebooks.differences(rows, lost)
    assert line.endswith("no row")
    (line,) = modules.gradebooks.broken_promises(lost, promised)
    assert "got None" in line
