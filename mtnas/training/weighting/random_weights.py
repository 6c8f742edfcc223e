"""Random loss weighting (arXiv 2111.10603)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.loss_weights import FactorWeighting


@dataclass(frozen=True)
class RandomWeighting(TaskWeighting):
    """Factors drawn anew for every step: the softmax of standard normal numbers (arXiv 2111.10603, RLW).

    They are multiplied by the number of tasks, so that a task's mean factor is 1 as with equal weighting.
    """

    def begin(self, tasks: Sequence[str], device: torch.device) -> FactorWeighting:
        return _Random(tasks)


class _Random(FactorWeighting):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def begin_step(self, seed: int) -> None:
        # Of the CPU, so that the draws are the same on every device.
        normal = torch.randn(len(self.tasks), generator=torch.Generator().manual_seed(seed))
        factors = len(self.tasks) * normal.softmax(0)
        self.factors = dict(zip(self.tasks, factors.tolist(), strict=True))
