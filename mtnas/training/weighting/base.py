"""What a task weighting is: settings, which are a value, and the state that they make for one training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StepPart:
    """One sub-network on one batch: a part of a training step, whose gradients are added up over its parts.

    Attributes:
        losses: float32 scalar of every task that has a label in the batch, by task name; not yet weighted.
        weights: factor of every task's loss: `Task.weight`, times the batch's share of the task's labels in this step
            if the step has several batches.
        parts: number of sub-networks of the step; gradients are divided by it.
        sharers: number of tasks that use each weight of the sub-network, by parameter. Counted when called.
    """

    losses: Mapping[str, Tensor]
    weights: Mapping[str, float]
    parts: int
    sharers: Callable[[], Mapping[nn.Parameter, int]]


class WeightingState(ABC):
    """A weighting at work in one training.

    For every epoch `begin_epoch`; for every optimizer step `begin_step`, `backward` for each part that has a loss, and
    `end_step` when the weights have moved. A resumed training calls `load` first.
    """

    # Not abstract: most weightings need few of these.

    def begin_epoch(self, history: Sequence[Mapping[str, Any]]) -> None:  # noqa: B027
        """Take the finished epochs: each has ``losses``, the mean loss of every task by name, None without labels."""

    def begin_step(self, seed: int) -> None:  # noqa: B027
        """Take the step's seed, the same in a resumed training: the only source of chance to use."""

    @abstractmethod
    def backward(self, part: StepPart) -> None:
        """Add the gradients of a part, divided by ``part.parts``, to ``grad`` of the supernetwork's weights."""

    def learned(self) -> Sequence[nn.Parameter]:
        """What the weighting learns by gradients that `backward` adds, the same in all processes of a training."""
        return ()

    def end_step(self) -> None:  # noqa: B027
        """Move what the weighting itself learns."""

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold, by name. State that follows from the history or the step's seed need not be."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Inverse of `tensors`; these are on the CPU."""


class TaskWeighting(ABC):
    """How the losses of several tasks become one step: settings only.

    Subclasses are best frozen dataclasses of numbers and texts: then `to_json` is theirs without a line of code.
    """

    @abstractmethod
    def begin(self, tasks: Sequence[str], device: torch.device) -> WeightingState:
        """State for one training of these tasks, by name, in their order."""

    def to_json(self) -> dict[str, Any]:
        """``{"name": class name, ...settings}``, kept in the manifest: a run refuses another weighting."""
        names: list[str] = [field.name for field in fields(self)] if is_dataclass(self) else []
        return {"name": type(self).__name__, **{name: getattr(self, name) for name in names}}
