"""Ready tasks: missing labels teach nothing, checks name what is wrong, heads fit."""

from __future__ import annotations

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtnas.errors import SpaceError
from mtnas.space.heads import linear_head, pixel_head, step_head
from mtnas.space.meters import LogLossError, RootMeanSquaredError
from mtnas.space.task import Task
from mtnas.space.task_types import (
    binary,
    classification,
    multilabel,
    pixel_classification,
    pixel_regression,
    regression,
    step_classification,
    step_regression,
)

SHAPE = (4, 6, 6)
NAN = math.nan

CLASSES = classification("classes", 3)
BINARY = binary("binary")
BINARY_INTEGER = binary("binary_integer", missing=-100)
MULTILABEL = multilabel("multilabel", 3)
MULTILABEL_INTEGER = multilabel("multilabel_integer", 3, missing=-1)
NUMBER = regression("number")
NUMBERS = regression("numbers", 2)
PIXEL_CLASSES = pixel_classification("pixel_classes", 3, missing=255)
DEPTH = pixel_regression("depth")
DEPTH_ZERO = pixel_regression("depth_zero", missing=0.0)
TAGS = step_classification("tags", 3, missing=-1)
FORECAST = step_regression("forecast", 2, head=step_head(2, tokens=True))

N = 6


def label_of(task: Task, g: torch.Generator) -> Tensor:
    """A label without missing entries."""
    floats = {NUMBER: (N,), NUMBERS: (N, 2), DEPTH: (N, 1, 6, 6), DEPTH_ZERO: (N, 1, 6, 6), FORECAST: (N, 2, 7)}
    if task in floats:
        return 1 + torch.rand(floats[task], generator=g)
    shape, classes, dtype = {
        CLASSES: ((N,), 3, torch.int64),
        BINARY: ((N,), 2, torch.float32),
        BINARY_INTEGER: ((N,), 2, torch.int64),
        MULTILABEL: ((N, 3), 2, torch.float32),
        MULTILABEL_INTEGER: ((N, 3), 2, torch.int64),
        PIXEL_CLASSES: ((N, 6, 6), 3, torch.uint8),
        TAGS: ((N, 7), 3, torch.int64),
    }[task]
    label = torch.randint(0, classes, shape, generator=g)
    label.view(-1)[:2] = torch.tensor([0, 1])
    return label.to(dtype)


TASKS = [
    CLASSES,
    BINARY,
    BINARY_INTEGER,
    MULTILABEL,
    MULTILABEL_INTEGER,
    NUMBER,
    NUMBERS,
    PIXEL_CLASSES,
    DEPTH,
    DEPTH_ZERO,
    TAGS,
    FORECAST,
]
ENTERS = {TAGS: (4, 7), FORECAST: (7, 4)}
"""What enters the heads of those that do not take images: channels by steps, and tokens by features."""


def output_of(task: Task, g: torch.Generator | None = None) -> Tensor:
    shape = ENTERS.get(task, SHAPE)
    return task.head(shape)(torch.randn(N, *shape, generator=g))


EVERY_TASK = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@EVERY_TASK
def test_head_loss_error_and_check_fit_one_another(task: Task) -> None:
    g = torch.Generator().manual_seed(0)
    label = label_of(task, g)
    output = output_of(task, g)
    assert task.check is not None and task.check(output, label) is None
    loss = task.loss_on(output, label)
    assert loss is not None and loss.shape == () and bool(loss.isfinite())
    meter = task.error()
    meter.update(output, label)
    assert math.isfinite(meter.compute())


@EVERY_TASK
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_missing_entries_add_exactly_nothing(task: Task, seed: int) -> None:
    """Loss and gradient are those of the entries that are there, and what a network says elsewhere has no influence."""
    g = torch.Generator().manual_seed(seed)
    label = label_of(task, g)
    gone = torch.rand(label.shape, generator=g) < 0.5
    gone[0], gone[1] = True, False  # a sample without any label, and one that has all
    holed = torch.where(gone, torch.tensor(task.missing, dtype=label.dtype), label)
    output = output_of(task, g).detach()
    at_entry = gone if output.shape == label.shape else gone.unsqueeze(1).expand_as(output)

    losses, gradients = [], []
    for shift in (0.0, 3.0):
        leaf = torch.where(at_entry, output + shift, output).requires_grad_()
        loss = task.loss_on(leaf, holed)
        assert loss is not None
        (gradient,) = torch.autograd.grad(loss, leaf)
        losses.append(loss.detach())
        gradients.append(gradient)
    assert torch.equal(losses[0], losses[1]) and torch.equal(gradients[0], gradients[1])
    assert bool((gradients[0][at_entry] == 0).all()) and bool(gradients[0].isfinite().all())
    assert bool((gradients[0][~at_entry] != 0).any())

    if label.dim() == 1:
        known = task.loss_on(output[~gone], label[~gone])
        assert known is not None
        torch.testing.assert_close(losses[0], known)
    assert task.check is not None and task.check(output, holed) is None


@EVERY_TASK
def test_a_batch_without_labels_has_no_loss(task: Task) -> None:
    label = label_of(task, torch.Generator().manual_seed(0))
    gone = torch.full_like(label, task.missing)
    assert task.loss_on(output_of(task), gone) is None


@EVERY_TASK
def test_the_default_meter_leaves_missing_entries_out(task: Task) -> None:
    g = torch.Generator().manual_seed(1)
    label = label_of(task, g)
    if label.dim() == 1:
        pytest.skip("a sample has one entry, and a sample without a label never gets to a meter")
    gone = torch.zeros(label.shape, dtype=torch.bool)
    gone[2:, ..., 0] = True
    holed = torch.where(gone, torch.tensor(task.missing, dtype=label.dtype), label)
    output = output_of(task, g).detach()
    at_entry = gone if output.shape == label.shape else gone.unsqueeze(1).expand_as(output)
    errors = []
    for entries in (output, torch.where(at_entry, -7 * output, output)):
        meter = task.error()
        meter.update(entries, holed)
        errors.append(meter.compute())
    assert errors[0] == errors[1]


def test_reference_errors_are_those_of_guessing_with_the_default_error() -> None:
    assert CLASSES.reference_error == pytest.approx(2 / 3)
    assert BINARY.reference_error == MULTILABEL.reference_error == 0.5
    assert PIXEL_CLASSES.reference_error == pytest.approx(4 / 5)
    assert NUMBER.reference_error is DEPTH.reference_error is None
    assert binary("b", error=LogLossError).reference_error is None
    assert binary("b", error=LogLossError, reference_error=0.7).reference_error == 0.7
    assert pixel_classification("p", 3, error=RootMeanSquaredError).reference_error is None


WRONG = [
    (CLASSES, (N, 3), torch.zeros(N, 1).long(), r"label has shape \(6, 1\), but needs \(6,\); give one class number"),
    (CLASSES, (N, 3), torch.zeros(N), r"dtype torch.float32, but class numbers are integers; convert it by label.long"),
    (
        CLASSES,
        (N, 3),
        torch.full((N,), 3),
        r"holds class 3, but classes run from 0 to 2 and -100 means missing; renumber",
    ),
    (CLASSES, (N, 3), torch.full((N,), -1), r"holds class -1, but classes run from 0 to 2"),
    (
        CLASSES,
        (N, 4),
        torch.zeros(N).long(),
        r"output has shape \(6, 4\), but needs \(6, 3\); use head=linear_head\(3\)",
    ),
    (BINARY, (N,), torch.zeros(N, 1), r"label has shape \(6, 1\), but needs \(6,\); drop the dimension"),
    (BINARY, (N, 1), torch.zeros(N), r"output has shape \(6, 1\), but needs \(6,\); use head=linear_head\(None\)"),
    (BINARY, (N,), torch.full((N,), 0.5), r"holds 0.5, but a label is 0, 1 or nan \(= missing\); convert it"),
    (BINARY, (N,), torch.full((N,), -100), r"holds -100, but a label is 0, 1 or nan .* missing="),
    (BINARY_INTEGER, (N,), torch.full((N,), NAN), r"holds nan, but a label is 0, 1 or -100"),
    (MULTILABEL, (N, 3), torch.zeros(N, 2), r"label has shape \(6, 2\), but needs \(6, 3\); give one column per label"),
    (NUMBER, (N,), torch.zeros(N, 1), r"label has shape \(6, 1\), but needs \(6,\); drop the dimension"),
    (NUMBER, (N,), torch.full((N,), math.inf), r"holds inf, but needs finite numbers or nan \(= missing\); clean"),
    (NUMBER, (N,), torch.zeros(N).bool(), r"dtype torch.bool, but needs real numbers; convert it"),
    (NUMBERS, (N, 2), torch.zeros(N), r"label has shape \(6,\), but needs \(6, 2\)"),
    (DEPTH, (N, 1, 6, 6), torch.zeros(N, 6, 6), r"needs the form \(N, C, H, W\); .* label.unsqueeze\(1\)"),
    (DEPTH, (N, 1, 6, 6), torch.zeros(N, 1, 9, 8), r"use head=pixel_head\(1, size=\(9, 8\)\)"),
    (PIXEL_CLASSES, (N, 3, 6, 6), torch.zeros(N, 1, 6, 6).long(), r"needs the form \(N, H, W\); .* without a channel"),
    (PIXEL_CLASSES, (N, 3, 6, 6), torch.zeros(N, 9, 8).long(), r"use head=pixel_head\(3, size=\(9, 8\)\)"),
    (PIXEL_CLASSES, (N, 3, 6, 6), torch.full((N, 6, 6), -100), r"holds class -100, but .* 255 means missing"),
    (TAGS, (N, 3, 7), torch.zeros(N, 1, 7).long(), r"needs the form \(N, L\); .* without a channel"),
    (TAGS, (N, 7, 3), torch.zeros(N, 7).long(), r"needs \(6, 3, 7\); use head=step_head\(3, length=7\)"),
    (TAGS, (N, 3, 7), torch.full((N, 7), -100), r"holds class -100, but .* -1 means missing"),
    (FORECAST, (N, 2, 7), torch.zeros(N, 7), r"needs the form \(N, C, L\); .* label.unsqueeze\(1\)"),
    (FORECAST, (N, 2, 7), torch.zeros(N, 2, 9), r"use head=step_head\(2, length=9\)"),
]


@pytest.mark.parametrize(
    ("task", "output_shape", "label", "problem"), WRONG, ids=lambda value: getattr(value, "name", "")
)
def test_checks_name_what_is_wrong(task: Task, output_shape: tuple[int, ...], label: Tensor, problem: str) -> None:
    assert task.check is not None
    found = task.check(torch.zeros(output_shape), label)
    assert found is not None and re.search(problem, found), found


def test_impossible_tasks_are_refused() -> None:
    with pytest.raises(SpaceError, match="task 't' has 1 classes, but needs at least 2"):
        classification("t", 1)
    with pytest.raises(SpaceError, match="task 't' has 0 labels, but needs at least 1"):
        multilabel("t", 0)
    with pytest.raises(SpaceError, match="task 't' has 0 channels, but needs at least 1"):
        pixel_regression("t", 0)


@settings(max_examples=40, deadline=None)
@given(
    side=st.tuples(st.integers(1, 12), st.integers(1, 12)), pool=st.integers(1, 5), hidden=st.sampled_from([None, 7])
)
def test_pooling_heads_give_their_shape_or_say_why_not(side: tuple[int, int], pool: int, hidden: int | None) -> None:
    make = linear_head(5, pool=pool, hidden=hidden)
    shape = (3, *side)
    if min(side) < pool:
        with pytest.raises(SpaceError, match=f"pool={pool} is more than the {side[0]}x{side[1]}"):
            make(shape)
        return
    head = make(shape)
    assert head(torch.randn(2, *shape)).shape == (2, 5)
    # Every pixel counts: pooling leaves none out.
    x = torch.randn(1, *shape, requires_grad=True)
    (gradient,) = torch.autograd.grad(next(head.children())(x).sum(), x)
    assert bool((gradient > 0).all())


def test_heads_refuse_inputs_that_they_cannot_take() -> None:
    assert linear_head(None)((7,))(torch.randn(3, 7)).shape == (3,)
    with pytest.raises(SpaceError, match="leave pool out"):
        linear_head(2, pool=1)((7,))
    with pytest.raises(SpaceError, match="use linear_head"):
        pixel_head(2)((7,))
    assert pixel_head(2, size=(9, 5))((3, 4, 4))(torch.randn(2, 3, 4, 4)).shape == (2, 2, 9, 5)
    with pytest.raises(SpaceError, match=r"needs an input of shape \(channels, steps\), but gets \(7,\)"):
        step_head(2)((7,))
    with pytest.raises(SpaceError, match=r"needs an input of shape \(steps, features\)"):
        step_head(2, tokens=True)((3, 4, 4))
    with pytest.raises(SpaceError, match="at least 1, but are 0"):
        step_head(0)


def test_step_heads_say_the_same_of_equal_steps() -> None:
    x = torch.randn(2, 5, 1).expand(2, 5, 8)
    for head, enters in ((step_head(3), x), (step_head(3, tokens=True), x.transpose(1, 2))):
        y = head(tuple(enters.shape[1:]))(enters)
        assert y.shape == (2, 3, 8) and torch.allclose(y, y[:, :, :1].expand_as(y), atol=1e-6)
    assert step_head(3, length=20)((5, 8))(x).shape == (2, 3, 20)
    assert step_head(3, length=20, tokens=True)((8, 5))(x.transpose(1, 2)).shape == (2, 3, 20)
