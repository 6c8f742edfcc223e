"""Data whose number of samples nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from torch import Tensor

from mtnas.errors import DataError
from mtnas.space.shapes import Input, batch_size

T = TypeVar("T")


def without_single(
    batches: Iterable[tuple[Input, Mapping[str, Tensor]]],
) -> Iterator[tuple[Input, Mapping[str, Tensor]]]:
    """The batches, but for those of one sample after larger ones: batch norm cannot normalise by them.

    Where the number of samples is known, `Data` makes no such batch.
    """
    largest = 0
    for batch in batches:
        size = batch_size(batch[0])
        if size == 1 < largest:
            continue
        largest = max(largest, size)
        yield batch


def not_empty(batches: Iterable[T], told: str) -> Iterator[T]:
    """The batches; DataError, with what is told of that, if there are none."""
    empty = True
    for batch in batches:
        empty = False
        yield batch
    if empty:
        raise DataError(told)


def used_up(split: str) -> str:
    """What is said where a split's data gives nothing."""
    return (
        f"the {split} data gave no batch; an IterableDataset must begin anew each time it is iterated, so let its"
        " __iter__ make a new iterator"
    )
