"""Pools of workers: every job is reported once, whatever happens to its worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pool_works import cannot_make, dies_while_made, make_work

from mtnas.errors import PoolError
from mtnas.pools import Finished, InProcess, Job, Pool, Processes, Workers

POOLS: list[Any] = [InProcess(), Processes(1), Processes(2, ahead=0), Processes(3)]


def all_of(workers: Workers, count: int) -> list[Finished]:
    found: list[Finished] = []
    while len(found) < count:
        found += workers.wait()
    assert len(found) == count
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def waited(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("pool", POOLS)
def test_every_job_is_done_once_by_the_workers_of_its_role(pool: Pool) -> None:
    with pool.open({"main": partial(make_work, 100), "other": partial(make_work, 1000)}) as workers:
        jobs = [Job(number, role, ("add", number)) for number in range(15) for role in ("main", "other")]
        for job in jobs:
            workers.submit(job)
        found = all_of(workers, len(jobs))
    assert Counter(one.job for one in found) == Counter(jobs)
    offsets = {"main": 100, "other": 1000}
    assert all(one.value == one.job.number + offsets[one.job.role] and not one.failure for one in found)


@pytest.mark.parametrize("pool", POOLS)
def test_what_work_raises_is_a_failure_with_its_traceback(pool: Pool) -> None:
    with pool.open({"main": make_work}) as workers:
        for number, what in enumerate(("add", "raise", "add")):
            workers.submit(Job(number, "main", (what, number)))
        found = {one.job.number: one for one in all_of(workers, 3)}
    assert found[0].value == 0 and found[2].value == 2
    assert found[1].value is None
    assert "Fatal: no 1" in found[1].failure and 'raise Fatal(f"no {value}")' in found[1].failure


def test_workers_are_other_processes_that_live_on() -> None:
    with Processes(2, ahead=0).open({"main": make_work}) as workers:
        for number in range(8):
            workers.submit(Job(number, "main", ("pid", number)))
        pids = {one.value for one in all_of(workers, 8)}
    assert os.getpid() not in pids and 1 <= len(pids) <= 2
    assert waited(lambda: not any(alive(pid) for pid in pids))


def test_code_that_cannot_be_imported_reaches_the_workers() -> None:
    """Closures and lambdas, as spaces are made of."""
    factor = 7
    with Processes(1).open({"main": lambda: lambda payload: payload * factor}) as workers:
        workers.submit(Job(0, "main", 6))
        assert all_of(workers, 1)[0].value == 42


def test_what_cannot_leave_this_process_is_told_before_any_is_started() -> None:
    lock = threading.Lock()
    with pytest.raises(PoolError, match="cannot be handed to another process .*search in this process"):
        Processes(1).open({"main": lambda: lambda payload: lock})


def test_a_value_that_cannot_be_sent_is_a_failure() -> None:
    with Processes(1).open({"main": make_work}) as workers:
        workers.submit(Job(0, "main", ("unsendable", 1)))
        workers.submit(Job(1, "main", ("add", 1)))
        first, second = all_of(workers, 2)
    assert "cannot be sent back" in first.failure and second.value == 1


# Faults -----------------------------------------------------------------------------------------------------------


def test_a_job_whose_worker_was_killed_is_done_by_another(tmp_path: Path) -> None:
    with Processes(2).open({"main": partial(make_work, marks=tmp_path)}) as workers:
        workers.submit(Job(0, "main", ("die once", 50)))
        for number in range(1, 10):
            workers.submit(Job(number, "main", ("add", number)))
        found = all_of(workers, 10)
    assert sorted(one.value for one in found) == [*range(1, 10), 50]
    begun = {path.name: path.read_text().split() for path in tmp_path.iterdir()}
    assert len(begun.pop("50")) == 2
    assert all(len(pids) == 1 for pids in begun.values())  # what waited behind it was begun once


def test_a_worker_killed_from_outside_loses_nothing(tmp_path: Path) -> None:
    with Processes(1, ahead=1).open({"main": partial(make_work, marks=tmp_path)}) as workers:
        workers.submit(Job(0, "main", ("sleep", 1.5)))
        workers.submit(Job(1, "main", ("add", 1)))
        mark = tmp_path / "1.5"

        def kill() -> None:
            waited(lambda: mark.exists() and bool(mark.read_text()))
            os.kill(int(mark.read_text().split()[0]), signal.SIGKILL)

        threading.Thread(target=kill).start()
        found = all_of(workers, 2)
    assert {one.job.number: one.value for one in found} == {0: 1.5, 1: 1}
    assert len(mark.read_text().split()) == 2


def test_a_job_that_kills_its_workers_fails_and_the_others_go_on() -> None:
    with Processes(2, attempts=2).open({"main": make_work}) as workers:
        workers.submit(Job(0, "main", ("die", 0)))
        for number in range(1, 6):
            workers.submit(Job(number, "main", ("add", number)))
        found = {one.job.number: one for one in all_of(workers, 6)}
    assert "died 2 times, last by signal 9, as when memory runs out" in found[0].failure
    assert all(found[number].value == number for number in range(1, 6))


def test_a_worker_that_dies_is_seen_to_though_processes_of_its_own_live_on() -> None:
    """They hold its end of the connection open, as those do that load data."""
    begun = time.monotonic()
    with Processes(1, attempts=1).open({"main": make_work}) as workers:
        workers.submit(Job(0, "main", ("die with a child", 120)))
        (found,) = all_of(workers, 1)
    assert "died" in found.failure and time.monotonic() - begun < 100


def test_a_worker_that_dies_before_it_has_taken_all_it_is_given_ends_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    large = partial(make_work, bytes(20_000_000))  # type: ignore[arg-type]
    with (
        Processes(1).open({"main": large}) as workers,
        pytest.raises(PoolError, match="ended before it was ready"),
    ):
        workers.submit(Job(0, "main", ("add", 1)))
        workers.wait()


def test_a_job_that_is_refused_memory_fails_and_its_worker_goes_on() -> None:
    with Processes(1).open({"main": make_work}) as workers:
        for number, payload in enumerate([("pid", 0), ("fill", 0), ("pid", 0)]):
            workers.submit(Job(number, "main", payload))
        found = {one.job.number: one for one in all_of(workers, 3)}
    assert "Traceback" in found[1].failure and "MemoryError" in found[1].failure
    assert found[0].value == found[2].value


def test_a_job_that_hangs_is_stopped() -> None:
    with Processes(2, timeout_s=1.0).open({"main": make_work}) as workers:
        workers.submit(Job(0, "main", ("sleep", 600)))
        for number in range(1, 5):
            workers.submit(Job(number, "main", ("add", number)))
        found = {one.job.number: one for one in all_of(workers, 5)}
        workers.submit(Job(9, "main", ("add", 9)))
        assert all_of(workers, 1)[0].value == 9
    assert found[0].failure == "not finished after 1 s (timeout_s)"
    assert all(found[number].value == number for number in range(1, 5))


def test_a_worker_that_cannot_be_made_says_why() -> None:
    with (
        Processes(1).open({"main": cannot_make}) as workers,
        pytest.raises(PoolError, match="Fatal: this worker is not"),
    ):
        workers.submit(Job(0, "main", ("add", 1)))
        workers.wait()


def test_a_worker_that_dies_while_it_is_made_ends_the_pool() -> None:
    with (
        Processes(2).open({"main": dies_while_made}) as workers,
        pytest.raises(PoolError, match=r"ended before it was ready \(with exit status 3\); is there memory for 2"),
    ):
        workers.submit(Job(0, "main", ("add", 1)))
        workers.wait()


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from functools import partial
from pathlib import Path
from pool_works import make_work
from mtnas.pools import Job, Processes

workers = Processes(2).open({{"main": partial(make_work, marks=Path({marks!r}))}})
for number in range(4):
    workers.submit(Job(number, "main", ("sleep", 600 + number)))
print("begun", flush=True)
workers.wait()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_the_process_that_it_works_for(tmp_path: Path, how: signal.Signals) -> None:
    script = SCRIPT.format(path=[str(Path(__file__).parent)], marks=str(tmp_path))
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert waited(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(path.read_text().split()[0]) for path in tmp_path.iterdir()]
    assert all(map(alive, pids))
    owner.send_signal(how)
    owner.wait(timeout=20)
    assert waited(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"workers": 0}, "workers must be at least 1, but is 0"),
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"ahead": -1}, "ahead must be at least 0"),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"start_s": 0}, "start_s must be above 0"),
    ],
)
def test_impossible_pools_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PoolError, match=sentence):
        Processes(**settings)


def test_nothing_but_a_ray_pool_imports_ray(tmp_path: Path) -> None:
    """Everything of the package is imported, and a search is done by processes."""
    script = f"""
import importlib, pkgutil, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import mtnas
for module in pkgutil.walk_packages(mtnas.__path__, "mtnas."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from pathlib import Path
import toy_space, toy_runs
from mtnas.pools import Processes
from mtnas.searching import search
run = toy_runs.trained_run(Path({str(tmp_path / "run")!r}))
rows = search(toy_space.space, toy_space.data(None), run, toy_space.searching, pool=Processes(2), show_progress=False)
assert len(rows.rows) == 12
assert not [name for name in sys.modules if name.partition(".")[0] == "ray"]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
