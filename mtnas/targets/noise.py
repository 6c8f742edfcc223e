"""One number for many timings, and how far it can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

SPLITS = 100
"""Random splits of the rounds that the noise is the median of: one alone is a toss of a coin."""

NORMAL = 1.4826
"""Standard deviation of normal numbers over the median of their absolute values."""


def undisturbed(times: Floats, quantile: float) -> float:
    """A low quantile of timings: what work takes when next to nothing gets in its way.

    Whatever else a machine does makes work slower, never faster (arXiv 1608.04295, which takes the minimum for that): a
    neighbour on the same core, caches that others fill, a clock that is turned down. On a machine that is shared, means
    and medians tell how much of that there was. The minimum itself hangs on a single timing.

    Args:
        times: any shape.
        quantile: 0 for the minimum, 0.5 for the median.
    """
    return float(np.quantile(times, quantile))


def split_half_noise(times: Floats, standard: Floats | None, quantile: float, seed: int) -> float:
    """Relative standard deviation of `undisturbed` over these rounds, found by comparing halves of them.

    The difference of two random halves has about twice the standard deviation of the whole. This is a floor: what is
    the same in all rounds of one call, it does not see.

    Args:
        times: (rounds, timings), at least 2 rounds.
        standard: of what the times are set against, (rounds, timings); None: of nothing.
        quantile: of `undisturbed`.
        seed: of the splits.
    """
    rounds = len(times)
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(rounds), (SPLITS, 1)), axis=1)
    halves = orders[:, : rounds // 2], orders[:, rounds // 2 : 2 * (rounds // 2)]

    def of_half(half: NDArray[np.int64]) -> Floats:
        found = _of_rounds(times, half, quantile)
        return found if standard is None else found / _of_rounds(standard, half, quantile)

    one, other = map(of_half, halves)
    return float(NORMAL * np.median(np.abs(one - other) / (one + other)))


def _of_rounds(times: Floats, rounds: NDArray[np.int64], quantile: float) -> Floats:
    """`undisturbed` of some rounds: times (rounds, timings), numbers of rounds (splits, half) -> (splits,)."""
    found: Floats = np.quantile(times[rounds].reshape(len(rounds), -1), quantile, axis=1)
    return found
