"""Work that is timed in blocks of short timings."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mtnas.errors import TargetError
from mtnas.targets.clock import Clock
from mtnas.targets.settings import MeasureSettings

LEAST_WARM_UP = 3
"""Runs of a warm-up, however long they take, after the first one, which may compile and allocate."""

LEAST_SHARE = 0.02
"""Share of a run's wall time that the clock must see: a clock that sees less takes the time of something else."""


@dataclass
class Work:
    """Something to run, and how long that took.

    Attributes:
        run: runs it once.
        repeats: runs of one timing.
        timings: of one block.
        times: milliseconds of one run, ``[block][timing]``.
    """

    run: Callable[[], object]
    repeats: int
    timings: int
    times: list[list[float]] = field(default_factory=list)

    @classmethod
    def warmed_up(cls, name: str, run: Callable[[], object], settings: MeasureSettings, clock: Clock) -> Work:
        """Run it for a while, and find out how often it fits in a timing and in a block.

        Raises:
            TargetError: if the clock does not see the work.
        """
        run()
        taken: list[int] = []  # nanoseconds of single runs by the clock, and on the wall
        passed: list[int] = []
        end = time.perf_counter_ns() + 1e6 * settings.warmup_ms
        while len(taken) < LEAST_WARM_UP or time.perf_counter_ns() < end:
            wall, start = time.perf_counter_ns(), clock.now()
            run()
            taken.append(clock.now() - start)
            passed.append(time.perf_counter_ns() - wall)
        one, wall_one = statistics.median(taken), statistics.median(passed)
        if one <= LEAST_SHARE * wall_one:
            raise TargetError(
                f"a run of {name} takes {wall_one / 1e6:.3g} ms, but {one / 1e6:.3g} ms of {clock.name}: it works"
                " outside this thread; measure it with WallClock()"
            )
        repeats = math.ceil(1e6 * settings.timing_ms / one)
        return cls(run, repeats, math.ceil(1e6 * settings.block_ms / (repeats * one)))

    def time_block(self, clock: Clock) -> None:
        """Time one block.

        The first run after other work is 1.2 to 7 times as slow as the rest, for its weights and code have left the
        caches. It is not timed: its share would be larger for slow networks, which fit less often in a block.
        """
        run, once = self.run, 1e-6 / self.repeats
        block: list[float] = []
        run()
        for _ in range(self.timings):
            start = clock.now()
            for _ in range(self.repeats):
                run()
            block.append((clock.now() - start) * once)
        self.times.append(block)
