"""The mean of a Gaussian process for many thousands of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.genetics import Floats

Singles = NDArray[np.float32]


class PosteriorMean:
    """What a process of additive and joint parts, see `ChoiceProcess`, expects at new rows, less its scale.

    The joint part is in single precision, where nearly all time goes.

    Args:
        X: rows that it is conditioned on, (rows, features).
        weights: of the features, (features,).
        joint: what every row's kernel counts for, (rows,).
        slopes: the additive part, which is linear in the features and needs no kernel, (features,).
    """

    def __init__(self, X: Floats, weights: Floats, joint: Floats, slopes: Floats) -> None:
        self.slopes = slopes
        self.rows = np.ascontiguousarray((2 * X * weights).T.astype(np.float32))
        self.weights = weights.astype(np.float32)
        self.norms = (-(X**2 @ weights)).astype(np.float32)
        self.joint = joint.astype(np.float32)

    def at(self, X: Floats, single: Singles, squares: Singles) -> Floats:
        """(n,), of rows X (n, features), the same in single precision, and their squares."""
        exponent = single @ self.rows
        exponent += self.norms
        exponent -= (squares @ self.weights)[:, None]  # by rounding hardly above zero, if at all
        np.exp(exponent, out=exponent)
        mean: Floats = (exponent @ self.joint).astype(np.float64)
        mean += X @ self.slopes
        return mean


def means_at(X: Floats, posteriors: Sequence[PosteriorMean]) -> list[Floats]:
    """Means of several processes at the same rows X (n, features), (n,) each."""
    single = X.astype(np.float32)
    squares = single * single
    return [posterior.at(X, single, squares) for posterior in posteriors]
