"""Who does which job, and what happens to it when its worker dies: the same for all pools of several workers."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mtnas.errors import PoolError
from mtnas.limits import check_number
from mtnas.pools.failures import reason
from mtnas.pools.pool import Finished, Job, Workers

Handle = TypeVar("Handle")
"""What a pool has of a worker: a process, an actor."""


@dataclass(frozen=True)
class Ready:
    """A worker's first word: that it is ready, or why it never will be."""

    failure: str = ""


@dataclass(frozen=True)
class Died:
    """A worker is gone, in words how."""

    how: str


Said = Ready | Finished | Died


@dataclass(frozen=True)
class Rules:
    """How jobs are handed out.

    Attributes:
        timeout_s: seconds that one job may take; None: as long as it likes.
        attempts: times that a job is begun before its workers' deaths are taken for its fault.
        ahead: jobs that a worker has waiting.
        start_s: seconds that a worker may take to get ready.
    """

    timeout_s: float | None
    attempts: int
    ahead: int
    start_s: float

    def __post_init__(self) -> None:
        check_number(PoolError, "attempts", self.attempts, at_least=1, whole=True)
        check_number(PoolError, "ahead", self.ahead, at_least=0, whole=True)
        check_number(PoolError, "start_s", self.start_s, above=0)
        if self.timeout_s is not None:
            check_number(PoolError, "timeout_s", self.timeout_s, above=0)


@dataclass(eq=False)
class Worker(Generic[Handle]):
    """One worker, what it is to do, since when it does the first of that, and how often it was asked for a word."""

    role: str
    handle: Handle
    ready: bool = False
    asked: int = 0
    jobs: deque[Job] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)


class Crew(Workers, Generic[Handle]):
    """Workers that live elsewhere. Subclasses start them, talk with them and end them.

    A worker that dies is replaced, and what it was doing is begun again. A job that was begun before is done with
    nothing before or behind it, so that no other job's end is taken for its own, and by a worker that has given a word
    since: several may have died at once.

    Args:
        rules: how jobs are handed out.
        counts: number of workers by role; the first role is the main one.
    """

    def __init__(self, rules: Rules, counts: Mapping[str, int]) -> None:
        self._rules, self._counts = rules, dict(counts)
        self._main = next(iter(counts))
        self._waiting: dict[str, deque[Job]] = {name: deque() for name in counts}
        self._begun: dict[Job, int] = {}
        self._workers: list[Worker[Handle]] = []
        self._unready: Counter[str] = Counter()  # that died in a row before they were ready, by role

    # What subclasses do -----------------------------------------------------------------------------------------

    @abstractmethod
    def _start(self, role: str) -> Handle:
        """Start a worker; it says that it is ready later."""

    @abstractmethod
    def _send(self, handle: Handle, job: Job) -> None:
        """Hand a worker a job. One that has died may swallow it."""

    @abstractmethod
    def _listen(self, handles: Sequence[Handle], timeout: float | None) -> list[tuple[Handle, Said]]:
        """What workers say, at most ``timeout`` seconds later; of a worker, in the order in which it said it."""

    @abstractmethod
    def _end(self, handle: Handle) -> None:
        """End a worker at once, dead or alive."""

    def _ask(self, handle: Handle) -> bool:
        """Have a worker say `Ready` once more, after its jobs. False: there is no need, a dead one is known at once."""
        return False

    def _not_ready(self, role: str) -> str:
        """Why a worker may not have become ready in time."""
        return f"a worker for {role} was not ready after {self._rules.start_s:g} s (start_s); give it more"

    # What users do ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start all workers."""
        for role, count in self._counts.items():
            for _ in range(count):
                self._workers.append(Worker(role, self._start(role)))

    @property
    def slots(self) -> int:
        return self._counts[self._main] * (1 + self._rules.ahead)

    def submit(self, job: Job) -> None:
        self._waiting[job.role].append(job)
        self._hand_out()

    def wait(self) -> list[Finished]:
        found: list[Finished] = []
        while not found:
            workers = {id(worker.handle): worker for worker in self._workers}
            for handle, said in self._listen([worker.handle for worker in self._workers], self._patience()):
                found += self._hear(workers[id(handle)], said)
            found += self._stop_slow()
            self._hand_out()
        return found

    def close(self) -> None:
        for worker in self._workers:
            self._end(worker.handle)
        self._workers.clear()

    # Inside -----------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give waiting jobs to workers, the least busy first."""
        for role, jobs in self._waiting.items():
            while jobs:
                free = [worker for worker in self._workers if worker.role == role and self._has_room(worker, jobs[0])]
                if not free:
                    break
                worker = min(free, key=lambda worker: len(worker.jobs))
                job = jobs.popleft()
                if not worker.jobs:
                    worker.since = time.monotonic()
                worker.jobs.append(job)
                self._send(worker.handle, job)

    def _has_room(self, worker: Worker[Handle], job: Job) -> bool:
        if not worker.ready:
            return False
        if job in self._begun:
            return not worker.jobs and not worker.asked
        if any(other in self._begun for other in worker.jobs):
            return False
        return len(worker.jobs) <= self._rules.ahead

    def _hear(self, worker: Worker[Handle], said: Said) -> list[Finished]:
        if worker not in self._workers:  # it was ended meanwhile
            return []
        if isinstance(said, Died):
            return self._replace(worker, said.how)
        if isinstance(said, Ready):
            if said.failure:
                raise PoolError(f"a worker could not get ready: {reason(said.failure)}")
            if worker.ready:
                worker.asked -= 1
            else:
                worker.ready, worker.since = True, time.monotonic()
                self._unready[worker.role] = 0
            return []
        job = worker.jobs.popleft()
        worker.since = time.monotonic()
        self._begun.pop(job, None)
        return [Finished(job, said.value, said.failure)]

    def _replace(self, worker: Worker[Handle], how: str, *, too_slow: bool = False) -> list[Finished]:
        """Start another worker in place of one. What that was doing is begun again, unless that happened too often."""
        self._workers.remove(worker)
        self._end(worker.handle)
        if not worker.ready:
            self._unready[worker.role] += 1
            if not self._any_ready(worker.role) or self._unready[worker.role] >= self._rules.attempts:
                count = self._counts[worker.role]
                raise PoolError(f"a worker ended before it was ready ({how}); is there memory for {count} of them?")
        found: list[Finished] = []
        if worker.jobs:
            first = worker.jobs[0]
            self._begun[first] = self._begun.get(first, 0) + 1
            if too_slow or self._begun[first] >= self._rules.attempts:
                times = self._begun.pop(first)
                found.append(Finished(first, failure=how if too_slow else f"its worker died {times} times, last {how}"))
                worker.jobs.popleft()
            self._waiting[worker.role].extendleft(reversed(worker.jobs))
        for other in self._workers:
            if other.role == worker.role and other.ready:
                other.asked += self._ask(other.handle)
        self._workers.append(Worker(worker.role, self._start(worker.role)))
        return found

    def _any_ready(self, role: str) -> bool:
        return any(worker.ready for worker in self._workers if worker.role == role)

    def _stop_slow(self) -> list[Finished]:
        found: list[Finished] = []
        now, limit = time.monotonic(), self._rules.timeout_s
        for worker in list(self._workers):
            if not worker.ready and now - worker.since > self._rules.start_s:
                if not self._any_ready(worker.role):
                    raise PoolError(self._not_ready(worker.role))
                worker.since = now  # the others go on; it may come later, such as when a lost node is back
            if worker.ready and worker.jobs and limit is not None and now - worker.since > limit:
                found += self._replace(worker, f"not finished after {limit:g} s (timeout_s)", too_slow=True)
        return found

    def _patience(self) -> float | None:
        """Seconds until a worker may have become too slow; None: none can."""
        now, ends = time.monotonic(), []
        for worker in self._workers:
            if not worker.ready:
                ends.append(worker.since + self._rules.start_s)
            elif worker.jobs and self._rules.timeout_s is not None:
                ends.append(worker.since + self._rules.timeout_s)
        return max(0.0, min(ends) - now) + 0.01 if ends else None
