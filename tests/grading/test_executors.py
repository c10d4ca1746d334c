"""Jobs are done whatever happens to the processes that do them."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from course.errors import CourseError
from course.grading import executors
from course.grading.executors import LostJob, cluster, processes
from course.grading.loop import grade_class
from course.lab.services.process import free_port


def double(data):
    return data + data


def process_id(_data):
    return str(os.getpid()).encode()


def fail(data):
    raise ValueError(data.decode())


def die(_data):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    """Die, unless somebody has died here before."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return b"done"
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def sleep(seconds):
    time.sleep(float(seconds))
    return b"awake"


def with_a_child(_data):
    """The id of a process that this one has started."""
    return str(subprocess.Popen(["sleep", "1000"]).pid).encode()


def test_work_is_shared_out_and_comes_back():
    with processes(2, deadline=60) as workers:
        assert workers.count() == 2
        futures = [workers.submit(double, str(number).encode()) for number in range(20)]
        assert [future.result() for future in futures] == [str(number).encode() * 2 for number in range(20)]
        assert {workers.submit(process_id, b"").result() for _ in range(20)} != {str(os.getpid()).encode()}
        with pytest.raises(ValueError, match="what went wrong"):
            workers.submit(fail, b"what went wrong").result()


def test_processes_have_the_imports_of_this_one():
    """Importing nbgrader again takes seconds."""
    threads = threading.active_count()
    with processes(2, deadline=60) as workers:
        begun = time.process_time()
        for future in [workers.submit(modules, b"") for _ in range(2)]:
            assert b"nbgrader.api" in future.result()
        assert time.process_time() - begun < 1
        assert threading.active_count() == threads + 2
    assert threading.active_count() == threads


def modules(_data):
    return " ".join(sys.modules).encode()


def test_a_process_that_dies_is_replaced_and_its_job_done_again(tmp_path):
    with processes(2, deadline=60) as workers:
        dying = workers.submit(die_once, bytes(tmp_path / "died"))
        others = [workers.submit(double, b"x") for _ in range(10)]
        assert dying.result() == b"done"
        assert [other.result() for other in others] == [b"xx"] * 10


def test_a_job_that_kills_is_given_up_and_the_others_are_done():
    with processes(2, deadline=60) as workers:
        killing = workers.submit(die, b"")
        others = [workers.submit(double, b"x") for _ in range(5)]
        with pytest.raises(LostJob, match="3 processes"):
            killing.result()
        assert [other.result() for other in others] == [b"xx"] * 5
        assert workers.submit(double, b"y").result() == b"yy"


def test_a_job_that_does_not_end_is_given_up():
    with processes(1, deadline=2) as workers:
        with pytest.raises(LostJob, match="within"):
            workers.submit(sleep, b"1000").result()
        assert workers.submit(bytes.upper, b"y").result() == b"Y"


def test_an_interrupt_ends_the_processes_and_what_they_started():
    family, sleeping = [], []

    def interrupted():
        with processes(2, deadline=60) as workers:
            child = int(workers.submit(with_a_child, b"").result())
            family.extend(map(psutil.Process, [child, *workers.executor.pids()]))
            sleeping.extend(workers.submit(sleep, b"1000") for _ in range(4))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not any(future.done() and not future.exception() for future in sleeping)


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = (
        "import os, signal, time, sys\n"
        "from course.grading.executors import processes\n"
        "if __name__ == '__main__':\n"
        "    with processes(2, 60) as workers:\n"
        "        print(*workers.executor.pids(), flush=True)\n"
        "        workers.submit(time.sleep, 1000)\n"
        "        input()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    family = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not list(tmp_path.iterdir())


# --- Dask -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dask(tmp_path):
    """A scheduler with two workers, as programs of their own: (its address, the workers)."""
    pytest.importorskip("distributed")
    port = free_port()
    place = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": (tmp_path / "log").open("w")}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "0",
    }
    options = ["--port", str(port), "--host", "127.0.0.1", "--no-dashboard"]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = subprocess.Popen([sys.executable, "-m", "dask", "scheduler", *options], **place)
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dask",
                "worker",
                address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
            ],
            env=environment,
            **place,
        )
        for _ in range(2)
    ]
    yield address, workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


def test_a_class_is_graded_by_a_cluster_though_a_worker_is_killed(dask, tiny, tmp_path, monkeypatch):
    """Killed in the middle of a notebook; another worker does it again."""
    address, workers = dask
    for number in range(4):
        tiny.hand_in(f"s{number}")
    running = tmp_path / "running"
    hold = (
        "import os, pathlib, time\n"
        f"place = pathlib.Path({str(running)!r})\n"
        "while not place.exists():\n    place.write_text(str(os.getppid()))\n    time.sleep(2)\n"
    )
    tiny.hand_in("s9", double=hold + "def double(number):\n    return 2 * number")
    killed = threading.Thread(target=kill_when_written, args=(running, workers))
    killed.start()
    grades = grade_class(tiny.root, tiny.phase, caged=False, scheduler=address)
    killed.join()
    assert sorted(worker.poll() is None for worker in workers) == [False, True]
    assert {student.student: student.scores["a-double"] for student in grades.students} == dict.fromkeys(
        ["s0", "s1", "s2", "s3", "s9"], 6
    )


def kill_when_written(path, workers):
    """Kill the worker whose kernel has written its parent's id."""
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)
    pid = int(path.read_text())
    next(worker for worker in workers if worker.pid == pid).kill()


@pytest.mark.slow
def test_a_job_that_kills_the_workers_of_a_cluster_is_given_up():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as local,
        cluster(local.scheduler_address, deadline=60) as workers,
    ):
        assert workers.count() == 2
        killing = workers.submit(die, b"")
        with pytest.raises(LostJob, match="workers die"):
            killing.result()
        assert workers.submit(double, b"y").result() == b"yy"


def test_a_cluster_that_is_not_there_says_so(monkeypatch):
    monkeypatch.setattr(executors, "_CONNECT_SECONDS", 1)
    with (
        pytest.raises(CourseError, match=r"no Dask scheduler at tcp://127\.0\.0\.1"),
        cluster(f"tcp://127.0.0.1:{free_port()}", deadline=60),
    ):
        pass


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CourseError, match=r"pip install 'backend-course\[dask\]'"), cluster("tcp://x:1", 60):
        pass
