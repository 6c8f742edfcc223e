"""What fits, but will train badly, not repeat or mislead, as inputs and labels without a common scale."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from mtnas.progress import number
from mtnas.space.data import Data
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace


def remarks(
    space: SearchSpace,
    data: Data,
    found: DryRun,
    *,
    samples: int = 128,
    largest_ratio: float = 30.0,
    largest_input: float = 30.0,
) -> list[str]:
    """Sentences on what makes tasks drown each other, or networks learn slowly, in some training samples.

    Args:
        found: by a dry run of the space.
        samples: that are looked at.
        largest_ratio: of a task's weighted loss to the median of all, or of that to it, with outputs of zero.
        largest_input: root mean square of an input's feature that is remarked on.

    Raises:
        DataError: for labels that are not there.
    """
    batches = list(data.some_batches("train", samples))
    inputs = [x if isinstance(x, Mapping) else {"": x} for x, _ in batches]
    told: list[str] = []
    for name in inputs[0]:
        told += _on_input(name, torch.cat([x[name] for x in inputs]), largest_input)
    losses = {}
    for task, shape in zip(space.tasks, found.outputs, strict=True):
        label = torch.cat([task.label_of(labels) for _, labels in batches])
        with torch.no_grad():
            loss = task.loss_on(torch.zeros(len(label), *shape), label)
        if loss is not None and math.isfinite(value := task.weight * float(loss)):
            losses[task.name] = value
    told += _on_losses(losses, largest_ratio)
    return [*told, *_on_chance(data.changing), *_on_overlaps(data.overlaps), *_on_ends(data.without_length)]


def _on_ends(without_length: Sequence[str]) -> Iterator[str]:
    if without_length:
        yield (
            f"nobody knows whether the samples of {' and '.join(without_length)} end: an epoch and a judgement take all"
            " that a stream gives, so that one without an end is read for ever; let it end, as by itertools.islice, and"
            " give it a __len__ if it does"
        )


def _on_overlaps(overlaps: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for (one, other), count in overlaps.items():
        yield (
            f"{one} and {other} have {count:,} sample{'s' * (count > 1)} in common: what is told of one is not told by"
            " samples that the other has not seen; give each samples of its own"
        )


def _on_chance(changing: Sequence[str]) -> Iterator[str]:
    if changing:
        yield (
            f"the samples of {' and '.join(changing)} are others each time they are read, by a random generator of"
            " their own: trainings will not repeat exactly, and other data of the same size and labels will not be"
            " noticed; draw from torch's, numpy's or Python's global generators, which are set"
        )


def _on_input(name: str, x: Tensor, largest: float) -> Iterator[str]:
    if not x.is_floating_point():
        return
    axes = [axis for axis in range(x.dim()) if axis != 1]
    size = x.double().square().mean(axes).sqrt()  # (features or channels,)
    if size.numel() and float(size.max()) > largest:
        what = f"the input '{name}'" if name else "the input"
        where = f" in feature {int(size.argmax())}" if size.numel() > 1 else ""
        yield f"{what} is about {number(float(size.max()))} large{where}: scale it, networks learn best from about 1"


def _on_losses(losses: Mapping[str, float], largest: float) -> Iterator[str]:
    if len(losses) < 2 or min(losses.values()) <= 0:
        return
    usual = statistics.median_low(losses.values())
    for name, loss in losses.items():
        begins = f"task '{name}' begins with a loss of about {number(loss)}, others with {number(usual)}"
        remedy = "scale its labels to a spread of about 1, or give it another Task(weight=)"
        if loss > largest * usual:
            yield f"{begins}: it will drown them; {remedy}"
        elif usual > largest * loss:
            yield f"{begins}: it will be drowned; {remedy}"
