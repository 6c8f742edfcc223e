"""Dense layers, for inputs that are vectors.

They normalise by batch norm rather than layer norm: in inference batch norm folds into the linear layer in front of it,
so that what runs (and is quantized) is one matrix product. Linear layers in front of it have no bias, which the norm
would take out again.
"""

from __future__ import annotations

from torch import Tensor, nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import check_positive, width_of
from mtnas.space.shapes import Shape


class Dense(nn.Sequential):
    """Linear, batch norm, ReLU: (N, inputs) -> (N, width)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())


class DenseResidual(nn.Module):
    """A dense layer and a linear one around which the input is added (tabular ResNet, arXiv 2106.11959, sec. 3.2)."""

    def __init__(self, inputs: int, width: int, expansion: float, shortcut: nn.Module) -> None:
        super().__init__()
        hidden = max(1, round(width * expansion))
        self.layers = nn.Sequential(Dense(inputs, hidden), nn.Linear(hidden, width, bias=False), nn.BatchNorm1d(width))
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(x) + self.layers(x)
        return y


def dense(width: int) -> Operator:
    """Linear, batch norm, ReLU."""
    check_positive(width=width)
    return lambda shape: Dense(width_of(shape), width)


def dense_residual(width: int | None, expansion: float = 2, *, project: bool = False) -> Operator:
    """Dense residual; ``expansion`` is the hidden width over ``width``. ``width`` None: the one that enters.

    With ``project``, the input is projected also where the width stays; elastic widths need it where one may enter.
    """
    check_positive(width=1 if width is None else width, expansion=expansion)
    shortcut = dense_skip(width, project=project)

    def make(shape: Shape) -> nn.Module:
        inputs = width_of(shape)
        return DenseResidual(inputs, inputs if width is None else width, expansion, shortcut(shape))

    return make


def dense_skip(width: int | None = None, *, project: bool = False) -> Operator:
    """The input itself where it has that width, or for None always; else, or to ``project``, linear and batch norm."""
    check_positive(width=1 if width is None else width)

    def make(shape: Shape) -> nn.Module:
        inputs = width_of(shape)
        outputs = inputs if width is None else width
        if outputs == inputs and not project:
            return nn.Identity()
        return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs))

    return make
