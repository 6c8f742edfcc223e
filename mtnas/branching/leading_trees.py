"""The trees that affinities speak for within a budget."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from mtnas.architecture import Affinities, Architecture, ArchitectureSpace, BlockChoices, Tree, mutate
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.node_costs import NodeCosts


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
    patience: int = 15,
    kept: int = 40,
) -> list[RankedTree]:
    """The trees of least energy within a budget, best first.

    Trees are drawn from branch points and then improved: the best so far are varied, by the operators of the genome and
    by tasks that change places, and the better ones kept, until that finds nothing better.

    Args:
        space: whose trees are meant.
        affinities: of its tasks.
        costs: of the nodes.
        budget: largest cost.
        seed: of draws and variations.
        points: draw the trees to begin with; None: every label is as likely.
        count: trees that are wanted.
        draws: trees to begin with.
        patience: rounds of variation without a better tree among the best ``count`` that end it.
        kept: trees that are varied in every round.

    Returns:
        At most ``count`` trees; hard sharing alone where even that is above the budget.
    """
    bare = _bare(space)
    points = points or BranchPoints(space)
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    shared = Tree.shared(len(space.tasks), len(space.blocks))
    pool = {shared: affinities.energy(shared)}
    _take(pool, [points.sample(generator) for _ in range(draws)], affinities, costs, budget)
    still = 0
    while still < patience:
        best = _best(pool, max(kept, count))
        varied = [_varied(bare, tree, rng) for tree in best[:kept] for _ in range(8)]
        _take(pool, varied, affinities, costs, budget)
        still = 0 if _best(pool, count) != best[:count] else still + 1
    ranked = _best(pool, count)
    leaders = np.array([tree.leaders for tree in ranked])
    noise, cost = affinities.difference_noise(leaders, ranked[0]), costs.of(leaders)
    confidence = affinities.confidences(leaders, seed)
    return [
        RankedTree(
            tree, pool[tree], float(cost[i]), pool[tree] - pool[ranked[0]], float(noise[i]), float(confidence[i])
        )
        for i, tree in enumerate(ranked)
    ]


def cheapest_tied(ranked: Iterable[RankedTree], *, deviations: float = 2.0) -> RankedTree:
    """The cheapest of the trees that are behind the best by no more than some standard errors: where tasks do not care,
    nothing is spent on keeping them apart."""
    return min(
        (one for one in ranked if one.behind <= deviations * one.noise),
        key=lambda one: (one.cost, one.energy, one.tree),
    )


def _best(pool: Mapping[Tree, float], count: int) -> list[Tree]:
    return heapq.nsmallest(count, pool, key=lambda tree: (pool[tree], tree))


def _varied(space: ArchitectureSpace, tree: Tree, rng: random.Random) -> Tree:
    """A tree near another one."""
    if tree.tasks > 2 and rng.random() < 0.4:
        return _exchanged(tree, *rng.sample(range(tree.tasks), 2))
    return mutate(space, Architecture.uniform(tree, _names(space)), rng).tree


def _exchanged(tree: Tree, one: int, other: int) -> Tree:
    """The tree in which two tasks have changed places."""
    place = {one: other, other: one}
    return Tree.from_groups(
        [[place.get(task, task) for task in group] for group in tree.groups(block)] for block in range(tree.blocks)
    )


def _take(
    pool: dict[Tree, float], trees: Iterable[Tree], affinities: Affinities, costs: NodeCosts, budget: float
) -> None:
    """Add the trees that are new and within the budget, with their energies."""
    new = sorted({tree for tree in trees if tree not in pool})
    if not new:
        return
    leaders = np.array([tree.leaders for tree in new])
    within = costs.of(leaders) <= budget * (1 + 1e-9)
    energies = affinities.energies(leaders)
    pool.update({tree: float(energies[i]) for i, tree in enumerate(new) if within[i]})


def _bare(space: ArchitectureSpace) -> ArchitectureSpace:
    """The space with one option in every block: its members are trees."""
    return replace(space, blocks=tuple(BlockChoices(block.name, ("node",), block.branching) for block in space.blocks))


def _names(space: ArchitectureSpace) -> tuple[str, ...]:
    return tuple(block.options[0] for block in space.blocks)
