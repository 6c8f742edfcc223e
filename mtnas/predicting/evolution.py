"""NSGA-II on predictors, in arrays: many thousand candidates a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.genetics import Floats, Genes, Genetics, fingerprints

Judge = Callable[[Genes], tuple[Floats, Floats]]
"""Predicted costs (n, objectives) and violation (n,) of genomes; the latter is zero where no constraint is broken."""


@dataclass
class Visited:
    """All different genomes that a search has come by, in that order."""

    genes: Genes
    costs: Floats
    violation: Floats
    prints: NDArray[np.uint64]


def evolve(
    genetics: Genetics,
    start: Genes,
    judge: Judge,
    rng: np.random.Generator,
    *,
    population: int,
    children: int,
    evaluations: int,
) -> Visited:
    """NSGA-II (Deb et al. 2002) with constrained domination, on distinct genomes.

    Args:
        start: first genomes, (n, genes).
        population: survivors of every generation.
        children: made in every generation; those met before are dropped.
        evaluations: number of candidates to judge. The search ends earlier when few children are new.
    """
    met: set[int] = set()
    genes, prints = new_ones(genetics, start, met)
    alive = Visited(genes, *judge(genes), prints)
    generations = [alive]
    fresh = children
    while len(met) < evaluations and fresh > children // 20:
        alive = _take(alive, survivors(alive.costs, alive.violation, population))
        # Survivors come best first, so that the lower of two places wins a tournament.
        places = (rng.random((2, 2, children)) * len(alive.genes)).astype(np.int64).min(1)
        made, prints = new_ones(genetics, genetics.vary(alive.genes[places[0]], alive.genes[places[1]], rng), met)
        fresh = len(made)
        if fresh:
            generations.append(Visited(made, *judge(made), prints))
            alive = _joined([alive, generations[-1]])
    return _joined(generations)


def distinct(genetics: Genetics, genes: Genes, known: NDArray[np.uint64]) -> tuple[Genes, NDArray[np.uint64]]:
    """The genomes that differ from each other and are not known, in their order, with their fingerprints."""
    return new_ones(genetics, genes, set(known.tolist()))


def new_ones(genetics: Genetics, genes: Genes, met: set[int]) -> tuple[Genes, NDArray[np.uint64]]:
    """The genomes that were not met, each once, and their fingerprints; from now on they were."""
    prints = fingerprints(genetics.identity(genes))
    values = prints.tolist()
    keep = [place for place, value in enumerate(values) if value not in met]
    before = len(met)
    met.update(values)
    if len(met) - before < len(keep):  # some are there twice: of each the first
        keep = sorted({values[place]: place for place in reversed(keep)}.values())
    return genes[keep], prints[keep]


def _take(visited: Visited, which: NDArray[np.int64]) -> Visited:
    return Visited(visited.genes[which], visited.costs[which], visited.violation[which], visited.prints[which])


def _joined(parts: Sequence[Visited]) -> Visited:
    return Visited(
        np.concatenate([part.genes for part in parts]),
        np.concatenate([part.costs for part in parts]),
        np.concatenate([part.violation for part in parts]),
        np.concatenate([part.prints for part in parts]),
    )


def survivors(costs: Floats, violation: Floats, count: int) -> NDArray[np.int64]:
    """Indices of the best ``count``, best first: by rank, then by crowding distance."""
    rank = ranks(costs, violation, count)
    if not 0 < count < len(rank):
        return np.lexsort((-crowding(costs, rank), rank))[:count]
    near = np.flatnonzero(rank <= np.partition(rank, count - 1)[count - 1])  # those behind are dropped however crowded
    order = np.lexsort((-crowding(costs[near], rank[near], np.ptp(costs, axis=0)), rank[near]))
    return near[order[:count]]


def first_front(costs: Floats, violation: Floats) -> NDArray[np.bool_]:
    """Whether a row is in the first front, see `ranks`, without those behind being ranked: (n,)."""
    least = max(0.0, float(violation.min(initial=np.inf)))
    found: NDArray[np.bool_] = violation <= least
    if least == 0:
        found[found] = moocore.is_nondominated(costs[found], keep_weakly=True)
    return found


def ranks(costs: Floats, violation: Floats, enough: int | None = None) -> NDArray[np.int64]:
    """Number of the front of every row, (n,): fronts of those that break no constraint, then the others by violation.

    Equal rows share a front.

    Args:
        enough: fronts are told apart until they hold so many rows; the others that break no constraint share the next
            number. None: all are.
    """
    found = np.zeros(len(costs), dtype=np.int64)
    feasible = violation <= 0
    if feasible.any():
        points = costs[feasible]
        found[feasible] = (
            _all_fronts(points) if enough is None or points.shape[1] < 3 else _leading_fronts(points, enough)
        )
    if not feasible.all():
        last = int(found[feasible].max()) + 1 if feasible.any() else 0
        _, place = np.unique(violation[~feasible], return_inverse=True)
        found[~feasible] = last + place
    return found


def _all_fronts(points: Floats) -> NDArray[np.int64]:
    """Number of the front of every row, (n,). Takes n log n steps for two objectives, and far more for others."""
    order = np.lexsort(points.T)
    ordered = points[order]
    first = np.ones(len(ordered), dtype=bool)  # equal rows are merged: the ranking misplaces ties
    first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    which = np.empty(len(ordered), dtype=np.int64)
    which[order] = np.cumsum(first) - 1
    found: NDArray[np.int64] = np.asarray(moocore.pareto_rank(ordered[first]), dtype=np.int64)[which]
    return found


def _leading_fronts(points: Floats, enough: int) -> NDArray[np.int64]:
    """The same of the first fronts that together hold ``enough`` rows; all others have the next number."""
    found = np.zeros(len(points), dtype=np.int64)
    left = np.arange(len(points))
    while len(left) and len(points) - len(left) < enough:
        left = left[~moocore.is_nondominated(points[left], keep_weakly=True)]
        found[left] += 1
    return found


def crowding(costs: Floats, rank: NDArray[np.int64], ranges: Floats | None = None) -> Floats:
    """Crowding distance of every row within its front, (n,); infinite at the ends of a front.

    Args:
        ranges: of the costs, (objectives,); None: those of these rows.
    """
    if not len(costs):
        return np.zeros(0)
    wide = np.ptp(costs, axis=0) if ranges is None else ranges
    scaled = ((costs - costs.min(0)) / np.where(wide > 0, wide, 1.0)).T  # (objectives, n)
    order = np.lexsort((scaled, np.broadcast_to(rank, scaled.shape)))
    values, fronts = np.take_along_axis(scaled, order, 1), rank[order]
    same = fronts[:, 1:] == fronts[:, :-1]
    gap = np.full(scaled.shape, np.inf)
    np.subtract(values[:, 2:], values[:, :-2], out=gap[:, 1:-1], where=same[:, 1:] & same[:, :-1])
    distance = np.empty(scaled.shape)
    np.put_along_axis(distance, order, gap, 1)
    total: Floats = distance.sum(0)
    return total
