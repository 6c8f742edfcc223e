"""Pareto fronts and their hypervolume."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Costs of shape (n, objectives), all minimised."""


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

    Points outside the box add nothing. All costs are at least zero, so the share needs no other scale.

    Args:
        points: (n, objectives).
        reference: (objectives,), above zero.
    """
    with np.errstate(over="ignore"):  # far outside the box is outside
        scaled = points / reference
    inside = scaled[(scaled < 1).all(1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside[non_dominated(inside)], ref=np.ones(points.shape[1])))
