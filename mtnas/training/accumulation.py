"""Several batches for one optimizer step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch

from mtnas.space.data import Batch
from mtnas.space.task import Task
from mtnas.training.group import ALONE, Group


def in_groups(batches: Iterable[Batch | None], size: int) -> Iterator[list[Batch | None]]:
    """Groups of ``size`` batches; the last one has what is left."""
    source = iter(batches)
    while group := list(islice(source, size)):
        yield group


def label_shares(
    tasks: Sequence[Task],
    batches: Sequence[Batch | None],
    group: Group = ALONE,
    device: torch.device = torch.device("cpu"),  # noqa: B008 - a value
) -> list[dict[str, float]]:
    """For every batch each task's share of the labelled samples of all of them, by task name.

    Losses are means over a batch's labelled samples. Added up with these shares, they are the means over all batches,
    whatever the sizes of the batches and wherever labels are missing.

    Args:
        tasks: to learn.
        batches: of this process; None: it has no part of that one.
        group: whose processes have the other parts of the batches.
        device: on which the group adds up.
    """
    if len(batches) == 1 and group.alone:
        return [{task.name: 1.0 for task in tasks}]
    counts = [_labelled(tasks, batch) for batch in batches]
    summed = group.sum([float(sum(count[task.name] for count in counts)) for task in tasks], device)
    totals = {task.name: max(1.0, total) for task, total in zip(tasks, summed, strict=True)}
    return [{name: count / totals[name] for name, count in found.items()} for found in counts]


def _labelled(tasks: Sequence[Task], batch: Batch | None) -> dict[str, int]:
    """Number of labelled samples of every task."""
    if batch is None:
        return {task.name: 0 for task in tasks}
    return {task.name: int(task.labelled(task.label_of(batch[1])).sum()) for task in tasks}
