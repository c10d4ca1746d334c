"""Make calls into a driver that can be interrupted: by the clock, and by whoever interrupts the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs a driver's calls in a thread of its own, while the thread that asks waits for them in Python.

    A thread that is inside a driver sees no interrupt of the kernel before the driver returns.
    """

    def __init__(self, seconds: float, interrupt: Callable[[], object]) -> None:
        """All calls together may take `seconds`; `interrupt` makes the driver give up the one that runs."""
        self._end = time.monotonic() + seconds
        self._interrupt = interrupt
        self._pool = ThreadPoolExecutor(max_workers=1)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises; TimeoutError where the time is over."""
        future = self._pool.submit(function, *args, **kwargs)
        try:
            return future.result(max(self._end - time.monotonic(), 0))
        except (TimeoutError, KeyboardInterrupt):
            while not future.done():  # a driver that was just about to begin has not heard the first time
                self._interrupt()
                wait([future], 0.2)
            raise

    def batches(self, fetch: Callable[[], list[Any]]) -> Iterator[list[Any]]:
        """What `fetch` returns, call after call, until it is empty."""
        while batch := self.call(fetch):
            yield batch

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
