"""No weighting beside the tasks' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.loss_weights import LossWeighting, added


@dataclass(frozen=True)
class EqualWeighting(TaskWeighting):
    """The sum of the losses times `Task.weight`."""

    def begin(self, tasks: Sequence[str], device: torch.device) -> LossWeighting:
        return _Equal()


class _Equal(LossWeighting):
    def total(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        return added(losses, weights)
