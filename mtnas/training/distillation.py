"""In-place distillation: within a step, the largest sub-network teaches the others."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mtnas.training.batch_labels import BatchLabels


def mix_with_teacher(
    batch: BatchLabels,
    losses: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    teacher: Mapping[str, Tensor],
    share: float,
) -> dict[str, Tensor]:
    """Losses of which ``share`` is the distance to the teacher's outputs (slimmable networks, arXiv 1903.05134).

    A task without a `distillation` keeps its loss. Samples without a label take no part, as everywhere.

    Args:
        batch: tells the samples with labels.
        losses: on the labels, by task name.
        outputs: of the sub-network that learns.
        teacher: outputs of the teacher, without gradient.
        share: 0 (labels only) to 1 (teacher only).
    """
    mixed = dict(losses)
    for task in batch.tasks:
        if task.distillation is None or task.name not in losses or share == 0:
            continue
        pair = (batch.of_labelled(task, of[task.name]) for of in (outputs, teacher))
        mixed[task.name] = (1 - share) * losses[task.name] + share * task.distillation(*pair)
    return mixed
