"""Problems of additive effects and interactions: errors against a price."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from benchmarks.search_quality.chain import Chain, Table, draw_chain, draw_mains, draw_prices, totals
from benchmarks.search_quality.genes import Indices
from benchmarks.search_quality.problem import Problem
from mtnas.results.front import Points, hypervolume, non_dominated

PAIRS, TRIPLES = 0.35, 0.25
"""Shares of an error's variance that no additive model explains."""


def additive(count: int = 24, seed: int = 24) -> Problem:
    """The trivial problem: no interactions at all."""
    return error_and_price(f"additive {count}", seed, count, 0.0, 0.0)


def interactions(count: int = 24, seed: int = 2) -> Problem:
    """An error with interactions, and a price."""
    return error_and_price(f"interactions {count}", seed, count, PAIRS, TRIPLES)


def two_errors(count: int = 60, seed: int = 3) -> Problem:
    """Errors of two tasks that agree in part, both with interactions, and a price."""
    rng = np.random.default_rng(seed)
    first = draw_mains(rng, [3] * count)
    second = related(rng, first, 0.6)
    errors = [unit_range(draw_chain(rng, mains, PAIRS, TRIPLES)) for mains in (first, second)]
    prices = draw_prices(rng, [one + other for one, other in zip(first, second, strict=True)])

    def costs_of(genes: Indices) -> Points:
        return np.stack([*(error(genes) for error in errors), totals(prices, genes) / dearest(prices)], 1)

    return Problem(f"interactions {count}", operators(count), 3, costs_of)


def error_and_price(name: str, seed: int, count: int, pairs: float, triples: float) -> Problem:
    """An error with these shares of interactions, and a price; the exact front is known."""
    rng = np.random.default_rng(seed)
    mains = draw_mains(rng, [3] * count)
    chain = draw_chain(rng, mains, pairs, triples)
    prices = draw_prices(rng, mains)
    error = unit_range(chain)

    def costs_of(genes: Indices) -> Points:
        return np.stack([error(genes), totals(prices, genes) / dearest(prices)], 1)

    exact = hypervolume(exact_front(chain, prices), np.full(2, 1.1))
    return Problem(name, operators(count), 2, costs_of, exact=exact, trivial=pairs + triples == 0)


def exact_front(chain: Chain, prices: Sequence[Sequence[int]]) -> Points:
    """Non-dominated costs: error and price, each on its exact range."""
    low, high = chain.range()
    least = chain.least_by_price(prices)
    points = np.stack([(least - low) / (high - low), np.arange(len(least)) / dearest(prices)], 1)
    points = points[np.isfinite(points).all(1)]
    return np.asarray(points[non_dominated(points)])


def unit_range(chain: Chain) -> Callable[[Indices], NDArray[np.float64]]:
    """A chain's values on its exact range, 0 to 1."""
    low, high = chain.range()
    return lambda genes: (chain.values(genes) - low) / (high - low)


def dearest(prices: Sequence[Sequence[int]]) -> int:
    """The largest total price; the smallest is zero."""
    return sum(max(price) for price in prices)


def operators(count: int, choices: int = 3) -> dict[str, BaseDistribution]:
    """Genes of unordered choices."""
    return {f"gene{index}": CategoricalDistribution(tuple("abcdefgh"[:choices])) for index in range(count)}


def related(rng: np.random.Generator, mains: Sequence[Table], correlation: float) -> list[Table]:
    """Effects of single genes for another task."""
    fresh = draw_mains(rng, [len(main) for main in mains])
    return [correlation * old + (1 - correlation**2) ** 0.5 * new for old, new in zip(mains, fresh, strict=True)]
