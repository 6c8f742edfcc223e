"""The shape that operators on tokens share."""

from __future__ import annotations

from mtnas.errors import SpaceError
from mtnas.space.shapes import Shape


def tokens_of(shape: Shape) -> tuple[int, int]:
    """Number and width of the tokens of a (T, C) shape; SpaceError for any other."""
    if len(shape) != 2:
        raise SpaceError(
            f"an operator on tokens needs an input of shape (T, C), but gets {shape}; make tokens of images (C, H, W)"
            " by patch_embedding"
        )
    return shape[0], shape[1]
