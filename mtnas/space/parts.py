"""Batches of which several processes take a part each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch.utils.data import BatchSampler, Sampler


@dataclass(frozen=True)
class Part:
    """One of several parts of every batch, of nearly equal sizes.

    Attributes:
        index: from 0.
        count: of parts.
    """

    index: int = 0
    count: int = 1

    def of(self, batch: list[int]) -> list[int]:
        """The samples of this part. Of a small batch some parts are empty, so that none has a single sample, by which
        a batch norm cannot normalise."""
        count = min(self.count, max(1, len(batch) // 2))
        return batch[self.index :: count] if self.index < count else []


WHOLE = Part()
"""All of every batch."""


class PartOfBatches(Sampler[list[int]]):
    """The same part of every batch.

    Args:
        batches: the same for all parts.
        part: which one.
    """

    def __init__(self, batches: BatchSampler, part: Part) -> None:
        self._batches, self._part = batches, part

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            yield self._part.of(list(batch))

    def __len__(self) -> int:
        return len(self._batches)
