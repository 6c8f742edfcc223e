"""Whether a file computes what its network does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from mtnas.errors import ExportError
from mtnas.space.data import Batch


@dataclass(frozen=True)
class Agreement:
    """Of a file's outputs with those of a network.

    Attributes:
        samples: number of real samples compared.
        largest: largest difference of an output, as a share of the largest output of its task.
        mean: mean difference, likewise.
    """

    samples: int
    largest: float
    mean: float


def agreement(file: nn.Module, network: nn.Module, batches: Iterable[Batch]) -> Agreement:
    """Compare two networks that give outputs by task name on the same inputs.

    Raises:
        ExportError: if an output's name, shape or finiteness differs.
    """
    samples, largest = 0, 0.0
    sums: dict[str, list[float]] = {}
    with torch.no_grad():
        for x, _ in batches:
            found, wanted = file(x), network(x)
            if list(found) != list(wanted):
                raise ExportError(f"the file has outputs {list(found)}, but the network has {list(wanted)}")
            for task, value in wanted.items():
                if found[task].shape != value.shape:
                    shapes = f"{tuple(found[task].shape)} in the file, but {tuple(value.shape)} in torch"
                    raise ExportError(f"output '{task}' has shape {shapes}")
                off = (found[task] - value.cpu()).abs()
                if not torch.isfinite(off).all():
                    raise ExportError(f"output '{task}' is not finite for a sample of the validation data")
                scale = float(value.abs().max()) or 1.0
                largest = max(largest, float(off.max()) / scale)
                sums.setdefault(task, []).append(float(off.mean()) / scale)
            samples += len(next(iter(wanted.values())))
    every = [value for values in sums.values() for value in values]
    return Agreement(samples, largest, sum(every) / len(every) if every else 0.0)
