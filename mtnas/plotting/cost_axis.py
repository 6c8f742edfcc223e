"""The axis of one cost among several that stand side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from mtnas.plotting.scales import needs_log


@dataclass(frozen=True)
class CostAxis:
    """From the lowest value, at height 0, to the highest, at height 1; logarithmic if they are far apart."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> CostAxis:
        return cls(float(values.min()), float(values.max()), needs_log(values))

    def heights(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as places on the axis, 0 to 1; in the middle if all are the same."""
        if self.low == self.high:
            return np.full(len(values), 0.5)
        if self.log:
            return np.asarray(np.log(values / self.low) / math.log(self.high / self.low))
        return (values - self.low) / (self.high - self.low)

    def ticks(self, nearest: float) -> list[float]:
        """Both ends, and round values between that are no nearer to them, as a share of the axis."""
        if self.low == self.high:
            return [self.low]
        if self.log:
            found = np.array(LogLocator(10, (1.0, 2.0, 5.0), numticks=9).tick_values(self.low, self.high))
        else:
            found = np.array(MaxNLocator(5).tick_values(self.low, self.high))
        between = found[(self.low < found) & (found < self.high)]
        places = self.heights(between)
        apart = between[(places >= nearest) & (places <= 1 - nearest)]
        return [self.low, *apart.tolist(), self.high]
