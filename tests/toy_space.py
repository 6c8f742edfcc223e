"""A space file that trains and searches in a second: three tasks on twelve numbers, three blocks of tiny operators."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from mtnas.searching import SearchSettings
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.meters import ErrorRate, RootMeanSquaredError
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification, regression
from mtnas.training import TrainingSettings

INPUTS, WIDTH, SAMPLES = 12, 6, 300

PAUSE_S = float(os.environ.get("TOY_PAUSE_S", "0"))
"""Seconds that every batch and every error takes longer, so that a test can stop a process in the middle of one."""


class SlowRate(ErrorRate):
    def compute(self) -> float:
        time.sleep(PAUSE_S)
        return super().compute()


class SlowSpread(RootMeanSquaredError):
    def compute(self) -> float:
        time.sleep(PAUSE_S)
        return super().compute()


def plain(shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU())


def wide(shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 10), nn.ReLU(), nn.Linear(10, WIDTH), nn.Tanh())


def skip(shape: tuple[int, ...]) -> nn.Module:
    return nn.Identity()


space = SearchSpace(
    tasks=[
        classification("quadrant", 4, error=SlowRate, reference_error=0.75),
        regression("product", error=SlowSpread),
        regression("total", error=SlowSpread),
    ],
    blocks=[
        Block("first", {"plain": plain, "wide": wide}),
        Block("middle", {"plain": plain, "wide": wide, "skip": skip}),
        Block("last", {"plain": plain, "wide": wide}),
    ],
)

training = TrainingSettings(epochs=3, learning_rate=0.03, threads=1, device="cpu")
searching = SearchSettings(evaluations=12, startup=4, threads=1)


class Numbers(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    def __init__(self, first: int, count: int) -> None:
        x = torch.randn(SAMPLES, INPUTS, generator=torch.Generator().manual_seed(7))[first : first + count]
        self.x = x
        self.labels = {
            "quadrant": 2 * (x[:, 0] > 0).long() + (x[:, 1] > 0).long(),
            "product": x[:, 2] * x[:, 3],
            "total": x.sum(1) / INPUTS**0.5,
        }
        self.labels["product"][::5] = torch.nan  # not every sample has every label

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[index], {name: label[index] for name, label in self.labels.items()}


def collate(samples: list[Any]) -> Any:
    if len(samples) > 1:
        time.sleep(PAUSE_S)
    return default_collate(samples)


def data(data_dir: Path | None) -> Data:
    """Synthetic: needs no data directory."""
    return Data(
        Numbers(0, 200), Numbers(200, 60), Numbers(260, 40), batch_size=40, calibration_samples=100, collate=collate
    )
