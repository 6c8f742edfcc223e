"""What time is taken by."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch


class Clock(ABC):
    """A clock to take the time of work by. Subclass it for a device that keeps its own time.

    Attributes:
        name: for people, e.g. "wall time".
        waits: whether it goes on while the work waits for a processor. Where it does not, wall time that is longer than
            its time says that the machine is busy.
    """

    name: ClassVar[str]
    waits: ClassVar[bool]

    @abstractmethod
    def now(self) -> int:
        """Nanoseconds since some moment."""


@dataclass(frozen=True)
class ThreadCpuClock(Clock):
    """CPU time of the calling thread: right for work that this one thread does, and blind to all other work.

    Other processes that take the processor away do not count, so it is the steadiest clock on a busy machine.
    """

    name: ClassVar[str] = "thread CPU time"
    waits: ClassVar[bool] = False

    def now(self) -> int:
        return time.thread_time_ns()


@dataclass(frozen=True)
class WallClock(Clock):
    """Time that passes: the only one that is right for work of several threads."""

    name: ClassVar[str] = "wall time"
    waits: ClassVar[bool] = True

    def now(self) -> int:
        return time.perf_counter_ns()


@dataclass(frozen=True)
class CudaClock(Clock):
    """Time that passes until a CUDA device has done all that it was given.

    Args:
        device: torch device, e.g. "cuda:0".
    """

    name: ClassVar[str] = "wall time, synchronised with CUDA"
    waits: ClassVar[bool] = True
    device: str = "cuda"

    def now(self) -> int:
        torch.cuda.synchronize(self.device)
        return time.perf_counter_ns()


def clock_for(device: str, threads: int) -> Clock:
    """The steadiest clock that is right for work on a torch device with so many CPU threads."""
    kind = torch.device(device).type
    if kind == "cuda":
        return CudaClock(device)
    return ThreadCpuClock() if kind == "cpu" and threads == 1 else WallClock()
