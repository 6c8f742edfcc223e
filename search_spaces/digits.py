"""Two handwritten digits on one small canvas, two questions about each: runs anywhere, in minutes.

Which digit stands top left, and is it even? The same bottom right. Tasks about one corner help each other, tasks about
different corners compete for the same filters: there is something to find between one network and four.
"""

from __future__ import annotations

from pathlib import Path

from mtnas.refining import RefineSettings
from mtnas.searching import SearchSettings
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.datasets import digit_overlays
from mtnas.space.elastic import elastic
from mtnas.space.operators import conv, half_and_full, inverted_residual, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.training import TrainingSettings


def widened(factor: float) -> SearchSpace:
    """The space with all channels multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    # Channels are few, so that tasks compete for them: with plenty, hard sharing would cost nothing and win.
    few, some, many = (half_and_full(max(1, round(channels * factor))) for channels in (8, 12, 16))
    # Sizes of an operator share its weights (`elastic`): what is trained for one helps all, and all are ready to use.
    # No stem: the first block can branch, so that the fully split network really is one network per task.
    blocks = (
        Block("edges", elastic(conv, channels=few, kernel=(3, 5), stride=2)),
        Block("strokes", elastic(conv, channels=some, kernel=(1, 3))),
        # Width and side stay, so that this block may be left out: that is how depth is searched.
        Block("shapes", {**elastic(inverted_residual, channels=None, kernel=(3, 5), expansion=(1, 3)), "skip": skip()}),
        Block("digits", elastic(conv, channels=many, kernel=(1, 3), stride=2)),
    )
    # Heads see all 3x3 places (linear_head flattens): averaged over them, nothing would tell the two digits apart.
    tasks = [
        classification("left_digit", 10),
        classification("left_even", 2),
        classification("right_digit", 10),
        classification("right_even", 2),
    ]
    return SearchSpace(tasks, blocks)


space = widened(1)

# Steps are so small that a second thread would only wait.
# 42 epochs of hard sharing, 4 in which tasks part, 28 of all trees.
training = TrainingSettings(epochs=74, learning_rate=1e-2, shared_warmup=0.57, random_networks=2, threads=1)

# Half of what four separate networks of the largest operators need.
searching = SearchSettings(evaluations=120, budgets={"params": 11_000}, threads=1)

refining = RefineSettings(threads=1)


def data(data_dir: Path | None) -> Data:
    """4,000 training, 1,000 validation and 1,000 test pairs of scikit-learn's digits; needs no data directory."""
    labels = {
        "left_digit": lambda left, right: left,
        "left_even": lambda left, right: (left % 2 == 0).long(),
        "right_digit": lambda left, right: right,
        "right_even": lambda left, right: (right % 2 == 0).long(),
    }
    return Data(*digit_overlays(labels, train=4000, valid=1000, test=1000), channels_last=True)
