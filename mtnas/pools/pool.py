"""What every pool of workers does."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

Work = Callable[[Any], Any]
"""Does one job: payload -> value. Lives as long as its worker."""

Make = Callable[[], Work]
"""Makes a worker's `Work`, once, where the worker is."""


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        number: of what it belongs to; several jobs may have one.
        role: which workers do it.
        payload: handed to their work.
    """

    number: int
    role: str
    payload: Any


@dataclass(frozen=True)
class Finished:
    """A job that is done, or will not be.

    Attributes:
        value: what the work gave; None if it failed.
        failure: traceback of what it raised, or why there is no value; empty if it did not fail.
    """

    job: Job
    value: Any = None
    failure: str = ""


class Pool(ABC):
    """A kind of pool: a value that says how many workers there are and where. Subclass it for another place."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many workers have the main role."""

    @property
    def elsewhere(self) -> bool:
        """Whether workers may be on other machines than this process, which then cannot speak for what is there."""
        return False

    @abstractmethod
    def open(self, roles: Mapping[str, Make]) -> Workers:
        """Start the workers. Use the result as a context manager: leaving it ends them.

        Args:
            roles: what each kind of worker does, by name. The first is the main one, which most workers have; of the
                others there is one each, or as many as the pool says.
        """


class Workers(ABC):
    """Running workers."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs of the main role are worth having in flight."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Have a job done. It is reported once, by `wait`, whatever happens to its worker."""

    @abstractmethod
    def wait(self) -> list[Finished]:
        """Jobs that have finished since the last call; blocks until there is one. Jobs must be in flight."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, whatever they are doing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def attempt(work: Work, job: Job) -> Finished:
    """Do a job here; what it raises is its failure. Interrupts pass."""
    try:
        return Finished(job, work(job.payload))
    except Exception:
        return Finished(job, failure=traceback.format_exc())
