"""More workers than there are machines here: discrete events with measured constants."""

from __future__ import annotations

import heapq
import random


def efficiency(
    workers: int,
    seconds: float,
    driver_s: float,
    travel_s: float,
    *,
    spread: float = 0.2,
    ahead: int = 1,
    evaluations_each: int = 60,
    seed: int = 0,
) -> float:
    """Share of the workers' time in which they work.

    A worker that ends an evaluation begins the next that it has waiting, and tells the driver, which serves one worker
    at a time: it tells the study, asks for a proposal, and sends it. A worker with none waiting idles until one comes.

    Args:
        seconds: that an evaluation takes on average.
        driver_s: that the driver takes for one evaluation, planning of batches included.
        travel_s: that a message takes from one to the other.
        spread: standard deviation of an evaluation's time, as a share.
        ahead: evaluations that a worker has waiting at most.
        evaluations_each: on average; the first and last fifth of the time do not count.
    """
    rng = random.Random(seed)
    waiting = [1 + ahead] * workers  # given to each at the start, the driver's first round left out
    busy = [0.0] * workers
    events: list[tuple[float, int, str, int]] = []
    count = 0
    free_at = 0.0  # when the driver is next free

    def later(when: float, what: str, worker: int) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (when, count, what, worker))

    def duration() -> float:
        return max(0.0, rng.gauss(seconds, spread * seconds))

    def begin(now: float, worker: int) -> None:
        waiting[worker] -= 1
        lasts = duration()
        overlap = max(0.0, min(now + lasts, window[1]) - max(now, window[0]))
        busy[worker] += overlap
        later(now + lasts, "ended", worker)

    total = seconds * evaluations_each
    window = (0.2 * total, 0.8 * total)
    idle = [False] * workers
    for worker in range(workers):
        begin(rng.uniform(0, seconds), worker)
    while events:
        now, _, what, worker = heapq.heappop(events)
        if now > window[1]:
            break
        if what == "ended":
            later(now + travel_s, "told", worker)
            if waiting[worker]:
                begin(now, worker)
            else:
                idle[worker] = True
        elif what == "told":
            free_at = max(free_at, now) + driver_s
            later(free_at + travel_s, "given", worker)
        else:
            waiting[worker] += 1
            if idle[worker]:
                idle[worker] = False
                begin(now, worker)
    return sum(busy) / (workers * (window[1] - window[0]))
