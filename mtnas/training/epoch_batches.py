"""The batches of one epoch, however many the data gives."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import DataLoader, IterableDataset

from mtnas.space.data import Batch
from mtnas.space.streams import not_empty, used_up, without_single

MIDDLE = 0.5
"""Of an epoch: where all its steps are taken to be if nobody knows how many there are."""


def length_of(batches: DataLoader[Batch]) -> int | None:
    """Number of batches of an epoch; None if that is not known, as of a stream."""
    return len(batches) if hasattr(batches.dataset, "__len__") else None


def epoch_batches(batches: DataLoader[Batch], epoch: int) -> Iterator[Batch | None]:
    """Those that an epoch trains on; of a stream without a single sample at its end.

    Args:
        batches: None in place of one of which this process has no part.
        epoch: its number, from 0.

    Raises:
        DataError: if there are none.
    """
    given = without_single(batches) if isinstance(batches.dataset, IterableDataset) else batches
    return not_empty(given, f"in epoch {epoch + 1} {used_up('train')}")
