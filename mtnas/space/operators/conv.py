"""Plain convolution."""

from __future__ import annotations

from torch import nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import channels_of, check_kernel, check_positive


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU: (N, inputs, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


def conv(channels: int, kernel: int = 3, stride: int = 1) -> Operator:
    """Convolution, batch norm, ReLU."""
    check_kernel(kernel)
    check_positive(channels=channels, stride=stride)
    return lambda shape: Conv(channels_of(shape), channels, kernel, stride)
