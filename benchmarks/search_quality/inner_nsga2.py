"""NSGA-II (Deb et al. 2002) in NumPy, for thousands of evaluations of predictors that take whole populations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.genes import Genes, Indices
from mtnas.results.front import Points

Judge = Callable[[Indices], tuple[Points, NDArray[np.float64]]]
"""Genes (n, genes) -> costs (n, objectives), and violations (n,) that are zero where feasible."""


def inner_search(genes: Genes, judge: Judge, rng: np.random.Generator, population: int, evaluations: int) -> Indices:
    """The last population: (population, genes). Uniform crossover, one mutated gene on average, no duplicates."""
    parents = np.unique(genes.draw(rng, 2 * population), axis=0)
    parents = rng.permutation(parents)[:population]
    costs, violations = judge(parents)
    order, rank, crowding = _sorted(costs, violations)
    for _ in range(evaluations // population - 1):
        children = _children(genes, parents, rank, crowding, rng)
        everybody, first = np.unique(np.concatenate([parents, children]), axis=0, return_index=True)
        new = judge(children)
        costs = np.concatenate([costs, new[0]])[first]
        violations = np.concatenate([violations, new[1]])[first]
        order, rank, crowding = _sorted(costs, violations)
        kept = order[:population]
        parents, costs, violations = everybody[kept], costs[kept], violations[kept]
        rank, crowding = rank[kept], crowding[kept]
    return parents


def _children(
    genes: Genes, parents: Indices, rank: NDArray[np.int64], crowding: NDArray[np.float64], rng: np.random.Generator
) -> Indices:
    count, width = parents.shape
    rivals = rng.integers(0, count, (2, 2, count))  # (parent, contestant, child)
    left, right = rivals[:, 0], rivals[:, 1]
    better = (rank[right] < rank[left]) | ((rank[right] == rank[left]) & (crowding[right] > crowding[left]))
    chosen = parents[np.where(better, right, left)]  # (parent, child, gene)
    children = np.where(rng.random((count, width)) < 0.5, chosen[0], chosen[1])
    return np.where(rng.random((count, width)) < 1 / width, genes.draw(rng, count), children)


def _sorted(
    costs: Points, violations: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Order from best to worst, ranks of fronts, and crowding distances.

    Feasible points come by fronts, then the others by violation.
    """
    rank = np.zeros(len(costs), dtype=np.int64)
    feasible = np.flatnonzero(violations <= 0)
    bad = np.flatnonzero(violations > 0)
    rank[feasible] = _fronts(costs[feasible])
    rank[bad] = len(costs) + np.argsort(np.argsort(violations[bad], kind="stable"), kind="stable")
    crowding = np.zeros(len(costs))
    for front in np.unique(rank[feasible]):
        members = feasible[rank[feasible] == front]
        crowding[members] = _crowding(costs[members])
    return np.lexsort((-crowding, rank)), rank, crowding


def _fronts(costs: Points) -> NDArray[np.int64]:
    """Rank of each point's front, from 0."""
    rank = np.zeros(len(costs), dtype=np.int64)
    no_worse = np.asarray((costs[:, None] <= costs[None]).all(2))
    beats = no_worse & ~no_worse.T
    left, front = np.ones(len(costs), dtype=bool), 0
    while left.any():
        best = left & ~beats[left].any(0)
        rank[best] = front
        left &= ~best
        front += 1
    return rank


def _crowding(costs: Points) -> NDArray[np.float64]:
    """Crowding distance within a front; infinite at the ends."""
    distance = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance
