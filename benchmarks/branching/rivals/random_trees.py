"""Random trees trained from scratch."""

from __future__ import annotations

import random

from benchmarks.branching.network import STEPS
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.rivals.scratch import best_trained
from benchmarks.branching.trees import trees_within
from mtnas.seeds import derive_seed


def find(problem: Problem, seed: int, width: int, *, trees: int = 6, steps: int = STEPS) -> Found:
    """Train different trees of at most the true node count, drawn uniformly; the best by validation.

    Args:
        trees: how many; all of them if there are fewer. One costs at most one unit.
    """
    members = trees_within(problem.tasks, problem.blocks, problem.truth.node_count)
    drawn = random.Random(derive_seed(seed, "random trees")).sample(members, min(trees, len(members)))
    return best_trained(problem, drawn, seed, width, f"{len(drawn)} of {len(members)} trees", steps=steps)
