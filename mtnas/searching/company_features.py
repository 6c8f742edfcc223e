"""What affinities say of trees, for predictors of errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import Affinities
from mtnas.predicting.genetics import Floats

Ints = NDArray[np.int64]


class CompanyFeatures:
    """What the company costs that tasks have in their nodes: one number per network and task, or the mean of all.

    Args:
        affinities: of the tasks.
        tasks: number of tasks.
        blocks: number of blocks.
    """

    def __init__(self, affinities: Affinities, tasks: int, blocks: int) -> None:
        self.affinities = affinities
        shared = self._costs(np.zeros((1, blocks, tasks), dtype=np.int64))
        self.scale = max(float(np.abs(shared).mean()), 1e-9)
        """Mean cost where all tasks share everything."""

    def __call__(self, leaders: Ints, task: int | None) -> Floats:
        """(n, 1), 1 for the mean task of hard sharing.

        Args:
            leaders: the task that leads the node of every block and task, (n, blocks, tasks).
            task: whose company is meant; None: the mean over all.
        """
        costs = self._costs(leaders)
        found: Floats = costs.mean(1, keepdims=True) if task is None else costs[:, [task]]
        return found / self.scale

    def _costs(self, leaders: Ints) -> Floats:
        """Sum over blocks and company of every task, (n, tasks)."""
        found: Floats = np.einsum("npij,pij->nj", self.affinities.together(leaders), self.affinities.cost)
        return found
