"""The network that all kinds of steps train."""

from __future__ import annotations

from mtnas.space.block import Block
from mtnas.space.heads import linear_head
from mtnas.space.operators import residual_conv
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification

BLOCKS, WIDTH, SIDE, BATCH, CLASSES = 6, 16, 16, 64, 10


def encoder(tasks: int) -> SearchSpace:
    """The encoder for that many tasks; every block may branch."""
    return SearchSpace(
        [classification(f"task{i}", CLASSES, head=linear_head(CLASSES, pool=1)) for i in range(tasks)],
        [Block(f"stage{i}", {"residual": residual_conv(WIDTH)}) for i in range(BLOCKS)],
    )
