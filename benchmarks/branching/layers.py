"""Fast layers of many small tanh nodes on one CPU thread."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Nodes(torch.autograd.Function):
    """``tanh(weights @ inputs + biases)`` with samples as columns.

    With samples as columns the products are several times as fast as with rows, and tanh(z) = 2 sigmoid(2 z) - 1
    is as exact as float32 needs but a third of the time of PyTorch's tanh on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, biases: Tensor, inputs: Tensor) -> Tensor:
        made = torch.baddbmm(biases, weights, inputs, beta=2, alpha=2).sigmoid_().mul_(2).sub_(1)
        ctx.save_for_backward(weights, inputs, made)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        weights, inputs, made = ctx.saved_tensors
        before = torch.ops.aten.tanh_backward(grads[0], made)  # (N, width, samples)
        into = torch.bmm(weights.mT, before) if ctx.needs_input_grad[2] else None
        return torch.bmm(before, inputs.mT), before.sum(-1, keepdim=True), into


def nodes(weights: Tensor, biases: Tensor, inputs: Tensor) -> Tensor:
    """Outputs of N nodes, each with inputs of its own.

    Args:
        weights: (N, width, fan-in).
        biases: (N, width, 1).
        inputs: (N, fan-in, samples).

    Returns:
        (N, width, samples).
    """
    made: Tensor = _Nodes.apply(weights, biases, inputs)  # type: ignore[no-untyped-call]
    return made


def nodes_on_one(weights: Tensor, biases: Tensor, inputs: Tensor) -> Tensor:
    """As `nodes`, but all nodes have the same inputs (fan-in, samples), so that one product does."""
    count, width, fan_in = weights.shape
    flat = nodes(weights.reshape(1, count * width, fan_in), biases.reshape(1, count * width, 1), inputs[None])
    return flat.view(count, width, -1)


def draw_weights(width: int, fan_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights (width, fan-in) and biases (width, 1), uniform in +-1 / sqrt(fan-in): PyTorch's own for linear layers."""
    bound = fan_in**-0.5
    weights = torch.empty(width, fan_in).uniform_(-bound, bound, generator=generator)
    return weights, torch.empty(width, 1).uniform_(-bound, bound, generator=generator)
