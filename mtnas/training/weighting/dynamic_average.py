"""Dynamic weight average (arXiv 1803.10704)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mtnas.errors import TrainingError
from mtnas.limits import check_number
from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.loss_weights import FactorWeighting


@dataclass(frozen=True)
class DynamicWeightAverage(TaskWeighting):
    """Tasks whose loss falls slowly get more weight (arXiv 1803.10704, eq. 7).

    With the epoch means L_k of the losses on labels: w_k = L_k(t-1) / L_k(t-2), and the factor of task k is
    K exp(w_k / temperature) / sum_i exp(w_i / temperature), so that the K factors add up to K. Where w_k cannot be
    told, it is 1: in the first two epochs, for a task without labels in either epoch, and if the earlier loss is not
    above 0.

    Args:
        temperature: of the softmax; large: equal weights.
    """

    temperature: float = 2.0

    def __post_init__(self) -> None:
        check_number(TrainingError, "temperature", self.temperature, above=0)

    def begin(self, tasks: Sequence[str], device: torch.device) -> FactorWeighting:
        return _Dynamic(tasks, self.temperature)


class _Dynamic(FactorWeighting):
    def __init__(self, tasks: Sequence[str], temperature: float) -> None:
        super().__init__()
        self.tasks, self.temperature = tuple(tasks), temperature

    def begin_epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        rates = {name: _rate(history, name) / self.temperature for name in self.tasks}
        largest = max(rates.values())  # taken off, since the exponential of a large rate would overflow
        shares = {name: math.exp(rate - largest) for name, rate in rates.items()}
        self.factors = {name: len(shares) * share / sum(shares.values()) for name, share in shares.items()}


def _rate(history: Sequence[Mapping[str, Any]], name: str) -> float:
    """w_k of a task."""
    if len(history) < 2:
        return 1.0
    earlier, last = (entry["losses"].get(name) for entry in history[-2:])
    if earlier is None or last is None or earlier <= 0:
        return 1.0
    return float(last / earlier)
