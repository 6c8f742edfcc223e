"""A space that trains and searches in a second: three tasks on eight numbers, blocks of elastic widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.block import Block, Operator
from mtnas.space.data import Data
from mtnas.space.elastic import elastic
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification, regression
from mtnas.training import TrainingSettings

INPUTS = 8


def layer(width: int) -> Operator:
    return lambda shape: nn.Sequential(nn.Linear(shape[0], width), nn.ReLU())


space = SearchSpace(
    tasks=[classification("sign", 2), regression("product"), regression("sum")],
    blocks=[
        Block("first", elastic(layer, width=(4, 6))),
        Block("middle", elastic(layer, width=(5, 7))),
        Block("last", {"plain": layer(6), "wide": lambda shape: nn.Sequential(layer(9)(shape), nn.Linear(9, 6))}),
    ],
)

training = TrainingSettings(epochs=2, learning_rate=0.03, threads=1, device="cpu")
searching = SearchSettings(evaluations=14, startup=6, budgets={"params": 600}, threads=1, device="cpu")
refining = RefineSettings(epochs=2, threads=1, device="cpu")


class _Numbers(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Samples of one seeded draw, from the first on."""

    def __init__(self, first: int, count: int) -> None:
        self.x = torch.randn(300, INPUTS, generator=torch.Generator().manual_seed(3))[first : first + count]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        x = self.x[index]
        return x, {"sign": (x[0] > 0).long(), "product": x[1] * x[2], "sum": x.sum()}


def data(data_dir: Path | None) -> Data:
    """Synthetic: needs no data directory."""
    return Data(_Numbers(0, 200), _Numbers(200, 60), _Numbers(260, 40), batch_size=50, calibration_samples=100)
