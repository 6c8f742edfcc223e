"""A two-task estimator: a tree is judged by networks of two tasks only.

Every pair of tasks is trained at every depth at which the two can part; a tree's score adds up what its pairs had at
the depths at which it parts them (Standley et al., arXiv 1905.07553, judge groupings by their pairs; TreeMTL, arXiv
2203.05092, does so at every branching point).
"""

from __future__ import annotations

from itertools import combinations

import torch

from benchmarks.branching.compute import Meter
from benchmarks.branching.network import LEARNING_RATE, STEPS, WEIGHT_DECAY, Forest, errors, fit
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found, best
from benchmarks.branching.trees import trees_within
from mtnas.architecture import Tree


def find(
    problem: Problem,
    seed: int,
    width: int,
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> Found:
    """The best by the sum over pairs of validation errors, among trees of at most the true node count."""
    blocks = problem.blocks
    pairs = list(combinations(range(problem.tasks), 2))
    jobs = [(pair, depth) for pair in pairs for depth in range(blocks + 1)]
    trees = [Tree(((0, 0),) * depth + ((0, 1),) * (blocks - depth)) for _, depth in jobs]
    y, y_valid = (
        torch.stack([labels[:, list(pair)] for pair, _ in jobs]) for labels in (problem.y, problem.y_valid)
    )  # (jobs, samples, 2)
    forest = fit(
        Forest(trees, width, problem.inputs, [seed] * len(jobs)), problem.x, y, steps, learning_rate, weight_decay
    )
    meter = Meter(problem)
    meter.trained(forest.node_count, steps)
    meter.judged(forest.node_count, len(problem.x_valid))
    table = dict(zip(jobs, errors(forest, problem.x_valid, y_valid).mean(-1).tolist(), strict=True))
    scores = {
        tree: sum(table[pair, shared_blocks(tree, pair)] for pair in pairs)
        for tree in trees_within(problem.tasks, blocks, problem.truth.node_count)
    }
    return best(scores, meter.units, f"{len(jobs)} two-task trainings")


def shared_blocks(tree: Tree, pair: tuple[int, int]) -> int:
    """Number of blocks that two tasks share."""
    a, b = pair
    return sum(row[a] == row[b] for row in tree.leaders)
