"""A small network to measure beside others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtnas.space.chance import fixed_chance


class ReferenceNetwork(nn.Module):
    """Dense, depthwise and pointwise convolutions: ``forward(x) -> {"reference": output}``.

    A little of all that convolutional networks do: neither a single convolution nor a matrix product slows down as they
    do when the machine does. 9.6 million MACs; its weights are fixed, and it is in evaluation mode.
    """

    def __init__(self) -> None:
        super().__init__()
        with fixed_chance():
            self.layers = nn.Sequential(
                _conv(3, 16, stride=2),
                _conv(16, 32),
                *_separable(32, 64, stride=2),
                *_separable(64, 64),
                _conv(64, 64, stride=2),
                *_separable(64, 64),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(64, 10),
            )
        self.eval()

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # (B, 3, 64, 64) -> (B, 10)
        return {"reference": self.layers(x)}


def reference_example() -> Tensor:
    """One input of `ReferenceNetwork`: (1, 3, 64, 64)."""
    return torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)


def _conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _separable(inputs: int, outputs: int, *, stride: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
    return _conv(inputs, inputs, stride=stride, groups=inputs), _conv(inputs, outputs, kernel=1)
