"""The data and questions of `digits.py` for a small vision transformer: blocks are encoders, tokens are patches.

Which digit stands top left, and is it even? The same bottom right. The means over all tokens that heads see hold both
digits, so that tasks about different corners compete for the few channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.block import Block, Operator
from mtnas.space.data import Data
from mtnas.space.datasets import digit_overlays
from mtnas.space.elastic import elastic
from mtnas.space.operators import encoder, patch_embedding, token_head, token_skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.training import TrainingSettings


def _encoders(head_width: int) -> Mapping[str, Operator]:
    """Two or four heads, a hidden layer as wide as the tokens or twice: four sizes of one block, with its weights."""
    return elastic(encoder, heads=(2, 4), mlp_ratio=(1, 2), head_width=head_width)


def widened(factor: float) -> SearchSpace:
    """The space with all widths multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    width, head_width = (max(1, round(size * factor)) for size in (24, 6))
    # Encoders keep the width, so that all but the first may be left out: that is how depth is searched.
    deeper = {**_encoders(head_width), "skip": token_skip()}
    blocks = (Block("first", _encoders(head_width)), Block("second", deeper), Block("third", deeper))
    tasks = [
        classification("left_digit", 10, head=token_head(10)),
        classification("left_even", 2, head=token_head(2)),
        classification("right_digit", 10, head=token_head(10)),
        classification("right_even", 2, head=token_head(2)),
    ]
    # 12x12 pixels become 4x4 patches. The stem is shared by all: it is 3 % of one network's parameters.
    return SearchSpace(tasks, blocks, stem=patch_embedding(width, patch=3))


space = widened(1)

# Transformers overfit so few digits: with the default's 1e-4 a fifth more of the validation answers are wrong (seed 0).
training = TrainingSettings(
    epochs=60, learning_rate=5e-3, weight_decay=0.1, shared_warmup=0.6, random_networks=2, threads=1
)

# Half of what four separate networks of the largest operators need.
searching = SearchSettings(evaluations=120, budgets={"params": 30_000}, threads=1)

refining = RefineSettings(weight_decay=0.1, threads=1)


def data(data_dir: Path | None) -> Data:
    """4,000 training, 1,000 validation and 1,000 test pairs of scikit-learn's digits; needs no data directory."""
    labels = {
        "left_digit": lambda left, right: left,
        "left_even": lambda left, right: (left % 2 == 0).long(),
        "right_digit": lambda left, right: right,
        "right_even": lambda left, right: (right % 2 == 0).long(),
    }
    return Data(*digit_overlays(labels, train=4000, valid=1000, test=1000))
