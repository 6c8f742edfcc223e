"""Two overlapping pieces of clothing, pixel by pixel: an example of dense tasks and of a data set of one's own.

Needs Fashion-MNIST's idx files as `multifashion.py` does, whose canvases these are. One task names the left piece, one
says for every pixel which piece is seen there, and one paints the left piece as it looks without the other in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.data import Data
from mtnas.space.datasets import Overlays, fashion_mnist, overlay_splits
from mtnas.space.heads import linear_head, pixel_head
from mtnas.space.operators import conv_blocks
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification, pixel_classification, pixel_regression
from mtnas.training import TrainingSettings

SIDE = 36
NOTHING, LEFT, RIGHT = range(3)
MEAN, DEVIATION = 0.17, 0.32
"""Of the pixels to paint, so that the loss of this task is of the size of the others'."""


class Scenes(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """The canvases of some overlays: ``(x, labels)``, x (1, 36, 36) from 0 to 1.

    ``left_item`` is the class of the piece at the top left, ``seen`` (36, 36) the piece that each pixel shows, and
    ``left_whole`` (1, 36, 36) the left piece alone, in standard deviations from the mean.
    """

    def __init__(self, overlays: Overlays) -> None:
        self.overlays = overlays

    def __len__(self) -> int:
        return len(self.overlays)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, dict[str, Tensor]]]:
        """A batch at once, which torch's loaders ask for where they can."""
        chosen = torch.as_tensor(indices)
        left, right = self.overlays.layers(chosen)
        canvases = torch.maximum(left, right)
        columns = {
            "left_item": self.overlays.labels["left_item"][chosen],
            "seen": torch.where(left >= right, LEFT, RIGHT).where(canvases > 0, NOTHING).squeeze(1),
            "left_whole": (left - MEAN) / DEVIATION,
        }
        rows = zip(*columns.values(), strict=True)
        return [(x, dict(zip(columns, row, strict=True))) for x, row in zip(canvases, rows, strict=True)]


def widened(factor: float) -> SearchSpace:
    """The space with all channels multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    channels = [max(1, round(count * factor)) for count in (16, 16, 32, 32)]
    return SearchSpace(
        tasks=[
            classification("left_item", 10, head=linear_head(10, pool=3)),
            # From 9x9 to 36x36 by bilinear interpolation, as dense networks usually do from a quarter of the side.
            pixel_classification("seen", 3, head=pixel_head(3, size=(SIDE, SIDE))),
            # Who paints the mean everywhere is off by one standard deviation.
            pixel_regression("left_whole", head=pixel_head(1, size=(SIDE, SIDE)), reference_error=1.0),
        ],
        blocks=conv_blocks(channels, strides=(2, 1, 2, 1)),
    )


space = widened(1)

# The rates and weight decays of `multifashion.py`.
training = TrainingSettings(epochs=16, learning_rate=1e-2, weight_decay=0.1, shared_warmup=0.5, threads=1)
refining = RefineSettings(weight_decay=0.3, threads=1)
searching = SearchSettings(
    evaluations=120, objectives=("error/mean", "params", "macs"), budgets={"params": 60_000}, threads=1
)


def data(data_dir: Path | None) -> Data:
    """10,000 training, 2,000 validation and 2,000 test scenes."""
    fashion = fashion_mnist(data_dir)
    labels = {"left_item": lambda left, right: left}
    splits = overlay_splits(fashion, fashion, labels, train=10_000, valid=2_000, test=2_000)
    return Data(*map(Scenes, splits), batch_size=128, channels_last=True)
