"""Whether other work runs on the machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

MOST_OTHERS = 0.2
"""Share of the processors that others may use on a machine that counts as quiet."""

MOST_WAITED = 1.1
"""Wall time over CPU time of one thread that never waits by itself, on a machine that counts as quiet."""

MOST_SLOWED = 1.1
"""Time of the reference over what it should take, on a machine that counts as quiet. Nothing else tells of neighbours
on the same core that are guests of other systems."""


@dataclass(frozen=True)
class Reading:
    """State of the machine at a moment. Only differences between two readings mean anything, but for ``load``.

    Attributes:
        wall: seconds that have passed.
        own: CPU seconds of this process.
        used: CPU seconds of all processes, and of other guests of the same host, on the processors that this process
            may use; None where the system does not say.
        load: processes that ran or waited in the last minute, on average; None where the system does not say.
        processors: how many this process may use.
    """

    wall: float
    own: float
    used: float | None
    load: float | None
    processors: int


def read_machine() -> Reading:
    """State of this machine now."""
    mine = _processors()
    try:
        load: float | None = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        load = None
    return Reading(time.monotonic(), time.process_time(), _used(mine), load, len(mine))


def is_busy(before: Reading, after: Reading, *, one_thread: bool) -> bool:
    """Whether other work ran between two readings.

    Args:
        one_thread: whether one thread of this process worked all the while, so that its wall time and its CPU time are
            equal on a quiet machine.
    """
    wall, own = after.wall - before.wall, after.own - before.own
    if wall <= 0:
        return False
    if one_thread and wall > MOST_WAITED * own:
        return True
    if before.used is not None and after.used is not None:
        others = (after.used - before.used - own) / wall
    elif after.load is not None:
        others = after.load - own / wall
    else:
        return False
    return others > MOST_OTHERS * after.processors


def _processors() -> set[int]:
    """Numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _used(processors: set[int]) -> float | None:
    """CPU seconds that these processors did not idle; None without a Linux /proc."""
    wanted = {f"cpu{number}" for number in processors}
    try:
        rows = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        tick = os.sysconf("SC_CLK_TCK")
        # proc_stat(5): user nice system idle iowait irq softirq steal; the guest times after them are part of user.
        ticks = [int(row[column]) for row in rows if row[0] in wanted for column in (1, 2, 3, 6, 7, 8)]
    except (AttributeError, OSError, ValueError, IndexError):
        return None
    return sum(ticks) / tick
