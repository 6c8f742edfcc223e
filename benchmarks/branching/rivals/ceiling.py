"""What training each tree can do: the ceiling of all that judge trees one by one."""

from __future__ import annotations

from benchmarks.branching.network import STEPS
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.rivals.scratch import best_trained
from benchmarks.branching.trees import trees_within


def find(problem: Problem, seed: int, width: int, *, steps: int = STEPS, most: int = 100) -> Found:
    """Train every tree of exactly the true node count from scratch, once; the best by validation.

    Args:
        most: trees that may be trained.

    Raises:
        ValueError: if there are more.
    """
    nodes = problem.truth.node_count
    trees = [tree for tree in trees_within(problem.tasks, problem.blocks, nodes) if tree.node_count == nodes]
    if len(trees) > most:
        raise ValueError(
            f"at most {most} trees may be trained, but {len(trees)} have {nodes} nodes; give a larger most"
        )
    return best_trained(problem, trees, seed, width, f"all {len(trees)} trees of {nodes} nodes", steps=steps)
