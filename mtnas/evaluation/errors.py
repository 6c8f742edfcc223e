"""Errors of a network on data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from mtnas.errors import DataError
from mtnas.space.data import Batch
from mtnas.space.shapes import to_device
from mtnas.space.task import Task


def task_errors(network: nn.Module, tasks: Sequence[Task], batches: Iterable[Batch]) -> dict[str, float]:
    """Error of every task that the network computes, by task name.

    Args:
        network: in evaluation mode; ``network(x) -> {task name: output}``.
        tasks: those to judge; the ones that the network does not compute are left out.
        batches: judged together as one set; samples without a task's label do not count for it.
    """
    meters = {task.name: task.error() for task in tasks}
    computed: dict[str, int] = {}
    device = next(network.parameters()).device
    with torch.no_grad():
        for x, labels in batches:
            outputs = network(to_device(x, device))
            for task in tasks:
                if task.name not in outputs:
                    continue
                label = task.label_of(labels).to(device)
                labelled = task.labelled(label)
                count = int(labelled.sum())
                computed[task.name] = computed.get(task.name, 0) + count
                if count:
                    meters[task.name].update(outputs[task.name][labelled], label[labelled])
    for name, count in computed.items():
        if count == 0:
            raise DataError(f"task '{name}' has no labelled sample in the data that judges it; give it at least one")
    return {name: meters[name].compute() for name in computed}
