"""Inputs to measure with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mtnas.space.shapes import Input


def batch_of(example: Input, count: int) -> Input:
    """``count`` samples in the memory layout of the example: its own, from the start again if it has fewer."""
    if isinstance(example, Mapping):
        return {name: _rows(value, count) for name, value in example.items()}
    return _rows(example, count)


def is_channels_last(x: Input) -> bool:
    """Whether any image of the example has the channels-last memory layout, and could have another."""
    if isinstance(x, Mapping):
        return any(is_channels_last(value) for value in x.values())
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _rows(x: Tensor, count: int) -> Tensor:
    rows = x[torch.arange(count, device=x.device) % len(x)]
    return rows.contiguous(memory_format=torch.channels_last if is_channels_last(x) else torch.contiguous_format)
