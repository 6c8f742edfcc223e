"""Doing nothing, as far as the shape allows."""

from __future__ import annotations

from torch import nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import channels_of, check_positive


class Project(nn.Sequential):
    """1x1 convolution and batch norm: the cheapest learned way to other channels."""

    def __init__(self, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def skip(channels: int | None = None, stride: int = 1, *, project: bool = False) -> Operator:
    """The input itself; with a stride its maxima, with other channels a `Project` (arXiv 1512.03385, shortcut B).

    Maxima, not means: the maximum of quantized values is one of them, so pooling stays exact in integers.

    Args:
        channels: that leave; None: as many as enter.
        stride: of the block.
        project: also where the channels stay, so that all widths share the weights of the largest (`elastic`).
    """
    check_positive(channels=1 if channels is None else channels, stride=stride)

    def make(shape: tuple[int, ...]) -> nn.Module:
        inputs = channels_of(shape)
        outputs = inputs if channels is None else channels
        if project or outputs != inputs:
            return Project(inputs, outputs, stride)
        if stride == 1:
            return nn.Identity()
        kernel = stride + 1 - stride % 2  # odd, so that the shape agrees with that of padded convolutions
        return nn.MaxPool2d(kernel, stride, kernel // 2)

    return make
