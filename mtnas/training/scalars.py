"""TensorBoard scalars of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtnas.architecture import ArchitectureSpace
from mtnas.branching import Branching


@contextmanager
def scalars(
    folder: Path,
    space: ArchitectureSpace,
    history: Sequence[Mapping[str, Any]],
    branching: Callable[[], Branching | None],
    wanted: bool,
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write figures of epochs for TensorBoard: those of the history now, others by calling what this gives.

    The files are derived from the training history and written anew each time, so that no epoch is lost or there twice,
    wherever a training was interrupted.

    Args:
        folder: for the event files; those that are there are replaced.
        space: names of tasks and blocks.
        history: epochs so far.
        branching: gives what was learned about it, once it was.
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
        if "branching" in entry and (learned := branching()) is not None:
            for step, figures in courses_of(learned, space):
                for tag, value in figures.items():
                    writer.add_scalar(tag, value, step)
        writer.flush()

    with SummaryWriter(str(folder)) as writer:
        for entry in history:
            write(entry)
        yield write


def scalars_of(entry: Mapping[str, Any], space: ArchitectureSpace) -> dict[str, float]:
    """Figures of one epoch by tag. Losses of tasks without a label are left out.

    Of the epoch in which branch points learned there are those of `branch_scalars`, too.
    """
    scalars = {f"loss/{name}": loss for name, loss in entry["losses"].items() if loss is not None}
    scalars["learning_rate"] = entry["learning_rate"]
    learned = entry.get("branching", {"budgets": [], "entropy": [], "probabilities": []})
    for share, entropy, labels in zip(learned["budgets"], learned["entropy"], learned["probabilities"], strict=True):
        scalars.update(branch_scalars(f"{share:g}", entropy, labels, space))
    return scalars


def courses_of(branching: Branching, space: ArchitectureSpace) -> Iterator[tuple[int, dict[str, float]]]:
    """How branch points learned: figures by tag after some steps of theirs, as ``<budget>, learning``."""
    for share, course in zip(branching.shares, branching.courses, strict=True):
        for step, entropy, labels in zip(course.steps, course.entropies, course.probabilities, strict=True):
            yield step, branch_scalars(f"{share:g}, learning", entropy, labels, space)


def branch_scalars(
    name: str,
    entropy: Sequence[Sequence[float]],
    labels: Sequence[Sequence[Sequence[float]]],
    space: ArchitectureSpace,
) -> dict[str, float]:
    """Figures of branch points by tag.

    ``branch/<name>/<block>/<task>/<other>`` is the probability that the task picks the label of another, or its own
    (with fewer copies of a block than tasks, that of a copy), and ``branch_entropy/<name>`` the mean entropy of the
    choices.
    """
    choices = [value for row in entropy for value in row]
    scalars = {f"branch_entropy/{name}": sum(choices) / len(choices)}
    points = [block.name for block in space.blocks if block.branching]
    for block, rows in zip(points, labels, strict=True):
        for task in range(1, len(space.tasks)):  # the first task has no choice
            for label in range(min(task + 1, space.most_groups)):
                other = f"copy {label}" if space.limited else space.tasks[label]
                scalars[f"branch/{name}/{block}/{space.tasks[task]}/{other}"] = rows[task][label]
    return scalars
