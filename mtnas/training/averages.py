"""Averages of the weights over the steps of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverages:
    """Exponential moving averages of weights, without a bias to where they started.

    After step n the average is (1 - d) / (1 - d^n) * sum_i d^(n-i) w_i over the weights w_1 ... w_n after each step,
    with the correction of Adam (arXiv 1412.6980, section 3): the random initial weights play no part.

    Args:
        weights: by name; the averages live where they do.
        decay: d, at least 0 and below 1. About the last 1 / (1 - d) steps count.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], decay: float) -> None:
        self.weights, self.decay = dict(weights), decay
        self.steps = 0
        self.values = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after a step."""
        self.steps += 1
        share = (1 - self.decay) / (1 - self.decay**self.steps)
        for name, weight in self.weights.items():
            self.values[name].lerp_(weight, share)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The averages in the place of the weights, which are kept meanwhile; what is changed are the averages."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and averages."""
        for name, weight in self.weights.items():
            raw = weight.detach().clone()
            weight.copy_(self.values[name])
            self.values[name].copy_(raw)

    def load(self, values: Mapping[str, Tensor], steps: int) -> None:
        """Take up averages of a checkpoint."""
        self.steps = steps
        for name, value in self.values.items():
            value.copy_(values[name])
