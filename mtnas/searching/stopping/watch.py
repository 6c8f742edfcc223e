"""Asks the rules of a search as its rows come in."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np

from mtnas.results import Row, RunningHypervolume
from mtnas.searching.stopping.rule import SearchProgress, StopRule


class Watch:
    """Keeps the hypervolume and the time of a search, and the reason why it ended early.

    Args:
        rules: asked in this order; the first that gives a reason ends the search. Without any, nothing is computed.
        objectives: names of the costs whose hypervolume is followed.
        budgets: hard upper limits by cost name.
    """

    def __init__(self, rules: Sequence[StopRule], objectives: Sequence[str], budgets: Mapping[str, float]) -> None:
        self.rules, self.objectives, self.budgets = tuple(rules), tuple(objectives), dict(budgets)
        self.reason: str | None = None
        self.start()
        self._running: RunningHypervolume | None = None
        self._followed: list[float] = []

    def start(self) -> None:
        """Let the time begin now."""
        self._start = time.monotonic()

    def ends(self, rows: Sequence[Row], reference: Mapping[str, float] | None) -> bool:
        """Whether a rule ends the search now.

        Args:
            rows: measured so far, those of the last call first.
            reference: the run's reference point by cost name; None as long as it is not settled.
        """
        if self.rules and rows:
            progress = SearchProgress(len(rows), self.hypervolume(rows, reference), time.monotonic() - self._start)
            self.reason = next((reason for rule in self.rules if (reason := rule.reason(progress))), None)
        return self.reason is not None

    def tell(self, evaluations: int) -> None:
        """Say on standard error why the search ended, if it ended early."""
        if self.reason is not None:
            print(f"search ended after {evaluations} evaluations: {self.reason}", file=sys.stderr, flush=True)

    def hypervolume(self, rows: Sequence[Row], reference: Mapping[str, float] | None) -> tuple[float, ...]:
        """The hypervolume after each row; only rows that are new since the last call are looked at."""
        if reference is None or not set(self.objectives) <= set(reference):
            return (math.nan,) * len(rows)
        if self._running is None:
            self._running = RunningHypervolume(np.array([reference[name] for name in self.objectives]))
        for row in rows[len(self._followed) :]:
            within = all(row.costs[name] <= limit for name, limit in self.budgets.items())
            point = np.array([row.costs[name] for name in self.objectives], dtype=np.float64)
            self._followed.append(self._running.add(point) if within else self._running.value)
        return tuple(self._followed)
