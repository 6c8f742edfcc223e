"""Branch points learned from affinities: the distribution over trees that a budget asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from mtnas.architecture import Affinities, ArchitectureSpace, Tree
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.leading_trees import leading_trees
from mtnas.branching.node_costs import NodeCosts


@dataclass(frozen=True)
class FitSettings:
    """How branch points are learned.

    Args:
        leading: trees of least energy within the budget that they start from; the marginals of several that differ
            much draw trees that are like none of them, and may end beyond the budget.
        steps: of Adam.
        samples: trees drawn for each step, at least 2.
        learning_rate: of Adam on the logits.
        price: of exceeding the budget, in what other trees may gain over hard sharing, for the cost of splitting all.
        keep_every: steps after which probabilities are shown to who watches; so are the first and the last.
    """

    leading: int = 1
    steps: int = 200
    samples: int = 64
    learning_rate: float = 0.05
    price: float = 4.0
    keep_every: int = 20


def fit_branch_points(
    space: ArchitectureSpace,
    affinities: Affinities,
    costs: NodeCosts,
    share: float,
    seed: int,
    settings: FitSettings | None = None,
    watch: Callable[[int, BranchPoints], None] | None = None,
) -> BranchPoints:
    """Branch points of least expected energy that draw trees within a budget, as far as noise lets them know.

    They minimise E[energy + price * excess over the budget] - tau * entropy. With tau the typical standard error of
    what one pair of tasks adds to an energy, that is the mean-field approximation of the Boltzmann distribution of the
    trees at the temperature of the noise: where affinities do not tell trees apart, the distribution stays wide. (Of
    the labels, strictly: where it is wide, trees that many labels stand for weigh more.)

    Such a distribution has many local optima, so the logits start from the leading tree (from the marginals of several,
    weighted by exp(-energy / tau), if so many are wanted). Trees are then drawn by Gumbel-max. An energy takes no
    network to compute, so the gradient is that of the score function with the other draws as the baseline (arXiv
    1903.10346), which is unbiased; starting from even choices, and the straight-through Gumbel-softmax, both ended in
    worse trees (docs/branching.md).

    Args:
        space: whose trees are meant.
        affinities: of its tasks.
        costs: of the nodes.
        share: budget, as a share of the way from hard sharing, 0, to the fully split tree, 1.
        seed: of the draws.
        settings: None: `FitSettings()`.
        watch: is shown the branch points at the start, then as `FitSettings.keep_every` says, with the steps so far.
    """
    settings = settings or FitSettings()
    points = BranchPoints(space).double()
    if points.logits.numel() == 0 or len(space.tasks) == 1:
        return points
    tau = max(1e-6, float(torch.from_numpy(affinities.noise).square().mean().sqrt()) / len(space.tasks))
    least, most = costs.range(space)
    budget = costs.budget(space, share)
    # Asked for a few more than one, the search for them is more patient.
    leading = leading_trees(space, affinities, costs, budget, seed, count=max(5, settings.leading))[: settings.leading]
    weights = torch.softmax(torch.tensor([-one.behind / tau for one in leading], dtype=torch.float64), 0)
    points.follow([one.tree for one in leading], weights)
    shared = Tree.shared(len(space.tasks), len(space.blocks))
    # Where tasks gain by each other's company, sharing all may cost nothing while some trees beyond the budget gain.
    gain = max(1e-9, affinities.energy(shared), -affinities.least_energy)
    price = settings.price * gain / max(1e-9, most - least)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(points.parameters(), lr=settings.learning_rate)
    watch = watch or (lambda step, points: None)
    watch(0, points)
    for step in range(1, settings.steps + 1):
        labels = points.draw(settings.samples, generator)
        leaders = points.leaders_of(labels)
        excess = (costs.of(leaders) - budget).clip(0)
        value = torch.from_numpy(affinities.energies(leaders) + price * excess)
        # Less the mean of the other draws: (n / (n - 1)) * (value - mean).
        ahead = (value - value.mean()) * (len(value) / (len(value) - 1))
        optimizer.zero_grad(set_to_none=True)
        loss = (ahead * points.log_probability(labels)).mean() - tau * points.nats()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % settings.keep_every == 0 or step == settings.steps:
            watch(step, points)
    return points
