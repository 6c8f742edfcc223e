"""One split of the data: its samples, how likely each is drawn, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
)

from mtnas.errors import DataError

Source = Dataset[Any] | DataLoader[Any]

_READING = ("num_workers", "pin_memory", "worker_init_fn", "prefetch_factor", "timeout", "multiprocessing_context")
"""What a DataLoader says of reading, by the names of its arguments and attributes."""


@dataclass(frozen=True)
class Split:
    """Samples of one split. All but their order comes from what the user gave.

    Attributes:
        name: of the split.
        dataset: the samples.
        loader: what was given, if that was a loader.
        collate: joins samples into a batch.
        weights: how likely each sample is drawn, (samples,); None: each once in an epoch.
        reading: arguments of a DataLoader that reads them.
    """

    name: str
    dataset: Dataset[Any]
    loader: DataLoader[Any] | None
    collate: Callable[[list[Any]], Any]
    weights: Tensor | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, source: Source, collate: Callable[[list[Any]], Any] | None, workers: int) -> Split:
        """Args: what the user gave for a split; of a dataset, what joins samples and the processes that read them.

        Raises:
            DataError: for an order of a loader's own, which would be lost.
        """
        if not isinstance(source, DataLoader):
            return cls(name, source, None, collate or default_collate, None, {"num_workers": workers})
        reading = {argument: getattr(source, argument) for argument in _READING}
        found = cls(name, source.dataset, source, source.collate_fn, None, reading)
        if found.iterable:
            return found
        if found.whole_batches:
            raise DataError(
                f"the loader of the {name} data has batch_size=None, by which its dataset gives whole batches, but"
                " these are made anew by the run's seed; give a batch size, or an IterableDataset"
            )
        return found._drawn_by(_sampler(name, source))

    @property
    def iterable(self) -> bool:
        """Whether it is iterated as it is."""
        return isinstance(self.dataset, IterableDataset)

    @property
    def whole_batches(self) -> bool:
        """Whether the dataset gives batches, which the loader hands on one by one."""
        return self.loader is not None and self.loader.batch_sampler is None

    def collated(self, sample: Any) -> Any:
        """A sample as a batch."""
        return self.collate(sample) if self.whole_batches else joined(self.collate, [sample])

    @property
    def size(self) -> int | None:
        """Number of samples; None if nobody knows."""
        return None if self.iterable else len(self.dataset)  # type: ignore[arg-type]

    @property
    def batch_size(self) -> int | None:
        """That of the loader; None if its dataset gives whole batches."""
        if self.loader is None:
            return None
        batches = self.loader.batch_sampler  # one that is given tells more than the loader itself
        return batches.batch_size if type(batches) is BatchSampler else self.loader.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether the loader leaves out a last batch of fewer samples."""
        if self.loader is None:
            return False
        batches = self.loader.batch_sampler
        return batches.drop_last if type(batches) is BatchSampler else self.loader.drop_last

    def weighted(self, weights: Sequence[float] | Tensor) -> Split:
        """The same with samples drawn by weights.

        Raises:
            DataError: if there are not as many weights as samples, or they are no weights.
        """
        if self.weights is not None:
            raise DataError(f"the {self.name} data has weights already, those of its loader's sampler; give them once")
        found = torch.as_tensor(weights, dtype=torch.float64)
        if found.shape != (self.size,):
            raise DataError(
                f"the {self.name} data has {self.size or 'an unknown number of'} samples, but there are weights of"
                f" shape {tuple(found.shape)}; give one for each sample"
            )
        if not (bool(found.isfinite().all()) and bool((found >= 0).all()) and bool(found.sum() > 0)):
            raise DataError(f"weights of the {self.name} data must be finite, not negative, and not all zero")
        return replace(self, weights=found)

    def part(self, name: str, numbers: Sequence[int]) -> Split:
        """Some of its samples as a split of that name."""
        weights = None if self.weights is None else self.weights[list(numbers)]
        if weights is not None and not bool(weights.sum() > 0):
            raise DataError(
                f"all samples that are kept for the {name} split have a weight of zero; give branch= yourself"
            )
        return replace(self, name=name, dataset=Subset(self.dataset, numbers), weights=weights)

    def in_common(self, other: Split) -> int:
        """How many samples of the other split are samples of this one, as far as both are parts of one dataset."""
        if self.iterable or _root(self.dataset) is not _root(other.dataset):
            return 0
        return len(np.intersect1d(_numbers(self.dataset), _numbers(other.dataset)))

    def order(self, generator: torch.Generator) -> Sampler[int]:
        """A shuffled order, or draws by the weights."""
        if self.weights is None:
            return RandomSampler(self.dataset, generator=generator)  # type: ignore[arg-type]
        return WeightedRandomSampler(self.weights, len(self.weights), generator=generator)  # type: ignore[arg-type]

    def _drawn_by(self, sampler: Any) -> Split:
        """With the samples, and the weights, that a loader's sampler gives."""
        if type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement):
            return self
        if type(sampler) is SubsetRandomSampler:
            return replace(self, dataset=Subset(self.dataset, [int(number) for number in sampler.indices]))
        weighted = type(sampler) is WeightedRandomSampler and sampler.replacement
        if weighted and sampler.num_samples == len(sampler.weights):
            return self.weighted(sampler.weights)
        raise DataError(
            f"the loader of the {self.name} data has a sampler ({type(sampler).__name__}) that would not be used, for"
            " the order is that of the run's seed; give the samples as a Subset, or Data(weights=...)"
        )


def joined(collate: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
    """Samples as a batch.

    Raises:
        DataError: naming a label that one of them lacks.
    """
    try:
        return collate(samples)
    except KeyError as error:
        raise DataError(
            f"some samples have no {error}, but others do; give every sample every label, NaN or the task's missing"
            " value where there is none"
        ) from error
    except Exception as error:  # of a collate function of the user's, whatever it raises
        name = next(_without_value(samples), None)
        if name is None:
            raise
        raise DataError(
            f"label '{name}' is None for some samples, which no batch can hold; give NaN or the task's missing value"
            " there, in the shape of the others"
        ) from error


def _without_value(samples: list[Any]) -> Iterator[str]:
    """Labels that are None, sample by sample."""
    for sample in samples:
        if isinstance(sample, (tuple, list)) and len(sample) == 2 and isinstance(sample[1], Mapping):
            yield from (name for name, label in sample[1].items() if label is None)


def _root(dataset: Any) -> Any:
    """The dataset that a part is of."""
    return _root(dataset.dataset) if type(dataset) is Subset else dataset


def _numbers(dataset: Any) -> NDArray[np.int64]:
    """The numbers of its samples in its root."""
    if type(dataset) is not Subset:
        return np.arange(len(dataset))
    return _numbers(dataset.dataset)[np.asarray(dataset.indices, dtype=np.int64)]


def _sampler(name: str, loader: DataLoader[Any]) -> Any:
    """What decides about a loader's order."""
    batches = loader.batch_sampler
    if batches is None:
        return loader.sampler
    if type(batches) is BatchSampler:
        return batches.sampler
    raise DataError(
        f"the loader of the {name} data has a batch sampler ({type(batches).__name__}) that would not be used, for the"
        " order is that of the run's seed; give its dataset and collate function"
    )
