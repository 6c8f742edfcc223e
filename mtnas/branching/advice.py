"""What a training says about a budget: the trees that it speaks for, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from mtnas.architecture import ArchitectureSpace, CostTable, Tree
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.branching import Branching
from mtnas.branching.fit import fit_branch_points
from mtnas.branching.leading_trees import RankedTree, cheapest_tied, leading_trees
from mtnas.branching.node_costs import NodeCosts


@dataclass(frozen=True)
class Choice:
    """One choice of the branch points.

    Attributes:
        block: name of the block.
        task: name of the task that chooses.
        entropy: over that of an even choice: 0 is certain, 1 is even.
        largest: probability of the likeliest label.
    """

    block: str
    task: str
    entropy: float
    largest: float


@dataclass(frozen=True)
class Advice:
    """Trees within a budget.

    Attributes:
        budget: largest cost of the nodes of a tree, of stem and heads.
        trees: best first.
        choices: of the branch points of this budget.
        find_cheapest: searches for `cheapest`.
    """

    budget: float
    trees: tuple[RankedTree, ...]
    choices: tuple[Choice, ...]
    find_cheapest: Callable[[], Tree] = field(repr=False, compare=False)

    @cached_property
    def cheapest(self) -> Tree:
        """The cheapest tree that noise alone may have put behind the best one, see `cheapest_tied`."""
        return self.find_cheapest()

    @property
    def sure(self) -> bool:
        """Whether the first tree stays the best in most redraws of the affinities within their noise."""
        return self.trees[0].sure

    @property
    def even(self) -> bool:
        """Whether the branch points are near an even choice: a tree read from them would mean nothing."""
        return not self.choices or sum(one.entropy for one in self.choices) / len(self.choices) > 0.9

    def to_json(self, space: ArchitectureSpace) -> dict[str, Any]:
        return {
            "budget": self.budget,
            "sure": self.sure,
            "near_even": self.even,
            "cheapest_tied": str(self.cheapest),
            "trees": [
                {"tree": str(one.tree), "groups": _groups(one.tree, space), "energy": one.energy, "behind": one.behind,
                 "noise": one.noise, "confidence": one.confidence, "cost": one.cost}
                for one in self.trees
            ],
            "choices": [vars(one) for one in self.choices],
        }  # fmt: skip


def advise(
    space: ArchitectureSpace,
    table: CostTable,
    branching: Branching,
    share: float,
    seed: int,
    *,
    cost: str = "params",
    count: int = 10,
    considered: int = 200,
) -> Advice:
    """The trees that affinities speak for within a budget; any budget, from the one training.

    Args:
        space: of the run.
        table: its costs.
        branching: what its training learned.
        share: budget, as a share of the way from hard sharing, 0, to the fully split tree, 1, with options of average
            cost.
        seed: of draws.
        cost: an exact cost.
        count: trees to tell of.
        considered: trees among which confidence is told.
    """
    costs = NodeCosts.mean(space, table, cost)
    budget = costs.budget(space, share)
    affinities = branching.affinities
    # Those of the training learned within budgets of params.
    known = dict(zip(branching.shares, branching.points, strict=True)) if cost == "params" else {}
    points = known.get(share) or fit_branch_points(space, affinities, costs, share, seed)
    ranked = leading_trees(space, affinities, costs, budget, seed, points, count=considered)
    cheapest = partial(cheapest_tied, space, affinities, costs, ranked[0].tree, seed)
    return Advice(budget, tuple(ranked[:count]), _choices(space, points), cheapest)


def _choices(space: ArchitectureSpace, points: BranchPoints) -> tuple[Choice, ...]:
    entropy = points.entropy().detach().tolist()
    largest = points.probabilities().detach().amax(-1).tolist()
    blocks = [block.name for block in space.blocks if block.branching]
    return tuple(
        Choice(block, task, entropy[at][number], largest[at][number + 1])
        for at, block in enumerate(blocks)
        for number, task in enumerate(space.tasks[1:])
    )


def _groups(tree: Tree, space: ArchitectureSpace) -> Mapping[str, list[list[str]]]:
    return {
        block.name: [[space.tasks[task] for task in group] for group in tree.groups(at)]
        for at, block in enumerate(space.blocks)
    }
