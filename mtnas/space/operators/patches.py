"""Stem of transformers: patches of an image as tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mtnas.errors import SpaceError
from mtnas.space.operators._arguments import channels_of, check_positive
from mtnas.space.shapes import InputShape


class PatchEmbedding(nn.Module):
    """Each patch mapped linearly, and a vector for its place added (arXiv 2010.11929, eq. 1).

    (B, inputs, H, W) -> (B, patches, width).

    Args:
        inputs: channels of the image.
        patches: their number.
        width: of a token.
        patch: side of a patch.
    """

    def __init__(self, inputs: int, patches: int, width: int, patch: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, width, patch, stride=patch)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(patches, width), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        patches, width = self.position.shape
        y: Tensor = self.project(x).reshape(-1, width, patches).transpose(1, 2)  # (B, patches, width)
        return y + self.position


def patch_embedding(width: int, patch: int) -> Callable[[InputShape], nn.Module]:
    """Stem that turns an image into tokens, one for each patch; as a first block, tasks may have one each.

    Args:
        width: of a token.
        patch: side of a patch; it must divide the image's.
    """
    check_positive(width=width, patch=patch)

    def make(shape: InputShape) -> nn.Module:
        if isinstance(shape, dict):
            raise SpaceError(
                f"patch_embedding needs an image of shape (C, H, W), but gets a dict of {sorted(shape)}; write a stem"
                " that joins them and calls it"
            )
        channels, (height, breadth) = channels_of(shape), shape[1:]
        if height % patch or breadth % patch:
            raise SpaceError(
                f"a patch of {patch} must divide the image's sides, but they are {height} and {breadth}; take a patch"
                " that divides both, or pad the images"
            )
        return PatchEmbedding(channels, height * breadth // patch**2, width, patch)

    return make
