"""Three questions about a person in a census, from the answers to all others: a table instead of images.

Needs census-income.test.gz and/or census-income.data.gz of UCI's "Census-Income (KDD)" in the data directory or its
folder ``census_income_kdd``.
"""

from __future__ import annotations

from pathlib import Path

from mtnas.searching import SearchSettings
from mtnas.space.block import Block, Operator
from mtnas.space.data import Data
from mtnas.space.datasets import CATEGORY_SIZES, census_income
from mtnas.space.operators import dense, dense_residual, dense_skip, join_columns
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import binary
from mtnas.training import TrainingSettings


def deeper(width: int) -> dict[str, Operator]:
    """Options of the blocks after the first: the width stays, so that any of them may be left out."""
    return {
        "dense": dense(width),
        "residual_half": dense_residual(width, expansion=0.5),
        "residual2": dense_residual(width, expansion=2),
        "skip": dense_skip(width),
    }


def widened(factor: float) -> SearchSpace:
    """The space with all widths multiplied by a factor: `mtnas compare` looks for baselines of equal size with it."""
    width, vector = (max(1, round(size * factor)) for size in (64, 4))
    # 115 columns leave the stem; from here on all blocks have one width. A skip is a linear layer here.
    first = {"dense": dense(width), "residual2": dense_residual(width, expansion=2), "skip": dense_skip(width)}
    return SearchSpace(
        # 1 - ROC AUC, not the error rate: 6% earn above 50,000 dollars, so that always saying no would be 94% right.
        tasks=[binary("income"), binary("never_married"), binary("college")],
        blocks=(Block("first", first), Block("second", deeper(width)), Block("third", deeper(width))),
        # Embeddings are shared by all tasks: most are of rare values that no task alone sees often.
        stem=join_columns(CATEGORY_SIZES, width=vector),
    )


space = widened(1)

training = TrainingSettings(epochs=10, shared_warmup=0.5, threads=1)
searching = SearchSettings(evaluations=100, budgets={"params": 100_000}, threads=1)


def data(data_dir: Path | None) -> Data:
    """Own 80/10/10 split of the rows that are there."""
    # Rows are small: large batches keep the work in the matrix products.
    return Data(*census_income(data_dir), batch_size=512, eval_batch_size=4096, calibration_samples=4096)
