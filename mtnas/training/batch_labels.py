"""The labels of one batch, looked through once for all sub-networks that learn from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtnas.errors import TrainingError
from mtnas.space.task import Task


class BatchLabels:
    """Which tasks have labels in a batch, and on which samples.

    Args:
        tasks: those to learn.
        labels: of the batch, as the data gives them.
    """

    def __init__(self, tasks: Sequence[Task], labels: Mapping[str, Tensor]) -> None:
        self.tasks: list[Task] = []
        """Those with a label in this batch."""
        self._labels: dict[str, Tensor] = {}
        self._samples: dict[str, Tensor | None] = {}  # None: all
        for task in tasks:
            label = task.label_of(labels)
            labelled = task.labelled(label)
            if not bool(labelled.any()):
                continue
            complete = bool(labelled.all())
            self.tasks.append(task)
            self._labels[task.name] = label if complete else label[labelled]
            self._samples[task.name] = None if complete else labelled

    def of_labelled(self, task: Task, output: Tensor) -> Tensor:
        """A task's output for the samples that have its label."""
        labelled = self._samples[task.name]
        return output if labelled is None else output[labelled]

    def losses(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Loss of every task that has a label in this batch and an output, not yet weighted.

        Raises:
            TrainingError: naming the task whose loss is not finite.
        """
        losses = {
            task.name: task.loss(self.of_labelled(task, outputs[task.name]), self._labels[task.name])
            for task in self.tasks
            if task.name in outputs
        }
        # One look for all: on an accelerator each makes the program wait.
        if losses and not bool(torch.isfinite(torch.stack([loss.detach().float() for loss in losses.values()])).all()):
            name, loss = next((n, value) for n, value in losses.items() if not bool(torch.isfinite(value)))
            raise TrainingError(
                f"the loss of task '{name}' is {float(loss.detach())}; look for labels that are not finite,"
                " or lower the learning rate"
            )
        return losses
