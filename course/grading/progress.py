"""Show how far grading is: a bar on a terminal, a line now and then where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINES = 10  # in all, where there is no terminal


class Watch:
    """Counts submissions that are graded; a context manager that shows the count where it has a console."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is where to show it; None shows nothing."""
        self._console = console
        self._bar: Progress | None = None
        self.total = self.done = 0

    def begin(self, total: int) -> None:
        """`total` submissions are to be graded."""
        self.total = total
        if self._console is not None and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("Grading"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[running]} running"),
                TimeElapsedColumn(),
                TextColumn("left:"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("grading", total=total, running=0)
            self._bar.start()

    def running(self, count: int) -> None:
        """`count` notebooks are being run now."""
        if self._bar is not None:
            self._bar.update(self._task, running=count)

    def one_more(self) -> None:
        """A submission is graded."""
        self.done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)
        elif self._console is not None and (
            self.done == self.total or self.done % max(1, self.total // _LINES) == 0
        ):
            self._console.print(f"[{self.done}/{self.total}] graded", style="dim", markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
