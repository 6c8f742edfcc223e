"""Weightings that act on the gradients of the tasks: one backward pass a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtnas.training.weighting.base import StepPart, WeightingState


class GradientWeighting(WeightingState):
    """State of a weighting that makes one gradient of the shared weights out of those of the tasks.

    Which weights are shared differs from tree to tree: here those that at least two tasks of the batch have a gradient
    in. All others get the gradient of their only task as it is.

    A node that n tasks share takes the mean of their gradients: its steps are 1/n of the sum's. What a task's step does
    to another task's loss is then the product of their gradients with every node's part of it multiplied by its 1/n.
    So gradients are handed on times n^-1/2, whose plain products these are, and what comes back is multiplied by
    n^-1/2 once more. Under hard sharing n is the same everywhere, and this is the published method. If the combination
    is the sum, the weights get the gradient of equal weighting.
    """

    @abstractmethod
    def combine(self, gradients: Tensor, uses: Tensor) -> Tensor:
        """One gradient for the shared weights: (n,).

        Args:
            gradients: (tasks of the batch, n), zero where a task does not use a weight.
            uses: (tasks of the batch, n) booleans: whether it uses it.
        """

    def backward(self, part: StepPart) -> None:
        sharers = {weight: count for weight, count in part.sharers().items() if weight.requires_grad}
        weights = list(sharers)
        found = _gradients_by_task(part, weights)
        shared = []
        for index, weight in enumerate(weights):
            own = [row[index] for row in found if row[index] is not None]
            if len(own) == 1:
                _add_gradient(weight, own[0])
            elif own:
                shared.append(index)
        if not shared:
            return
        # The gradients that autograd gives here are divided by n already (BranchedNetwork).
        roots = [sharers[weights[index]] ** 0.5 for index in shared]
        sizes = [weights[index].numel() for index in shared]
        rows, uses = [], []
        for row in found:
            pieces, used = [], []
            for index, root, size in zip(shared, roots, sizes, strict=True):
                gradient = row[index]
                weight = weights[index]
                pieces.append(weight.new_zeros(size) if gradient is None else gradient.reshape(-1) * root)
                used.append(torch.full((size,), gradient is not None, device=weight.device))
            rows.append(torch.cat(pieces))
            uses.append(torch.cat(used))
        combined = torch.split(self.combine(torch.stack(rows), torch.stack(uses)), sizes)
        for index, root, piece in zip(shared, roots, combined, strict=True):
            _add_gradient(weights[index], (piece / root).view_as(weights[index]))


def _gradients_by_task(part: StepPart, weights: Sequence[nn.Parameter]) -> list[tuple[Tensor | None, ...]]:
    """For every task of the batch the gradient of each weight, None where it does not use it."""
    losses = [part.weights[name] * loss / part.parts for name, loss in part.losses.items() if loss.requires_grad]
    return [
        torch.autograd.grad(loss, weights, retain_graph=number < len(losses), allow_unused=True)
        for number, loss in enumerate(losses, 1)
    ]


def _add_gradient(weight: nn.Parameter, gradient: Tensor | None) -> None:
    if gradient is not None:
        weight.grad = gradient.clone() if weight.grad is None else weight.grad + gradient
