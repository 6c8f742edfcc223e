"""Latencies that repeat: interleaved rounds beside a reference, and what is quickest of many short timings."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import TypeVar

import numpy as np

from mtnas.errors import TargetError
from mtnas.latency import Latency
from mtnas.limits import check_number
from mtnas.space.threads import cpu_threads
from mtnas.targets.block import Work
from mtnas.targets.busy import MOST_SLOWED, Reading, is_busy, read_machine
from mtnas.targets.clock import Clock
from mtnas.targets.noise import Floats, split_half_noise, undisturbed
from mtnas.targets.own_thread import in_own_thread
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
    """Latency of each runnable: a low quantile of its timings, see `undisturbed`.

    Every round times everything for a while, in an order drawn anew, so that slow and quick phases of the machine meet
    all alike. What is found is then multiplied by what the reference should take over what it took in this call, so
    that latencies of different calls can be compared even if the machine was slower in one. How well that serves
    depends on the reference: it should be work of the same runtime, see `Target.reference`.

    Args:
        runnables: each runs once when it is called, and returns when it has run. They are called by a thread of their
            own, see `in_own_thread`.
        reference: work to compare with; None: times are taken as they are.
        settings: how long and how often.
        clock: what the times are taken by.
        reference_ms: what the reference was once measured to take; given with a reference, and only then.
        read: tells the state of the machine.

    Raises:
        TargetError: if the clock does not see the work, or a reference comes without ``reference_ms`` or that without
            a reference.
    """
    if reference_ms is not None:
        check_number(TargetError, "reference_ms", reference_ms, above=0)
        if reference is None:
            raise TargetError(f"reference_ms is {reference_ms:g}, but there is no reference; give one, or leave it out")
    elif reference is not None:
        raise TargetError("there is a reference, but no reference_ms; give what it should take, or no reference")
    if not runnables:
        return {}
    with cpu_threads(0):  # the runnables may each set torch's number of threads: it gets back what it had
        return in_own_thread(
            lambda given_up: _measured(runnables, reference, settings, clock, reference_ms, read, given_up)
        )


def _measured(
    runnables: Mapping[K, Callable[[], object]],
    reference: Callable[[], object] | None,
    settings: MeasureSettings,
    clock: Clock,
    reference_ms: float | None,
    read: Callable[[], Reading],
    given_up: Event,
) -> dict[K, Latency]:
    """What `measure` gives, by the thread that calls."""
    works = {key: Work.warmed_up(repr(key), run, settings, clock) for key, run in runnables.items()}
    standard = None
    if reference is not None and reference_ms is not None:
        standard = _Standard(Work.warmed_up("the reference", reference, settings, clock), reference_ms)
    everything = [*works.values()] if standard is None else [*works.values(), standard.work]
    orders = random.Random(settings.seed)
    before = read()
    done = 0
    while True:
        step = min(settings.rounds, settings.limit - done)
        _time_rounds(everything, step, orders, clock, given_up)
        done += step
        slowness, last = 1.0 if standard is None else standard.slowness(settings.quantile), done == settings.limit
        if not last and settings.most_slowed is not None and slowness > 1 + settings.most_slowed:
            continue
        against = None if standard is None else np.array(standard.work.times)
        found = {key: _latency(work, against, slowness, settings, clock) for key, work in works.items()}
        if last or settings.target_noise is None or max(one.noise for one in found.values()) <= settings.target_noise:
            break
    busy = slowness > MOST_SLOWED or is_busy(before, read(), one_thread=not clock.waits)
    return {key: replace(one, busy=busy) for key, one in found.items()}


@dataclass(frozen=True)
class _Standard:
    """The reference, and the milliseconds that it should take."""

    work: Work
    ms: float

    def slowness(self, quantile: float) -> float:
        """How much slower than it should be the machine is at its best."""
        return undisturbed(np.array(self.work.times), quantile) / self.ms


def _time_rounds(everything: list[Work], rounds: int, orders: random.Random, clock: Clock, given_up: Event) -> None:
    with _no_garbage_collection():
        for _ in range(rounds):
            for work in orders.sample(everything, len(everything)):
                if given_up.is_set():
                    raise KeyboardInterrupt
                work.time_block(clock)


def _latency(work: Work, against: Floats | None, slowness: float, settings: MeasureSettings, clock: Clock) -> Latency:
    """What the timings so far say; ``busy`` is still to be told.

    Args:
        against: the reference's timings, (rounds, timings).
        slowness: how much slower than it should be the reference was.
    """
    times = np.array(work.times)
    noise = split_half_noise(times, against, settings.quantile, settings.seed)
    return Latency(undisturbed(times, settings.quantile) / slowness, noise, len(times), clock.name, busy=False)


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
