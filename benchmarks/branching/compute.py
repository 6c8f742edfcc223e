"""How much a method computes, in trainings of the true tree."""

from __future__ import annotations

from benchmarks.branching.network import STEPS
from benchmarks.branching.problem import Problem


class Meter:
    """Adds up the nodes that a method computes; heads count nothing.

    One unit is one training of the true tree: its nodes x 2,500 steps x the samples to train on. A node that is only
    computed forward counts a third of one that is trained. Training the tree that a method settles on is not
    counted: every method needs that.

    Args:
        problem: says what the true tree and the samples are.
        steps: of the training that is one unit.
    """

    def __init__(self, problem: Problem, steps: int = STEPS) -> None:
        self.samples = len(problem.x)
        self.one = problem.truth.node_count * steps * self.samples
        self.total = 0.0

    def trained(self, nodes: int, steps: int = 1, samples: int | None = None) -> None:
        """``nodes`` were computed forward and backward in each of ``steps``, on all samples or on so many."""
        self.total += nodes * steps * (self.samples if samples is None else samples)

    def judged(self, nodes: int, samples: int) -> None:
        """``nodes`` were computed forward, once."""
        self.total += nodes * samples / 3

    @property
    def units(self) -> float:
        return self.total / self.one
