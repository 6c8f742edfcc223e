"""Parameters and multiply-accumulates of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_params(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, x: Any) -> int:
    """Multiply-accumulates of one forward pass of ``x``, by torch's own counter.

    FlopCounterMode counts a multiply-accumulate as 2 floating-point operations, and matrix products, convolutions and
    attention only: normalisation, activations and look-ups are 0.
    """
    with torch.no_grad(), _without_fused_kernels(), FlopCounterMode(display=False) as counter:
        module(x)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _without_fused_kernels() -> Iterator[None]:
    """Attention, transformer layers and LSTMs as plain matrix products: the counter sees nothing inside fused ones."""
    fast = torch.backends.mha.get_fastpath_enabled()
    before = torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.mkldnn.set_flags(_enabled=before[0])  # type: ignore[no-untyped-call]
