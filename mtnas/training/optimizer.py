"""The optimizer of all trainings."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import AdamW


def adamw(weights: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> AdamW:
    """AdamW (arXiv 1711.05101), fused into one operator where torch can, which it cannot for complex weights."""
    weights = list(weights)
    fused = all(weight.is_floating_point() for weight in weights)
    return AdamW(weights, lr=learning_rate, weight_decay=weight_decay, fused=fused)
