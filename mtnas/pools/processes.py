"""Processes of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from mtnas.errors import PoolError
from mtnas.limits import check_number
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers
from mtnas.pools.process_worker import START, Ready, packed


@dataclass(frozen=True)
class Processes(Pool):
    """Worker processes on this machine.

    A worker that dies (killed, out of memory) is replaced, and what it was doing is done again elsewhere; a job that
    takes too long is stopped and has failed. Workers end with this process, however that ends. They are new Python
    processes that import what they need, so that a script that searches needs no ``if __name__ == "__main__"``.

    Args:
        workers: of the main role. Every other role has a process of its own.
        timeout_s: seconds that one job may take; None: as long as it likes.
        attempts: times that a job is begun before its workers' deaths are taken for its fault.
        ahead: jobs that a worker has waiting, so that it need not wait for this process.
        start_s: seconds that a worker may take to get ready.
    """

    workers: int = 2
    timeout_s: float | None = None
    attempts: int = 2
    ahead: int = 1
    start_s: float = 300.0

    def __post_init__(self) -> None:
        check_number(PoolError, "workers", self.workers, at_least=1, whole=True)
        check_number(PoolError, "attempts", self.attempts, at_least=1, whole=True)
        check_number(PoolError, "ahead", self.ahead, at_least=0, whole=True)
        check_number(PoolError, "start_s", self.start_s, above=0)
        if self.timeout_s is not None:
            check_number(PoolError, "timeout_s", self.timeout_s, above=0)

    @property
    def size(self) -> int:
        return self.workers

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return _Running(self, {name: packed(make) for name, make in roles.items()})


@dataclass
class _Worker:
    """One process, what it is to do, and since when it does the first of that."""

    role: str
    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    jobs: deque[Job] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)


class _Running(Workers):
    def __init__(self, pool: Processes, roles: Mapping[str, bytes]) -> None:
        self._pool, self._roles = pool, dict(roles)
        self._main = next(iter(roles))
        self._waiting: dict[str, deque[Job]] = {name: deque() for name in roles}
        self._begun: dict[Job, int] = {}
        self._workers: list[_Worker] = []
        try:
            for name in roles:
                for _ in range(pool.workers if name == self._main else 1):
                    self._workers.append(self._start(name))
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        return self._pool.workers * (1 + self._pool.ahead)

    def submit(self, job: Job) -> None:
        self._waiting[job.role].append(job)
        self._hand_out()

    def wait(self) -> list[Finished]:
        found: list[Finished] = []
        while not found:
            sources = {worker.connection: worker for worker in self._workers}
            for source in wait(list(sources), timeout=self._patience()):
                assert isinstance(source, Connection)
                found += self._hear(sources[source])
            found += self._stop_slow()
            self._hand_out()
        return found

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.connection.close()
        self._workers.clear()

    # Inside ------------------------------------------------------------------------------------------------------

    def _start(self, role: str) -> _Worker:
        here, there = socket.socketpair()
        with there:  # the other end is the worker's alone: it closes when the worker dies
            process = subprocess.Popen(
                [sys.executable, "-c", START, str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which then ends its workers
            )
        connection = Connection(here.detach())
        connection.send_bytes(self._roles[role])
        return _Worker(role, process, connection)

    def _hand_out(self) -> None:
        """Give waiting jobs to workers, the least busy first."""
        for role, jobs in self._waiting.items():
            mine = [worker for worker in self._workers if worker.role == role and worker.ready]
            while jobs and mine:
                worker = min(mine, key=lambda worker: len(worker.jobs))
                if len(worker.jobs) > self._pool.ahead:
                    break
                job = jobs.popleft()
                if not worker.jobs:
                    worker.since = time.monotonic()
                worker.jobs.append(job)
                try:
                    worker.connection.send(job)
                except OSError:  # it has died: `wait` sees that
                    mine.remove(worker)

    def _hear(self, worker: _Worker) -> list[Finished]:
        """What a worker says; a worker that says nothing more has died."""
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            return self._buried(worker)
        if isinstance(said, Ready):
            if said.failure:
                raise PoolError(f"a worker could not get ready:\n{said.failure.rstrip()}")
            worker.ready = True
            return []
        assert isinstance(said, Finished)
        job = worker.jobs.popleft()
        worker.since = time.monotonic()
        self._begun.pop(job, None)
        return [Finished(job, said.value, said.failure)]

    def _buried(self, worker: _Worker, reason: str = "") -> list[Finished]:
        """Replace a dead worker. What it was doing is begun again, or has failed if that happened too often."""
        worker.process.kill()
        ending = _ending(worker.process.wait())
        worker.connection.close()
        self._workers.remove(worker)
        if not worker.ready:
            raise PoolError(
                f"a worker ended before it was ready ({ending}); is there memory for {self._pool.workers} of them?"
            )
        found: list[Finished] = []
        jobs = list(worker.jobs)
        if jobs:
            first = jobs[0]
            self._begun[first] = self._begun.get(first, 0) + 1
            if reason or self._begun[first] >= self._pool.attempts:
                died = f"its worker died {self._begun[first]} times, the last time {ending}"
                del self._begun[first]
                found.append(Finished(first, failure=reason or died))
                jobs = jobs[1:]
            self._waiting[worker.role].extendleft(reversed(jobs))
        self._workers.append(self._start(worker.role))
        return found

    def _stop_slow(self) -> list[Finished]:
        found: list[Finished] = []
        now = time.monotonic()
        for worker in list(self._workers):
            limit = self._pool.timeout_s
            if not worker.ready and now - worker.since > self._pool.start_s:
                raise PoolError(f"a worker was not ready after {self._pool.start_s:g} s (start_s); give it more")
            if worker.ready and worker.jobs and limit is not None and now - worker.since > limit:
                found += self._buried(worker, f"not finished after {limit:g} s (timeout_s)")
        return found

    def _patience(self) -> float | None:
        """Seconds until a worker may have become too slow; None: none can."""
        now, ends = time.monotonic(), []
        for worker in self._workers:
            if not worker.ready:
                ends.append(worker.since + self._pool.start_s)
            elif worker.jobs and self._pool.timeout_s is not None:
                ends.append(worker.since + self._pool.timeout_s)
        return max(0.0, min(ends) - now) + 0.01 if ends else None


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"by signal {-code}" + (", as when memory runs out" if code == -9 else "")
    return f"with exit status {code}"
