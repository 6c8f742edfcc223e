"""Parameters of a study as genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


@dataclass(frozen=True)
class Axis:
    """Values of one parameter by number.

    Attributes:
        values: what a trial is given.
        ordered: whether they are in an order.
        scale: position of every ordered value, for finding the nearest; empty without an order.
    """

    values: tuple[Any, ...]
    ordered: bool
    scale: tuple[float, ...] = ()

    @classmethod
    def of(cls, distribution: BaseDistribution, levels: int) -> Axis:
        """Of a distribution.

        Args:
            levels: values that stand for a number without steps, or with more steps than that.
        """
        if isinstance(distribution, CategoricalDistribution):
            return cls(_different(distribution.choices), ordered=False)
        if isinstance(distribution, IntDistribution):
            return cls._numbers([int(value) for value in _whole(distribution, levels)], log=distribution.log)
        if isinstance(distribution, FloatDistribution):
            return cls._numbers([float(value) for value in _real(distribution, levels)], log=distribution.log)
        raise TypeError(f"parameters of {type(distribution).__name__} cannot be searched; use Optuna's own kinds")

    @classmethod
    def _numbers(cls, values: list[Any], *, log: bool) -> Axis:
        return cls(tuple(values), True, tuple(float(np.log(value)) if log else float(value) for value in values))

    def number(self, value: Any) -> int:
        """Number of a value, or of the nearest one; -1 for a choice that is not there."""
        if self.ordered:
            place = np.asarray(self.scale)
            wanted = np.log(value) if self.scale and self.scale[0] != self.values[0] else value
            return int(np.abs(place - wanted).argmin())
        for number, known in enumerate(self.values):
            if known is value or known == value or (known != known and value != value):  # NaN is NaN here
                return number
        return -1


def _different(choices: Sequence[Any]) -> tuple[Any, ...]:
    """Choices without those that equal an earlier one, as 1 does True: a trial keeps the earlier one in their place."""
    try:
        return tuple(dict.fromkeys(choices))
    except TypeError:  # lists, which Optuna takes with a warning
        return tuple(choices)


def _whole(distribution: IntDistribution, levels: int) -> list[int]:
    """Ascending integers of a distribution, at most ``levels``."""
    low, high, step = distribution.low, distribution.high, distribution.step
    count = (high - low) // step + 1
    if distribution.log:
        spread = np.geomspace(low, high, levels).round().astype(int)
        return list(range(low, high + 1)) if count <= levels else sorted({int(value) for value in spread})
    if count <= levels:
        return list(range(low, high + 1, step))
    return [low + step * int(index) for index in np.linspace(0, count - 1, levels).round()]


def _real(distribution: FloatDistribution, levels: int) -> list[float]:
    """Ascending numbers of a distribution, at most ``levels``."""
    low, high, step = distribution.low, distribution.high, distribution.step
    if low == high:
        return [low]
    if step is None:
        spread = np.geomspace(low, high, levels) if distribution.log else np.linspace(low, high, levels)
        return [float(min(high, max(low, value))) for value in spread]
    count = round((high - low) / step) + 1
    return [min(high, low + step * int(i)) for i in np.linspace(0, count - 1, min(count, levels)).round()]
