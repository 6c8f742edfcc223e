"""TensorBoard scalars of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtnas.architecture import ArchitectureSpace


@contextmanager
def scalars(
    folder: Path, space: ArchitectureSpace, history: Sequence[Mapping[str, Any]], wanted: bool
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write figures of epochs for TensorBoard: those of the history now, others by calling what this gives.

    The files are derived from the training history and written anew each time, so that no epoch is lost or there twice,
    wherever a training was interrupted.

    Args:
        folder: for the event files; those that are there are replaced.
        space: names of tasks and blocks.
        history: epochs so far.
        wanted: False: nothing is written.
    """
    if not wanted:
        yield lambda entry: None
        return
    from torch.utils.tensorboard.writer import SummaryWriter  # an optional package

    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()

    def write(entry: Mapping[str, Any]) -> None:
        for tag, value in scalars_of(entry, space).items():
            writer.add_scalar(tag, value, entry["epoch"])
        writer.flush()

    with SummaryWriter(str(folder)) as writer:
        for entry in history:
            write(entry)
        yield write


def scalars_of(entry: Mapping[str, Any], space: ArchitectureSpace) -> dict[str, float]:
    """Figures of one epoch by tag. Losses of tasks without a label are left out.

    Of the epoch in which branch points learned, ``branch/<budget>/<block>/<task>/<other>`` is the probability that the
    task picks the label of another, or its own (with fewer copies of a block than tasks, that of a copy), and
    ``branch_entropy/<budget>`` the mean entropy of the choices.
    """
    scalars = {f"loss/{name}": loss for name, loss in entry["losses"].items() if loss is not None}
    scalars["learning_rate"] = entry["learning_rate"]
    learned = entry.get("branching", {"budgets": [], "entropy": [], "probabilities": []})
    points = [block.name for block in space.blocks if block.branching]
    for share, entropy, probabilities in zip(*learned.values(), strict=True):
        choices = [value for row in entropy for value in row]
        scalars[f"branch_entropy/{share:g}"] = sum(choices) / len(choices)
        for block, rows in zip(points, probabilities, strict=True):
            for task in range(1, len(space.tasks)):  # the first task has no choice
                for label in range(min(task + 1, space.most_groups)):
                    name = f"copy {label}" if space.limited else space.tasks[label]
                    scalars[f"branch/{share:g}/{block}/{space.tasks[task]}/{name}"] = rows[task][label]
    return scalars
