"""Weighting by learned uncertainty (arXiv 1705.07115)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtnas.errors import TrainingError
from mtnas.limits import check_number
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.loss_weights import LossWeighting


@dataclass(frozen=True)
class UncertaintyWeighting(TaskWeighting):
    """Every task learns the log-variance s of its noise; its loss L becomes exp(-s) L + s (arXiv 1705.07115, eq. 7).

    That is twice the paper's term, so that training starts at the plain losses, with s = 0. exp(-s) tends to 1 / L:
    tasks of unlike scales get steps of like size. `Task.weight` multiplies the whole term, so that it stays a factor
    between tasks instead of being learned away.

    Args:
        learning_rate: of Adam on the log-variances, constant.
    """

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        check_number(TrainingError, "learning_rate of the uncertainty weighting", self.learning_rate, above=0)

    def begin(self, tasks: Sequence[str], device: torch.device) -> LossWeighting:
        return _Uncertainty(tasks, device, self.learning_rate)


class _Uncertainty(LossWeighting):
    def __init__(self, tasks: Sequence[str], device: torch.device, learning_rate: float) -> None:
        # One parameter each: Adam passes over one without gradient, but would move an element of a vector by momentum.
        self.log_variances = {name: nn.Parameter(torch.zeros((), device=device)) for name in tasks}
        self.optimizer = torch.optim.Adam(list(self.log_variances.values()), lr=learning_rate)

    def begin_step(self, seed: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def total(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        terms = []
        for name, loss in losses.items():
            s = self.log_variances[name]
            terms.append(weights[name] * ((-s).exp() * loss + s))
        return torch.stack(terms).sum()

    def learned(self) -> Sequence[nn.Parameter]:
        return list(self.log_variances.values())

    def end_step(self) -> None:
        self.optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        held = {f"log_variance.{name}": value.detach() for name, value in self.log_variances.items()}
        return {**held, **optimizer_tensors("optimizer", self.optimizer)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.log_variances.items():
                value.copy_(tensors[f"log_variance.{name}"])
        load_optimizer("optimizer", self.optimizer, tensors)
