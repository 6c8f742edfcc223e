"""Rounding to a grid, with gradients that pass straight through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | float, low: int, high: int) -> Tensor:
        steps = (x / scale).round_()
        ctx.save_for_backward((steps >= low) & (steps <= high))
        return steps.clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None


class _RoundOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | float, low: int, high: int) -> Tensor:
        return (x / scale).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient, None, None, None


def fake_quantize(x: Tensor, scale: Tensor | float, low: int, high: int) -> Tensor:
    """``x`` on the nearest of the steps ``low`` to ``high`` of a grid through 0; halves go to the even step.

    Its gradient is that of ``x`` where ``x`` was rounded, and 0 where it was clipped (straight-through estimator, arXiv
    1308.3432; for quantization arXiv 1806.08342, eq. 10).

    Args:
        scale: size of a step; a tensor broadcasts.
        low, high: in steps from 0.
    """
    # Divided, not multiplied by the reciprocal: values half way between two steps (grey levels of images) go where
    # onnxruntime lets them go.
    if not (torch.is_grad_enabled() and x.requires_grad):
        return (x / scale).round_().clamp_(low, high).mul_(scale)
    y: Tensor = _FakeQuantize.apply(x, scale, low, high)  # type: ignore[no-untyped-call]
    return y


def fake_quantize_weights(x: Tensor, scale: Tensor | float, low: int, high: int) -> Tensor:
    """The same for numbers that set the scale themselves: none lies outside the grid, so all gradients pass.

    With the limits' rule the largest weight, which may round half a step beyond the last one, would never learn.
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return fake_quantize(x, scale, low, high)
    y: Tensor = _RoundOnly.apply(x, scale, low, high)  # type: ignore[no-untyped-call]
    return y
