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
from mtnas.space.operators import conv, inverted_residual, separable_conv, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.training import TrainingSettings

# Channels are few, so that tasks compete for them: with plenty, hard sharing would cost nothing and win.
# No stem: the first block can branch, so that the fully split network really is one network per task.
blocks = (
    # The canvas has one channel, on which separable and inverted convolutions would save nothing.
    Block("edges", {"conv3": conv(8, 3, stride=2), "conv5": conv(8, 5, stride=2)}),
    Block(
        "strokes",
        {
            "conv3": conv(12, 3),
            "separable5": separable_conv(12, 5),
            "inverted3x2": inverted_residual(12, 3, expansion=2),
            "inverted5x3": inverted_residual(12, 5, expansion=3),
        },
    ),
    # The shape stays, so that this block may be left out: that is how depth is searched.
    Block(
        "shapes",
        {
            "conv3": conv(12, 3),
            "separable3": separable_conv(12, 3),
            "inverted3x3": inverted_residual(12, 3, expansion=3),
            "skip": skip(12),
        },
    ),
    Block(
        "digits",
        {
            "conv3": conv(16, 3, stride=2),
            "separable3": separable_conv(16, 3, stride=2),
            "inverted3x3": inverted_residual(16, 3, expansion=3, stride=2),
            "skip": skip(16, stride=2),
        },
    ),
)

# Heads see all 3x3 places (linear_head flattens): averaged over them, nothing would tell the two digits apart.
space = SearchSpace(
    tasks=[
        classification("left_digit", 10),
        classification("left_even", 2),
        classification("right_digit", 10),
        classification("right_even", 2),
    ],
    blocks=blocks,
)


# Steps are so small that a second thread would only wait.
training = TrainingSettings(epochs=70, learning_rate=1e-2, shared_warmup=0.6, random_networks=2, threads=1)

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
