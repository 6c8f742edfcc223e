"""Which networks of a front to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.errors import SearchError
from mtnas.latency import LATENCY
from mtnas.results import MEAN_ERROR, Results, Row, non_dominated


def main_resource(results: Results) -> str:
    """The cost that a network is mainly judged by beside its errors: latency if it was searched, else params."""
    return LATENCY if LATENCY in results.objectives else "params"


def choose_members(results: Results, count: int = 4) -> dict[str, Row]:
    """Members of the Pareto front that are worth drawing, by name, at most ``count`` and each once.

    In this order: 'lowest mean error', 'smallest' (parameters; 'fastest' where latency was searched), 'knee' (nearest
    to the best of both, each scaled to 0..1 over the front), and then 'trade-off 1', 'trade-off 2', ... by rising
    parameters or latency: each time the member farthest from those that were chosen before. A member that is already
    there is not named a second time. Empty if no row meets the budgets. Does not depend on the order of the rows.

    Raises:
        SearchError: if ``count`` is below 1 or the rows lack mean error or parameters.
    """
    if count < 1:
        raise SearchError(f"{count} members of the front were asked for, but at least 1 is needed")
    axes = (MEAN_ERROR, main_resource(results))
    for cost in axes:
        results.values(cost)
    rows = _distinct(results.front())
    if not rows:
        return {}
    points = np.array([[row.costs[cost] for cost in axes] for row in rows])  # (rows, 2)
    best = non_dominated(points)
    low, high = points[best].min(0), points[best].max(0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)

    # Rows are sorted, so the first of equal values is the same one for every order of the results.
    corner = np.linalg.norm(scaled, axis=1)
    named = {
        "lowest mean error": np.lexsort((points[:, 1], points[:, 0]))[0],
        "fastest" if LATENCY in axes else "smallest": np.lexsort((points[:, 0], points[:, 1]))[0],
        "knee": np.argmin(np.where(best, corner, np.inf)),
    }
    chosen: dict[int, str] = {}
    for name, place in named.items():
        if len(chosen) < count:
            chosen.setdefault(int(place), name)
    more = _spread(scaled, best, list(chosen), count)
    more.sort(key=lambda place: (points[place, 1], points[place, 0], place))
    chosen.update((place, f"trade-off {number}") for number, place in enumerate(more, start=1))
    return {name: rows[place] for place, name in chosen.items()}


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Rows of different candidates, in an order that depends on nothing but the rows."""
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.number):
        first.setdefault(row.id, row)
    return [first[name] for name in sorted(first)]


def _spread(scaled: NDArray[np.float64], best: NDArray[np.bool_], chosen: Sequence[int], count: int) -> list[int]:
    """Farthest points first; those that are worse in both costs only when no other is left."""
    taken = list(chosen)
    for pool in (np.flatnonzero(best), np.arange(len(scaled))):
        while len(taken) < count:
            free = [int(place) for place in pool if place not in taken]
            if not free:
                break
            gaps = np.linalg.norm(scaled[free][:, None] - scaled[taken][None], axis=2).min(1)
            taken.append(free[int(np.argmax(gaps))])
    return taken[len(chosen) :]
