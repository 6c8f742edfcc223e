"""Weightings that act on the losses: one backward pass of one sum."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from mtnas.training.weighting.base import StepPart, WeightingState


class LossWeighting(WeightingState):
    """State of a weighting that turns the losses into one number."""

    @abstractmethod
    def total(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        """Scalar of which the weights' gradient is taken.

        Args:
            losses: scalars by task name, at least one; tasks without a label in the batch are not among them.
            weights: of all tasks; each multiplies all that its task adds to the total.
        """

    def backward(self, part: StepPart) -> None:
        (self.total(part.losses, part.weights) / part.parts).backward()  # type: ignore[no-untyped-call]


class FactorWeighting(LossWeighting):
    """A factor for every task, constant within a step.

    Attributes:
        factors: by task name; 1 before any are set.
    """

    def __init__(self) -> None:
        self.factors: dict[str, float] = {}

    def total(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        return added(losses, {name: weights[name] * self.factors.get(name, 1.0) for name in losses})


def added(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Sum of the losses times their weights."""
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
