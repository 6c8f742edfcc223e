"""Gradient surgery (PCGrad, arXiv 2001.06782)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.gradients import GradientWeighting


@dataclass(frozen=True)
class PCGrad(TaskWeighting):
    """A task's gradient loses the part that points against another task's (arXiv 2001.06782, algorithm 1).

    Two tasks are compared on the weights that both use, from the stem to where they part; the projection changes those
    weights only. Each sub-network of a step is treated on its own. Costs one backward pass for every task.
    """

    def begin(self, tasks: Sequence[str], device: torch.device) -> GradientWeighting:
        return _PCGrad()


class _PCGrad(GradientWeighting):
    def __init__(self) -> None:
        self.rng = random.Random(0)

    def begin_step(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def combine(self, gradients: Tensor, uses: Tensor) -> Tensor:
        return project_conflicts(gradients, uses, self.rng)


def project_conflicts(gradients: Tensor, uses: Tensor, rng: random.Random) -> Tensor:
    """Sum of the gradients after the projections of algorithm 1: (n,).

    Args:
        gradients: (T, n), zero where a task does not use a weight.
        uses: (T, n) booleans: whether it uses it.
        rng: draws the order of the other tasks.
    """
    projected = []
    for task, own in enumerate(gradients):
        others = [other for other in range(len(gradients)) if other != task]
        rng.shuffle(others)
        for other in others:
            opponent = gradients[other] * uses[task]
            # min(0, product) instead of a comparison, which would make an accelerator wait; 0 leaves `own` as it is.
            overlap = (own @ opponent).clamp(max=0) / (opponent @ opponent).clamp_min(torch.finfo(own.dtype).tiny)
            own = own - overlap * opponent
        projected.append(own)
    return torch.stack(projected).sum(0)
