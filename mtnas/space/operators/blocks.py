"""A usual stack of convolution blocks, for spaces that need nothing special."""

from __future__ import annotations

from collections.abc import Sequence

from mtnas.errors import SpaceError
from mtnas.space.block import Block, Operator
from mtnas.space.operators.conv import conv
from mtnas.space.operators.inverted import inverted_residual
from mtnas.space.operators.separable import separable_conv
from mtnas.space.operators.skip import skip


def conv_blocks(channels: Sequence[int], strides: Sequence[int]) -> tuple[Block, ...]:
    """Blocks ``block1``, ``block2``, ...: plain, separable and inverted residual convolutions, and skips.

    The first block only has plain convolutions: the others save little on the few channels of an image. A skip stands
    where it costs nothing, that is where the channels stay the same.

    Args:
        channels: channels that leave each block.
        strides: stride of each block.
    """
    if len(channels) != len(strides):
        raise SpaceError(
            f"channels are given for {len(channels)} blocks, but strides for {len(strides)}; give one of each"
        )
    blocks = []
    for number, (width, stride) in enumerate(zip(channels, strides, strict=True), start=1):
        options: dict[str, Operator] = {"conv3": conv(width, 3, stride), "conv5": conv(width, 5, stride)}
        if number > 1:
            options["separable5"] = separable_conv(width, 5, stride)
            options["inverted3x3"] = inverted_residual(width, 3, expansion=3, stride=stride)
            if width == channels[number - 2]:
                options["skip"] = skip(width, stride)
        blocks.append(Block(f"block{number}", options))
    return tuple(blocks)
