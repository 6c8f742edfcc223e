"""A problem of which one uniform draw in a hundred meets all constraints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.chain import draw_chain, draw_mains, draw_prices, totals
from benchmarks.search_quality.genes import Genes, Indices
from benchmarks.search_quality.landscapes import dearest, operators, related, unit_range
from benchmarks.search_quality.problem import Problem
from mtnas.results.front import Points

FEASIBLE = 0.01
"""Share of uniform draws that meet all constraints."""

STAGES = 4
"""Consecutive groups of genes; the memory needed is that of the one that needs most."""


def constrained(seed: int = 5) -> Problem:
    """Error against price, with limits to latency, peak memory, and the error of another task.

    Latency and memory conflict with the error as the price does, and the other task's error conflicts with all three.
    The limits leave the same share of draws each.
    """
    rng = np.random.default_rng(seed)
    mains = draw_mains(rng, [3] * 24)
    distributions = operators(24)
    error = unit_range(draw_chain(rng, mains, 0.25, 0.15))
    other_error = unit_range(draw_chain(rng, related(rng, mains, 0.5), 0.25, 0.15))
    prices, latencies, memories = (draw_prices(rng, mains) for _ in range(3))

    def costs_of(genes: Indices) -> Points:
        return np.stack([error(genes), totals(prices, genes) / dearest(prices)], 1)

    def burdens(genes: Indices) -> NDArray[np.float64]:
        stages = np.split(np.arange(24), STAGES)
        needed = [totals([memories[gene] for gene in stage], genes[:, stage]) for stage in stages]
        return np.stack([totals(latencies, genes), np.max(needed, axis=0), other_error(genes)], 1)

    sample = burdens(Genes(distributions).draw(rng, 50_000))
    limits, spread = _limits(sample), sample.std(0)
    return Problem("constrained", distributions, 2, costs_of, lambda genes: (burdens(genes) - limits) / spread)


def _limits(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limits at the same quantile of every burden, such that `FEASIBLE` of the sample keeps all of them."""
    ordered = np.sort(sample, axis=0)
    ranks = np.stack([np.searchsorted(column, values) for column, values in zip(ordered.T, sample.T, strict=True)], 1)
    place = int(np.quantile(ranks.max(1), FEASIBLE))
    return np.asarray(ordered[place])
