"""Pareto fronts and their hypervolume."""

from __future__ import annotations

import math

import moocore
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Costs of shape (n, objectives), all minimised."""

EXACT_COSTS_AT_MOST = 6
"""Costs over which a hypervolume of any number of points is exact."""

FEW_POINTS = 16
"""Points of which it is so over more costs, too."""

_LIBRARY_COSTS = 31
"""Most that moocore computes hypervolumes over."""


def non_dominated(points: Points) -> NDArray[np.bool_]:
    """Which points no other one beats: booleans of shape (n,).

    A point is dominated if another is at most equal in every cost and lower in one. Equal points stand or fall
    together, so the answer does not depend on their order.
    """
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(points, keep_weakly=True), dtype=bool)


def hypervolume(points: Points, reference: NDArray[np.float64]) -> float:
    """Share of the box between zero and the reference point that the points dominate, 0 to 1.

    Points outside the box add nothing. All costs are at least zero, so the share needs no other scale. Of many points
    over more than `EXACT_COSTS_AT_MOST` costs it is an estimate, see `exclusive_volume`; equal sets give equal ones.

    Args:
        points: (n, objectives).
        reference: (objectives,), above zero.
    """
    with np.errstate(over="ignore"):  # far outside the box is outside
        scaled = points / reference
    inside = scaled[(scaled < 1).all(1)]
    inside = np.unique(inside[non_dominated(inside)], axis=0)
    if is_exact(inside):
        return _exact(inside)
    return math.fsum(exclusive_volume(point, inside[:place], place) for place, point in enumerate(inside))


def exclusive_volume(point: NDArray[np.float64], others: Points, number: int, *, samples: int = 2**13) -> float:
    """Volume of the box from a point to (1, 1, ...) without what others dominate.

    Exact algorithms take a time that grows exponentially with the costs: over seven of them, minutes for the front of
    a usual search. Where that is so, samples of the box that no other point dominates are counted instead. Every box
    has samples of its own, so that errors cancel out in a sum: those of a hypervolume are about 1 %.

    Args:
        point: (objectives,), below 1.
        others: (n, objectives).
        number: of the point among those whose volumes are summed: equal ones give equal samples.
        samples: most that are drawn.
    """
    own = float(np.prod(1 - point))
    clipped = np.maximum(others, point)
    clipped = clipped[(clipped < 1).all(1)]
    clipped = clipped[non_dominated(clipped)]
    if is_exact(clipped):
        return max(0.0, own - _exact(clipped))
    free = np.random.default_rng(number).uniform(point, 1, (samples, len(point)))
    for other in clipped[np.argsort(-np.log1p(-clipped).sum(1))]:  # those that dominate the most leave few samples
        free = free[~(free >= other).all(1)]
    return own * len(free) / samples


def is_exact(points: Points) -> bool:
    """Whether the hypervolume of non-dominated points is computed, not estimated."""
    count, costs = points.shape
    return bool(costs <= EXACT_COSTS_AT_MOST or (count <= FEW_POINTS and costs <= _LIBRARY_COSTS))


def _exact(points: Points) -> float:
    """Hypervolume of non-dominated points below (1, 1, ...)."""
    return float(moocore.hypervolume(points, ref=np.ones(points.shape[1]))) if len(points) else 0.0
