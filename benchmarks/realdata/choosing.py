"""Which member of a front is trained: a rule that knows validation errors only, and was fixed before any training."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.architecture import Architecture, ArchitectureSpace, CostTable
from mtnas.errors import SearchError
from mtnas.results import MEAN_ERROR, Results, Row, corners

SINGLE_TASK, HARD_SHARING = "single-task, largest", "hard sharing, largest"
"""Names of corner networks."""


@dataclass(frozen=True)
class Rule:
    """The front member of lowest mean validation error within a share of a corner network's cost, or about that.

    Attributes:
        cost: name of an exact cost.
        share: of the corner's.
        corner: name of the corner network.
        branched: whether members that share everything are passed over, unless the front has no others.
        slack: the cheapest member is taken of those whose error is at most this much above the lowest.
    """

    cost: str
    share: float
    corner: str
    branched: bool
    slack: float = 0.0

    def limit(self, space: ArchitectureSpace, costs: CostTable) -> float:
        """Most that a member may cost."""
        return self.share * costs.of(space, corners(space, costs)[self.corner])[self.cost]

    def choose(self, results: Results) -> Row:
        """The member; of equal costs the better, then the one that was found first.

        Raises:
            SearchError: if no member fits.
        """
        limit = self.limit(results.space, results.cost_table)
        fitting = [row for row in results.front() if row.costs[self.cost] <= limit]
        if not fitting:
            raise SearchError(
                f"no member of the front has at most {limit:,.0f} {self.cost}; give the search more evaluations"
            )
        parted = [
            row for row in fitting if not shares_all(results.space, results.cost_table, row.candidate.architecture)
        ]
        wanted = parted if self.branched and parted else fitting
        most = min(row.costs[MEAN_ERROR] for row in wanted) + self.slack
        near = [row for row in wanted if row.costs[MEAN_ERROR] <= most]
        return min(near, key=lambda row: (row.costs[self.cost], row.costs[MEAN_ERROR], row.number))


def shares_all(space: ArchitectureSpace, costs: CostTable, architecture: Architecture) -> bool:
    """Whether all tasks use the same nodes. Those that cost nothing do nothing: tasks that part there do not part."""
    nodes = costs.nodes(space, architecture)
    paths = {
        tuple((block, leader) for block, (leader, _) in enumerate(architecture.path(task)) if any(nodes[block, leader]))
        for task in range(len(space.tasks))
    }
    return len(paths) == 1
