"""What a training learned about branching: affinities, and a distribution over trees for each of several budgets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mtnas.architecture import Affinities, ArchitectureSpace, Tree
from mtnas.branching.branch_points import BranchPoints
from mtnas.branching.course import Course
from mtnas.branching.fit import FitSettings, fit_branch_points
from mtnas.branching.node_costs import NodeCosts
from mtnas.errors import ArchitectureError, brief
from mtnas.json_values import finite, listed
from mtnas.seeds import derive_seed


@dataclass(frozen=True)
class Branching:
    """Affinities of the tasks and the branch points that they teach.

    Attributes:
        affinities: of all pairs of tasks at all branch points.
        shares: budgets, each a share of the way from hard sharing's params, 0, to those of the fully split tree, 1.
        points: branch points of each budget.
        courses: how each of these learned.
    """

    affinities: Affinities
    shares: tuple[float, ...]
    points: tuple[BranchPoints, ...]
    courses: tuple[Course, ...]

    @classmethod
    def learn(
        cls,
        space: ArchitectureSpace,
        affinities: Affinities,
        costs: NodeCosts,
        shares: Sequence[float],
        seed: int,
        settings: FitSettings | None = None,
    ) -> Branching:
        """Branch points for every budget, all from the same affinities."""
        points, courses = [], []
        for index, share in enumerate(shares):
            seen = Course([], [], [])
            own = derive_seed(seed, "budget", index)
            points.append(fit_branch_points(space, affinities, costs, share, own, settings, seen.add))
            courses.append(seen)
        return cls(affinities, tuple(shares), tuple(points), tuple(courses))

    def draw_tree(self, rng: random.Random) -> Tree:
        """A tree from the branch points of one of the budgets."""
        points = self.points[rng.randrange(len(self.points))]
        return points.sample(torch.Generator().manual_seed(rng.getrandbits(63)))

    def figures(self) -> dict[str, Any]:
        """Entropy of every choice (0: certain, 1: even) and the probability of every label, for every budget."""
        with torch.no_grad():
            return {
                "budgets": list(self.shares),
                "entropy": [points.entropy().tolist() for points in self.points],
                "probabilities": [points.probabilities().tolist() for points in self.points],
            }

    # JSON -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "affinities": self.affinities.to_json(),
            "budgets": [
                {"share": share, "logits": points.logits.detach().tolist(), "course": course.to_json()}
                for share, points, course in zip(self.shares, self.points, self.courses, strict=True)
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: ArchitectureSpace) -> Branching:
        """What a training of a space learned.

        Raises:
            ArchitectureError: if it is not that.
        """
        try:
            affinities = Affinities.from_json(value["affinities"], space)
            shares, points, courses = [], [], []
            for budget in listed(value["budgets"]):
                shares.append(finite(budget["share"]))
                points.append(BranchPoints(space).double())
                logits = torch.tensor(budget["logits"], dtype=torch.float64).reshape(points[-1].logits.shape)
                if not bool(logits.isfinite().all()):
                    raise ValueError("a logit is not finite")
                points[-1].logits.data.copy_(logits)
                courses.append(Course.from_json(budget.get("course"), points[-1]))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ArchitectureError(f"not what a training learned about branching: {brief(str(error))}") from error
        return cls(affinities, tuple(shares), tuple(points), tuple(courses))
