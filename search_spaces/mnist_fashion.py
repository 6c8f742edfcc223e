"""A handwritten digit top left, a piece of clothing bottom right (Multi-Fashion+MNIST, arXiv 1912.12854).

Needs the idx files of MNIST and Fashion-MNIST in ``<data directory>/mnist`` and ``<data directory>/fashion_mnist``.
Tasks about different kinds of images share less than those of `multifashion.py`, whose blocks these are.
"""

from __future__ import annotations

from pathlib import Path

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.data import Data
from mtnas.space.datasets import fashion_group, fashion_mnist, mnist, overlay_splits
from mtnas.space.heads import linear_head
from mtnas.space.operators import conv_blocks
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import binary, classification
from mtnas.training import TrainingSettings


def widened(factor: float) -> SearchSpace:
    """The space with all channels multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    channels = [max(1, round(count * factor)) for count in (16, 24, 24, 32, 32)]
    return SearchSpace(
        tasks=[
            classification("digit", 10, head=linear_head(10, pool=3)),
            binary("even", head=linear_head(None, pool=3)),
            classification("item", 10, head=linear_head(10, pool=3)),
            classification("group", 5, head=linear_head(5, pool=3)),
        ],
        blocks=conv_blocks(channels, strides=(2, 2, 1, 2, 1)),
    )


space = widened(1)

# The rates and weight decays of `multifashion.py`.
training = TrainingSettings(epochs=16, learning_rate=1e-2, weight_decay=0.1, shared_warmup=0.5, threads=1)
refining = RefineSettings(weight_decay=0.3, threads=1)
searching = SearchSettings(
    evaluations=120, objectives=("error/mean", "params", "macs"), budgets={"params": 90_000}, threads=1
)


def data(data_dir: Path | None) -> Data:
    """30,000 training, 5,000 validation and 5,000 test pairs."""
    labels = {
        "digit": lambda digit, item: digit,
        "even": lambda digit, item: (digit % 2 == 0).float(),
        "item": lambda digit, item: item,
        "group": lambda digit, item: fashion_group(item),
    }
    return Data(*overlay_splits(mnist(data_dir), fashion_mnist(data_dir), labels), batch_size=128, channels_last=True)
