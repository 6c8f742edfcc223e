"""A front of two pieces that lie apart, behind a switch that no additive model sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from benchmarks.search_quality.chain import Table, draw_chain, draw_mains, draw_prices, totals
from benchmarks.search_quality.genes import Genes, Indices
from benchmarks.search_quality.landscapes import dearest, exact_front, unit_range
from benchmarks.search_quality.problem import Problem
from mtnas.results.front import Points, hypervolume

SWITCHES = 2
"""The first genes; the regime is that of equal or of unlike switches, so neither gene tells it alone."""

ERROR_FROM, ERROR_SHARE = np.array([0.4, 0.0]), np.array([0.6, 0.55])
PRICE_FROM, PRICE_SHARE = np.array([0.0, 0.55]), np.array([0.4, 0.45])
"""Where each regime's costs lie: a cheap one whose error stays above 0.4, a dear one that gets below it."""


def two_fronts(seed: int = 4) -> Problem:
    """Two switches, 11 operators and 11 widths.

    A width's error falls as it grows. In the second regime, half of the genes act and cost the other way round, and the
    other half as freshly drawn.
    """
    rng = np.random.default_rng(seed)
    genes = Genes(_distributions())
    mains = [
        _falling(main) if ordered else main for main, ordered in zip(_mains(rng, genes), genes.ordered, strict=True)
    ]
    prices = draw_prices(rng, mains, conflict=1.0)
    fresh = _mains(rng, genes)
    fresh_prices = draw_prices(rng, fresh)
    turned = rng.random(len(mains)) < 0.5
    other = [main[::-1] if turn else new for turn, main, new in zip(turned, mains, fresh, strict=True)]
    other_prices = [price[::-1] if turn else new for turn, price, new in zip(turned, prices, fresh_prices, strict=True)]
    both_prices = [[[0] * 2] * SWITCHES + price[SWITCHES:] for price in (prices, other_prices)]
    places = range(SWITCHES, len(mains))
    chains = [draw_chain(rng, some, 0.0, 0.0, places) for some in (mains, other)]
    errors = [unit_range(chain) for chain in chains]

    def costs_of(indices: Indices) -> Points:
        regime = regime_of(indices)
        error = np.where(regime == 0, errors[0](indices), errors[1](indices))
        shares = [totals(price, indices) / dearest(price) for price in both_prices]
        return _placed(np.stack([error, np.where(regime == 0, *shares)], 1), regime)

    fronts = [exact_front(chain, price) for chain, price in zip(chains, both_prices, strict=True)]
    front = np.concatenate([_placed(points, np.full(len(points), regime)) for regime, points in enumerate(fronts)])
    exact = hypervolume(front, np.full(2, 1.1))
    return Problem("two fronts", _distributions(), 2, costs_of, exact=exact)


def regime_of(indices: Indices) -> NDArray[np.int64]:
    """0 where the switches are equal, else 1."""
    return np.asarray(indices[:, :SWITCHES].sum(1) % 2, dtype=np.int64)


def _distributions() -> dict[str, BaseDistribution]:
    switches = {f"switch{index}": CategoricalDistribution(("off", "on")) for index in range(SWITCHES)}
    operators = {f"operator{index}": CategoricalDistribution(("a", "b", "c", "d")) for index in range(11)}
    widths = {f"width{index}": IntDistribution(16, 64, step=8) for index in range(11)}
    return {**switches, **operators, **widths}


def _mains(rng: np.random.Generator, genes: Genes) -> list[Table]:
    return draw_mains(rng, genes.sizes)


def _falling(main: Table) -> Table:
    """The same effects, largest first: less and less error as the value grows."""
    return np.asarray(np.sort(main)[::-1])


def _placed(points: Points, regime: NDArray[np.int64]) -> Points:
    """Costs of a regime, 0 to 1 each, where the regime's costs lie."""
    error = ERROR_FROM[regime] + ERROR_SHARE[regime] * points[:, 0]
    price = PRICE_FROM[regime] + PRICE_SHARE[regime] * points[:, 1]
    return np.stack([error, price], 1)
