"""No other workers: jobs are done where they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from mtnas.pools.pool import Finished, Job, Make, Pool, Work, Workers, attempt


@dataclass(frozen=True)
class InProcess(Pool):
    """Work in this process, one job at a time."""

    @property
    def size(self) -> int:
        return 1

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return Here({name: make() for name, make in roles.items()})


class Here(Workers):
    """What works in this process.

    Args:
        works: by role.
    """

    def __init__(self, works: Mapping[str, Work]) -> None:
        self._works = dict(works)
        self._waiting: deque[Job] = deque()

    @property
    def slots(self) -> int:
        return 1

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def wait(self) -> list[Finished]:
        job = self._waiting.popleft()
        return [attempt(self._works[job.role], job)]

    def close(self) -> None:
        self._waiting.clear()
        self._works.clear()
