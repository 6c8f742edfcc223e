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
            TrainingError: naming the task whose loss is not finite, or all of them where what the network gives is not.
        """
        losses = {
            task.name: task.loss(self.of_labelled(task, outputs[task.name]), self._labels[task.name])
            for task in self.tasks
            if task.name in outputs
        }
        # One look for all: on an accelerator each makes the program wait.
        if losses and not bool(torch.isfinite(torch.stack([loss.detach().float() for loss in losses.values()])).all()):
            raise TrainingError(self._blamed(outputs, losses))
        return losses

    def _blamed(self, outputs: Mapping[str, Tensor], losses: Mapping[str, Tensor]) -> str:
        """What makes losses not finite."""
        bad = {name: loss for name, loss in losses.items() if not bool(torch.isfinite(loss))}
        lost = [name for name in bad if not bool(torch.isfinite(outputs[name]).all())]
        if lost:
            return (
                f"the network's outputs for {', '.join(lost)} are not finite, so its weights or inputs are not, and no"
                " label is to blame; look for inputs and for gradients of losses that are not finite, or lower the"
                " learning rate"
            )
        name, loss = next(iter(bad.items()))
        return (
            f"the loss of task '{name}' is {float(loss.detach())}; look for labels that are not finite,"
            " or lower the learning rate"
        )
