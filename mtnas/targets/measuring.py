"""Latencies that repeat: interleaved rounds, each set against a reference."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from mtnas.errors import TargetError
from mtnas.latency import Latency
from mtnas.limits import check_number
from mtnas.space.threads import cpu_threads
from mtnas.targets.block import Work
from mtnas.targets.busy import Reading, is_busy, read_machine
from mtnas.targets.clock import Clock
from mtnas.targets.noise import Floats, central, split_half_noise
from mtnas.targets.settings import MeasureSettings

K = TypeVar("K", bound=Hashable)


def measure(
    runnables: Mapping[K, Callable[[], object]],
    reference: Callable[[], object] | None,
    settings: MeasureSettings,
    clock: Clock,
    *,
    reference_ms: float | None = None,
    read: Callable[[], Reading] = read_machine,
) -> dict[K, Latency]:
    """Latency of each runnable.

    Every round times everything once, in an order drawn anew, so that a slow phase of the machine meets all alike. Each
    time is then multiplied by what the reference should take over what it took in the same round, so that what slows
    all work alike cancels. How alike that is depends on the reference: it should be work of the same runtime, see
    `Target.reference`.

    Args:
        runnables: each runs once when it is called, and returns when it has run.
        reference: work to compare with; None: times are taken as they are.
        settings: how long and how often.
        clock: what the times are taken by.
        reference_ms: what the reference should take; None: its median in this call, which cancels slow phases within
            the call only. Given what the reference was once measured to take, latencies of different calls can be
            compared even if the machine was slower in one.
        read: tells the state of the machine.

    Raises:
        TargetError: if the clock does not see the work.
    """
    if reference_ms is not None:
        check_number(TargetError, "reference_ms", reference_ms, above=0)
        if reference is None:
            raise TargetError(f"reference_ms is {reference_ms:g}, but there is no reference; give one, or leave it out")
    if not runnables:
        return {}
    with cpu_threads(0):  # the runnables may each set torch's number of threads: it gets back what it had
        works = {key: Work.warmed_up(repr(key), run, settings, clock) for key, run in runnables.items()}
        standard = None if reference is None else Work.warmed_up("the reference", reference, settings, clock)
        everything = [*works.values()] if standard is None else [*works.values(), standard]
        orders = random.Random(settings.seed)
        before = read()
        done, most = 0, settings.rounds if settings.target_noise is None else settings.most_rounds
        while True:
            step = min(settings.rounds, most - done)
            _time_rounds(everything, step, orders, clock)
            done += step
            slowness = None if standard is None else _slowness(np.array(standard.times), reference_ms)
            times = {key: _corrected(np.array(work.times), slowness) for key, work in works.items()}
            noise = {key: split_half_noise(values, settings.seed) for key, values in times.items()}
            steady = settings.target_noise is not None and max(noise.values()) <= settings.target_noise
            if steady or done == most:
                break
        busy = is_busy(before, read(), one_thread=not clock.waits)
    return {key: Latency(float(central(times[key])), noise[key], done, clock.name, busy) for key in works}


def _time_rounds(everything: list[Work], rounds: int, orders: random.Random, clock: Clock) -> None:
    with _no_garbage_collection():
        for _ in range(rounds):
            for work in orders.sample(everything, len(everything)):
                work.time_block(clock)


def _slowness(times: Floats, ms: float | None) -> Floats:
    """How much slower than it should be the machine was in each round, by the reference's times (rounds,)."""
    return times / (np.median(times) if ms is None else ms)


def _corrected(times: Floats, slowness: Floats | None) -> Floats:
    return times if slowness is None else times / slowness


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keeps the garbage collector from running within a block."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
