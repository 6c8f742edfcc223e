"""Errors of a network on data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from mtnas.errors import DataError, SearchError
from mtnas.space.data import Batch
from mtnas.space.elastic import device_of
from mtnas.space.shapes import to_device
from mtnas.space.streams import not_empty, used_up
from mtnas.space.task import Task, as_number


class _Judge:
    """Collects one task's outputs and labels; samples without a label do not count."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.meter = task.error()
        self.samples = 0

    def update(self, output: Tensor, labels: Mapping[str, Tensor]) -> None:
        label = self.task.label_of(labels).to(output.device)
        labelled = self.task.labelled(label)
        count = int(labelled.sum())
        self.samples += count
        if count:
            self.meter.update(output[labelled], label[labelled])

    def compute(self) -> float:
        if self.samples == 0:
            raise DataError(
                f"task '{self.task.name}' has no labelled sample in the data that judges it; give it at least one"
            )
        return as_number(self.meter.compute())


def judge(task: Task, batches: Iterable[tuple[Tensor, Mapping[str, Tensor]]]) -> float:
    """Error of a task on batches of its outputs and of labels, taken together as one set.

    Raises:
        DataError: if no sample has a label of the task.
    """
    found = _Judge(task)
    for output, labels in batches:
        found.update(output, labels)
    return found.compute()


def task_errors(network: nn.Module, tasks: Sequence[Task], batches: Iterable[Batch]) -> dict[str, float]:
    """Error of every task that the network computes, by task name.

    Args:
        network: in evaluation mode; ``network(x) -> {task name: output}``.
        tasks: those to judge; the ones that the network does not compute are left out.
        batches: judged together as one set; samples without a task's label do not count for it.

    Raises:
        DataError: if there are none, or no sample has a label of a task.
    """
    found: dict[str, _Judge] = {}
    device = device_of(network)
    with torch.no_grad():
        for x, labels in not_empty(batches, used_up("judged")):
            outputs = network(to_device(x, device))
            for task in tasks:
                if task.name in outputs:
                    found.setdefault(task.name, _Judge(task)).update(outputs[task.name], labels)
    return {name: one.compute() for name, one in found.items()}


def as_costs(errors: dict[str, float]) -> dict[str, float]:
    """The errors by task name; SearchError if one is not a finite number, or below 0."""
    for name, error in errors.items():
        if not math.isfinite(error):
            raise SearchError(f"the error of task '{name}' is {error}; an error must be a finite number")
        if error < 0:
            raise SearchError(
                f"the error of task '{name}' is {error:g}, but errors are costs of at least 0; let it return a distance"
                " from the best there can be, such as 1 - R^2"
            )
    return errors
