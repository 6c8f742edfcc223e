"""Tasks: what is learned from the shared input."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.errors import DataError, SpaceError, brief, unknown_name
from mtnas.limits import check_number
from mtnas.space.presence import present


class ErrorMeter(ABC):
    """Accumulates the outputs of a task over batches and turns them into one error, lower being better."""

    @abstractmethod
    def update(self, output: Tensor, label: Tensor) -> None:
        """Take one batch: ``output`` as the head gives it, ``label`` as the data gives it, labelled samples only."""

    @abstractmethod
    def compute(self) -> float:
        """The error of all that was taken."""


def as_number(value: object) -> float:
    """What a meter or a function of all outputs gave, as a number; numbers of numpy and torch are numbers, too.

    Raises:
        TypeError: if it is none, or several.
    """
    if isinstance(value, Tensor) and value.numel() != 1:
        raise TypeError(f"an error is one number, but it is a tensor of shape {tuple(value.shape)}; take its mean")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        kind = f"{brief(value)} ({type(value).__name__})"
        raise TypeError(f"an error is one number, but it is {kind}; return a number") from None


@dataclass(frozen=True)
class Task:
    """One task: a head, a loss to train on, an error to judge by, and how its label is found.

    Args:
        name: name in costs (``error/<name>``), tables and figures.
        head: makes the head for the shape that leaves the last block, e.g. ``lambda shape: nn.Linear(shape[0], 10)``;
            for a dict of shapes where a dict of tensors leaves it.
        loss: ``loss(output, label)``, a scalar tensor, the mean over the samples given. Samples without a label are
            taken out before it is called.
        error: makes an `ErrorMeter`; `on_all` makes one from a function of all outputs and labels.
        label: key of the task's label in the dict that the data yields; None: the task's name.
        missing: value that means "no label": NaN (the default) or an ignore index such as -100. A sample counts as
            unlabelled where all elements of its label are missing.
        weight: factor of the task's loss.
        reference_error: the error of a useless network, for example chance level: the reference point of the
            hypervolume. None: 1.1 times the worst error among the corner networks, fixed when a search starts.
        distillation: ``distillation(output, teacher's output)``, a scalar tensor: what a small sub-network learns from
            the largest one during training. None: the task learns from its labels only.
        targets: ``targets(label)``: labels as numbers (N, numbers, ...), such as one-hot classes, of labelled
            samples. How well these can be read from what leaves a node tells which tasks can share it. None: what the
            task's own head makes of the samples stands for them.
        check: looks at an output and a label before training and returns what is wrong with them, or None.
    """

    name: str
    head: Callable[[Any], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    error: Callable[[], ErrorMeter]
    label: str | None = None
    missing: float = math.nan
    weight: float = 1.0
    reference_error: float | None = None
    distillation: Callable[[Tensor, Tensor], Tensor] | None = None
    targets: Callable[[Tensor], Tensor] | None = None
    check: Callable[[Tensor, Tensor], str | None] | None = None

    def __post_init__(self) -> None:
        if not self.name or any(c in self.name for c in "/.+ "):
            raise SpaceError(f"a task's name must be a word without '/', '.', '+' or blanks, but got '{self.name}'")
        if self.name == "mean":
            raise SpaceError("a task cannot be named 'mean', for error/mean is the mean over all tasks; rename it")
        check_number(SpaceError, f"the weight of task '{self.name}'", self.weight, above=0)
        if self.reference_error is not None:
            check_number(SpaceError, f"reference_error of task '{self.name}'", self.reference_error, above=0)

    def label_of(self, labels: Mapping[str, Tensor]) -> Tensor:
        """The task's label in a batch of labels."""
        key = self.label or self.name
        try:
            return labels[key]
        except KeyError:
            raise DataError(f"task '{self.name}': {unknown_name('label', key, labels)}") from None

    def labelled(self, label: Tensor) -> Tensor:
        """Which samples have a label: booleans of shape (batch,)."""
        there = present(label, self.missing)
        return there.flatten(1).any(1) if there.dim() > 1 else there

    def loss_on(self, output: Tensor, label: Tensor) -> Tensor | None:
        """Loss over the labelled samples of a batch, or None if it has none: then the task takes nothing from it."""
        labelled = self.labelled(label)
        if bool(labelled.all()):
            return self.loss(output, label)
        if not bool(labelled.any()):
            return None
        return self.loss(output[labelled], label[labelled])


class CollectingMeter(ErrorMeter):
    """Keeps all outputs and labels, on the CPU, for an error that needs them together."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []
        self.labels: list[Tensor] = []

    def update(self, output: Tensor, label: Tensor) -> None:
        self.outputs.append(output.detach().cpu())
        self.labels.append(label.detach().cpu())


class _OnAll(CollectingMeter):
    def __init__(self, function: Callable[[Tensor, Tensor], float | Tensor]) -> None:
        super().__init__()
        self.function = function

    def compute(self) -> float:
        if not self.outputs:
            raise DataError("no labelled sample was seen, so there is no error to compute")
        return as_number(self.function(torch.cat(self.outputs), torch.cat(self.labels)))


def on_all(function: Callable[[Tensor, Tensor], float | Tensor]) -> Callable[[], ErrorMeter]:
    """Meter that calls ``function(outputs, labels)`` once with all labelled samples, on the CPU.

    For metrics that are not means over samples (AUC, R^2). Outputs are kept in memory until then.
    """
    return lambda: _OnAll(function)
