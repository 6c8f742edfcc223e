"""Data gives the batches that it was given to give: the same ones for the same seed, and none to two splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
)
from toys import linear, toy_samples, toy_space

from mtnas.errors import DataError, SpaceError
from mtnas.space.check import check
from mtnas.space.data import Batch, Data
from mtnas.space.parts import Part
from mtnas.space.task import Task, on_all

Sample = tuple[Any, dict[str, Any]]


class Numbered(Dataset[Sample]):
    """Sample i is (i, i, i) with label i, by default."""

    def __init__(self, count: int, make: Callable[[int], Sample] | None = None) -> None:
        self.count = count
        self.make = make or (lambda i: (torch.full((3,), float(i)), {"number": torch.tensor(i)}))
        self.taken: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.taken.append(index)
        return self.make(index)


class Stream(IterableDataset[Sample]):
    def __init__(self, count: int, make: Callable[[int], Sample] | None = None) -> None:
        self.count, self.make = count, make

    def __iter__(self) -> Iterator[Sample]:
        return (Numbered(self.count, self.make)[i] for i in range(self.count))


def numbers(batches: Any) -> list[list[int]]:
    """The numbers of the samples, batch by batch."""
    return [labels["number"].tolist() for _, labels in batches]


def flat(batches: Any) -> list[int]:
    return [number for batch in numbers(batches) for number in batch]


# Splits ----------------------------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.floats(0.02, 0.98), st.integers(0, 5))
def test_train_is_split_into_two_parts_without_overlap(count: int, fraction: float, seed: int) -> None:
    held = round(count * fraction)
    if not 1 <= held < count:
        with pytest.raises(DataError, match=f"{count} samples, too few"):
            Data(Numbered(count), Numbered(1), branch_fraction=fraction)
        return
    data = Data(Numbered(count), Numbered(1), branch_fraction=fraction, split_seed=seed, batch_size=count)
    train, branch = set(flat(data.train_batches(0))), set(flat(data.branch_batches(0)))
    assert len(branch) == held and train | branch == set(range(count)) and not train & branch


def test_the_split_depends_on_its_own_seed_only() -> None:
    one, same, other = (Data(Numbered(40), Numbered(1), split_seed=seed) for seed in (3, 3, 4))
    assert set(flat(one.branch_batches(0))) == set(flat(same.branch_batches(99)))
    assert set(flat(one.branch_batches(0))) != set(flat(other.branch_batches(0)))


def test_given_splits_are_used_whole() -> None:
    data = Data(Numbered(10), Numbered(4), Numbered(5), Numbered(6), batch_size=4, eval_batch_size=3)
    assert sorted(flat(data.train_batches(1))) == list(range(10))
    assert sorted(flat(data.branch_batches(1))) == list(range(6))
    assert numbers(data.valid_batches()) == [[0, 1, 2], [3]]
    assert numbers(data.test_batches()) == [[0, 1, 2], [3, 4]]


def test_test_data_is_optional_but_not_invented() -> None:
    with pytest.raises(DataError, match="no test split"):
        Data(Numbered(10), Numbered(4)).test_batches()


def test_judging_and_calibrating_do_not_touch_the_test_split() -> None:
    test = Numbered(5)
    data = Data(Numbered(20), Numbered(4), test)
    for batches in (data.train_batches(0), data.branch_batches(0), data.valid_batches(), data.calibration_batches()):
        list(batches)
    data.example()
    assert test.taken == []


def test_calibration_uses_training_samples_and_no_more_than_needed() -> None:
    data = Data(Numbered(50), Numbered(4), calibration_samples=12, eval_batch_size=5)
    used = flat(data.calibration_batches())
    assert used == flat(data.calibration_batches()) and len(used) == len(set(used)) == 15
    assert set(used) <= set(flat(data.train_batches(0)))
    everything = Data(Numbered(50), Numbered(4), calibration_samples=1000)
    assert sorted(flat(everything.calibration_batches())) == sorted(flat(everything.train_batches(0)))


# Order -----------------------------------------------------------------------------------------------------------


def test_a_seed_gives_one_order_whatever_ran_before() -> None:
    data = Data(Numbered(60), Numbered(4), batch_size=7)
    first = numbers(data.train_batches(5))
    torch.manual_seed(123)
    torch.rand(10)
    list(data.valid_batches())
    assert numbers(data.train_batches(5)) == first
    assert numbers(Data(Numbered(60), Numbered(4), batch_size=7).train_batches(5)) == first
    assert numbers(data.train_batches(6)) != first
    assert sorted(flat(data.train_batches(6))) == sorted(number for batch in first for number in batch)


def test_a_last_batch_of_one_sample_is_left_out_of_training_only() -> None:
    data = Data(Numbered(9), Numbered(9), branch=Numbered(9), batch_size=4, eval_batch_size=4)
    assert [len(batch) for batch in numbers(data.train_batches(0))] == [4, 4]
    assert [len(batch) for batch in numbers(data.branch_batches(0))] == [4, 4]
    assert [len(batch) for batch in numbers(data.valid_batches())] == [4, 4, 1]
    single = Data(Numbered(1), Numbered(1), branch=Numbered(1))
    assert numbers(single.train_batches(0)) == [[0]]


def test_batches_leave_the_global_random_state_of_shuffled_splits_alone() -> None:
    data = Data(Numbered(30), Numbered(4))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(data.train_batches(1)), list(data.branch_batches(1)), list(data.calibration_batches())
    assert torch.equal(torch.rand(1), expected)


# Loaders ---------------------------------------------------------------------------------------------------------


def double(samples: list[Any]) -> Batch:
    x, labels = default_collate(samples)
    return 2 * x, labels


def test_a_loader_brings_its_batch_size_collate_and_workers() -> None:
    loader = DataLoader(Numbered(21), batch_size=6, shuffle=False, collate_fn=double, num_workers=2)
    data = Data(loader, DataLoader(Numbered(5), batch_size=2, collate_fn=double), branch_fraction=0.3, batch_size=50)
    batches = data.train_batches(1)
    assert batches.num_workers == 2 and batches.batch_size == 6 and batches.collate_fn.collate is double  # type: ignore[attr-defined]
    assert data.branch_batches(0).num_workers == 2
    found = Data(DataLoader(Numbered(21), batch_size=6, collate_fn=double), Numbered(5), batch_size=50)
    for x, labels in found.train_batches(1):
        assert torch.equal(x, 2 * labels["number"].float()[:, None].expand(-1, 3))
    for x, labels in data.valid_batches():
        assert torch.equal(x[:, 0], 2 * labels["number"].float())
    assert [len(batch) for batch in numbers(found.train_batches(1))][:-1] == [6] * (len(found.train_batches(1)) - 1)


def test_a_loader_is_shuffled_by_the_seed_and_split_like_a_dataset() -> None:
    data = Data(DataLoader(Numbered(40), batch_size=8), Numbered(4))
    plain = Data(Numbered(40), Numbered(4), batch_size=8)
    assert numbers(data.train_batches(3)) == numbers(plain.train_batches(3))
    assert numbers(data.branch_batches(3)) == numbers(plain.branch_batches(3))


def test_a_loader_with_a_batch_sampler_keeps_its_samples_collate_and_size() -> None:
    dataset = Numbered(20)
    loader = DataLoader(dataset, batch_sampler=BatchSampler(SequentialSampler(dataset), 5, True), collate_fn=double)
    data = Data(loader, Numbered(4), batch_size=10, branch=Numbered(4))
    assert sorted(flat(data.train_batches(0))) == list(range(20))
    assert [len(x) for x, _ in data.train_batches(0)] == [5] * 4
    fewer = Data(loader, Numbered(4))  # 16 of 20 train: the last is left out, as the loader would
    assert [len(x) for x, _ in fewer.train_batches(0)] == [5] * 3
    assert all(torch.equal(x[:, 0], 2.0 * labels["number"]) for x, labels in data.train_batches(0))


def test_workers_give_the_same_batches() -> None:
    here, elsewhere = (Data(Numbered(12), Numbered(4), batch_size=4, workers=workers) for workers in (0, 1))
    assert numbers(here.train_batches(2)) == numbers(elsewhere.train_batches(2))


def test_a_collate_function_is_used_for_every_split() -> None:
    data = Data(Numbered(20), Numbered(4), Numbered(4), batch_size=5, collate=double)
    sources = (data.train_batches(0), data.branch_batches(0), data.valid_batches(), data.test_batches())
    for batches in (*sources, data.calibration_batches(), [data.example()]):
        for x, labels in batches:
            assert torch.equal(x[:, 0], 2.0 * labels["number"])


# Loaders that choose ---------------------------------------------------------------------------------------------


def test_a_sampler_of_some_samples_gives_only_those() -> None:
    """Two loaders over one dataset, as it is often split."""
    dataset, even, odd = Numbered(40), range(0, 40, 2), range(1, 40, 2)
    one, two = (DataLoader(dataset, batch_size=4, sampler=SubsetRandomSampler(part)) for part in (even, odd))
    data = Data(one, two, branch_fraction=0.3)
    assert sorted(flat(data.train_batches(0)) + flat(data.branch_batches(0))) == list(even)
    assert sorted(flat(data.valid_batches())) == list(odd)
    sequence = BatchSampler(SubsetRandomSampler(even), 5, False)
    batched = Data(DataLoader(dataset, batch_sampler=sequence), Numbered(4), branch=Numbered(4))
    assert sorted(flat(batched.train_batches(0))) == list(even)


@pytest.mark.parametrize("by_loader", [True, False])
def test_weights_say_how_likely_samples_are_drawn(by_loader: bool) -> None:
    weights = [8.0 if number % 10 == 0 else 1.0 if number % 2 else 0.0 for number in range(2000)]
    dataset = Numbered(2000)
    if by_loader:
        sampler = WeightedRandomSampler(weights, len(weights))
        data = Data(DataLoader(dataset, batch_size=50, sampler=sampler), Numbered(4))
    else:
        data = Data(dataset, Numbered(4), weights=weights, batch_size=50)
    train, branch = (flat(batches) for batches in (data.train_batches(0), data.branch_batches(0)))
    assert len(train) == 1600 and len(branch) == 400 and not set(train) & set(branch)
    for drawn in (train, branch, flat(data.calibration_batches())):
        assert all(number % 10 == 0 or number % 2 for number in drawn)
        rare = sum(number % 10 == 0 for number in drawn) / len(drawn)
        assert 8 / 13 - 0.12 < rare < 8 / 13 + 0.12  # 8 of 8 + 5
    assert flat(data.train_batches(0)) == train != flat(data.train_batches(1))
    parts = [flat(batch for batch in data.train_batches(0, Part(rank, 2)) if batch) for rank in (0, 1)]
    assert sorted(parts[0] + parts[1]) == sorted(train)


def test_weights_belong_to_what_the_data_is() -> None:
    plain, one, other = (Data(Numbered(20), Numbered(4), weights=w) for w in (None, [1.0] * 20, [2.0] + [1.0] * 19))
    prints = [data.fingerprint["train"] for data in (plain, one, other)]
    assert len(set(prints)) == 3 and plain.fingerprint["valid"] == other.fingerprint["valid"]


class Backwards(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(19, -1, -1))


class Pairs(Sampler[list[int]]):
    def __iter__(self) -> Iterator[list[int]]:
        return iter([[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ({"sampler": Backwards()}, r"a sampler \(Backwards\) that would not be used.*Subset, or Data\(weights"),
        ({"batch_sampler": Pairs()}, r"a batch sampler \(Pairs\) that would not be used"),
        ({"sampler": RandomSampler(range(20), replacement=True)}, r"a sampler \(RandomSampler\)"),
        ({"sampler": WeightedRandomSampler([1.0] * 20, 7)}, r"a sampler \(WeightedRandomSampler\)"),
        ({"sampler": WeightedRandomSampler([1.0] * 7, 7)}, r"20 samples, but there are weights of shape \(7,\)"),
    ],
)
def test_orders_that_would_be_lost_are_refused(how: dict[str, Any], part: str) -> None:
    with pytest.raises(DataError, match=part):
        Data(DataLoader(Numbered(20), **how), Numbered(4))


def test_what_is_judged_is_read_once_each() -> None:
    weighted = DataLoader(Numbered(8), sampler=WeightedRandomSampler([1.0] * 8, 8))
    with pytest.raises(DataError, match="the loader of the valid data draws samples by weights"):
        Data(Numbered(8), weighted)


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        ([1.0] * 3, r"20 samples, but there are weights of shape \(3,\)"),
        ([-1.0] + [1.0] * 19, "must be finite, not negative, and not all zero"),
        ([math.nan] * 20, "must be finite"),
        ([0.0] * 20, "not all zero"),
    ],
)
def test_weights_that_are_none_are_refused(weights: list[float], part: str) -> None:
    with pytest.raises(DataError, match=part):
        Data(Numbered(20), Numbered(4), weights=weights)


def test_weights_are_given_once_and_leave_something_for_each_split() -> None:
    loader = DataLoader(Numbered(20), sampler=WeightedRandomSampler([1.0] * 20, 20))
    with pytest.raises(DataError, match="has weights already"):
        Data(loader, Numbered(4), weights=[1.0] * 20)
    with pytest.raises(DataError, match="all samples that are kept for the branch split have a weight of zero"):
        Data(Numbered(20), Numbered(4), weights=[1.0] + [0.0] * 19)
    with pytest.raises(DataError, match="an unknown number of samples"):
        Data(Stream(7), Numbered(4), branch=Numbered(4), weights=[1.0] * 7)


def prepare(worker: int) -> None:
    """Opens a file in every worker, say."""


def test_a_loader_s_batch_size_is_that_of_judging_unless_it_is_torch_s_default() -> None:
    """Who reads large images by eights has no memory for more."""
    eights, ones = (Data(Numbered(20), DataLoader(Numbered(20), **how)) for how in ({"batch_size": 8}, {}))
    assert [len(batch) for batch in numbers(eights.valid_batches())] == [8, 8, 4]
    assert [len(batch) for batch in numbers(ones.valid_batches())] == [20]


def test_a_loader_s_way_of_reading_is_kept() -> None:
    how: dict[str, Any] = {"num_workers": 1, "worker_init_fn": prepare, "prefetch_factor": 5, "timeout": 60}
    data = Data(DataLoader(Numbered(21), batch_size=4, drop_last=True, **how), Numbered(4), branch=Numbered(4))
    batches = data.train_batches(0)
    assert batches.worker_init_fn is prepare and batches.prefetch_factor == 5 and batches.timeout == 60
    assert [len(batch) for batch in numbers(batches)] == [4] * 5


# Streams ---------------------------------------------------------------------------------------------------------


def test_a_stream_is_taken_as_it_comes() -> None:
    data = Data(Stream(7), Stream(5), branch=Stream(3), batch_size=4, eval_batch_size=2)
    assert numbers(data.train_batches(0)) == numbers(data.train_batches(9)) == [[0, 1, 2, 3], [4, 5, 6]]
    assert numbers(data.branch_batches(0)) == [[0, 1, 2]]
    assert numbers(data.valid_batches()) == [[0, 1], [2, 3], [4]]
    assert len(data.example()[0]) == 2


def test_a_loader_over_a_stream_is_iterated_as_it_is() -> None:
    loader = DataLoader(Stream(7), batch_size=3, collate_fn=double)
    data = Data(loader, Numbered(4), branch=Numbered(4), batch_size=50)
    assert data.train_batches(0) is loader
    assert numbers(data.train_batches(0)) == [[0, 1, 2], [3, 4, 5], [6]]


class Batches(IterableDataset[Sample]):
    """A stream that gives whole batches, as those of large data sets do."""

    def __iter__(self) -> Iterator[Sample]:
        return (default_collate([Numbered(12)[i] for i in range(start, start + 4)]) for start in (0, 4, 8))


def test_a_stream_of_whole_batches_is_iterated_as_it_is() -> None:
    loader = DataLoader(Batches(), batch_size=None)
    data = Data(loader, loader, branch=loader)
    assert numbers(data.train_batches(0)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert len(data.example()[0]) == 4
    assert data.fingerprint == Data(loader, loader, branch=loader).fingerprint and data.changing == ()
    with pytest.raises(DataError, match="the loader of the train data has batch_size=None"):
        Data(DataLoader(Numbered(8), batch_size=None), Numbered(4))


def test_a_stream_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"cannot be split; give the branch points their own as branch="):
        Data(Stream(7), Numbered(4))


# Inputs and labels -----------------------------------------------------------------------------------------------


def test_inputs_may_be_dicts() -> None:
    def make(i: int) -> Sample:
        return {"words": torch.full((2,), i), "age": torch.tensor(float(i))}, {"number": torch.tensor(i)}

    data = Data(Numbered(10, make), Numbered(4, make), batch_size=3, calibration_samples=4, eval_batch_size=3)
    for batches in (data.train_batches(0), data.valid_batches(), data.calibration_batches()):
        for x, labels in batches:
            assert x["words"].shape == (len(labels["number"]), 2)
            assert torch.equal(x["age"], labels["number"].float())
    assert len(flat(data.calibration_batches())) == 6
    assert set(data.example()[0]) == {"words", "age"}


def test_channels_last_changes_the_layout_of_images_only() -> None:
    def make(i: int) -> Sample:
        return {"image": torch.rand(3, 4, 5) * 0 + i, "age": torch.ones(2)}, {"number": torch.tensor(i)}

    plain, laid_out = (Data(Numbered(10, make), Numbered(4, make), channels_last=last) for last in (False, True))
    for (x, labels), (y, same) in zip(plain.train_batches(1), laid_out.train_batches(1), strict=True):
        assert y["image"].is_contiguous(memory_format=torch.channels_last) and not y["image"].is_contiguous()
        assert y["age"].is_contiguous()
        assert torch.equal(x["image"], y["image"]) and torch.equal(labels["number"], same["number"])
    assert plain.fingerprint == laid_out.fingerprint


def test_numbers_and_arrays_become_tensors() -> None:
    def make(i: int) -> Sample:
        return np.full((2, 2), i, dtype=np.float32), {"number": i, "share": float(i)}

    x, labels = Data(Numbered(10, make), Numbered(4, make)).example()
    assert isinstance(x, Tensor) and x.shape == (4, 2, 2)
    assert labels["number"].dtype == torch.int64 and labels["share"].dtype.is_floating_point


def test_the_batch_size_of_a_loader_is_checked_before_training() -> None:
    """Torch's default of 1 is one that batch norm cannot train on."""
    space, samples = toy_space(), toy_samples(40)
    one_by_one = BatchSampler(SequentialSampler(samples), 1, False)
    for loader in (DataLoader(samples), DataLoader(samples, batch_sampler=one_by_one)):
        with pytest.raises(SpaceError, match="in training with batch_size = 1"):
            check(space, Data(loader, toy_samples(20), batch_size=16))
    check(toy_space(norm=False), Data(DataLoader(samples), toy_samples(20)))


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (Data(Numbered(40), Numbered(4), batch_size=16), 16),
        (Data(Numbered(8), Numbered(4), batch_size=16, branch=Numbered(4)), 8),
        (Data(DataLoader(Numbered(40), batch_size=3), Numbered(4), batch_size=16), 3),
        (Data(DataLoader(Stream(40), batch_size=3), Numbered(4), branch=Numbered(4), batch_size=16), 3),
        (Data(Stream(40), Numbered(4), branch=Numbered(4), batch_size=16), 16),
        (Data(DataLoader(Stream(40), batch_size=None), Numbered(4), branch=Numbered(4), batch_size=16), None),
    ],
)
def test_the_size_of_a_training_batch_is_told(data: Data, size: int | None) -> None:
    assert data.training_batch_size == size


@pytest.mark.parametrize(
    ("missing", "label", "expected"),
    [
        (torch.nan, torch.tensor([1.0, torch.nan, 0.0]), [True, False, True]),
        (-100, torch.tensor([1, -100, 0]), [True, False, True]),
        (255, torch.tensor([1, 255, 0], dtype=torch.uint8), [True, False, True]),
        (-100, torch.tensor([1, 156, 0], dtype=torch.uint8), [True, True, True]),
        (torch.nan, torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]]), [True, False]),
        (torch.nan, torch.tensor([1, 2]), [True, True]),
        (-99.99, torch.tensor([1.0, -99.99, -9.9]), [True, False, True]),  # another number in double
        (-9.9, torch.tensor([1.0, -9.9], dtype=torch.float16), [True, False]),
        (0.1, torch.tensor([[0.1, 1.0], [0.1, 0.1]], dtype=torch.float64), [True, False]),
    ],
)
def test_a_sample_without_a_label_is_told_by_its_missing_value(
    missing: float, label: Tensor, expected: list[bool]
) -> None:
    task = Task("number", linear(norm=False), torch.nn.functional.mse_loss, on_all(lambda o, y: 0.0), missing=missing)
    assert task.labelled(label).tolist() == expected


def test_a_loss_sees_labelled_samples_only() -> None:
    seen: list[int] = []

    def loss(output: Tensor, label: Tensor) -> Tensor:
        seen.append(len(label))
        assert len(output) == len(label) and bool(label.isfinite().all())
        return (output - label).square().mean()

    task = Task("number", linear(norm=False), loss, on_all(lambda o, y: 0.0))
    output = torch.zeros(3, requires_grad=True)
    some = task.loss_on(output, torch.tensor([1.0, torch.nan, 3.0]))
    assert some is not None and float(some.detach()) == 5 and seen == [2]
    some.backward()
    assert output.grad is not None and output.grad[1] == 0
    assert task.loss_on(output, torch.full((3,), torch.nan)) is None and seen == [2]
    task.loss_on(output, torch.ones(3))
    assert seen == [2, 3]


def test_a_batch_without_any_label_still_passes_the_check() -> None:
    space = toy_space()

    def make(i: int) -> Sample:
        gone = {"height": torch.tensor(torch.nan), "kind": torch.tensor(-100), "weight": torch.tensor(torch.nan)}
        return torch.randn(6), gone

    check(space, Data(Numbered(10, make), Numbered(4, make)))


# Identity --------------------------------------------------------------------------------------------------------


def changed(i: int) -> Sample:
    x = torch.full((3,), float(i))
    x[1] += i == 0
    return x, {"number": torch.tensor(i)}


def test_the_fingerprint_tells_other_data_from_the_same() -> None:
    data = Data(Numbered(30), Numbered(4))
    print_ = data.fingerprint
    assert Data(Numbered(30), Numbered(4)).fingerprint == print_ and set(print_) == {"train", "branch", "valid"}
    others = [
        Data(Numbered(31), Numbered(4)),
        Data(Numbered(30), Numbered(4, changed)),
        Data(Numbered(30, changed), Numbered(4)),
        Data(Numbered(30), Numbered(4), Numbered(4)),
        Data(Numbered(30), Numbered(4), split_seed=1),
        Data(Numbered(30), Numbered(4), branch_fraction=0.3),
        Data(Numbered(30), Numbered(4, lambda i: (torch.full((3,), float(i)), {"other": torch.tensor(i)}))),
        Data(Numbered(30), Numbered(4, lambda i: (torch.full((3,), float(i)), {"number": torch.tensor(i + 1)}))),
        Data(Numbered(30), Numbered(4, lambda i: (torch.full((3,), float(i)).double(), {"number": torch.tensor(i)}))),
        Data(Numbered(30), Numbered(4, lambda i: (torch.full((1, 3), float(i)), {"number": torch.tensor(i)}))),
    ]
    assert all(other.fingerprint != print_ for other in others)


def test_the_fingerprint_does_not_depend_on_what_was_read_before() -> None:
    data, fresh = Data(Numbered(30), Numbered(4)), Data(Numbered(30), Numbered(4))
    list(data.train_batches(3)), list(data.valid_batches()), data.example()
    assert data.fingerprint == fresh.fingerprint
    # How batches are cut is no matter of which data it is.
    assert replace(fresh, batch_size=7, eval_batch_size=2).fingerprint == fresh.fingerprint
    assert Data(DataLoader(Numbered(30), batch_size=5), Numbered(4)).fingerprint == fresh.fingerprint


def test_the_fingerprint_reads_few_samples_of_much_data() -> None:
    valid = Numbered(100_000)
    Data(Numbered(30), valid).fingerprint  # noqa: B018 - it is the reading that counts
    assert 32 <= len(set(valid.taken)) <= 64 and max(valid.taken) > 90_000 and len(valid.taken) <= 128


def test_the_fingerprint_sees_every_element_of_an_array() -> None:
    def make(place: int) -> Callable[[int], Sample]:
        def sample(i: int) -> Sample:
            x = np.zeros((64, 64), dtype=np.float32)
            x[place, place] = 1
            return x, {"number": i}

        return sample

    prints = [Data(Numbered(10, make(place)), Numbered(4, make(place))).fingerprint for place in (20, 40)]
    assert prints[0]["valid"] != prints[1]["valid"]


def test_the_fingerprint_is_that_of_what_is_collated() -> None:
    """A sample may be any object that the collate function knows, whose text may hold its address."""

    class Picture:
        def __init__(self, i: int) -> None:
            self.i = i

    def collate(samples: list[Any]) -> Batch:
        return torch.tensor([[float(picture.i)] for picture, _ in samples]), {"number": torch.zeros(len(samples))}

    def data(shift: int) -> Data:
        keep: list[Picture] = []  # so that no two of them share an address

        def make(i: int) -> Sample:
            keep.append(Picture(i + shift))
            return keep[-1], {}

        return Data(Numbered(10, make), Numbered(4, make), collate=collate)

    one, same, other = data(0), data(0), data(1)
    assert one.example()[0].shape == (4, 1)
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_random_augmentation_does_not_change_the_fingerprint() -> None:
    """Otherwise no training on augmented images could ever be resumed."""

    def augmented(i: int) -> Sample:
        return torch.full((3,), float(i)) + torch.rand(3) + np.random.rand(), {"number": torch.tensor(i)}

    one, again = (Data(Numbered(10, augmented), Numbered(4)) for _ in range(2))
    torch.manual_seed(1)
    first = one.fingerprint
    torch.manual_seed(2)
    assert again.fingerprint == first


@pytest.mark.parametrize("labels_too", [False, True])
def test_chance_that_cannot_be_fixed_makes_no_other_data_of_the_same(labels_too: bool) -> None:
    """As of augmentation with a generator of its own, seeded by the time: labels and shapes tell the data."""

    def data(shift: int, size: int = 3, seed: int | None = None) -> Data:
        own = np.random.default_rng(seed)

        def augmented(i: int) -> Sample:
            x = torch.full((size,), float(i)) + torch.tensor(own.normal(size=size))
            return x, {"number": torch.tensor(i + shift + (own.random() if labels_too else 0.0))}

        return Data(Numbered(10, augmented), Numbered(4, augmented), branch=Numbered(4))

    one, again, fixed = data(0), data(0), data(0, seed=3)
    assert one.fingerprint == again.fingerprint == fixed.fingerprint
    assert one.changing == ("train", "valid") and Data(Numbered(10), Numbered(4)).changing == ()
    assert (data(1).fingerprint == one.fingerprint) == labels_too
    assert data(0, size=4).fingerprint != one.fingerprint


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "valid", "test", "branch"])
def test_an_empty_split_is_refused_by_name(split: str) -> None:
    sources = {"train": Numbered(10), "valid": Numbered(4)} | {split: Numbered(0)}
    with pytest.raises(DataError, match=f"the {split} data is empty"):
        Data(**sources)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("branch_fraction", 0),
        ("branch_fraction", 1),
        ("batch_size", 0),
        ("eval_batch_size", 0),
        ("calibration_samples", 0),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(DataError, match=f"{setting} must .* but is {value}"):
        Data(Numbered(10), Numbered(4), **{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda i: torch.zeros(3), r"must yield \(x, \{label name: y\}\), but yields a Tensor"),
        (lambda i: (torch.zeros(3), torch.tensor(i)), r"but yields \(Tensor, Tensor\)"),
        (lambda i: (torch.zeros(3), {"a": i}, {"b": i}), r"but yields \(Tensor, dict, dict\)"),
        (lambda i: (torch.zeros(3), [i]), r"but yields \(Tensor, list\)"),
        (lambda i: ("text", {"a": i}), "x is a (tuple|list)"),
        (lambda i: (torch.zeros(3), {"a": "text"}), "label 'a' is a list"),
        (lambda i: ({"words": "text"}, {"a": i}), "words is a list"),
    ],
)
def test_samples_of_another_form_are_refused(make: Callable[[int], Sample], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Data(Numbered(10, make), Numbered(4, make)).example()


def test_a_label_that_is_none_is_named() -> None:
    def some(i: int) -> Sample:
        return torch.zeros(3), {"height": torch.tensor(1.0), "tags": None if i % 2 else torch.zeros(4)}

    def collate(samples: list[Any]) -> Batch:
        given = [torch.zeros(4) if y["tags"] is None else y["tags"] for _, y in samples]
        return torch.stack([x for x, _ in samples]), {"tags": torch.stack(given)}

    for valid in (Numbered(4, some), Numbered(4, lambda i: some(1)), Stream(4, some)):
        with pytest.raises(DataError, match=r"label 'tags' is None for some samples.*give NaN"):
            Data(Numbered(10), valid).example()
    with pytest.raises(DataError, match="label 'tags' is None"):
        _ = Data(Numbered(10, some), Numbered(4)).fingerprint
    assert len(Data(Numbered(10, some), Numbered(4, some), collate=collate).example()[1]["tags"]) == 4


def test_as_many_labels_as_inputs_are_needed() -> None:
    def collate(samples: list[Any]) -> Batch:
        x, labels = default_collate(samples)
        return x, {"number": labels["number"][:-1]}

    with pytest.raises(DataError, match=r"as many labels as inputs.*'x': 4.*\"?label 'number'\"?: 3"):
        Data(Numbered(10), Numbered(4), collate=collate).example()
