"""A search space to start from: three questions about one synthetic image. It runs as it is, in about a minute.

    mtnas check my_space.py                          what it amounts to; nothing is trained
    mtnas run my_space.py --run runs/my_space        train, search, print the front and draw it

Change one part after the other, data, tasks, backbone, budgets, and check again: what does not fit is told at once.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mtnas.searching import SearchSettings
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.elastic import elastic
from mtnas.space.operators import conv, half_and_full, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import binary, classification, regression
from mtnas.training import TrainingSettings


# Data: any torch Dataset or DataLoader that gives (input, {label name: label}). An input is a tensor or a dict of
# tensors. A label may be missing for a sample: NaN, or -100 for classes. The sample then counts for the other tasks.
class Squares(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """A bright square somewhere on a noisy image, (1, 16, 16)."""

    def __init__(self, size: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        row, column = torch.randint(3, 13, (2, size, 1, 1), generator=draw)
        half, light = torch.randint(1, 4, (size, 1, 1), generator=draw), torch.rand(size, 1, 1, generator=draw)
        place = torch.arange(16)
        square = ((place[:, None] - row).abs() <= half) & ((place - column).abs() <= half)
        self.images = (square * (0.5 + light) + 0.3 * torch.randn(size, 16, 16, generator=draw)).unsqueeze(1)
        self.labels = {
            "corner": (2 * (row > 7) + (column > 7)).flatten(),
            "large": (half > 2).flatten().float(),
            "light": (light.flatten() - 0.5) * 12**0.5,  # a spread of 1, so that no loss drowns the others
        }

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.images[index], {name: label[index] for name, label in self.labels.items()}


def data(data_dir: Path | None) -> Data:
    """Splits that have no sample in common. ``data_dir`` is what --data-dir or MTNAS_DATA says, None without."""
    return Data(
        train=Squares(4000, seed=0), valid=Squares(1000, seed=1), test=Squares(1000, seed=2), channels_last=True
    )


# Tasks: mtnas.space.task_types has more kinds, also per pixel; mtnas.Task takes a head, loss and error of your own.
tasks = [classification("corner", 4), binary("large"), regression("light")]


# An operator of your own: any function from the shape that enters, without the batch, to a module.
def pooled(shape: tuple[int, ...]) -> nn.Module:
    """Wide, but cheap: a maximum over the neighbourhood."""
    return nn.MaxPool2d(kernel_size=3, stride=1, padding=1)


def widened(factor: float) -> SearchSpace:
    """The space with all channels multiplied: `mtnas compare` looks for plain networks of equal size with it."""
    few, many = (half_and_full(max(1, round(channels * factor))) for channels in (8, 16))
    # Backbone: cut yours into stages, and make each a block. Tasks may part in front of every block, and each branch
    # chooses an option of its own. Options give equal shapes; those of `elastic` share weights and may differ in width.
    return SearchSpace(
        tasks,
        blocks=[
            Block("edges", elastic(conv, channels=few, kernel=(3, 5), stride=2)),
            Block("parts", elastic(conv, channels=few, kernel=(1, 3))),
            Block("context", {"pooled": pooled, "skip": skip()}),
            Block("whole", elastic(conv, channels=many, kernel=(1, 3), stride=2)),
        ],
        # stem=...: what stays in front of the first block, shared by all tasks; a pretrained part, for example.
    )


space = widened(1)

# Budgets: hard limits on params, macs, an error such as error/corner, latency_ms or size_kib. Objectives are every
# task's error, params and macs, unless objectives=["error/mean", "macs"] or the like says otherwise.
searching = SearchSettings(evaluations=60, budgets={"params": 6_000}, threads=1)

# More epochs for your data: the supernetwork is trained once, and every candidate is judged with its weights.
# threads=1 is for networks this small, which gain nothing from more; leave it out otherwise.
training = TrainingSettings(epochs=24, learning_rate=1e-2, threads=1)
