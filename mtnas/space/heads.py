"""Heads: factories that turn the shape that leaves the last block into a task's output module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from mtnas.errors import SpaceError
from mtnas.space.shapes import Shape

Head = Callable[[Any], nn.Module]
"""Makes a task's head for the shape that leaves the last block, or the dict of shapes."""


class Squeeze(nn.Module):
    """(N, 1) -> (N,)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(1)


def linear_head(outputs: int | None, *, pool: int | None = None, hidden: int | None = None) -> Head:
    """Flatten and map linearly: inputs (C,) or (C, H, W) to outputs (N, outputs).

    Args:
        outputs: number of outputs; None: a single one without its dimension, shape (N,).
        pool: average a (C, H, W) input to (C, pool, pool) first; 1 forgets where things are. None: keep it whole.
        hidden: width of a hidden layer with a ReLU; None: none.
    """
    for name, value in (("outputs", outputs), ("pool", pool), ("hidden", hidden)):
        if value is not None and value < 1:
            raise SpaceError(f"a head's {name} must be at least 1, but is {value}")

    def make(shape: Shape) -> nn.Module:
        layers: list[nn.Module] = []
        if pool is not None:
            layers.append(_average(shape, pool))
            shape = (shape[0], pool, pool)
        if len(shape) > 1:
            layers.append(nn.Flatten())
        width = math.prod(shape)
        if hidden is not None:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        layers.append(nn.Linear(width, outputs or 1))
        if outputs is None:
            layers.append(Squeeze())
        return nn.Sequential(*layers)

    return make


def pixel_head(channels: int, *, size: tuple[int, int] | None = None) -> Head:
    """1x1 convolution of a (C, H, W) input, then bilinear upsampling: outputs (N, channels, height, width).

    Args:
        size: (height, width) of the output; None: that of the input.
    """
    if channels < 1:
        raise SpaceError(f"a head's channels must be at least 1, but are {channels}")

    def make(shape: Shape) -> nn.Module:
        if len(shape) != 3:
            raise SpaceError(f"a pixel head needs an input of shape (C, H, W), but gets {shape}; use linear_head")
        layers: list[nn.Module] = [nn.Conv2d(shape[0], channels, 1)]
        if size is not None and size != shape[1:]:
            layers.append(nn.Upsample(size=size, mode="bilinear", align_corners=False))
        return nn.Sequential(*layers)

    return make


class StepLinear(nn.Linear):
    """Tokens (N, S, C) -> (N, outputs, S)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).transpose(1, 2)


def step_head(outputs: int, *, length: int | None = None, tokens: bool = False) -> Head:
    """The same linear map at every step of a series: outputs (N, outputs, steps).

    Args:
        length: steps of the output, by linear interpolation; None: as many as enter.
        tokens: whether (steps, features) enters, as in transformers and recurrent networks; else (channels, steps), as
            in one-dimensional convolutions.
    """
    if outputs < 1:
        raise SpaceError(f"a head's outputs must be at least 1, but are {outputs}")

    def make(shape: Shape) -> nn.Module:
        if len(shape) != 2:
            form = "(steps, features)" if tokens else "(channels, steps)"
            raise SpaceError(f"a step head needs an input of shape {form}, but gets {shape}")
        steps, layer = (
            (shape[0], StepLinear(shape[1], outputs)) if tokens else (shape[1], nn.Conv1d(shape[0], outputs, 1))
        )
        if length in (None, steps):
            return nn.Sequential(layer)
        return nn.Sequential(layer, nn.Upsample(size=length, mode="linear", align_corners=False))

    return make


def _average(shape: Shape, pool: int) -> nn.Module:
    """Average pooling to exactly (pool, pool).

    Windows of equal size, overlapping where the input does not divide: unlike adaptive pooling that is one ordinary
    operator in any runtime.
    """
    if len(shape) != 3:
        raise SpaceError(f"pool={pool} needs an input of shape (C, H, W), but the head gets {shape}; leave pool out")
    if min(shape[1:]) < pool:
        raise SpaceError(
            f"pool={pool} is more than the {shape[1]}x{shape[2]} that enters the head; pool to less, or stride less"
        )
    strides = [length // pool for length in shape[1:]]
    kernels = [length - (pool - 1) * stride for length, stride in zip(shape[1:], strides, strict=True)]
    return nn.AvgPool2d((kernels[0], kernels[1]), (strides[0], strides[1]))
