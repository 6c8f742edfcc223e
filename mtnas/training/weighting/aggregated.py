"""Any aggregator of gradients, for example those of torchjd."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.errors import TrainingError
from mtnas.limits import check_number
from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.gradients import GradientWeighting


@dataclass(frozen=True)
class AggregatedGradients(TaskWeighting):
    """Gradients of the shared weights are combined by a function of their matrix.

    Made for the aggregators of torchjd (``pip install 'mtnas[torchjd]'``, MIT licence):
    ``AggregatedGradients(torchjd.aggregation.UPGrad())``; any such function will do. It cannot come back from JSON.

    Args:
        aggregator: (tasks of the batch, n) -> (n,). A weight that a task does not use is zero in its row. It keeps
            nothing from call to call, so that a resumed training goes on as if it had not stopped, and its repr() tells
            its settings, which the manifest keeps.
        scale: factor of its result. None: the number of rows, right for what returns a mean or other weights that add
            up to 1, as most do; 1 for what returns a sum, as torchjd's PCGrad does.

    Raises:
        TrainingError: for an aggregator that keeps a state, or whose repr() is an address in memory.
    """

    aggregator: Callable[[Tensor], Tensor]
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            check_number(TrainingError, "scale of the aggregated gradients", self.scale, above=0)
        if not callable(self.aggregator):
            raise TrainingError(
                f"an aggregator is a function of a matrix, for example torchjd.aggregation.UPGrad(), but got"
                f" {self.aggregator!r}"
            )
        if callable(getattr(self.aggregator, "reset", None)):
            raise TrainingError(
                f"the aggregator {self.aggregator!r} keeps a state from step to step (it has a reset), which no"
                " checkpoint would hold; use one without"
            )
        if re.search(r"\bat 0x[0-9a-fA-F]+", repr(self.aggregator)):
            raise TrainingError(
                f"the repr() of the aggregator {self.aggregator!r} is an address, so a run could not tell it from"
                " another one; give its class a __repr__ with its settings"
            )

    def begin(self, tasks: Sequence[str], device: torch.device) -> GradientWeighting:
        # A copy, so that the settings stay as they are whatever the training does with it.
        aggregator = copy.deepcopy(self.aggregator)
        return _Aggregated(aggregator.to(device) if isinstance(aggregator, nn.Module) else aggregator, self.scale)

    def to_json(self) -> dict[str, Any]:
        return {"name": type(self).__name__, "aggregator": repr(self.aggregator), "scale": self.scale}


class _Aggregated(GradientWeighting):
    def __init__(self, aggregator: Callable[[Tensor], Tensor], scale: float | None) -> None:
        self.aggregator, self.scale = aggregator, scale

    def combine(self, gradients: Tensor, uses: Tensor) -> Tensor:
        return self.aggregator(gradients) * (len(gradients) if self.scale is None else self.scale)
