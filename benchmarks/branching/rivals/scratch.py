"""Trees trained from scratch and put in order by their validation errors."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.branching.compute import Meter
from benchmarks.branching.network import LEARNING_RATE, WEIGHT_DECAY, Forest, errors, fit
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found, best
from mtnas.architecture import Tree


def best_trained(
    problem: Problem,
    trees: Sequence[Tree],
    seed: int,
    width: int,
    note: str,
    *,
    steps: int,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> Found:
    """Train each tree once, from initial weights of the same seed, and take the one of the lowest mean error."""
    meter = Meter(problem)
    forest = Forest(trees, width, problem.inputs, [seed] * len(trees))
    fit(forest, problem.x, problem.y, steps, learning_rate, weight_decay)
    meter.trained(forest.node_count, steps)
    meter.judged(forest.node_count, len(problem.x_valid))
    means = errors(forest, problem.x_valid, problem.y_valid).mean(-1).tolist()
    return best(dict(zip(trees, means, strict=True)), meter.units, note)
