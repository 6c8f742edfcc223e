"""The genes of a problem as indices, the one coding that every problem and rival shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

Indices = NDArray[np.int64]
"""Places of the values that were chosen: (n, genes)."""


class Genes:
    """Names, and the values that each gene chooses from, in their order."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.names = tuple(distributions)
        self.values = tuple(_values(distribution) for distribution in distributions.values())
        self.ordered = tuple(isinstance(distribution, IntDistribution) for distribution in distributions.values())
        self.sizes = tuple(len(values) for values in self.values)
        self._places = [{value: place for place, value in enumerate(values)} for values in self.values]

    def encode(self, params: Mapping[str, Any]) -> Indices:
        """Indices of shape (genes,)."""
        return np.array([places[params[name]] for name, places in zip(self.names, self._places, strict=True)])

    def decode(self, indices: Iterable[int]) -> dict[str, Any]:
        """Parameters as Optuna names them; the inverse of `encode`."""
        return {name: values[i] for name, values, i in zip(self.names, self.values, indices, strict=True)}

    def draw(self, rng: np.random.Generator, count: int) -> Indices:
        """Uniform draws: (count, genes)."""
        return rng.integers(0, self.sizes, (count, len(self.sizes)))


def _values(distribution: BaseDistribution) -> tuple[Any, ...]:
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return tuple(range(distribution.low, distribution.high + 1, distribution.step))
    raise TypeError(f"genes are categorical or integers, but got {distribution}")
