"""Rows of an earlier search as advice to the predictors of a new one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.genetics import Exact, Floats, Genes, Genetics
from mtnas.predicting.model import Model
from mtnas.predicting.predictors import Cost, Tuned
from mtnas.predicting.rows import Rows


class Advised(Genetics):
    """Genes of which an earlier search has something to say.

    What predictors of the earlier rows expect for a cost is one more thing that its new predictor sees, worth as much
    at first as all others together. The new rows settle how far the advice holds, whatever its scale: earlier rows
    are never taken for measured ones.

    Args:
        genetics: what the genes mean.
        earlier: measured elsewhere, on the same genes; its objectives and constraints have the same numbers and names.
        models: ways to predict an earlier cost.
        most_rows: that an earlier predictor is fitted on.
    """

    def __init__(self, genetics: Genetics, earlier: Rows, models: Sequence[Model], most_rows: int = 600) -> None:
        self.genetics = genetics
        used = earlier.take(earlier.thinned(most_rows))
        chosen = Tuned.on(used, genetics, models).models
        self._costs: list[Cost] = list(chosen)
        self._fitted = []
        self._scale: list[tuple[float, float, float]] = []
        for cost, settled in chosen.items():
            X = genetics.features(used.genes, genetics.view(cost))
            values = used.costs[:, cost] if isinstance(cost, int) else used.constraints[cost]
            self._fitted.append(settled.fit(X, values))
            expected = self._fitted[-1].mean(X)
            # Weights of choices start at two over their number: this is the scale at which one is worth all of them.
            choices = int(genetics.groups(genetics.view(cost)).max(initial=0)) + 1
            self._scale.append((float(expected.mean()), float(expected.std()) or 1.0, float(np.sqrt(choices / 2))))

    def draw(self, count: int, rng: np.random.Generator) -> Genes:
        return self.genetics.draw(count, rng)

    def vary(self, first: Genes, second: Genes, rng: np.random.Generator) -> Genes:
        return self.genetics.vary(first, second, rng)

    def identity(self, genes: Genes) -> Genes:
        return self.genetics.identity(genes)

    def exact(self, genes: Genes) -> Exact:
        return self.genetics.exact(genes)

    def view(self, cost: Cost) -> int:
        """One view for every cost that there is advice on, and those of the genes themselves after them."""
        if cost in self._costs:
            return self._costs.index(cost)
        return len(self._costs) + self.genetics.view(cost)

    def features(self, genes: Genes, view: int) -> Floats:
        if view >= len(self._costs):
            return self.genetics.features(genes, view - len(self._costs))
        X = self.genetics.features(genes, self.genetics.view(self._costs[view]))
        centre, spread, worth = self._scale[view]
        advice = worth * np.clip((self._fitted[view].mean(X) - centre) / spread, -4, 4)
        return np.concatenate([X, advice[:, None]], axis=1)

    def groups(self, view: int) -> NDArray[np.int64]:
        if view >= len(self._costs):
            return self.genetics.groups(view - len(self._costs))
        own = self.genetics.groups(self.genetics.view(self._costs[view]))
        return np.append(own, own.max(initial=-1) + 1)
