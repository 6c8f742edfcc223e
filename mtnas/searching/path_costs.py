"""Exact costs of many networks at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import CostTable
from mtnas.predicting.genetics import Floats

Ints = NDArray[np.int64]


class PathCosts:
    """A cost table as one array with a row for every stem, option and head, and one of zeros.

    Args:
        costs: of the space.
        tasks: number of tasks.
    """

    def __init__(self, costs: CostTable, tasks: int) -> None:
        self.names, self.tasks = costs.names, tasks
        self.leads_to = [np.array(block, dtype=np.int64) for block in costs.leads_to]  # (entering, option)
        blocks = [[one for row in block for one in row] for block in costs.options]
        self.first = np.cumsum([1, *map(len, blocks)])  # rows of the blocks begin here, those of the heads last
        rows = [costs.stem, *(one for block in blocks for one in block), *(one for row in costs.heads for one in row)]
        nothing = (0.0,) * len(costs.names)
        self.rows: Floats = np.array([*rows, nothing], dtype=np.float64)  # (rows, costs)

    def __call__(self, leaders: Ints, options: Ints) -> dict[str, Floats]:
        """Costs by name, (n,) each.

        Args:
            leaders: the task that leads the node of every block and task, (n, blocks, tasks).
            options: the option of every block on every task's path, (n, blocks, tasks).
        """
        count, blocks = len(leaders), len(self.leads_to)
        task = np.arange(self.tasks)
        rows = np.zeros((1 + self.tasks * (blocks + 1), count), dtype=np.int64)  # that of the stem comes first
        used = rows[1:].reshape(self.tasks, blocks + 1, count)
        entering = np.zeros((count, self.tasks), dtype=np.int64)
        for block, leads_to in enumerate(self.leads_to):
            option = options[:, block]
            row = self.first[block] + entering * leads_to.shape[1] + option
            used[:, block] = np.where(leaders[:, block] == task, row, len(self.rows) - 1).T
            entering = leads_to[entering, option]
        used[:, blocks] = (self.first[blocks] + entering * self.tasks + task).T
        total = np.add.reduce(self.rows.take(rows, axis=0), axis=0)  # one after the other: the same on every machine
        return {name: total[:, column] for column, name in enumerate(self.names)}
