"""Losses of the ready tasks, on labels and on a teacher's outputs.

Losses on labels convert these to what they need and are means over the entries that are there; an entry that is missing
adds exactly nothing to the loss or its gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mtnas.space.presence import present


@dataclass(frozen=True)
class CrossEntropy:
    """Mean cross-entropy of outputs (N, C, ...) and classes (N, ...) over the labels that are not ``missing``."""

    missing: int = -100

    def __call__(self, output: Tensor, label: Tensor) -> Tensor:
        losses = functional.cross_entropy(output, label.long(), ignore_index=self.missing, reduction="none")
        return _mean(losses, present(label, self.missing))


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Mean binary cross-entropy of logits and labels of one shape over the entries that are not ``missing``."""

    missing: float = math.nan

    def __call__(self, output: Tensor, label: Tensor) -> Tensor:
        there = present(label, self.missing)
        # Where nothing is to be learned the label must be a number all the same: NaN * 0 would be a NaN gradient.
        target = torch.where(there, label.to(output.dtype), 0.0)
        return _mean(functional.binary_cross_entropy_with_logits(output, target, reduction="none"), there)


@dataclass(frozen=True)
class MeanSquare:
    """Mean squared difference of outputs and labels of one shape over the entries that are not ``missing``."""

    missing: float = math.nan

    def __call__(self, output: Tensor, label: Tensor) -> Tensor:
        there = present(label, self.missing)
        target = torch.where(there, label.to(output.dtype), 0.0)
        return _mean((output - target).square(), there)


def _mean(losses: Tensor, there: Tensor) -> Tensor:
    return torch.where(there, losses, 0.0).sum() / there.sum().clamp(min=1)


def soft_cross_entropy(output: Tensor, teacher: Tensor) -> Tensor:
    """Mean cross-entropy of outputs (N, C, ...) and the classes' probabilities by a teacher (arXiv 1503.02531)."""
    return functional.cross_entropy(output, teacher.softmax(1))


def soft_binary_cross_entropy(output: Tensor, teacher: Tensor) -> Tensor:
    """Mean binary cross-entropy of logits and a teacher's probabilities of one shape."""
    return functional.binary_cross_entropy_with_logits(output, teacher.sigmoid())


def mean_square_distance(output: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of outputs and a teacher's outputs of one shape."""
    return (output - teacher).square().mean()
