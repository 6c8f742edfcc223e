"""A usual stack of convolution blocks, for spaces that need nothing special."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtnas.errors import SpaceError
from mtnas.space.block import Block, Operator
from mtnas.space.elastic import elastic
from mtnas.space.operators.conv import conv
from mtnas.space.operators.inverted import inverted_residual
from mtnas.space.operators.skip import skip


def conv_blocks(channels: Sequence[int], strides: Sequence[int], *, name: str = "block") -> tuple[Block, ...]:
    """Blocks ``block1``, ``block2``, ... whose width, kernel, expansion and depth are searched.

    Where channels or side change, a convolution of full or half the channels, with a kernel of 3 or 5. Where both stay,
    an inverted residual with a kernel of 3 or 5 and an expansion of 1 or 3, or nothing at all. All sizes of an operator
    share its weights.

    Args:
        channels: most channels that leave each block.
        strides: stride of each block.
        name: of the blocks, before their number.
    """
    if len(channels) != len(strides):
        raise SpaceError(
            f"channels are given for {len(channels)} blocks, but strides for {len(strides)}; give one of each"
        )
    blocks = []
    for number, (width, stride) in enumerate(zip(channels, strides, strict=True), start=1):
        options: Mapping[str, Operator]
        if number > 1 and stride == 1 and width == channels[number - 2]:
            options = {
                **elastic(inverted_residual, channels=None, kernel=(3, 5), expansion=(1, 3)),
                "skip": skip(),
            }
        else:
            options = elastic(conv, channels=half_and_full(width), kernel=(3, 5), stride=stride)
        blocks.append(Block(f"{name}{number}", options))
    return tuple(blocks)


def half_and_full(width: int) -> tuple[int, int]:
    """Two widths to choose from, different even where ``width`` is 1."""
    half = max(1, width // 2)
    return half, max(half + 1, width)
