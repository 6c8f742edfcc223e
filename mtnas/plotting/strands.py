"""The strands of a tree picture: a bundle for every edge, a strand for every task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.path import Path

STRAND_POINTS, APART_POINTS = 2.6, 0.7
"""Width of a strand, and what is between two of a bundle, if the bundle is not too wide then."""

LEAST_GAP, GAP_OF_TASK, LARGEST_GAP, ENDS = 0.32, 0.0325, 0.7, 0.05
"""Inches between two layers: least, for every strand of a bundle that runs sideways, at most, and beside the bundle."""

ROUND = 4 / 3 * (math.sqrt(2) - 1)
"""Where the control points of a quarter of a circle lie."""


def layer_gap(tasks: int) -> float:
    """Inches between the boxes of two layers, so that a bundle has room to run sideways."""
    return min(LARGEST_GAP, max(LEAST_GAP, GAP_OF_TASK * tasks + ENDS))


def strand_step(tasks: int) -> float:
    """Inches from one strand of a bundle to the next."""
    return min((STRAND_POINTS + APART_POINTS) / 72, (layer_gap(tasks) - ENDS) / tasks)


def strand_points(tasks: int) -> float:
    """Width of a strand."""
    return STRAND_POINTS / (STRAND_POINTS + APART_POINTS) * strand_step(tasks) * 72


def from_middle(tasks: Sequence[str], task: str) -> float:
    """How many strands right of the middle of a bundle a task's is."""
    return tasks.index(task) - (len(tasks) - 1) / 2


def strand_heights(across: Mapping[str, float]) -> dict[str, float]:
    """How many strands below half-way every task's runs sideways, so that those that go to one side do not cross.

    Args:
        across: how far to the right the strands go, in their order from left to right where they leave the box.
    """
    left = [task for task, way in across.items() if way < 0]
    right = [task for task, way in across.items() if way > 0]
    # The outermost one turns first.
    turned = {task: from_middle(left, task) for task in left} | {task: -from_middle(right, task) for task in right}
    return {task: turned.get(task, 0.0) for task in across}


def strand_path(start: tuple[float, float], end: tuple[float, float], aside: float) -> Path:
    """Down, round a corner, sideways, round a corner, and down, with y downward.

    Args:
        start: where it leaves the upper box.
        end: where it meets the lower one.
        aside: how much lower than half-way it runs sideways. Strands that lie a step apart at their ends and here stay
            so all the way, since the corners then have one centre.
    """
    (x0, y0), (x1, y1) = start, end
    middle = (y0 + y1) / 2 + aside
    # As wide as high, unless both corners do not fit between the ends.
    squeeze = min(1.0, abs(x1 - x0) / (y1 - y0)) * math.copysign(1, x1 - x0)
    first, second = middle - y0, y1 - middle
    points = [
        (x0, y0),
        (x0, y0 + ROUND * first),
        (x0 + (1 - ROUND) * first * squeeze, middle),
        (x0 + first * squeeze, middle),
        (x1 - second * squeeze, middle),
        (x1 - (1 - ROUND) * second * squeeze, middle),
        (x1, y1 - ROUND * second),
        (x1, y1),
    ]
    curve = [Path.CURVE4] * 3
    return Path(points, [Path.MOVETO, *curve, Path.LINETO, *curve])
