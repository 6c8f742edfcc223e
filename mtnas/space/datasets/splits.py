"""Splits that share no sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from mtnas.errors import DataError

T = TypeVar("T")


class Splits(NamedTuple, Generic[T]):
    """One thing per split."""

    train: T
    valid: T
    test: T


def split_indices(size: int, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Numbers 0..size - 1 in one part per share, shuffled by ``seed``; the last part takes what rounding leaves.

    Raises:
        DataError: if the shares do not sum to 1, or a part would be empty.
    """
    if abs(sum(shares) - 1) > 1e-9:
        raise DataError(f"shares of splits must sum to 1, but {list(shares)} sum to {sum(shares):g}")
    ends = [round(size * sum(shares[: part + 1])) for part in range(len(shares) - 1)]
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    parts = [order[start:end] for start, end in zip([0, *ends], [*ends, size], strict=True)]
    if any(len(part) == 0 for part in parts):
        raise DataError(f"{size} samples are too few for shares of {list(shares)}; give more samples")
    return parts
