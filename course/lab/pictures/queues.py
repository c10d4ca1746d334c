"""Record who puts into a queue and who gets from it, and draw its length and every item's wait over time."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from course.errors import CourseError
from course.lab.pictures.drawing import (
    axis,
    box,
    drawing,
    framed,
    line,
    milliseconds,
    shortened,
    table,
    words,
)

_MOST_MOVES = 2_000  # recorded; later ones are counted
_MOST_ITEMS = 200  # drawn and listed
_LEFT, _RIGHT, _LANE = 170, 830, 26

AnyQueue = TypeVar("AnyQueue", bound="queue.Queue[Any] | asyncio.Queue[Any]")


@dataclass
class Item:
    """What went through the queue: put by whom and when, and got by whom and when (`None`: not yet)."""

    text: str
    producer: str
    put: float
    consumer: str | None = None
    got: float | None = None


@dataclass
class Log:
    """All moves of one queue, in seconds since it was watched."""

    start: float
    by_task: bool  # whether those who put and get are asyncio tasks, not threads
    items: list[Item] = field(default_factory=list)
    lengths: list[tuple[float, int]] = field(default_factory=list)
    waits: dict[tuple[str, str], float] = field(default_factory=dict)  # (who, "put" or "get"): seconds
    missed: int = 0
    inside: dict[int, deque[Item]] = field(default_factory=dict)  # id of an object in the queue: its items

    def now(self) -> float:
        """Seconds since the queue was watched."""
        return time.perf_counter() - self.start

    def put(self, item: Any, length: int) -> None:  # noqa: ANN401
        """An item has come into the queue."""
        if self._moved(length):
            record = Item(shortened(repr(item)[:100], 30), _who(self.by_task), self.now())
            self.items.append(record)
            self.inside.setdefault(id(item), deque()).append(record)

    def got(self, item: Any, length: int) -> None:  # noqa: ANN401
        """An item has left the queue."""
        self._moved(length)
        if waiting := self.inside.get(id(item)):
            record = waiting.popleft()
            record.consumer, record.got = _who(self.by_task), self.now()
            if not waiting:
                del self.inside[id(item)]

    def _moved(self, length: int) -> bool:
        if len(self.lengths) >= _MOST_MOVES:
            self.missed += 1
            return False
        self.lengths.append((self.now(), length))
        return True

    def waited(self, side: str, since: float) -> None:
        """The task or thread that runs has waited to put or get since then."""
        key = (_who(self.by_task), side)
        self.waits[key] = self.waits.get(key, 0) + self.now() - since


_logs: WeakKeyDictionary[Any, Log] = WeakKeyDictionary()


def watch(watched: AnyQueue) -> AnyQueue:
    """Record every put and get of this queue from now on; gives the same queue, which works as before."""
    if not isinstance(watched, (queue.Queue, asyncio.Queue)):
        raise CourseError(
            "watch() needs a queue.Queue or an asyncio.Queue, "
            f"but got {type(watched).__name__}. Write: jobs = watch(queue.Queue())"
        )
    if watched in _logs:
        return watched
    by_task = isinstance(watched, asyncio.Queue)
    log = _logs[watched] = Log(time.perf_counter(), by_task, lengths=[(0.0, watched.qsize())])
    # A queue calls these two for each item, at the very moment and under its own lock.
    inner: Any = watched
    put, get, size = inner._put, inner._get, inner.qsize if by_task else inner._qsize

    def record_put(item: Any) -> None:  # noqa: ANN401
        put(item)
        log.put(item, size())

    def record_get() -> Any:  # noqa: ANN401
        item = get()
        log.got(item, size())
        return item

    inner._put, inner._get = record_put, record_get
    timed = _timed_await if by_task else _timed
    inner.put, inner.get = timed(inner.put, log, "put"), timed(inner.get, log, "get")
    return watched


def _timed(call: Callable[..., Any], log: Log, side: str) -> Callable[..., Any]:
    @wraps(call)
    def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        since = log.now()
        try:
            return call(*arguments, **options)
        finally:
            log.waited(side, since)

    return timed


def _timed_await(call: Callable[..., Awaitable[Any]], log: Log, side: str) -> Callable[..., Any]:
    @wraps(call)
    async def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        since = log.now()
        try:
            return await call(*arguments, **options)
        finally:
            log.waited(side, since)

    return timed


def _who(by_task: bool) -> str:
    """The asyncio task that runs, for a queue of asyncio; for another, the thread."""
    task = asyncio.current_task() if by_task else None
    if task is None:
        return threading.current_thread().name
    code = getattr(task.get_coro(), "cr_code", None)
    if code and "/ipykernel/" in code.co_filename:
        return "the cell itself"
    function = getattr(task.get_coro(), "__name__", "")
    return f"{function} {task.get_name()}" if task.get_name().startswith("Task-") else task.get_name()


class QueuePicture:
    """A queue's length over time, its producers and consumers, and each item's wait."""

    def __init__(self, log: Log) -> None:
        self.items = list(log.items)
        self.lengths = list(log.lengths)
        self.waits = dict(log.waits)
        self.missed = log.missed
        self.end = max([0.001, self.lengths[-1][0], *(item.got or item.put for item in self.items)])

    def sentences(self) -> list[str]:
        """What can be seen: the longest length, the longest wait, and who waited."""
        if not self.items:
            return ["Nothing has been put into this queue since it is watched."]
        moment, longest = max(self.lengths, key=lambda each: each[1])
        said = [
            f"{_count(len(self.items), 'item')} went in; at most {longest} waited at once "
            f"(after {milliseconds(moment)})."
        ]
        if got := [item for item in self.items if item.got is not None]:
            slow = max(got, key=_wait)
            said.append(f"Longest wait of an item: {slow.text}, {milliseconds(_wait(slow))}.")
        if left := len(self.items) - len(got):
            said.append(f"{_count(left, 'item')} still in the queue at the end.")
        for (who, side), seconds in sorted(self.waits.items(), key=lambda each: -each[1])[:2]:
            if seconds >= 0.005:
                reason = "for something to get" if side == "get" else "for room to put something"
                said.append(f"{who} waited {milliseconds(seconds)} {reason}.")
        if self.missed:
            said.append(f"Only the first {_MOST_MOVES} moves are recorded; {self.missed} more came after.")
        return said

    def _rows(self) -> list[list[str]]:
        return [
            [
                item.text,
                item.producer,
                milliseconds(item.put),
                item.consumer or "nobody yet",
                milliseconds(item.got) if item.got is not None else "still inside",
                milliseconds(_wait(item)) if item.got is not None else "still inside",
            ]
            for item in self.items[:_MOST_ITEMS]
        ]

    def __repr__(self) -> str:
        lines = [
            f"{row[0]}: put by {row[1]} at {row[2]}, got by {row[3]} at {row[4]}, wait {row[5]}"
            for row in self._rows()
        ]
        return "\n".join(["The queue", *self.sentences(), "", *lines]).rstrip()

    def _repr_html_(self) -> str:
        columns = ["Item", "Put by", "Put at", "Got by", "Got at", "Waited"]
        body = _draw(self) if self.items else ""
        figures = table(columns, self._rows(), "The same as a table") if self.items else ""
        return framed("A queue, its producers and its consumers", self.sentences(), body + figures)


def show_queue(watched: AnyQueue) -> QueuePicture:
    """Draw what has happened in a queue since `watch(...)` was called on it."""
    if watched not in _logs:
        raise CourseError("This queue is not watched. Make it with watch: jobs = watch(queue.Queue())")
    return QueuePicture(_logs[watched])


def _wait(item: Item) -> float:
    return (item.got or item.put) - item.put


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _draw(picture: QueuePicture) -> str:
    shown = picture.items[:_MOST_ITEMS]
    producers = list(dict.fromkeys(item.producer for item in shown))
    consumers = list(dict.fromkeys(item.consumer for item in shown if item.consumer))
    middle = 34 + _LANE * len(producers)
    floor = middle + 120
    bottom = floor + 34 + _LANE * len(consumers)
    rows = {("put", who): 34 + _LANE * (i + 0.5) for i, who in enumerate(producers)}
    rows |= {("get", who): floor + 34 + _LANE * (i + 0.5) for i, who in enumerate(consumers)}

    def at(seconds: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * seconds / picture.end

    parts = [words(10, 20, "Producers put", "strong"), words(10, floor + 20, "Consumers get", "strong")]
    for (_, who), y in rows.items():
        parts += [words(10, y, shortened(who, 19)), line(_LEFT, y, _RIGHT, y, "rule faint")]
    parts += _length_curve(picture, at, middle + 18, floor - 4)
    for item in shown:
        x, y = at(item.put), rows["put", item.producer]
        parts.append(f'<path d="M{x - 5:.1f},{y - 6:.1f} h10 l-5,11 Z" class="tip"/>')
        if item.got is not None and item.consumer:
            x, y = at(item.got), rows["get", item.consumer]
            parts.append(box(x - 4.5, y - 4.5, 9, 9, "tip", 1))
    parts.append(axis(_LEFT, _RIGHT, bottom + 6, picture.end))
    return drawing(
        "The queue over time: puts above, its length in the middle, gets below",
        " ".join(picture.sentences()),
        (_RIGHT + 50, bottom + 36),
        parts,
    )


def _length_curve(picture: QueuePicture, at: Callable[[float], float], top: float, floor: float) -> list[str]:
    longest = max(1, *(length for _, length in picture.lengths))
    tall = floor - top
    path, height = [f"M{_LEFT},{floor}"], 0.0
    for moment, length in picture.lengths:
        height = tall * length / longest
        path += [f"H{at(moment):.1f}", f"V{floor - height:.1f}"]
    path += [f"H{_RIGHT}", f"V{floor}", "Z"]
    step = max(1, -(-longest // 4))
    levels = [
        part
        for level in range(0, longest + 1, step)
        for part in (
            line(_LEFT, floor - tall * level / longest, _RIGHT, floor - tall * level / longest, "rule faint"),
            words(_LEFT - 8, floor - tall * level / longest, str(level), "quiet", "end"),
        )
    ]
    return [
        *levels,
        words(10, (top + floor) / 2, "In the queue", "strong"),
        f'<path d="{" ".join(path)}" class="area"/>',
    ]
