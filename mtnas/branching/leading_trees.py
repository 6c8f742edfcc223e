"""The trees that affinities speak for within a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mtnas.architecture import Affinities, ArchitectureSpace, Tree, limited
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.clustering import clustered_trees
from mtnas.branching.node_costs import NodeCosts
from mtnas.branching.tree_arrays import Ints, as_trees, varied


@dataclass(frozen=True)
class RankedTree:
    """A tree with what affinities say of it.

    Attributes:
        tree: the tree.
        energy: see `Affinities.energies`; lower is better.
        cost: of its nodes.
        behind: energy less that of the best tree within the budget.
        noise: standard error of ``behind``.
        confidence: share of redraws of the affinities within their noise in which it is the best of the ranked trees.
    """

    tree: Tree
    energy: float
    cost: float
    behind: float
    noise: float
    confidence: float

    @property
    def sure(self) -> bool:
        """Whether it is the best more often than all others together."""
        return self.confidence > 0.5


def leading_trees(
    space: ArchitectureSpace,
    affinities: Affinities,
    costs: NodeCosts,
    budget: float,
    seed: int,
    points: BranchPoints | None = None,
    *,
    count: int = 10,
    draws: int = 500,
    patience: int = 20,
    kept: int = 60,
) -> list[RankedTree]:
    """The trees of least energy within a budget, best first.

    Trees are drawn from branch points or come from hierarchical clustering, and are then improved: the best so far are
    varied, and the better ones kept, until that finds nothing better. No partition is ever listed, so that there may be
    a hundred tasks.

    Args:
        space: whose trees are meant.
        affinities: of its tasks.
        costs: of the nodes.
        budget: largest cost.
        seed: of draws and variations.
        points: draw the trees to begin with; None: every label is as likely.
        count: trees that are wanted.
        draws: trees to begin with.
        patience: rounds of variation without a better tree among the best five (or ``count``) that end it.
        kept: trees that are varied in every round, eight times each.

    Returns:
        At most ``count`` trees; hard sharing alone where even that is above the budget.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    points = points or BranchPoints(space)
    pool = _Pool(space, affinities, costs, budget)
    pool.add(points.draw_leaders(draws, generator))
    if len(space.tasks) > 1 and affinities.places:
        pool.add(clustered_trees(affinities, len(space.blocks), range(1, space.most_groups + 1)))
    still = 0
    while still < patience:
        before = pool.best(min(count, 5))[1]
        parents = pool.best(kept)[0]
        pool.add(limited(varied(np.repeat(parents, 8, axis=0), space.split_depths, rng), space.most_groups))
        pool.keep(max(count, kept))
        still = still + 1 if np.array_equal(before, pool.best(min(count, 5))[1]) else 0
    leaders, energies = pool.best(count)
    trees = as_trees(leaders)
    noise, cost = affinities.difference_noise(leaders, trees[0]), costs.of(leaders)
    confidence = affinities.confidences(leaders, seed)
    return [
        RankedTree(tree, *map(float, (energies[i], cost[i], energies[i] - energies[0], noise[i], confidence[i])))
        for i, tree in enumerate(trees)
    ]


def cheapest_tied(
    space: ArchitectureSpace,
    affinities: Affinities,
    costs: NodeCosts,
    best: Tree,
    seed: int,
    *,
    deviations: float = 2.0,
    levels: int = 8,
) -> Tree:
    """The cheapest tree that noise alone may have put behind the best one.

    Where tasks do not care, nothing is spent on keeping them apart: from hard sharing upwards, the leading tree of
    every level of cost is compared with the best one.

    Args:
        space: whose trees are meant.
        affinities: of its tasks.
        costs: of the nodes.
        best: of the leading trees.
        seed: of draws.
        deviations: standard errors by which a tree may be behind.
        levels: budgets that are looked at, evenly from the cost of hard sharing to that of ``best``.
    """
    least, most = costs.range(space)[0], float(costs.of([best.leaders])[0])
    for level in range(levels):
        budget = least + (most - least) * level / levels
        (found,) = leading_trees(space, affinities, costs, budget, seed, count=1)
        leaders = np.array([found.tree.leaders])
        behind = found.energy - affinities.energy(best)
        if behind <= deviations * float(affinities.difference_noise(leaders, best)[0]):
            return found.tree
    return best


class _Pool:
    """Different trees within a budget, with their energies, best first. Hard sharing is one, whatever the budget."""

    def __init__(self, space: ArchitectureSpace, affinities: Affinities, costs: NodeCosts, budget: float) -> None:
        self.affinities, self.costs, self.budget = affinities, costs, budget
        self.leaders: Ints = np.zeros((1, len(space.blocks), len(space.tasks)), dtype=np.int64)
        self.energies = affinities.energies(self.leaders)

    def add(self, leaders: Ints) -> None:
        """Take in trees, but for those above the budget."""
        leaders = leaders[self.costs.of(leaders) <= self.budget * (1 + 1e-9)]
        joined = np.concatenate([self.leaders, leaders])
        energies = np.concatenate([self.energies, self.affinities.energies(leaders)])
        _, first = np.unique(joined.reshape(len(joined), -1), axis=0, return_index=True)
        # Of equal energies the first in the order of trees, so that the result does not depend on the way to it.
        order = first[np.argsort(energies[first], kind="stable")]
        self.leaders, self.energies = joined[order], energies[order]

    def best(self, count: int) -> tuple[Ints, NDArray[np.float64]]:
        return self.leaders[:count], self.energies[:count]

    def keep(self, count: int) -> None:
        """Forget all but the best."""
        self.leaders, self.energies = self.best(count)
