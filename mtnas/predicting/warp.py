"""Costs made to look normally distributed."""

from __future__ import annotations

import numpy as np

from mtnas.predicting.genetics import Floats


class Warp:
    """The power transform of largest likelihood (Box and Cox, 1964), safe to invert.

    Errors of networks have a long tail of bad ones; with the tail pulled in, the good ones, which matter, are told
    apart better. Values are counted from the smallest in standard deviations, plus one. Where the inverse would lose
    digits, values stay as they are.

    Args:
        values: to fit it on, (n,).
        plain: whether to leave them as they are.
        beyond: how far a warped value may lie outside the ones seen, in their standard deviations, before it is
            clipped; some transforms have no value for what lies farther.
        loss: most that a value may change by being warped and back, in standard deviations.
    """

    def __init__(self, values: Floats, *, plain: bool = False, beyond: float = 3.0, loss: float = 1e-6) -> None:
        self._start, self._unit = float(values.min()), float(values.std()) or 1.0
        self._power = 1.0 if plain else _best_power(1 + (values - self._start) / self._unit)
        warped = self(values)
        if self._power != 1 and not (np.abs(self._inverse(warped) - values) <= loss * self._unit).all():
            self._power = 1.0
            warped = self(values)
        spread = float(warped.std()) or 1.0
        low, high = float(warped.min()), float(warped.max())
        self._low, self._high = low - beyond * spread, high + beyond * spread
        if self._power != 1:
            # From what was seen, which has an inverse, to where it ends on either side.
            grid = np.linspace(self._low, self._high, 400)
            usable = grid[np.isfinite(self._inverse(grid))]
            self._low, self._high = min(usable[0], low), max(usable[-1], high)

    def __call__(self, values: Floats) -> Floats:
        """Warped values; none may be below the smallest that it was fitted on."""
        return _power_of(1 + (values - self._start) / self._unit, self._power)

    def inverse(self, warped: Floats) -> Floats:
        """Values of any shape, of warped ones."""
        return self._inverse(np.minimum(np.maximum(warped, self._low), self._high))

    def _inverse(self, warped: Floats) -> Floats:
        if self._power == 1:
            plain: Floats = warped * self._unit + self._start
            return plain
        with np.errstate(all="ignore"):
            counted = np.exp(warped) if self._power == 0 else (1 + self._power * warped) ** (1 / self._power)
        found: Floats = (counted - 1) * self._unit + self._start
        return found


def _power_of(counted: Floats, power: float) -> Floats:
    """Values of at least one, transformed."""
    warped: Floats = np.log(counted) if power == 0 else (counted**power - 1) / power
    return warped


def _best_power(counted: Floats) -> float:
    """The power under which values of at least one look most like a normal distribution, to one decimal."""
    powers = np.round(np.arange(-5.0, 5.05, 0.1), 1)
    logarithms = np.log(counted)
    raised = np.exp(np.multiply.outer(powers, logarithms))  # (powers, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        spreads = np.where(powers == 0, logarithms.std(), raised.std(1) / np.abs(powers))
        likelihood = -len(counted) * np.log(spreads) + (powers - 1) * logarithms.sum()
    return float(powers[int(np.argmax(likelihood))]) if spreads.min() > 0 else 1.0
