"""Real threads, processes and asyncio tasks on one time line."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from course.lab.pictures import timeline as module
from course.lab.pictures.timeline import Timeline, record_timeline


def wait(timeline: Timeline, name: str, seconds: float = 0.05) -> str:
    with timeline.task(name):
        time.sleep(seconds)
    return name


def compute(timeline: Timeline, name: str) -> None:
    with timeline.task(name):
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass


def test_threads_that_wait_overlap() -> None:
    with record_timeline() as timeline, ThreadPoolExecutor(3, "pool") as pool:
        assert list(pool.map(lambda name: wait(timeline, name, 0.2), "abc")) == ["a", "b", "c"]
    assert {lane.who for lane in timeline.lanes} == {"pool_0", "pool_1", "pool_2"}
    assert timeline.sentences()[0].startswith("3 tasks overlapped: 0.")
    assert all(lane.took >= 0.2 and lane.computing < 0.1 for lane in timeline.lanes)


def test_one_after_another_is_said() -> None:
    with record_timeline() as timeline:
        for name in "ab":
            wait(timeline, name)
    assert timeline.sentences()[0].startswith("2 tasks ran one after another")


def test_computing_is_seen_as_running() -> None:
    with record_timeline() as timeline:
        compute(timeline, "sums")
    (lane,) = timeline.lanes
    assert lane.computing >= 0.05
    assert sum(end - start for start, end in lane.ran) >= 0.04


def test_processes_write_on_the_same_time_line_and_leave_no_file() -> None:
    with record_timeline() as timeline:
        with ProcessPoolExecutor(2) as pool:
            for done in [pool.submit(compute, timeline, name) for name in "ab"]:
                done.result()
        file = timeline._file
        assert Path(file).exists()
    assert not Path(file).exists()
    assert sorted(lane.name for lane in timeline.lanes) == ["a", "b"]
    assert {lane.kind for lane in timeline.lanes} == {"process"}
    assert all(timeline.start < lane.start < lane.end < timeline.end for lane in timeline.lanes)


def test_a_coroutine_runs_only_when_it_holds_the_event_loop() -> None:
    async def download() -> str:
        with timeline.task("polite"):
            await asyncio.sleep(0.05)
        return "done"

    async def rude() -> None:
        time.sleep(0.06)
        raise ValueError("as before")

    async def main() -> list[object]:
        nonlocal timeline
        with record_timeline() as timeline:
            results = await asyncio.gather(download(), rude(), return_exceptions=True)
        assert asyncio.get_running_loop().get_task_factory() is None
        return results

    timeline = Timeline()
    timeline.finish()
    first, second = asyncio.run(main())
    assert first == "done"
    assert isinstance(second, ValueError)
    lanes = {lane.name: lane for lane in timeline.lanes}
    assert set(lanes) == {"polite", "rude"}
    assert lanes["polite"].computing < 0.04
    assert lanes["rude"].computing >= 0.06
    assert any(said.startswith("rude held the event loop for") for said in timeline.sentences())


def test_a_cancelled_task_and_one_made_elsewhere_are_as_without(recwarn: pytest.WarningsRecorder) -> None:
    async def sleepy() -> None:
        await asyncio.sleep(10)

    async def with_a_thread(timeline: Timeline) -> None:
        await asyncio.to_thread(wait, timeline, "in a thread")

    async def main() -> Timeline:
        with record_timeline() as timeline:
            task = asyncio.create_task(sleepy())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            started = asyncio.create_task(sleepy())
            await asyncio.sleep(0)
            started.cancel()
            with pytest.raises(asyncio.CancelledError):
                await started
            await asyncio.create_task(with_a_thread(timeline))
        return timeline

    timeline = asyncio.run(main())
    assert "in a thread" in [lane.name for lane in timeline.lanes if lane.kind == "thread"]
    assert not recwarn.list


def test_lanes_are_bounded_and_no_thread_is_left() -> None:
    with record_timeline() as timeline:
        for number in range(module._MOST_LANES + 2):
            wait(timeline, f"<{number}>", 0)
    assert "Only 30 tasks are recorded; 2 more are not." in timeline.sentences()
    assert "<0>" not in timeline._repr_html_()
    for thread in threading.enumerate():
        if thread.name == "course-timeline":
            thread.join(5)
            assert not thread.is_alive()


def test_where_no_thread_can_look_at_another_its_share_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "pthread_getcpuclockid")
    with record_timeline() as timeline:
        compute(timeline, "sums")
        wait(timeline, "download", 0.05)
    sums, download = timeline.lanes
    assert sums.computing >= 0.05
    # what is less than half a millisecond apart is drawn as one: more than its share, by a part in forty at most
    assert sum(end - start for start, end in sums.ran) == pytest.approx(sums.computing, rel=0.03)
    assert sums.start <= sums.ran[0][0] <= sums.ran[-1][1] <= sums.end
    assert download.computing < 0.03
    assert "sums" in timeline._repr_html_()
