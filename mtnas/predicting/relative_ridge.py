"""A linear model of what is off by a share of itself."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import BayesianRidge

from mtnas.predicting.genetics import Floats


class RelativeRidge(BayesianRidge):  # type: ignore[misc]
    """Bayesian ridge regression that errs by about the same percentage everywhere: rows weigh by 1 / y^2.

    Where a value is zero or below, percentages mean nothing, and all rows weigh alike.
    """

    def fit(self, X: Floats, y: Floats) -> RelativeRidge:
        """X (n, features), y (n,)."""
        weights = (np.mean(y) / y) ** 2 if np.min(y) > 0 else None
        super().fit(X, y, sample_weight=weights)
        return self
