"""Several batches for one optimizer step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mtnas.space.data import Batch
from mtnas.space.task import Task


def in_groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Groups of ``size`` batches; the last one has what is left."""
    source = iter(batches)
    while group := list(islice(source, size)):
        yield group


def label_shares(tasks: Sequence[Task], batches: Sequence[Batch]) -> list[dict[str, float]]:
    """For every batch each task's share of the labelled samples of all of them, by task name.

    Losses are means over a batch's labelled samples. Added up with these shares, they are the means over all batches,
    whatever the sizes of the batches and wherever labels are missing.
    """
    if len(batches) == 1:
        return [{task.name: 1.0 for task in tasks}]
    counts = [{task.name: int(task.labelled(task.label_of(labels)).sum()) for task in tasks} for _, labels in batches]
    totals = {task.name: max(1, sum(count[task.name] for count in counts)) for task in tasks}
    return [{name: count / totals[name] for name, count in found.items()} for found in counts]
