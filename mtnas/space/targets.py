"""Labels as numbers: what readouts of the ready tasks are to give."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mtnas.space.presence import present


def one_hot(label: Tensor, *, classes: int, missing: int) -> Tensor:
    """Classes (N, ...) as (N, classes, ...); zeros where the label is missing."""
    there = present(label, missing)
    codes = functional.one_hot(torch.where(there, label, 0).long(), classes) * there[..., None]
    return codes.movedim(-1, 1).float()


def as_numbers(label: Tensor, *, missing: float) -> Tensor:
    """Numbers (N, ...) as they are; the mean over the others where an entry is missing."""
    there = present(label, missing)
    numbers = torch.where(there, label.float(), 0.0)
    mean = numbers.sum(0) / there.sum(0).clamp_min(1)
    return torch.where(there, numbers, mean)
