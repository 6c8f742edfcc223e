"""Costs made to look normally distributed."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.preprocessing import PowerTransformer

from mtnas.predicting.genetics import Floats


class Warp:
    """The Yeo-Johnson transform of largest likelihood (Biometrika 87, 2000), safe to invert.

    Errors of networks have a long tail of bad ones; with the tail pulled in, the good ones, which matter, are told
    apart better. Values are counted from the smallest in standard deviations first. Where no transform helps, or its
    inverse would lose digits, values stay as they are.

    Args:
        values: to fit it on, (n,).
        plain: whether to leave them as they are.
        beyond: how far a warped value may lie outside the ones seen, in their standard deviations, before it is
            clipped; some transforms have no value for what lies farther.
        loss: most that a value may change by being warped and back, in standard deviations.
    """

    def __init__(self, values: Floats, *, plain: bool = False, beyond: float = 3.0, loss: float = 1e-6) -> None:
        self._start, self._unit = float(values.min()), float(values.std()) or 1.0
        self._transform = PowerTransformer()
        with warnings.catch_warnings():
            # Constant values have no best exponent; they are left as they are.
            warnings.simplefilter("ignore")
            warped = self._transform.fit_transform(self._scaled(values))[:, 0]
            lossy = not np.allclose(self._inverse(warped), values, rtol=0, atol=loss * self._unit)
        self._plain = bool(plain or lossy or np.ptp(warped) == 0)
        if self._plain:
            warped = values
        spread = float(warped.std()) or 1.0
        self._low, self._high = float(warped.min()) - beyond * spread, float(warped.max()) + beyond * spread
        if not self._plain:
            # From what was seen, which has an inverse, to where it ends on either side.
            grid = np.linspace(self._low, self._high, 400)
            usable = grid[np.isfinite(self._inverse(grid))]
            self._low, self._high = min(usable[0], warped.min()), max(usable[-1], warped.max())

    def __call__(self, values: Floats) -> Floats:
        """Warped values."""
        if self._plain:
            return values
        warped: Floats = self._transform.transform(self._scaled(values))[:, 0]
        return warped

    def inverse(self, warped: Floats) -> Floats:
        """Values of any shape, of warped ones."""
        clipped = np.clip(warped, self._low, self._high)
        return clipped if self._plain else self._inverse(clipped)

    def _scaled(self, values: Floats) -> Floats:
        scaled: Floats = (values[:, None] - self._start) / self._unit
        return scaled

    def _inverse(self, warped: Floats) -> Floats:
        """As scikit-learn's, without its checks, which take longer than the arithmetic of a small array."""
        power, scaler = float(self._transform.lambdas_[0]), self._transform._scaler
        moved = warped * float(scaler.scale_[0]) + float(scaler.mean_[0])
        up, down = np.maximum(moved, 0), np.maximum(-moved, 0)
        rest = 2 - power
        with np.errstate(all="ignore"):
            above = np.expm1(up) if abs(power) < 1e-9 else (up * power + 1) ** (1 / power) - 1
            below = -np.expm1(down) if abs(rest) < 1e-9 else 1 - (down * rest + 1) ** (1 / rest)
        found: Floats = np.where(moved >= 0, above, below) * self._unit + self._start
        return found
