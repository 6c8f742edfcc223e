"""The loss of several tasks on one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtnas.errors import TrainingError
from mtnas.space.task import Task


def task_losses(
    tasks: Sequence[Task], outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Loss of every task that has a label in this batch, not yet weighted.

    Raises:
        TrainingError: naming the task whose loss is not finite.
    """
    losses = {}
    for task in tasks:
        if task.name not in outputs:
            continue
        loss = task.loss_on(outputs[task.name], task.label_of(labels))
        if loss is None:
            continue
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss of task '{task.name}' is {float(loss.detach())}; look for labels that are not finite,"
                " or lower the learning rate"
            )
        losses[task.name] = loss
    return losses


def weighted_sum(tasks: Sequence[Task], losses: Mapping[str, Tensor]) -> Tensor | None:
    """Sum of the losses times their tasks' weights; None if there is none."""
    terms = [task.weight * losses[task.name] for task in tasks if task.name in losses]
    return torch.stack(terms).sum() if terms else None
