"""A search problem: genes, costs in the unit box, constraints, and the hypervolume of its front where it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from benchmarks.search_quality.genes import Genes, Indices
from mtnas.results.front import Points


@dataclass(frozen=True)
class Outcome:
    """One evaluation. It is feasible where no constraint is above zero."""

    genes: tuple[int, ...]
    costs: tuple[float, ...]
    constraints: tuple[float, ...] = ()

    @property
    def feasible(self) -> bool:
        return all(value <= 0 for value in self.constraints)


@dataclass(frozen=True)
class Problem:
    """All costs are minimised and lie between 0 and about 1.

    Attributes:
        costs_of: genes (n, genes) -> costs (n, objectives).
        constraints_of: genes (n, genes) -> constraints (n, constraints), feasible where all are at most zero.
        exact: hypervolume of the exact front, as a share of the box below `reference`; None if it is not known.
        trivial: nothing but additive effects, so every predictor has an easy time.
    """

    name: str
    distributions: Mapping[str, BaseDistribution]
    objectives: int
    costs_of: Callable[[Indices], Points]
    constraints_of: Callable[[Indices], NDArray[np.float64]] | None = None
    exact: float | None = None
    trivial: bool = False

    @cached_property
    def genes(self) -> Genes:
        return Genes(self.distributions)

    @property
    def reference(self) -> NDArray[np.float64]:
        return np.full(self.objectives, 1.1)

    def evaluate(self, params: Mapping[str, Any]) -> Outcome:
        """Costs and constraints of one choice of values; the same each time."""
        indices = self.genes.encode(params)
        costs = self.costs_of(indices[None])[0]
        limits = () if self.constraints_of is None else self.constraints_of(indices[None])[0]
        return Outcome(tuple(indices.tolist()), tuple(map(float, costs)), tuple(map(float, limits)))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when genes, costs or constraints do, so that no run of another version is taken for one of this."""
        indices = self.genes.draw(np.random.default_rng(0), 256)
        digest = hashlib.sha256(repr([(name, str(kind)) for name, kind in self.distributions.items()]).encode())
        for values_of in (self.costs_of, self.constraints_of):
            if values_of is not None:
                digest.update((values_of(indices).round(9) + 0.0).tobytes())
        return digest.hexdigest()[:16]
