"""Gumbel noise."""

from __future__ import annotations

import torch
from torch import Tensor


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """-log of exponential draws is Gumbel(0, 1)."""
    return torch.empty(shape).exponential_(generator=generator).log_().neg_()
