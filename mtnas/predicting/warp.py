"""Costs made to look normally distributed."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.preprocessing import PowerTransformer

from mtnas.predicting.genetics import Floats


class Warp:
    """The Yeo-Johnson transform of largest likelihood (Biometrika 87, 2000), safe to invert.

    Errors of networks have a long tail of bad ones; without it the good ones, which matter, are told apart better.

    Args:
        values: to fit it on, (n,).
        plain: whether to leave them as they are.
        beyond: how far a warped value may lie outside the ones seen, in their standard deviations, before it is
            clipped; some transforms have no value for what lies farther.
    """

    def __init__(self, values: Floats, *, plain: bool = False, beyond: float = 3.0) -> None:
        self._transform = PowerTransformer()
        with warnings.catch_warnings():
            # Constant values have no best exponent; they are left as they are.
            warnings.simplefilter("ignore")
            warped = self._transform.fit_transform(values[:, None])[:, 0]
        self._plain = bool(plain or not np.isfinite(warped).all() or np.ptp(warped) == 0)
        if self._plain:
            warped = values
        spread = float(warped.std()) or 1.0
        low, high = float(warped.min()) - beyond * spread, float(warped.max()) + beyond * spread
        self._low, self._high = (low, high) if self._plain else self._invertible(low, high)

    def __call__(self, values: Floats) -> Floats:
        """Warped values."""
        if self._plain:
            return values
        warped: Floats = self._transform.transform(values[:, None])[:, 0]
        return warped

    def inverse(self, warped: Floats) -> Floats:
        """Values of any shape, of warped ones."""
        clipped = np.clip(warped, self._low, self._high)
        if self._plain:
            return clipped
        return self._inverse(clipped)

    def _invertible(self, low: float, high: float) -> tuple[float, float]:
        """The part of a range in which the transform has an inverse."""
        grid = np.linspace(low, high, 400)
        back = self._inverse(grid)
        usable = grid[np.isfinite(back)]
        return float(usable[0]), float(usable[-1])

    def _inverse(self, warped: Floats) -> Floats:
        """As scikit-learn's, without its checks, which take longer than the arithmetic of a small array."""
        power, scaler = float(self._transform.lambdas_[0]), self._transform._scaler
        plain = warped * float(scaler.scale_[0]) + float(scaler.mean_[0])
        up, down = np.maximum(plain, 0), np.maximum(-plain, 0)
        with np.errstate(invalid="ignore", over="ignore"):
            above = np.expm1(up) if abs(power) < 1e-9 else (up * power + 1) ** (1 / power) - 1
            rest = 2 - power
            below = -np.expm1(down) if abs(rest) < 1e-9 else 1 - (down * rest + 1) ** (1 / rest)
        return np.where(plain >= 0, above, below)
