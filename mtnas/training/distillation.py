"""In-place distillation: within a step, the largest sub-network teaches the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from mtnas.space.task import Task


def mix_with_teacher(
    tasks: Sequence[Task],
    losses: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    teacher: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    share: float,
) -> dict[str, Tensor]:
    """Losses of which ``share`` is the distance to the teacher's outputs (slimmable networks, arXiv 1903.05134).

    A task without a `distillation` keeps its loss. Samples without a label take no part, as everywhere.

    Args:
        losses: on the labels, by task name.
        outputs: of the sub-network that learns.
        teacher: outputs of the teacher, without gradient.
        share: 0 (labels only) to 1 (teacher only).
    """
    mixed = dict(losses)
    for task in tasks:
        if task.distillation is None or task.name not in losses or share == 0:
            continue
        labelled = task.labelled(task.label_of(labels))
        distance = task.distillation(outputs[task.name][labelled], teacher[task.name][labelled])
        mixed[task.name] = (1 - share) * losses[task.name] + share * distance
    return mixed
