"""Names of the costs that are measured or counted for every candidate."""

from __future__ import annotations

from collections.abc import Iterable

from mtnas.architecture import EXACT_COSTS

MEAN_ERROR = "error/mean"
"""Cost name of the plain mean of the tasks' errors."""


def cost_names(tasks: Iterable[str]) -> tuple[str, ...]:
    """All costs of a candidate: every task's error, their mean, and the exact costs."""
    return (*(f"error/{task}" for task in tasks), MEAN_ERROR, *EXACT_COSTS)
