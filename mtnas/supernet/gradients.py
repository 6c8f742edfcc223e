"""Gradients of shared nodes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mtnas.space.shapes import Input, on_tensors


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


def scale_gradient(x: Input, factor: float) -> Input:
    """``x`` itself, whose gradient is multiplied by ``factor``; of a dict, each tensor's."""
    if factor == 1 or not torch.is_grad_enabled():
        return x
    return on_tensors(lambda tensor: _scaled(tensor, factor), x)


def _scaled(x: Tensor, factor: float) -> Tensor:
    if not x.requires_grad:
        return x
    scaled: Tensor = _ScaleGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled
