"""Stem of tables: numbers as they are, categories as learned vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from mtnas.errors import SpaceError
from mtnas.space.operators._arguments import check_positive
from mtnas.space.shapes import InputShape


class JoinColumns(nn.Module):
    """``{"numbers": (N, A) float, "categories": (N, K) int64}`` -> (N, A + K * width)."""

    offsets: Tensor

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        # One table for all columns, each from an offset on: a single look-up instead of K.
        self.table = nn.Embedding(sum(sizes), width)
        self.register_buffer("offsets", torch.tensor([0, *accumulate(sizes)][:-1]))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        vectors = self.table(x["categories"] + self.offsets).flatten(1)
        return torch.cat([x["numbers"], vectors], dim=1)


def join_columns(sizes: Sequence[int], width: int = 4) -> Callable[[InputShape], nn.Module]:
    """Stem that joins the numbers and the embedded categories of a table's row.

    Args:
        sizes: for each column of ``categories`` the number of its categories.
        width: length of a category's vector.
    """
    check_positive(width=width, **{f"size of column {column}": size for column, size in enumerate(sizes)})

    def make(shape: InputShape) -> nn.Module:
        if not isinstance(shape, dict) or set(shape) != {"numbers", "categories"}:
            found = sorted(shape) if isinstance(shape, dict) else shape
            raise SpaceError(f"the input must be a dict of 'numbers' and 'categories', but is {found}")
        if shape["categories"] != (len(sizes),):
            raise SpaceError(
                f"'categories' has shape {shape['categories']}, but sizes are given for {len(sizes)} columns"
            )
        return JoinColumns(sizes, width)

    return make
