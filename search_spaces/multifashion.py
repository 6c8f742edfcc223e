"""Two pieces of clothing on one canvas (MultiFashion, arXiv 1912.12854), two questions about each.

Needs Fashion-MNIST's idx files in ``<data directory>/fashion_mnist``, or Debian's package dataset-fashion-mnist.
`mnist_fashion.py` beside this file is the harder mix of a digit and a piece of clothing.
"""

from __future__ import annotations

from pathlib import Path

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.data import Data
from mtnas.space.datasets import fashion_group, fashion_mnist, overlay_splits
from mtnas.space.heads import linear_head
from mtnas.space.operators import conv_blocks
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.training import TrainingSettings


def widened(factor: float) -> SearchSpace:
    """The space with all channels multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    channels = [max(1, round(count * factor)) for count in (16, 24, 24, 32, 32)]
    return SearchSpace(
        # Pooled to 3x3: small heads that still know which corner they look at.
        tasks=[
            classification("left_item", 10, head=linear_head(10, pool=3)),
            classification("left_group", 5, head=linear_head(5, pool=3)),
            classification("right_item", 10, head=linear_head(10, pool=3)),
            classification("right_group", 5, head=linear_head(5, pool=3)),
        ],
        # 36x36 -> 18x18 -> 9x9 -> 9x9 -> 5x5 -> 5x5: strided early, so that training is cheap.
        blocks=conv_blocks(channels, strides=(2, 2, 1, 2, 1)),
    )


space = widened(1)

# A network on its own bears more weight decay than the supernetwork, where every network keeps the others from fitting
# what they saw by heart: by validation errors 0.1 and 0.3 are best of 0.0001 to 1. With the smallest network in a
# quarter of the steps, inherited errors rank candidates as errors alone do, which they do not with it in every step.
training = TrainingSettings(
    epochs=16, learning_rate=1e-2, weight_decay=0.1, smallest_share=0.25, shared_warmup=0.5, threads=1
)
refining = RefineSettings(weight_decay=0.3, threads=1)

# Fewer costs make a sharper search; every task's error is in the results all the same.
searching = SearchSettings(
    evaluations=120, objectives=("error/mean", "params", "macs"), budgets={"params": 90_000}, threads=1
)


def data(data_dir: Path | None) -> Data:
    """30,000 training, 5,000 validation and 5,000 test pairs."""
    labels = {
        "left_item": lambda left, right: left,
        "left_group": lambda left, right: fashion_group(left),
        "right_item": lambda left, right: right,
        "right_group": lambda left, right: fashion_group(right),
    }
    fashion = fashion_mnist(data_dir)
    return Data(*overlay_splits(fashion, fashion, labels), batch_size=128, channels_last=True)
