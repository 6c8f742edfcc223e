"""Parameters and multiply-accumulates of a module."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_params(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, x: Any) -> int:
    """Multiply-accumulates of one forward pass of ``x``, by torch's own counter.

    FlopCounterMode counts a multiply-accumulate as 2 floating-point operations, and matrix products, convolutions and
    attention only: normalisation, activations and look-ups are 0.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(x)
    return int(counter.get_total_flops()) // 2
