"""Data: four splits, because weights, branch points, predictors and the final report must not share any."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from mtnas.errors import DataError
from mtnas.seeds import derive_seed
from mtnas.space.chance import fixed_chance
from mtnas.space.parts import WHOLE, Part, PartOfBatches
from mtnas.space.shapes import Input, batch_size
from mtnas.space.split import Source, Split, joined
from mtnas.space.streams import used_up, without_single

Batch = tuple[Input, Mapping[str, Tensor]]
"""A batch as data yields it: inputs, and a dict of one label tensor per key, the batch dimension first in all."""

_CHANGING = "changing"
"""Begins the digest of samples that differ each time they are read."""


@dataclass(frozen=True)
class Data:
    """Where samples come from: datasets or loaders that yield ``(x, {label name: y})``.

    x is a tensor or a dict of tensors. A label may be missing for a sample: NaN, or the task's ignore index.

    Args:
        train: samples that train weights, or a DataLoader: all but its order is used, which follows the run's seed. A
            SubsetRandomSampler says which samples there are, a WeightedRandomSampler how likely each is drawn; other
            samplers are refused. A loader over an IterableDataset is iterated as it is.
        valid: samples that judge candidates during a search. Nothing is trained on them.
        test: samples for the final report of chosen networks. Nothing before that touches them.
        branch: samples that train the branch points. None: ``branch_fraction`` of ``train`` is kept apart for it.
        branch_fraction: share of ``train`` kept for the branch points.
        batch_size: samples per training step (and per step of the branch points).
        eval_batch_size: samples per batch of evaluation and calibration; where a split is a DataLoader, its batch size
            counts, as it does for ``batch_size``, but for one of 1.
        calibration_samples: training samples that recalibrate a network's batch-norm statistics before it is judged.
        workers: processes that load data; 0 loads in this one.
        collate: joins samples into a batch; None: torch's default.
        channels_last: hand images (inputs of four dimensions) over in the channels-last memory layout, in which
            convolutions run 1.4 to 1.8 times as fast on a CPU. Modules must not call ``view`` on them then, but
            ``flatten`` or ``reshape``. Iterable-style loaders are passed on as they are. On CUDA it is slower, and is
            left out.
        split_seed: seed of the split of ``train``; it belongs to the data, not to a run.
        preprocessing: what was done to raw inputs, in words: an exported network says that it wants this.
        weights: how likely each sample of ``train`` is drawn, with replacement, as against rare classes; None: each
            once in an epoch.
    """

    train: Source
    valid: Source
    test: Source | None = None
    branch: Source | None = None
    branch_fraction: float = 0.2
    batch_size: int = 64
    eval_batch_size: int = 256
    calibration_samples: int = 512
    workers: int = 0
    collate: Callable[[list[Any]], Batch] | None = None
    channels_last: bool = False
    split_seed: int = 0
    preprocessing: str = ""
    weights: Sequence[float] | Tensor | None = None
    _splits: dict[str, Split] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.branch_fraction < 1:
            raise DataError(f"branch_fraction must lie between 0 and 1, but is {self.branch_fraction}")
        for name in ("batch_size", "eval_batch_size", "calibration_samples"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, but is {getattr(self, name)}")
        given = {"train": self.train, "valid": self.valid, "test": self.test, "branch": self.branch}
        splits = {
            name: Split.of(name, source, self.collate, self.workers)
            for name, source in given.items()
            if source is not None
        }
        for name, split in splits.items():
            if split.size == 0:
                raise DataError(f"the {name} data is empty; give it at least one sample")
            if split.weights is not None and name in ("valid", "test"):
                raise DataError(
                    f"the loader of the {name} data draws samples by weights, but what is judged is read once each;"
                    " give the dataset"
                )
        if self.weights is not None:
            splits["train"] = splits["train"].weighted(self.weights)
        if self.branch is None:
            splits["train"], splits["branch"] = self._split_train(splits["train"])
        self._splits.update(splits)

    def _split_train(self, train: Split) -> tuple[Split, Split]:
        if train.size is None:
            raise DataError(
                "train is iterable-style data that cannot be split; give the branch points their own as branch="
            )
        held = round(train.size * self.branch_fraction)
        if held < 1 or held >= train.size:
            raise DataError(
                f"train has {train.size} samples, too few to keep {self.branch_fraction:.0%} apart for the branch"
                " points; give more, or give branch= on its own"
            )
        order = torch.randperm(train.size, generator=torch.Generator().manual_seed(self.split_seed)).tolist()
        return train.part("train", sorted(order[held:])), train.part("branch", sorted(order[:held]))

    # Batches ---------------------------------------------------------------------------------------------------

    @property
    def training_batch_size(self) -> int | None:
        """Samples per training step: those of a loader, where ``train`` is one; None if only its batches tell."""
        train = self._splits["train"]
        if train.size is None:
            return self.batch_size if train.loader is None else train.batch_size
        return min(train.batch_size or self.batch_size, train.size)

    def train_batches(self, seed: int, part: Part = WHOLE) -> DataLoader[Batch]:
        """Batches for the weights, shuffled by ``seed``; a last batch of a single sample is dropped (batch norm).

        Iterable-style data is given as it is; trainings pass over a single sample at its end.

        Args:
            part: of every batch, if not all of it: None in place of a batch of which this part is empty.

        Raises:
            DataError: for a part of iterable-style data.
        """
        return self._loader("train", self.batch_size, seed, part)

    def branch_batches(self, seed: int, part: Part = WHOLE) -> DataLoader[Batch]:
        """Batches for the branch points, shuffled by ``seed``; for ``part`` see `train_batches`."""
        return self._loader("branch", self.batch_size, seed, part)

    def valid_batches(self) -> DataLoader[Batch]:
        """Batches to judge candidates by, in order."""
        return self._loader("valid", self.eval_batch_size, None)

    @property
    def has_test(self) -> bool:
        """Whether a test split was given."""
        return "test" in self._splits

    def test_batches(self) -> DataLoader[Batch]:
        """Batches for the final report, in order.

        Raises:
            DataError: if no test data was given.
        """
        if not self.has_test:
            raise DataError("this data has no test split; give one as Data(test=...)")
        return self._loader("test", self.eval_batch_size, None)

    def calibration_batches(self) -> Iterator[Batch]:
        """Whole batches of at least ``calibration_samples`` training samples if there are, in one fixed shuffle."""
        return self.some_batches("train", self.calibration_samples)

    def range_batches(self) -> Iterator[Batch]:
        """As many samples, in whole batches, that no weights were trained on: they set the ranges of integers."""
        return self.some_batches("branch", self.calibration_samples)

    def some_batches(self, split: str, samples: int) -> Iterator[Batch]:
        """Whole batches of at least that many samples of a split, if there are, in one fixed shuffle.

        Raises:
            DataError: if there are none, as of a stream that was read before and does not begin anew.
        """
        loader = self._loader(split, min(self.eval_batch_size, samples), self.split_seed)
        batches = iter(loader if self._splits[split].size is not None else without_single(loader))
        left, number = samples, 0
        while left > 0:
            with fixed_chance(derive_seed(self.split_seed, split, number)):  # samples may be augmented
                batch = next(batches, None)
            if batch is None and number == 0:
                raise DataError(used_up(split))
            if batch is None:
                return
            yield batch
            left, number = left - batch_size(batch[0]), number + 1

    def example(self) -> Batch:
        """The first few validation samples as a batch: for dry runs."""
        for batch in self._loader("valid", min(8, self.eval_batch_size), None):
            return _checked(batch)
        raise DataError("the valid data is empty; give it at least one sample")

    def _loader(self, name: str, size: int, seed: int | None, part: Part = WHOLE) -> DataLoader[Batch]:
        split = self._splits[name]
        samples = split.size
        if samples is None:
            if part != WHOLE:
                raise DataError(
                    f"the {name} data is iterable-style, which cannot be dealt out to {part.count} processes; give a"
                    " dataset with a length, or train in one process"
                )
            join = _Collate(split.collate, channels_last=False)
            return DataLoader(split.dataset, size, collate_fn=join) if split.loader is None else split.loader
        given = split.batch_size
        # One of 1 is torch's default, and would take long to judge by.
        if given is not None and (seed is not None or given > 1):
            size = min(given, samples)
        drop_last = seed is not None and samples > size and (split.drop_last or samples % size == 1)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        how = {**split.reading, "generator": generator, "collate_fn": _Collate(split.collate, self.channels_last)}
        order = None if generator is None else split.order(generator)
        if part != WHOLE:
            assert order is not None
            parts = PartOfBatches(BatchSampler(order, size, drop_last), part)
            return DataLoader(split.dataset, batch_sampler=parts, **how)
        return DataLoader(split.dataset, batch_size=size, sampler=order, drop_last=drop_last, **how)

    # Identity --------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Per split its size and a digest of up to 64 samples spread over it: tells other data from the same.

        Samples are read as they are collated, with the global random generators of torch, numpy and Python set to fixed
        states meanwhile, so that random augmentation does not make other data of the same. They are read twice: of
        samples that change all the same, by generators of their own, only what does not change is told, the labels
        or at least shapes.
        """
        return {name: _digest(split) for name, split in sorted(self._splits.items())}

    @property
    def changing(self) -> tuple[str, ...]:
        """Splits whose samples are others each time that they are read, by chance that nothing here can fix."""
        return tuple(name for name, digest in self.fingerprint.items() if f":{_CHANGING} " in digest)

    @property
    def without_length(self) -> tuple[str, ...]:
        """Splits of which nobody knows whether they end: streams without a ``__len__``."""
        return tuple(name for name, split in self._splits.items() if not hasattr(split.dataset, "__len__"))

    @cached_property
    def overlaps(self) -> dict[tuple[str, str], int]:
        """Samples that two splits have in common, by their names, as far as both are parts of one dataset."""
        pairs = combinations(self._splits.values(), 2)
        found = {(one.name, other.name): one.in_common(other) for one, other in pairs}
        return {names: count for names, count in found.items() if count}


def _digest(split: Split) -> str:
    size = "iterable" if split.size is None else str(split.size)
    first, again = (_looked_at(split) for _ in range(2))
    weights = hashlib.sha256()
    if split.weights is not None:
        _feed(weights, split.weights)
        size += f":weights {weights.hexdigest()[:16]}"
    if first["all"] == again["all"]:
        return f"{size}:{first['all']}"
    known = "labels" if first["labels"] == again["labels"] else "shapes"
    return f"{size}:{_CHANGING} {known} {first[known]}"


def _looked_at(split: Split, most: int = 64) -> dict[str, str]:
    """Digests of some samples: of all that they are, of their labels and the shapes of all else, and of shapes."""
    digests = {name: hashlib.sha256() for name in ("all", "labels", "shapes")}
    with fixed_chance():
        for sample in _spread(split.dataset, most):
            batch = split.collated(sample)
            _feed(digests["all"], batch)
            _feed(digests["shapes"], _shapes(batch))
            _feed(digests["labels"], (_shapes(batch), batch[1]))
    return {name: digest.hexdigest()[:16] for name, digest in digests.items()}


@dataclass(frozen=True)
class _Collate:
    """Joins samples and lays images out."""

    collate: Callable[[list[Any]], Any]
    channels_last: bool

    def __call__(self, samples: list[Any]) -> Any:
        if not samples:
            return None
        batch = joined(self.collate, samples)
        if not self.channels_last:
            return batch
        x, labels = batch
        if isinstance(x, Mapping):
            return {name: _laid_out(value) for name, value in x.items()}, labels
        return _laid_out(x), labels


def _laid_out(x: Any) -> Any:
    is_image = isinstance(x, Tensor) and x.dim() == 4
    return x.to(memory_format=torch.channels_last) if is_image else x


def _checked(batch: Any) -> Batch:
    """The batch, if it has the form that everything else relies on."""
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and isinstance(batch[1], Mapping)):
        raise DataError(f"data must yield (x, {{label name: y}}), but yields {_form(batch)}")
    x, labels = batch
    values = dict(x) if isinstance(x, Mapping) else {"x": x}
    values.update({f"label '{name}'": label for name, label in labels.items()})
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise DataError(f"data must yield tensors, but {name} is a {type(value).__name__}")
    sizes = {name: len(value) for name, value in values.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"a batch must have as many labels as inputs, but has {sizes}")
    return x, labels


def _form(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(type(part).__name__ for part in value) + ")"
    return f"a {type(value).__name__}"


def _spread(dataset: Any, most: int) -> Iterator[Any]:
    """So many samples at most, spread over the dataset; the first one of an iterable."""
    if isinstance(dataset, IterableDataset):
        yield next(iter(dataset))
        return
    size = len(dataset)
    for index in range(0, size, max(1, math.ceil(size / most))):
        yield dataset[index]


def _shapes(value: Any) -> Any:
    """The same with the kind and shape of every tensor in its place."""
    if isinstance(value, Mapping):
        return {key: _shapes(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_shapes(part) for part in value]
    return f"{value.dtype}{tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for key in sorted(value):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (tuple, list)):
        for part in value:
            _feed(digest, part)
    elif isinstance(value, Tensor):
        array = value.detach().cpu().contiguous()
        digest.update(f"{array.dtype}{tuple(array.shape)}".encode())
        digest.update(array.view(torch.uint8).numpy().tobytes() if array.dim() else repr(array.item()).encode())
    else:
        digest.update(repr(value).encode())
