"""Awaiting across the line: the student's coroutines run on the student kernel's loop, the test's own on this one.

While the test's loop runs, the other loop is given its turns: short ones as long as there is something to do, longer ones
when all wait. A coroutine's first step is taken at once, as in one process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from course.examiner.mirrors import Ref
from course.examiner.values import Value
from course.examiner.wire import Broken

if TYPE_CHECKING:
    from course.examiner.session import Session

_FIRST_TURN = 0.002  # seconds; a cell that does not await is done by then, or keeps the loop busy
_LONGEST_TURN = 0.005
_LONGEST_WITH_OURS = 0.001  # while a coroutine of the test's is awaited over there
_EAGER_TURNS = 3


class Waits:
    """What a session's two event loops wait for of each other."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop: asyncio.AbstractEventLoop | None = None
        self._theirs: dict[int, asyncio.Future[Value]] = {}  # awaited here, run there
        self._ours: set[asyncio.Task[None]] = set()  # awaited there, run here
        self._begun = 0
        self._finished: list[tuple[int, bool, Value]] = []
        self._idle = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the student's loop its turns for as long as this loop runs."""
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_FIRST_TURN, self._turn)

    async def awaited(self, awaitable: Value | Ref) -> Value:
        """What an awaitable of the student's gives. To be cancelled cancels it, and waits for its end."""
        number, done, good, value = self._session.ask("start", awaitable)
        if done:
            return self._outcome(good, value, cancelled=False)
        loop = asyncio.get_running_loop()
        self.attach(loop)
        self._idle = 0
        future = self._theirs[number] = loop.create_future()
        cancelled = False
        while not future.done():
            try:
                await asyncio.shield(future)
            except asyncio.CancelledError:
                if future.done():
                    raise
                self._session.ask("cancel", number)
                cancelled = True
                self._idle = 0
        return self._outcome(*future.result(), cancelled=cancelled)

    def _outcome(self, good: Value, value: Value, *, cancelled: bool) -> Value:
        if good is True:
            return value
        if not isinstance(value, BaseException) or isinstance(value, Broken):
            raise Broken("malformed error")
        if isinstance(value, asyncio.CancelledError) and not cancelled:
            self._session.hear(value, "what was awaited")
        raise value

    def begin(self, awaitable: Value) -> int:
        """Run an awaitable of the test's for the student's code; the number under which its end is told.

        Raises RuntimeError where no loop is running.
        """
        loop = asyncio.get_running_loop()
        self.attach(loop)
        self._begun += 1
        self._idle = 0
        task = loop.create_task(self._run(self._begun, awaitable))
        self._ours.add(task)
        task.add_done_callback(self._ours.discard)
        return self._begun

    async def _run(self, number: int, awaitable: Value) -> None:
        try:
            good, value = True, await awaitable
        except Broken:
            raise
        except BaseException as error:
            good, value = False, error
        self._finished.append((number, good, value))
        self._idle = 0

    def _turn(self) -> None:
        """Let the student's loop run for a moment, and tell both sides what is done."""
        loop, finished = self._loop, tuple(self._finished)
        self._finished.clear()
        try:
            news = self._session.ask("run", self._patience(), finished)
            self._tell(news)
        except BaseException as error:
            self._give_up(error)
            return
        self._idle = 0 if news else self._idle + 1
        assert loop is not None
        loop.call_soon(self._turn)

    def _patience(self) -> float:
        if self._idle < _EAGER_TURNS:
            return 0.0
        longest = _LONGEST_WITH_OURS if self._ours else _LONGEST_TURN
        return min(0.0002 * 2.0 ** min(self._idle, 10), longest)

    def _tell(self, news: Any) -> None:  # noqa: ANN401 - whatever the student's kernel said
        for number, good, value in news:
            future = self._theirs.pop(number)
            if not future.done():
                future.set_result((good, value))

    def _give_up(self, error: BaseException) -> None:
        self._loop = None
        for future in self._theirs.values():
            if not future.done():
                future.set_exception(error if isinstance(error, (Broken, Exception)) else Broken(str(error)))
        self._theirs.clear()
