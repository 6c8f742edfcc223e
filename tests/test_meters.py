"""Meters agree with scikit-learn where it has the metric, and do not depend on how samples fall into batches."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch import Tensor

from mtnas.errors import DataError
from mtnas.space.meters import (
    ErrorRate,
    LogLossError,
    MeanIouError,
    MultiLabelAucError,
    RocAucError,
    RootMeanSquaredError,
)
from mtnas.space.task import ErrorMeter

Batch = tuple[Tensor, Tensor]


def logits_with_ties(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(-4, 5, shape, generator=generator) / 2


def class_batch(n: int, g: torch.Generator) -> Batch:
    return torch.randn(n, 4, generator=g), torch.randint(0, 4, (n,), generator=g)


def binary_batch(n: int, g: torch.Generator) -> Batch:
    label = torch.randint(0, 2, (n,), generator=g).float()
    label[:2] = torch.tensor([0.0, 1.0])
    return logits_with_ties(g, n), label


def multilabel_batch(n: int, g: torch.Generator) -> Batch:
    label = torch.randint(0, 2, (n, 3), generator=g).float()
    label[torch.rand(n, 3, generator=g) < 0.3] = math.nan
    label[:2] = torch.tensor([[0.0], [1.0]])
    return logits_with_ties(g, n, 3), label


def number_batch(n: int, g: torch.Generator) -> Batch:
    label = torch.randn(n, 2, generator=g)
    label[torch.rand(n, 2, generator=g) < 0.3] = math.nan
    label[0] = 1.0
    return torch.randn(n, 2, generator=g), label


def pixel_batch(n: int, g: torch.Generator) -> Batch:
    label = torch.randint(0, 3, (n, 3, 2), generator=g)
    label[torch.rand(n, 3, 2, generator=g) < 0.3] = -100
    label[0, 0, 0] = 1
    return torch.randn(n, 5, 3, 2, generator=g), label  # five classes, of which two are never there


CASES: list[tuple[Callable[[], ErrorMeter], Callable[[int, torch.Generator], Batch]]] = [
    (ErrorRate, class_batch),
    (ErrorRate, pixel_batch),
    (RocAucError, binary_batch),
    (LogLossError, binary_batch),
    (MultiLabelAucError, multilabel_batch),
    (RootMeanSquaredError, number_batch),
    (MeanIouError, pixel_batch),
]


METERS: list[Callable[[], ErrorMeter]] = list(dict.fromkeys(meter for meter, _ in CASES))


def error_of(meter: ErrorMeter, *batches: Batch) -> float:
    for output, label in batches:
        meter.update(output, label)
    return meter.compute()


@pytest.mark.parametrize(("meter", "make"), CASES)
@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 30), seed=st.integers(0, 10**6), data=st.data())
def test_order_and_batches_do_not_matter(
    meter: Callable[[], ErrorMeter],
    make: Callable[[int, torch.Generator], Batch],
    n: int,
    seed: int,
    data: st.DataObject,
) -> None:
    output, label = make(n, torch.Generator().manual_seed(seed))
    whole = error_of(meter(), (output, label))
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1))))
    order = torch.tensor(data.draw(st.permutations(range(n))))
    parts = torch.tensor_split(order, cuts)
    assert error_of(meter(), *((output[part], label[part]) for part in parts)) == pytest.approx(whole, abs=1e-12)
    assert whole >= 0


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 10**6))
def test_binary_meters_agree_with_scikit_learn(n: int, seed: int) -> None:
    output, label = binary_batch(n, torch.Generator().manual_seed(seed))
    assert error_of(RocAucError(), (output, label)) == pytest.approx(
        1 - metrics.roc_auc_score(label, output), abs=1e-12
    )
    chance = output.double().sigmoid()
    assert error_of(LogLossError(), (output, label)) == pytest.approx(metrics.log_loss(label, chance), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), seed=st.integers(0, 10**6))
def test_other_meters_agree_with_scikit_learn(n: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    output, label = class_batch(n, g)
    assert error_of(ErrorRate(), (output, label)) == pytest.approx(1 - metrics.accuracy_score(label, output.argmax(1)))

    output, label = multilabel_batch(n, g)
    there = ~label.isnan()
    aucs = [metrics.roc_auc_score(label[there[:, i], i], output[there[:, i], i]) for i in range(3)]
    assert error_of(MultiLabelAucError(), (output, label)) == pytest.approx(1 - np.mean(aucs), abs=1e-12)

    output, label = number_batch(n, g)
    there = ~label.isnan()
    expected = math.sqrt(metrics.mean_squared_error(label[there].double(), output[there].double()))
    assert error_of(RootMeanSquaredError(), (output, label)) == pytest.approx(expected, rel=1e-6)

    output, label = pixel_batch(n, g)
    there = label != -100
    iou = metrics.jaccard_score(label[there], output.argmax(1)[there], average="macro")
    assert error_of(MeanIouError(), (output, label)) == pytest.approx(1 - iou)


def test_auc_counts_ties_half_and_follows_the_order_of_scores() -> None:
    label = torch.tensor([0.0, 1.0, 0.0, 1.0])
    assert error_of(RocAucError(), (torch.zeros(4), label)) == 0.5
    assert error_of(RocAucError(), (label, label)) == 0
    assert error_of(RocAucError(), (-label, label)) == 1
    assert math.isnan(error_of(RocAucError(), (torch.tensor([0.0, math.nan, 1.0, 2.0]), label)))


def test_labels_of_one_class_are_an_error_or_left_out() -> None:
    with pytest.raises(DataError, match="all 3 labels are 1, so there is no ROC AUC"):
        error_of(RocAucError(), (torch.randn(3), torch.ones(3)))
    output = torch.tensor([[0.0, 5.0], [1.0, 6.0]])
    assert error_of(MultiLabelAucError(), (output, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))) == 1
    with pytest.raises(DataError, match="none of 2 labels has both classes"):
        error_of(MultiLabelAucError(), (output, torch.ones(2, 2)))


def test_other_markers_of_missing_entries() -> None:
    label = torch.tensor([[1, 255], [0, 1]], dtype=torch.uint8).unsqueeze(0)
    output = torch.nn.functional.one_hot(torch.tensor([[[1, 0], [0, 1]]]), 2).permute(0, 3, 1, 2).float()
    assert error_of(MeanIouError(missing=255), (output, label)) == 0
    # 156 is what -100 would be in eight bits; it is a class like any other.
    with pytest.raises(DataError, match="classes 0 to 156, but the outputs have 2"):
        error_of(MeanIouError(), (output, torch.tensor([[[1, 156], [0, 1]]], dtype=torch.uint8)))
    depth = torch.tensor([[0.0, 2.0]])
    assert error_of(RootMeanSquaredError(missing=0.0), (torch.tensor([[9.0, 5.0]]), depth)) == 3


@pytest.mark.parametrize("meter", METERS)
def test_nothing_seen_is_an_error(meter: Callable[[], ErrorMeter]) -> None:
    with pytest.raises(DataError, match="no labelled sample was seen"):
        meter().compute()
