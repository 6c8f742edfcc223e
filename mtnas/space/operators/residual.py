"""Residual pair of convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import channels_of, check_kernel
from mtnas.space.operators.conv import Conv
from mtnas.space.operators.skip import skip
from mtnas.space.shapes import Shape


class ResidualConv(nn.Module):
    """Two convolutions around which the input is added (ResNet's basic block, arXiv 1512.03385, fig. 2)."""

    def __init__(self, inputs: int, channels: int, kernel: int, shortcut: nn.Module, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Conv(inputs, channels, kernel, stride),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = shortcut
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.layers(x) + self.shortcut(x))
        return y


def residual_conv(channels: int | None, kernel: int = 3, stride: int = 1, *, project: bool = False) -> Operator:
    """Residual pair of convolutions; where the shape changes the input is brought along by `skip`.

    Args:
        channels: that leave; None: as many as enter.
        kernel: of both convolutions.
        stride: of the first one.
        project: see `skip`; elastic widths need it where one of them may enter.
    """
    check_kernel(kernel)
    shortcut = skip(channels, stride, project=project)

    def make(shape: Shape) -> nn.Module:
        inputs = channels_of(shape)
        return ResidualConv(inputs, inputs if channels is None else channels, kernel, shortcut(shape), stride)

    return make
