"""Axes of costs: linear or logarithmic, with as many ticks as have room."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from mtnas.plotting.frame import axes_inches
from mtnas.plotting.style import human

LOG_FACTOR = 10.0
"""A cost whose highest value is more than this many times its lowest has a logarithmic axis."""


def needs_log(values: NDArray[np.float64]) -> bool:
    """Whether values above zero span more than `LOG_FACTOR`."""
    return len(values) > 0 and bool(values.min() > 0 and values.max() / values.min() > LOG_FACTOR)


def set_scales(ax: Axes, points: NDArray[np.float64], log: tuple[bool, bool]) -> None:
    """Scales and ticks of both axes for points of shape (n, 2), which must be above zero where ``log`` is set."""
    width, height = axes_inches(ax)
    for axis, values, logarithmic, length in (
        (ax.xaxis, points[:, 0], log[0], width),
        (ax.yaxis, points[:, 1], log[1], 1.6 * height),  # labels are less high than wide
    ):
        if logarithmic:
            if axis is ax.xaxis:
                ax.set_xscale("log")
            else:
                ax.set_yscale("log")
            room = length / max(0.3, math.log10(values.max() / values.min()))  # inches per factor of ten
            steps = (1.0, 2.0, 5.0) if room > 1.6 else (1.0, 3.0) if room > 1.0 else (1.0,)
            axis.set_major_locator(LogLocator(10, steps))
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(max(2, min(7, int(length / 0.6)))))
        axis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
