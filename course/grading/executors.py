"""Where jobs are done: in processes of this machine, or by the workers of a Dask cluster.

Both are `concurrent.futures.Executor`s whose futures end in `LostJob` where a job took its workers down with it.
"""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psutil  # type: ignore[import-untyped]

from course.errors import CourseError

if TYPE_CHECKING:
    from distributed import Client

DEATHS = 3
"""How many workers a job may take down before it is given up."""

_CONNECT_SECONDS = 20

P = ParamSpec("P")
T = TypeVar("T")


class LostJob(Exception):
    """A job that no worker survived, or that did not end; `str(error)` goes on from "the notebook"."""


@dataclass(frozen=True)
class Workers:
    """An executor, and how many jobs it can do at the same time, which on a cluster may change."""

    executor: Executor
    count: Callable[[], int]

    def submit(self, work: Callable[[bytes], bytes], job: bytes) -> Future[bytes]:
        """Hand out a job."""
        return self.executor.submit(work, job)


def cores() -> int:
    """How many cores this process may use."""
    return len(psutil.Process().cpu_affinity()) if psutil.LINUX else os.cpu_count() or 1


@contextmanager
def processes(count: int, deadline: float) -> Iterator[Workers]:
    """`count` processes on this machine; a job that takes longer than `deadline` seconds is lost.

    They come from this process while it has one thread, and so have all its imports for nothing. They end with it,
    however it ends.
    """
    executor = ProcessExecutor(count, deadline)
    try:
        yield Workers(executor, lambda: count)
    except BaseException:
        executor.kill()
        raise
    else:
        executor.shutdown()


@contextmanager
def cluster(address: str, deadline: float) -> Iterator[Workers]:
    """The workers of the Dask cluster whose scheduler is at `address` (`tcp://host:8786`).

    A worker that is busy with one job for more than `deadline` seconds is restarted. What a lost worker had to do is
    done by another.

    Raises CourseError where there is no such cluster.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise CourseError(
            "--scheduler needs Dask, which is not installed: pip install 'backend-course[dask]'"
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=_CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise CourseError(
            f"There is no Dask scheduler at {address} ({error}); start it, or check the address"
        ) from error
    try:
        yield Workers(
            _ClusterExecutor(client, deadline),
            lambda: sum(client.nthreads().values()),  # type: ignore[no-untyped-call]
        )
    finally:
        client.close()  # type: ignore[no-untyped-call]


# --- processes ------------------------------------------------------------------------------------------------------


class ProcessExecutor(Executor):
    """Processes that each do one job after another.

    Unlike in `ProcessPoolExecutor`, the death of a process costs its own job alone, which is done again by a new one.
    """

    def __init__(self, count: int, deadline: float) -> None:
        """Start `count` processes; see `processes`."""
        self._deadline = deadline
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._closing = False
        gc.collect()
        gc.freeze()  # so that a process does not copy what it shares with this one
        self._workers = [_Worker() for _ in range(count)]
        gc.unfreeze()
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True) for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Hand out a job."""
        future: Future[T] = Future()
        self._jobs.put((future, partial(function, *args, **named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when all that was handed out is done."""
        if cancel_futures:
            self.kill()
            return
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """End the processes, and all that they have started, at once."""
        self._closing = True
        for worker in self._workers:
            worker.kill()
        self.shutdown()

    def pids(self) -> list[int]:
        """The processes as they are now."""
        return [worker.pid for worker in self._workers]

    def _serve(self, worker: _Worker) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not self._closing and future.set_running_or_notify_cancel():
                try:
                    result = self._done(worker, job)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
        worker.stop()

    def _done(self, worker: _Worker, job: Callable[[], T]) -> T:
        for _ in range(DEATHS):
            if self._closing:
                raise LostJob("was interrupted")
            try:
                return worker.call(job, self._deadline)
            except EOFError:
                if not self._closing:
                    worker.restart()
        raise LostJob(f"made {DEATHS} processes die that tried to grade it")


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self) -> None:
        self._ready = False
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def call(self, job: Callable[[], T], seconds: float) -> T:
        """What `job` returns, or raises, there; raises EOFError where the process died, LostJob after `seconds`."""
        try:
            if not self._ready:
                self._ready = self._pipe.recv() is None
            self._pipe.send(job)
            if not self._pipe.poll(seconds):
                self.restart()
                raise LostJob(f"was not graded within {seconds / 60:.0f} minutes")
            error, result = self._pipe.recv()
        except (BrokenPipeError, ConnectionResetError) as gone:
            raise EOFError from gone
        if error is not None:
            raise error
        answer: T = result
        return answer

    def restart(self) -> None:
        self.kill()
        self._start()

    def kill(self) -> None:
        _kill(self.pid)
        self._process.join()
        self._clear()

    def stop(self) -> None:
        """Tell the process that there is no more to do, and wait until it is gone."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join()
        self._pipe.close()
        self._clear()

    def _clear(self) -> None:
        """Remove the files that a killed process could not."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _start(self) -> None:
        context: Any = multiprocessing.get_context(_start_method())
        self._pipe, theirs = context.Pipe()
        self._scratch = tempfile.mkdtemp(prefix="course-grading-")
        self._process: BaseProcess = context.Process(target=_work, args=(theirs, self._scratch), daemon=True)
        self._process.start()
        self._ready = False
        theirs.close()


def _start_method() -> str:
    """Only a process with one thread can be forked safely."""
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def _work(pipe: Connection, scratch: str) -> None:
    """What a process does: say that it is there, then do job after job until it is told None.

    Temporary files are made in the folder `scratch`.
    """
    tempfile.tempdir = scratch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all processes; ours ends them
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    pipe.send(None)
    while (job := pipe.recv()) is not None:
        try:
            pipe.send((None, job()))
        except Exception as error:
            pipe.send((error, None))


def _end_with_parent(scratch: str) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(scratch, ignore_errors=True)
        _kill(os.getpid())


def _kill(pid: int) -> None:
    """End a process and all below it, the deepest first."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [*reversed(process.children(recursive=True)), process]:
            with suppress(psutil.Error):
                each.kill()


# --- a cluster ------------------------------------------------------------------------------------------------------


class _ClusterExecutor(Executor):
    """Dask's executor, with a deadline for each job, and with LostJob in place of Dask's errors."""

    def __init__(self, client: Client, deadline: float) -> None:
        self._executor: Executor = client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        self._deadline = deadline

    def submit(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()
        job = partial(function, *args, **named)
        done = self._executor.submit(_within, self._deadline, job)
        done.add_done_callback(partial(_pass_on, answer))
        return answer


def _pass_on(answer: Future[Any], done: Future[Any]) -> None:
    from distributed import KilledWorker

    if done.cancelled():
        answer.set_exception(
            CourseError("The Dask scheduler is gone; what was graded so far is kept: run this again")
        )
    elif isinstance(done.exception(), KilledWorker):
        answer.set_exception(LostJob("made the workers die that tried to grade it"))
    elif isinstance(error := done.exception(), ImportError | AttributeError):
        answer.set_exception(
            CourseError(f"The Dask workers need the same course as this machine has ({error})")
        )
    elif error:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


def _within(seconds: float, job: Callable[[], T]) -> T:
    """Do a job, and end this process where it takes longer: Dask starts it anew."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        return job()
    finally:
        faulthandler.cancel_dump_traceback_later()
