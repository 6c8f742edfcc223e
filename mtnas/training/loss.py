"""The loss of several tasks on one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtnas.space.task import Task
from mtnas.training.batch_labels import BatchLabels


def task_losses(
    tasks: Sequence[Task], outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Loss of every task that has a label in this batch, not yet weighted.

    Raises:
        TrainingError: naming the task whose loss is not finite, or all of them where what the network gives is not.
    """
    present = [task for task in tasks if task.name in outputs]
    return BatchLabels(present, labels).losses(outputs)


def weighted_sum(tasks: Sequence[Task], losses: Mapping[str, Tensor]) -> Tensor | None:
    """Sum of the losses times their tasks' weights; None if there is none."""
    terms = [task.weight * losses[task.name] for task in tasks if task.name in losses]
    return torch.stack(terms).sum() if terms else None
