"""Single samples that are left at the end of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from mtnas.space.shapes import Input, batch_size


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
