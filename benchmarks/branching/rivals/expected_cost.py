"""BMTAS's expected cost of a tree (arXiv 2008.10292), as its public code computes it."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor


class ExpectedCost:
    """Expected number of nodes, by a recurrence over the partitions of the tasks.

    With q_l(k) the probability that the picks of block l alone group the tasks as k, a partition k other than the fully
    split one has p_l(k) = q_l(k) * sum of p_(l-1) over the partitions that k refines; the fully split one has the
    rest. This is not quite the expectation: picks that group the tasks otherwise than as a refinement of the block
    before, which makes them part further, all count as fully split.

    Args:
        tasks: at most 6, as it sums over all T^T picks.

    Raises:
        ValueError: if there are more.
    """

    def __init__(self, tasks: int) -> None:
        if tasks > 6:
            raise ValueError(f"the recurrence sums over T^T picks, so at most 6 tasks can be had, but got {tasks}")
        self.picks = torch.tensor(list(product(range(tasks), repeat=tasks)))  # (picks, tasks)
        rows = [tuple(pick.index(copy) for copy in pick) for pick in map(tuple, self.picks.tolist())]
        partitions = sorted(set(rows))  # the last one is fully split
        place = {row: number for number, row in enumerate(partitions)}
        self.groups = torch.zeros(len(rows), len(partitions) - 1)
        for number, row in enumerate(rows):
            if place[row] < len(partitions) - 1:
                self.groups[number, place[row]] = 1.0
        self.refines = torch.tensor(
            [[float(_refines(fine, coarse)) for fine in partitions[:-1]] for coarse in partitions[:-1]]
        )
        self.sizes = torch.tensor([float(len(set(row))) for row in partitions])

    def __call__(self, logits: Tensor) -> Tensor:
        """Expected nodes (runs,) of logits (runs, blocks, tasks, copies)."""
        probabilities = logits.softmax(-1)
        total = logits.new_zeros(len(logits))
        above: Tensor | None = None
        tasks = torch.arange(logits.shape[2])
        for block in range(logits.shape[1]):
            alone = probabilities[:, block, tasks, self.picks].prod(-1) @ self.groups  # (runs, partitions but the last)
            above = alone if above is None else alone * (above @ self.refines)
            split = 1 - above.sum(-1)
            total = total + above @ self.sizes[:-1] + split * self.sizes[-1]
        return total


def _refines(fine: tuple[int, ...], coarse: tuple[int, ...]) -> bool:
    return all(coarse[task] == coarse[leader] for task, leader in enumerate(fine))
