"""Record when threads, processes and asyncio tasks really ran or waited, and draw them on one time line."""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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

_MOST_LANES = 30
_MOST_STRETCHES = 1_000  # of one lane; the last one grows when there are more
_SAMPLE = 0.005  # seconds between two looks at a thread's processor time
_PART = 0.02  # seconds of a lane in which its share of the processor is drawn, where more is not known
_COMPUTING = 0.0005  # seconds of processor time between two looks: from there on a thread counts as running
_LONG = 0.05  # seconds for which a coroutine may hold the event loop before the picture says so
_LEFT, _RIGHT, _LANE = 210, 850, 34


@dataclass(eq=False)
class Lane:
    """One thing that was done: its name, who did it, and the stretches of time in which it ran."""

    name: str
    kind: str  # "thread", "process" or "asyncio task"
    who: str
    start: float  # seconds on the clock that all processes of this machine share
    end: float = 0.0
    ran: list[tuple[float, float]] = field(default_factory=list)
    computing: float = 0.0

    def add(self, start: float, end: float) -> None:
        """It ran from `start` to `end`; what is close together becomes one stretch."""
        if self.ran and (start - self.ran[-1][1] < 0.0005 or len(self.ran) >= _MOST_STRETCHES):
            self.ran[-1] = (self.ran[-1][0], end)
        else:
            self.ran.append((start, end))

    @property
    def took(self) -> float:
        """Seconds from its start to its end."""
        return self.end - self.start


class _Meter:
    """Takes the processor time of a lane's own thread at its two ends, on systems where no other thread can look.

    When within it the thread ran is not known then: its share is spread evenly.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._begun: dict[
            int, tuple[float, float]
        ] = {}  # id of a lane: its time and its thread's processor time

    def enter(self, lane: Lane) -> None:
        self._begun[id(lane)] = (time.monotonic(), time.thread_time())

    def leave(self, lane: Lane) -> None:
        then, used = self._begun.pop(id(lane))
        took = time.monotonic() - then
        lane.computing = min(time.thread_time() - used, took)
        parts = math.ceil(took / _PART)
        for part in range(parts if lane.computing >= _COMPUTING else 0):
            begin = then + part * took / parts
            lane.add(begin, begin + lane.computing / parts)


class _Sampler:
    """Looks at the processor time of this process's open lanes while there are any."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._open: dict[int, tuple[Lane, int]] = {}  # id of a lane: the lane and its thread's clock
        self._last: dict[int, tuple[float, float]] = {}

    def enter(self, lane: Lane) -> None:
        with self._lock:
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._last[id(lane)] = (time.monotonic(), time.clock_gettime(clock))
            self._open[id(lane)] = (lane, clock)
            if len(self._open) == 1:
                threading.Thread(target=self._run, name="course-timeline", daemon=True).start()

    def leave(self, lane: Lane) -> None:
        with self._lock:
            self._look(*self._open.pop(id(lane)))
            self._last.pop(id(lane))

    def _look(self, lane: Lane, clock: int) -> None:
        then, used = self._last[id(lane)]
        now, using = time.monotonic(), time.clock_gettime(clock)
        lane.computing += using - used
        if using - used >= _COMPUTING:
            lane.add(max(then, now - (using - used)), now)  # as long as it really ran, at most one look off
        self._last[id(lane)] = (now, using)

    def _run(self) -> None:
        while True:
            time.sleep(_SAMPLE)
            with self._lock:  # an open lane's thread is alive, and so is its clock
                if not self._open:
                    return
                for lane, clock in self._open.values():
                    self._look(lane, clock)


def _watch() -> _Sampler | _Meter:
    """macOS and Windows do not let one thread read the clock of another."""
    return _Sampler() if hasattr(time, "pthread_getcpuclockid") else _Meter()


class Timeline:
    """What `record_timeline()` has recorded; shows itself as a drawing and as text."""

    def __init__(self) -> None:
        self.start = self.end = time.monotonic()
        self.missed = 0
        self._home = os.getpid()
        self._lanes: list[Lane] = []
        self._sampler = _watch()
        descriptor, name = tempfile.mkstemp(prefix="course-timeline-")  # where other processes write
        os.close(descriptor)
        self._file = Path(name)

    def __getstate__(self) -> dict[str, Any]:  # to another process, with the arguments of a function
        return {"_home": self._home, "_file": self._file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_sampler": _watch(), "_lanes": [], "missed": 0}

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """What runs inside is one lane of the picture; works in every thread, process and coroutine."""
        if (lane := _current.get()) and lane in self._lanes and _in_event_loop():
            lane.name = name  # asyncio's own lane of this task
            yield
            return
        if self._sampler.process != os.getpid():  # a fork, where the sampler's thread does not run
            self._sampler, self._lanes = _watch(), []
        away = os.getpid() != self._home
        who = multiprocessing.current_process().name if away else threading.current_thread().name
        lane = Lane(name, "process" if away else "thread", who, time.monotonic())
        recorded = self._begin(lane)
        self._sampler.enter(lane)
        try:
            yield
        finally:
            self._sampler.leave(lane)
            lane.end = time.monotonic()
            if away and recorded:
                self._send(lane)

    def _begin(self, lane: Lane) -> bool:
        if len(self._lanes) >= _MOST_LANES:
            self.missed += 1
            return False
        self._lanes.append(lane)
        return True

    def _send(self, lane: Lane) -> None:
        with suppress(OSError):  # the recording is over, and the file is gone
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, json.dumps(asdict(lane)).encode() + b"\n")  # at once: lines do not mix
            os.close(descriptor)

    def coroutine_lane(self, coroutine: Coroutine[Any, Any, Any], name: str) -> Lane | None:
        """A new lane for a task of asyncio; `None` when there are enough."""
        function = getattr(coroutine, "__name__", type(coroutine).__name__)
        lane = Lane(function if name.startswith("Task-") else name, "asyncio task", name, time.monotonic())
        return lane if self._begin(lane) else None

    def finish(self) -> None:
        """The recording ends: what other processes wrote comes in, what still runs ends here."""
        self.end = time.monotonic()
        for text in self._file.read_text(encoding="utf-8").splitlines()[:_MOST_LANES]:
            values = json.loads(text)
            self._begin(Lane(**values | {"ran": [tuple(each) for each in values["ran"]]}))
        self._file.unlink()

    @property
    def lanes(self) -> list[Lane]:
        """The lanes by their start; one that has not ended ends with the recording."""
        ended = [Lane(**asdict(lane) | {"end": lane.end or self.end}) for lane in list(self._lanes)]
        return sorted(ended, key=lambda lane: lane.start)

    def sentences(self) -> list[str]:
        """What can be seen: whether the tasks overlapped, and what that has saved."""
        lanes = self.lanes
        if not lanes:
            return ['Nothing was recorded. Mark what is to be seen: with timeline.task("download 1"): ...']
        said = [_overlap(lanes)] if len(lanes) > 1 else [f"One task: {milliseconds(lanes[0].took)}."]
        for lane in lanes:
            held = max((end - start for start, end in lane.ran), default=0)
            if lane.kind == "asyncio task" and held >= _LONG and len(lanes) > 1:
                said.append(
                    f"{lane.name} held the event loop for {milliseconds(held)} at a stretch: "
                    "no other task could run then."
                )
        if self.missed:
            said.append(f"Only {_MOST_LANES} tasks are recorded; {self.missed} more are not.")
        return said

    def _rows(self) -> list[list[str]]:
        return [
            [
                lane.name,
                f"{lane.kind} {lane.who}",
                milliseconds(lane.start - self.start),
                milliseconds(lane.end - self.start),
                milliseconds(lane.took),
                milliseconds(lane.computing),
                milliseconds(max(0.0, lane.took - lane.computing)),
            ]
            for lane in self.lanes
        ]

    def __repr__(self) -> str:
        lines = [
            f"{name} ({who}): from {start} to {end}, took {took}, running {ran}, waiting {waited}"
            for name, who, start, end, took, ran, waited in self._rows()
        ]
        return "\n".join(["The time line", *self.sentences(), "", *lines]).rstrip()

    def _repr_html_(self) -> str:
        columns = ["Task", "Where", "From", "To", "Took", "Running", "Waiting"]
        lanes = self.lanes
        body = _draw(self, lanes) + table(columns, self._rows(), "The same as a table") if lanes else ""
        return framed("Who ran when", self.sentences(), body)


_recording: ContextVar[Timeline | None] = ContextVar("course_timeline", default=None)
_current: ContextVar[Lane | None] = ContextVar("course_timeline_lane", default=None)


@contextmanager
def record_timeline() -> Iterator[Timeline]:
    """Record what runs inside: `timeline.task("name")` marks a piece of work; asyncio's tasks are marked already."""
    timeline = Timeline()
    token = _recording.set(timeline)
    try:
        with _watched_loop():
            yield timeline
    finally:
        with suppress(ValueError):  # left in another context than it was entered in
            _recording.reset(token)
        timeline.finish()


@contextmanager
def _watched_loop() -> Iterator[None]:
    """Give each task made inside, by this code or by what it starts, a lane of its own."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    before = loop.get_task_factory()

    def watched(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:  # noqa: ANN401
        timeline = _recording.get()  # a kernel's own tasks have none: they are made in other contexts
        steps = _Steps(coroutine) if timeline and asyncio.iscoroutine(coroutine) else coroutine
        task: Any = before(loop, steps, **options) if before else asyncio.Task(steps, loop=loop, **options)
        if timeline and isinstance(steps, _Steps):
            steps.lane = timeline.coroutine_lane(coroutine, task.get_name())
        return task

    loop.set_task_factory(watched)
    try:
        yield
    finally:
        if loop.get_task_factory() is watched:
            loop.set_task_factory(before)


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are timed: each runs from when the event loop goes on with it to its next await."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.lane: Lane | None = None

    def send(self, value: Any) -> Any:  # noqa: ANN401
        start = self._begins()
        try:
            return self._coroutine.send(value)
        finally:
            self._ends(start)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401
        start = self._begins()
        try:
            return self._coroutine.throw(*error)
        finally:
            self._ends(start)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - its name and code, as asyncio shows them
        return getattr(self._coroutine, name)

    def _begins(self) -> float:
        _current.set(self.lane)
        now = time.monotonic()
        if self.lane and not self.lane.ran:
            self.lane.start = now
        return now

    def _ends(self, start: float) -> None:
        if self.lane:
            self.lane.end = time.monotonic()
            self.lane.computing += self.lane.end - start
            self.lane.add(start, self.lane.end)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _overlap(lanes: list[Lane]) -> str:
    wall = max(lane.end for lane in lanes) - lanes[0].start
    together = sum(lane.took for lane in lanes)
    computing = sum(lane.computing for lane in lanes)
    number = f"{len(lanes)} tasks"
    if wall > 0.85 * together:
        return f"{number} ran one after another: {_seconds(wall)}."
    if computing > 0.5 * wall and all(lane.kind == "thread" for lane in lanes):
        return (
            f"{number} overlapped but took turns: of {_seconds(wall)} they ran {_seconds(computing)} together. "
            "Threads of one Python process wait for each other while they compute."
        )
    return f"{number} overlapped: {_seconds(wall)} instead of {_seconds(together)} one after another."


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else milliseconds(value)


def _draw(timeline: Timeline, lanes: list[Lane]) -> str:
    first = lanes[0].start
    total = max(0.001, max(lane.end for lane in lanes) - first)
    bottom = 34 + _LANE * len(lanes)

    def at(seconds: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (seconds - first) / total

    parts = [
        box(_LEFT, 8, 22, 12, "run", 2),
        words(_LEFT + 28, 14, "running"),
        box(_LEFT + 110, 8, 22, 12, "wait", 2),
    ]
    parts += [words(_LEFT + 138, 14, "waiting")]
    for index, lane in enumerate(lanes):
        top = 32 + _LANE * index
        parts += [words(10, top + 9, shortened(lane.name, 24), "strong")]
        parts += [words(10, top + 23, shortened(f"{lane.kind} {lane.who}", 25), "quiet small")]
        parts += [box(at(lane.start), top + 5, at(lane.end) - at(lane.start), 18, "wait", 3)]
        parts += [box(at(start), top + 2, at(end) - at(start), 24, "run", 1) for start, end in lane.ran]
        parts += [line(10, top + _LANE - 3, _RIGHT, top + _LANE - 3, "rule faint")]
    parts.append(axis(_LEFT, _RIGHT, bottom + 4, total))
    return drawing("Time line", " ".join(timeline.sentences()), (_RIGHT + 50, bottom + 34), parts)
