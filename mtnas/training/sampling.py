"""Which sub-networks a training step goes through."""

from __future__ import annotations

import random
from collections.abc import Callable

from mtnas.architecture import Architecture, ArchitectureSpace, CostTable, Tree
from mtnas.training.settings import TrainingSettings


class Sandwich:
    """The sandwich rule (universally slimmable networks, arXiv 1903.05134) on trees.

    A step trains the largest sub-network of a tree, then the smallest of all, then random ones: the extremes bound what
    lies between, and the largest teaches the others. But the smallest is always the same network: trained in every step
    it gets better with inherited weights than it is alone, and all others worse, which spoils their ranking. So in some
    steps one more random one takes its place.

    Args:
        space: what to draw from.
        costs: tell the largest and smallest options.
        extremes: whether to train the largest and smallest in each step.
        random_count: number of random sub-networks.
        smallest_share: probability that a step with extremes trains the smallest and not one more random one.
    """

    def __init__(
        self, space: ArchitectureSpace, costs: CostTable, *, extremes: bool, random_count: int, smallest_share: float
    ) -> None:
        self.space, self.costs = space, costs
        self.extremes, self.random_count, self.smallest_share = extremes, random_count, smallest_share
        self.shared = Tree.shared(len(space.tasks), len(space.blocks))
        self.smallest = costs.uniform(space, self.shared, "params", largest=False)

    @classmethod
    def of(cls, space: ArchitectureSpace, costs: CostTable, settings: TrainingSettings) -> Sandwich:
        """The one that a training with these settings has."""
        return cls(
            space,
            costs,
            extremes=settings.sandwich,
            random_count=settings.random_networks,
            smallest_share=settings.smallest_share,
        )

    def draw_parting(self, rng: random.Random) -> Architecture:
        """A sub-network in which all tasks part at one branch point, of the largest options or of random ones."""
        place = rng.choice(self.space.split_depths[:-1])
        tree = Tree.parting(len(self.space.tasks), len(self.space.blocks), place)
        if rng.random() < 0.5:
            return self.costs.uniform(self.space, tree, "params", largest=True)
        return self.space.draw_options(tree, rng)

    def draw(self, tree: Callable[[], Tree], rng: random.Random) -> list[Architecture]:
        """Sub-networks of one step, the teacher first if there is one.

        Args:
            tree: draws the tree of each of them but the smallest.
            rng: draws the options.
        """
        drawn = [self.space.draw_options(tree(), rng) for _ in range(self.random_count)]
        if not self.extremes:
            return drawn
        small = self.smallest
        # Nothing is drawn where nothing is left to chance: a seed trains as it did before there was a choice.
        if self.smallest_share < 1 and rng.random() >= self.smallest_share:
            small = self.space.draw_options(tree(), rng)
        return [self.costs.uniform(self.space, tree(), "params", largest=True), small, *drawn]
