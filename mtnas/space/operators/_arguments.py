"""Checks of operator arguments, shared by all operators."""

from __future__ import annotations

from mtnas.errors import SpaceError
from mtnas.space.shapes import Shape


def check_kernel(kernel: int) -> None:
    """Raise SpaceError unless the kernel is odd: an even one cannot be padded alike on both sides."""
    if kernel < 1 or kernel % 2 == 0:
        raise SpaceError(
            f"a kernel must be odd, so that its padding keeps the shape, but is {kernel}; use {kernel // 2 * 2 + 1}"
        )


def check_positive(**sizes: float) -> None:
    """Raise SpaceError unless all sizes are above 0."""
    for name, size in sizes.items():
        if not size > 0:
            raise SpaceError(f"an operator's {name} must be above 0, but is {size}")


def channels_of(shape: Shape) -> int:
    """Channels of a (C, H, W) shape; SpaceError for any other."""
    if len(shape) != 3:
        raise SpaceError(
            f"this operator needs an input of shape (C, H, W), but gets {shape}; use dense operators for (C,)"
        )
    return shape[0]


def width_of(shape: Shape) -> int:
    """Width of a (C,) shape; SpaceError for any other."""
    if len(shape) != 1:
        raise SpaceError(
            f"a dense operator needs an input of shape (C,), but gets {shape}; use convolutions for (C, H, W)"
        )
    return shape[0]
