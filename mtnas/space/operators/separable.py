"""Depthwise-separable convolution."""

from __future__ import annotations

from torch import nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import channels_of, check_kernel, check_positive


class SeparableConv(nn.Sequential):
    """A filter per channel, then a 1x1 convolution, each with batch norm and ReLU (MobileNet, arXiv 1704.04861)."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


def separable_conv(channels: int, kernel: int = 3, stride: int = 1) -> Operator:
    """Depthwise-separable convolution: where channels are many, about kernel^2 times cheaper than `conv`."""
    check_kernel(kernel)
    check_positive(channels=channels, stride=stride)
    return lambda shape: SeparableConv(channels_of(shape), channels, kernel, stride)
