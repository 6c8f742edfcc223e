"""Ready tasks: head, loss, error, reference error and label check of the usual kinds, each as a plain `Task`.

Losses convert labels to what they need and are means over the entries that are there; an entry that is missing adds
exactly nothing to the loss or its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from mtnas.errors import SpaceError
from mtnas.space.heads import Head, linear_head, pixel_head, step_head
from mtnas.space.label_checks import (
    PIXELS,
    STEPS,
    check_binary,
    check_classes,
    check_classes_at,
    check_numbers,
    check_numbers_at,
)
from mtnas.space.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanSquare,
    mean_square_distance,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)
from mtnas.space.meters import (
    ErrorRate,
    MeanIouError,
    MultiLabelAucError,
    RocAucError,
    RootMeanSquaredError,
)
from mtnas.space.targets import as_numbers, one_hot
from mtnas.space.task import ErrorMeter, Task

Meter = Callable[[], ErrorMeter]


def classification(
    name: str,
    classes: int,
    *,
    head: Head | None = None,
    error: Meter = ErrorRate,
    label: str | None = None,
    missing: int = -100,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """One of several classes: outputs (N, classes), integer labels (N,); cross-entropy, error rate.

    Args:
        classes: number of classes; labels run from 0 to classes - 1.
        head: None: `linear_head` on everything that leaves the last block.
        error: makes the error meter.
        label: key of the label in the data; None: the task's name.
        missing: label of samples that have none.
        weight: factor of the loss.
        reference_error: error of a useless network; None: that of guessing, 1 - 1 / classes, for the error rate.
    """
    _at_least(name, "classes", classes, 2)
    return Task(
        name,
        head=head or linear_head(classes),
        loss=CrossEntropy(missing),
        distillation=soft_cross_entropy,
        error=error,
        label=label,
        missing=missing,
        weight=weight,
        reference_error=1 - 1 / classes if reference_error is None and error is ErrorRate else reference_error,
        targets=partial(one_hot, classes=classes, missing=missing),
        check=partial(check_classes, classes=classes, missing=missing),
    )


def binary(
    name: str,
    *,
    head: Head | None = None,
    error: Meter = RocAucError,
    label: str | None = None,
    missing: float = math.nan,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """Yes or no: logits (N,), labels (N,) of 0 and 1; binary cross-entropy, 1 - ROC AUC.

    Args:
        head: None: `linear_head` on everything that leaves the last block.
        error: makes the error meter, e.g. `LogLossError`.
        label: key of the label in the data; None: the task's name.
        missing: label of samples that have none: NaN for float labels; integers need a number, e.g. -100.
        weight: factor of the loss.
        reference_error: error of a useless network; None: that of guessing, 0.5, for 1 - ROC AUC.
    """
    return Task(
        name,
        head=head or linear_head(None),
        loss=BinaryCrossEntropy(missing),
        distillation=soft_binary_cross_entropy,
        error=error,
        label=label,
        missing=missing,
        weight=weight,
        reference_error=0.5 if reference_error is None and error is RocAucError else reference_error,
        targets=partial(as_numbers, missing=missing),
        check=partial(check_binary, labels=None, missing=missing),
    )


def multilabel(
    name: str,
    labels: int,
    *,
    head: Head | None = None,
    error: Meter | None = None,
    label: str | None = None,
    missing: float = math.nan,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """Several yes-or-no labels of one kind: logits (N, labels), labels (N, labels) of 0 and 1, each may be missing.

    Args:
        labels: number of labels.
        head: None: `linear_head` on everything that leaves the last block.
        error: makes the error meter; None: `MultiLabelAucError`.
        label: key of the label tensor in the data; None: the task's name.
        missing: entries that are not there: NaN for float labels; integers need a number, e.g. -1.
        weight: factor of the loss.
        reference_error: error of a useless network; None: that of guessing, 0.5, for `MultiLabelAucError`.
    """
    _at_least(name, "labels", labels, 1)
    return Task(
        name,
        head=head or linear_head(labels),
        loss=BinaryCrossEntropy(missing),
        distillation=soft_binary_cross_entropy,
        error=error or _marking(MultiLabelAucError, missing),
        label=label,
        missing=missing,
        weight=weight,
        reference_error=0.5 if reference_error is None and error in (None, MultiLabelAucError) else reference_error,
        targets=partial(as_numbers, missing=missing),
        check=partial(check_binary, labels=labels, missing=missing),
    )


def regression(
    name: str,
    outputs: int | None = None,
    *,
    head: Head | None = None,
    error: Meter | None = None,
    label: str | None = None,
    missing: float = math.nan,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """Numbers: outputs and labels (N,), or (N, outputs) of which each may be missing; mean squared error, its root.

    Bring labels to a spread of about 1, so that the loss does not drown those of other tasks.

    Args:
        outputs: numbers per sample; None: one, without a dimension of its own.
        head: None: `linear_head` on everything that leaves the last block.
        error: makes the error meter; None: `RootMeanSquaredError`, in the label's unit.
        label: key of the label in the data; None: the task's name.
        missing: entries that are not there.
        weight: factor of the loss.
        reference_error: error of a useless network, e.g. the label's standard deviation; None: found by the search.
    """
    if outputs is not None:
        _at_least(name, "outputs", outputs, 1)
    return Task(
        name,
        head=head or linear_head(outputs),
        loss=MeanSquare(missing),
        distillation=mean_square_distance,
        error=error or _marking(RootMeanSquaredError, missing),
        label=label,
        missing=missing,
        weight=weight,
        reference_error=reference_error,
        targets=partial(as_numbers, missing=missing),
        check=partial(check_numbers, trailing=() if outputs is None else (outputs,), missing=missing),
    )


def pixel_classification(
    name: str,
    classes: int,
    *,
    head: Head | None = None,
    error: Meter | None = None,
    label: str | None = None,
    missing: int = -100,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """A class per pixel: outputs (N, classes, H, W), integer labels (N, H, W); cross-entropy, 1 - mean IoU.

    Args:
        classes: number of classes; labels run from 0 to classes - 1.
        head: None: `pixel_head` at the size that leaves the last block; give ``pixel_head(classes, size=(H, W))`` for
            labels of another size.
        error: makes the error meter; None: `MeanIouError`.
        label: key of the label in the data; None: the task's name.
        missing: class of pixels that have none, often 255.
        weight: factor of the loss.
        reference_error: error of a useless network; None: that of guessing classes that are equally frequent,
            1 - 1 / (2 * classes - 1), for `MeanIouError`.
    """
    _at_least(name, "classes", classes, 2)
    # Guessing 1 of C equally frequent classes: intersection 1 / C^2 of all pixels, union 2 / C - 1 / C^2.
    guessing = 1 - 1 / (2 * classes - 1)
    return Task(
        name,
        head=head or pixel_head(classes),
        loss=CrossEntropy(missing),
        distillation=soft_cross_entropy,
        error=error or _marking(MeanIouError, missing),
        label=label,
        missing=missing,
        weight=weight,
        reference_error=guessing if reference_error is None and error in (None, MeanIouError) else reference_error,
        targets=partial(one_hot, classes=classes, missing=missing),
        check=partial(check_classes_at, places=PIXELS, classes=classes, missing=missing),
    )


def pixel_regression(
    name: str,
    channels: int = 1,
    *,
    head: Head | None = None,
    error: Meter | None = None,
    label: str | None = None,
    missing: float = math.nan,
    weight: float = 1.0,
    reference_error: float | None = None,
) -> Task:
    """Numbers per pixel, e.g. depth: outputs and labels (N, channels, H, W); mean squared error, its root.

    Args:
        channels: numbers per pixel.
        head: None: `pixel_head` at the size that leaves the last block; give ``pixel_head(channels, size=(H, W))`` for
            labels of another size.
        error: makes the error meter; None: `RootMeanSquaredError` over all pixels that are there.
        label: key of the label in the data; None: the task's name.
        missing: value of pixels that have none; depth cameras often say 0.
        weight: factor of the loss.
        reference_error: error of a useless network, e.g. the label's standard deviation; None: found by the search.
    """
    _at_least(name, "channels", channels, 1)
    return Task(
        name,
        head=head or pixel_head(channels),
        loss=MeanSquare(missing),
        distillation=mean_square_distance,
        error=error or _marking(RootMeanSquaredError, missing),
        label=label,
        missing=missing,
        weight=weight,
        reference_error=reference_error,
        targets=partial(as_numbers, missing=missing),
        check=partial(check_numbers_at, places=PIXELS, outputs=channels, missing=missing),
    )


def step_classification(name: str, classes: int, *, head: Head | None = None, missing: int = -100, **more: Any) -> Task:
    """A class per step of a series: outputs (N, classes, L), integer labels (N, L); else as `pixel_classification`.

    Args:
        classes: number of classes; labels run from 0 to classes - 1.
        head: None: `step_head` for what one-dimensional convolutions give; give ``step_head(classes, tokens=True)`` for
            tokens, and ``length=L`` for labels of another length.
        missing: class of steps that have none, such as those behind the end of a shorter series.
        more: other arguments of `pixel_classification`.
    """
    task = pixel_classification(name, classes, head=head or step_head(classes), missing=missing, **more)
    return replace(task, check=partial(check_classes_at, places=STEPS, classes=classes, missing=missing))


def step_regression(
    name: str, outputs: int = 1, *, head: Head | None = None, missing: float = math.nan, **more: Any
) -> Task:
    """Numbers per step, e.g. a forecast: outputs and labels (N, outputs, L); else as `pixel_regression`.

    Args:
        outputs: numbers per step.
        head: None: `step_head` for what one-dimensional convolutions give; give ``step_head(outputs, tokens=True)`` for
            tokens, and ``length=L`` for labels of another length.
        missing: value of steps that have none.
        more: other arguments of `pixel_regression`.
    """
    task = pixel_regression(name, outputs, head=head or step_head(outputs), missing=missing, **more)
    return replace(task, check=partial(check_numbers_at, places=STEPS, outputs=outputs, missing=missing))


def _at_least(task: str, what: str, value: int, least: int) -> None:
    if value < least:
        raise SpaceError(f"task '{task}' has {value} {what}, but needs at least {least}")


def _marking(meter: Callable[..., ErrorMeter], missing: float) -> Meter:
    """The meter that leaves out entries marked ``missing``; the class itself where that is its default."""
    default: float = meter().missing  # type: ignore[attr-defined]
    same = missing == default or (math.isnan(missing) and math.isnan(default))
    return meter if same else partial(meter, missing=missing)
