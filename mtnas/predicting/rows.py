"""Measured rows, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.evolution import ranks
from mtnas.predicting.genetics import Floats, Genes
from mtnas.predicting.spread import evenly_spread


@dataclass(frozen=True)
class Rows:
    """What has been measured, in the order of the measuring.

    Attributes:
        genes: (n, genes).
        costs: objectives, all minimised, (n, objectives).
        constraints: values by name, at most zero where met, (n,) each.
    """

    genes: Genes
    costs: Floats
    constraints: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.genes)

    def take(self, which: NDArray[np.int64] | slice) -> Rows:
        """Some of the rows."""
        constraints = {name: values[which] for name, values in self.constraints.items()}
        return Rows(self.genes[which], self.costs[which], constraints)

    @property
    def violation(self) -> Floats:
        """How far the constraints are broken, each in units of its spread, (n,); zero where none is."""
        total = np.zeros(len(self))
        for values in self.constraints.values():
            total += np.maximum(values, 0) / (float(values.std()) or 1.0)
        return total

    def thinned(self, most: int) -> NDArray[np.int64]:
        """Numbers of at most ``most`` rows, ascending: half of them the best, the others spread evenly."""
        if len(self) <= most:
            return np.arange(len(self))
        best = np.argsort(ranks(self.costs, self.violation, most // 2), kind="stable")[: most // 2]
        others = np.setdiff1d(np.arange(len(self)), best)
        return np.union1d(best, others[evenly_spread(len(others), most - len(best))])
