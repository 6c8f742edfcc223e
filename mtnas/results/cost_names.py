"""Names of the costs that are measured or counted for candidates."""

from __future__ import annotations

from collections.abc import Iterable

from mtnas.architecture import EXACT_COSTS, SIZE
from mtnas.latency import LATENCY

MEAN_ERROR = "error/mean"
"""Cost name of the plain mean of the tasks' errors."""


def cost_names(tasks: Iterable[str]) -> tuple[str, ...]:
    """Costs that every measured candidate has: every task's error, their mean, and the exact costs."""
    return (*(f"error/{task}" for task in tasks), MEAN_ERROR, *EXACT_COSTS)


def possible_cost_names(tasks: Iterable[str]) -> tuple[str, ...]:
    """Costs that a candidate may have: those of `cost_names`, and its size and latency where a search asks for them."""
    return (*cost_names(tasks), SIZE, LATENCY)
