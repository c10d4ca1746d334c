"""Real queues of threads and of asyncio: who put, who got, and how long each item waited."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import queue
import threading
import time
import weakref
from typing import Any

import pytest

from course.errors import CourseError
from course.lab.pictures.queues import show_queue, watch


def test_threads_are_named_with_what_they_put_and_got() -> None:
    jobs: queue.Queue[str] = watch(queue.Queue())
    consumer = threading.Thread(target=lambda: [jobs.get() for _ in range(2)], name="consumer")
    consumer.start()
    time.sleep(0.05)
    for job in ("<a>", "b"):
        jobs.put(job)
    consumer.join()
    picture = show_queue(jobs)
    assert [(i.text, i.producer, i.consumer) for i in picture.items] == [
        ("'<a>'", "MainThread", "consumer"),
        ("'b'", "MainThread", "consumer"),
    ]
    assert picture.waits["consumer", "get"] >= 0.04
    assert any(said.startswith("consumer waited") for said in picture.sentences())
    assert "<a>" not in picture._repr_html_()


def test_tasks_of_asyncio_wait_for_room() -> None:
    async def main() -> Any:
        jobs: asyncio.Queue[int] = watch(asyncio.Queue(maxsize=1))

        async def produce() -> None:
            for number in range(3):
                await jobs.put(number)

        maker = asyncio.create_task(produce(), name="maker")
        got = []
        for _ in range(3):
            await asyncio.sleep(0.02)
            got.append(await jobs.get())
        await maker
        assert got == [0, 1, 2]
        return show_queue(jobs)

    picture = asyncio.run(main())
    assert {item.producer for item in picture.items} == {"maker"}
    assert max(length for _, length in picture.lengths) == 1
    assert any(said.startswith("maker waited") and "room" in said for said in picture.sentences())


@pytest.mark.parametrize(
    ("made", "order"),
    [(queue.LifoQueue, [3, 2, 1]), (queue.PriorityQueue, [1, 2, 3]), (queue.Queue, [1, 2, 3])],
)
def test_every_kind_of_queue_works_as_before(made: type[queue.Queue[int]], order: list[int]) -> None:
    jobs = watch(made())
    assert watch(jobs) is jobs
    for number in (1, 2, 3):
        jobs.put_nowait(number)
    assert [jobs.get_nowait() for _ in range(3)] == order
    with pytest.raises(queue.Empty):
        jobs.get(timeout=0.01)
    assert [item.got is not None for item in show_queue(jobs).items] == [True] * 3


def test_what_is_left_is_said_and_moves_are_bounded() -> None:
    jobs: queue.Queue[int] = watch(queue.Queue())
    assert "Nothing has been put" in repr(show_queue(jobs))
    for number in range(2_500):
        jobs.put(number)
    said = show_queue(jobs).sentences()
    assert any("still in the queue" in each for each in said)
    assert "Only the first 2000 moves are recorded; 501 more came after." in said
    assert len(show_queue(jobs)._repr_html_()) < 200_000


def test_watching_keeps_no_queue_alive() -> None:
    jobs: queue.Queue[int] = watch(queue.Queue())
    gone = weakref.ref(jobs)
    del jobs
    gc.collect()
    assert gone() is None


def test_what_cannot_be_watched_is_said() -> None:
    with pytest.raises(CourseError, match=r"needs a queue\.Queue"):
        watch(multiprocessing.get_context("fork").Value)  # type: ignore[type-var]
    with pytest.raises(CourseError, match="not watched"):
        show_queue(queue.Queue())
