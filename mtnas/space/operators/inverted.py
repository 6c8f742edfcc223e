"""Inverted residual."""

from __future__ import annotations

from torch import Tensor, nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import channels_of, check_kernel, check_positive
from mtnas.space.shapes import Shape


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, project by a linear 1x1 one (MobileNetV2, arXiv 1801.04381).

    The input is added where the stride is 1 and the channels are equal. With an expansion of 1 there is nothing to
    expand, and the first convolution is left out, as in the paper's first bottleneck.
    """

    def __init__(self, inputs: int, channels: int, kernel: int, expansion: float, stride: int = 1) -> None:
        super().__init__()
        hidden = max(1, round(inputs * expansion))
        self.adds_input = stride == 1 and inputs == channels
        # Named, so that the parameters keep their names where there is no expansion: see `mtnas.space.elastic`.
        self.expand = nn.Sequential(nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6())
        if hidden == inputs:
            self.expand = nn.Sequential()
        self.filter = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.filter(self.expand(x)))
        return x + y if self.adds_input else y

    def extra_repr(self) -> str:
        return f"adds_input={self.adds_input}"


def inverted_residual(channels: int | None, kernel: int = 3, expansion: float = 4, stride: int = 1) -> Operator:
    """Inverted residual; ``expansion`` is the hidden width over the width that enters. ``channels`` None: as enter."""
    check_kernel(kernel)
    check_positive(channels=1 if channels is None else channels, expansion=expansion, stride=stride)

    def make(shape: Shape) -> nn.Module:
        inputs = channels_of(shape)
        return InvertedResidual(inputs, inputs if channels is None else channels, kernel, expansion, stride)

    return make
