"""A model of costs that disturbances can only raise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from mtnas.predicting.genetics import Floats
from mtnas.predicting.model import Fitted, Model
from mtnas.predicting.quality import HeldOut

Bools = NDArray[np.bool_]


class DisturbedModel(Model):
    """A model that leaves out rows whose cost is far above what the others say: they were measured in a bad moment.

    Rows far below stay: nothing makes a measured time too short. Where a cost is zero or below, nothing is left out.

    Args:
        model: predicts what is left.
        most: standard deviations (by the median absolute one) of the share by which costs are off, above which a row
            is left out.
        least_rows: with fewer, what is usual is not known yet, and none is left out.
    """

    def __init__(self, model: Model, most: float = 5.0, least_rows: int = 20) -> None:
        self.model, self.most, self.least_rows = model, most, least_rows
        self.name = model.name

    def quick(self) -> Model:
        return DisturbedModel(self.model.quick(), self.most, self.least_rows)

    def tuned(self, X: Floats, y: Floats, groups: NDArray[np.int64]) -> Callable[[Floats, Floats], Fitted]:
        settled = self.model.tuned(X, y, groups)
        keep = self._undisturbed(settled(X, y), y)
        if not keep.all():
            settled = self.model.tuned(X[keep], y[keep], groups)

        def fit(X: Floats, y: Floats) -> Fitted:
            fitted = settled(X, y)
            keep = self._undisturbed(fitted, y)
            return fitted if keep.all() else _FittedWithout(settled(X[keep], y[keep]), X, keep)

        return fit

    def _undisturbed(self, fitted: Fitted, y: Floats) -> Bools:
        """Rows that are not far above what the others say, (n,)."""
        if len(y) < self.least_rows or np.min(y) <= 0:
            return np.ones(len(y), dtype=bool)
        off = 1 - fitted.held_out()[0] / y
        return np.asarray(off - np.median(off) <= self.most * median_abs_deviation(off, scale="normal"))


class _FittedWithout(Fitted):
    """A predictor of some rows, told of all."""

    def __init__(self, fitted: Fitted, X: Floats, keep: Bools) -> None:
        self.fitted, self.keep, self._left_out = fitted, keep, X[~keep]

    def mean(self, X: Floats) -> Floats:
        return self.fitted.mean(X)

    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        return self.fitted.samples(X, count, rng)

    def interval(self, X: Floats, width: float) -> tuple[Floats, Floats]:
        return self.fitted.interval(X, width)

    def held_out(self) -> HeldOut:
        """Of rows that were left out, what is predicted for them: they count in the quality as all others do."""
        found = np.empty((3, len(self.keep)))
        found[:, self.keep] = self.fitted.held_out()
        found[:, ~self.keep] = self.fitted.mean(self._left_out), *self.fitted.interval(self._left_out, 1.0)
        return found[0], found[1], found[2]
