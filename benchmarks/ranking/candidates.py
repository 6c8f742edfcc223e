"""Which candidates are trained alone: corners, front and interior of a space."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from mtnas.architecture import Candidate
from mtnas.results import MEAN_ERROR, Results
from mtnas.results.front import non_dominated


def choose(results: Results, front: int, interior: int, seed: int = 0, draws: int = 100) -> list[Candidate]:
    """Corner networks, ``front`` members of the first fronts, and ``interior`` uniform draws spread over the params.

    Args:
        results: of a search; fronts are those over mean error, params and MACs, peeled off one after the other.
        draws: uniform draws that the interior ones are spread over.
    """
    chosen = [row.candidate for row in results.corner_rows().values()]
    left = [row for row in results.rows if row.candidate not in chosen]
    names = (MEAN_ERROR, "params", "macs")
    wanted = len(chosen) + front
    while len(chosen) < wanted and left:
        points = np.array([[row.costs[name] for name in names] for row in left])
        layer = [row for row, on_it in zip(left, non_dominated(points), strict=True) if on_it]
        layer.sort(key=lambda row: (row.costs["params"], row.number))
        chosen += [row.candidate for row in _spread(layer, wanted - len(chosen))]
        left = [row for row in left if row.candidate not in chosen]
    rng = random.Random(seed)
    space, table = results.space, results.cost_table
    drawn = [space.draw(rng) for _ in range(draws)]
    drawn.sort(key=lambda architecture: table.of(space, architecture)["params"])
    inner = [Candidate(architecture) for architecture in _spread(drawn, interior)]
    return list(dict.fromkeys([*chosen, *inner]))


def _spread(things: list[Any], count: int) -> list[Any]:
    """At most ``count``, evenly spaced, first and last included."""
    if len(things) <= count:
        return things
    return [things[round(i * (len(things) - 1) / max(1, count - 1))] for i in range(count)]
