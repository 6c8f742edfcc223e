"""The table of what was measured, and what can be read from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import Architecture, ArchitectureSpace, Candidate, CostTable
from mtnas.errors import SearchError, unknown_name
from mtnas.results.columns import policy_text, typed
from mtnas.results.corners import corners, largest_corner
from mtnas.results.cost_names import MEAN_ERROR
from mtnas.results.front import EXACT_COSTS_AT_MOST, hypervolume, non_dominated
from mtnas.results.running_hypervolume import hypervolume_curve

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("number", "id", "corner", "tree", "nodes", "policy", "feasible", "front", "candidate")
"""Of a table without rows."""


@dataclass(frozen=True)
class Row:
    """One evaluated candidate. ``number`` is its place in the search; ``costs`` maps cost names to measured values."""

    number: int
    candidate: Candidate
    costs: Mapping[str, float]

    @property
    def id(self) -> str:
        return self.candidate.id


@dataclass(frozen=True)
class Results:
    """Measured rows of one search. Predicted values never enter.

    Attributes:
        space: the architectures that were searched.
        cost_table: exact costs of every node.
        objectives: names of the costs that were minimised.
        budgets: hard upper limits by cost name.
        reference: reference point of the hypervolume by cost name, fixed when the search started.
        rows: evaluated candidates in the order of their evaluation.
    """

    space: ArchitectureSpace
    cost_table: CostTable
    objectives: tuple[str, ...]
    budgets: Mapping[str, float]
    reference: Mapping[str, float]
    rows: tuple[Row, ...]

    # Costs -----------------------------------------------------------------------------------------------------

    def values(self, cost: str) -> NDArray[np.float64]:
        """One cost of all rows, shape (rows,)."""
        lacking = next((row for row in self.rows if cost not in row.costs), None)
        if lacking is not None:
            raise SearchError(unknown_name("cost", cost, lacking.costs))
        return np.array([row.costs[cost] for row in self.rows], dtype=np.float64)

    def points(self, costs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Costs of all rows, shape (rows, costs); by default the objectives."""
        names = self.objectives if costs is None else tuple(costs)
        return np.array([self.values(name) for name in names], dtype=np.float64).reshape(len(names), -1).T

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which rows meet every budget by their measured costs."""
        met = np.ones(len(self.rows), dtype=bool)
        for name, limit in self.budgets.items():
            met &= self.values(name) <= limit
        return met

    # Front -----------------------------------------------------------------------------------------------------

    @cached_property
    def on_front(self) -> NDArray[np.bool_]:
        """Which rows meet every budget and are dominated by no row that does."""
        chosen = np.zeros(len(self.rows), dtype=bool)
        feasible = np.flatnonzero(self.feasible)
        if len(feasible):
            chosen[feasible[non_dominated(self.points()[feasible])]] = True
        return chosen

    def front(self, costs: Sequence[str] | None = None) -> tuple[Row, ...]:
        """Pareto-optimal rows that meet every budget, by rising first cost; by default over the objectives."""
        names = self.objectives if costs is None else tuple(costs)
        feasible = np.flatnonzero(self.feasible)
        if not len(feasible):
            return ()
        chosen = feasible[non_dominated(self.points(names)[feasible])]
        return tuple(
            sorted((self.rows[i] for i in chosen), key=lambda row: [row.costs[name] for name in names] + [row.number])
        )

    def best(self, cost: str = MEAN_ERROR) -> Row:
        """The row of lowest cost among those that meet every budget."""
        self.values(cost)  # names the nearest cost if there is no such one
        rows = [row for row, met in zip(self.rows, self.feasible, strict=True) if met]
        if not rows:
            raise SearchError(
                f"none of the {len(self.rows)} rows meets the budgets {dict(self.budgets)}; raise one of them"
            )
        return min(rows, key=lambda row: (row.costs[cost], row.number))

    def find(self, candidate_id: str) -> Row:
        """The row whose candidate id starts with ``candidate_id``, or whose number it is (``#12``)."""
        if candidate_id.startswith("#"):
            found = [row for row in self.rows if str(row.number) == candidate_id[1:]]
        else:
            found = [row for row in self.rows if row.id.startswith(candidate_id)]
        if len(found) != 1:
            problem = "no candidate" if not found else f"{len(found)} candidates"
            raise SearchError(f"{problem} of this run match '{candidate_id}'; results.csv lists the ids")
        return found[0]

    @property
    def has_reference(self) -> bool:
        """Whether the reference point is settled."""
        return set(self.objectives) <= set(self.reference)

    def hypervolume(self, first: int | None = None) -> float:
        """Share of the box between zero and `reference` that the feasible rows dominate; of the first rows if given.

        Of many rows over more than six objectives it is an estimate, about 1 % off.

        Raises:
            SearchError: if the reference point is not settled, because not all corner networks are measured yet.
        """
        count = len(self.rows) if first is None else first
        points, feasible, box = self.points()[:count], self.feasible[:count], self._box()
        if len(box) > EXACT_COSTS_AT_MOST:  # the same estimate as that of `hypervolumes`
            return float(hypervolume_curve(points, feasible, box)[-1]) if count else 0.0
        return hypervolume(points[feasible], box) if feasible.any() else 0.0

    def hypervolumes(self, reference: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        """Hypervolume after each row, (rows,); rows over a budget add nothing.

        Args:
            reference: of the costs that it is taken over; None: that of the objectives.

        Raises:
            SearchError: see `hypervolume`.
        """
        if reference is None:
            return hypervolume_curve(self.points(), self.feasible, self._box())
        box = np.array(list(reference.values()), dtype=np.float64)
        return hypervolume_curve(self.points(tuple(reference)), self.feasible, box)

    def _box(self) -> NDArray[np.float64]:
        """The reference point of the objectives, if it is settled."""
        if not self.has_reference:
            raise SearchError(
                f"the reference point lacks {sorted(set(self.objectives) - set(self.reference))};"
                " it is settled once all corner networks are measured"
            )
        return np.array([self.reference[name] for name in self.objectives], dtype=np.float64)

    # Baselines -------------------------------------------------------------------------------------------------

    @cached_property
    def corners(self) -> dict[str, Architecture]:
        """Hard-sharing and single-task networks of this space by name."""
        return corners(self.space, self.cost_table)

    def corner_rows(self) -> dict[str, Row]:
        """Rows of those corners that were evaluated, by name."""
        by_architecture = {row.candidate.architecture: row for row in self.rows if not row.candidate.policy.nodes}
        return {name: by_architecture[a] for name, a in self.corners.items() if a in by_architecture}

    def largest_corner_row(self, *, split: bool) -> Row | None:
        """Row of the largest hard-sharing network, or of the largest that shares the least; None if it has none."""
        return self.corner_rows().get(largest_corner(self.corners, split=split))

    # Output ----------------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """One line per row: number, id, corner, tree, nodes, policy, costs, feasible, front, and the candidate as JSON.

        Costs that are counted are integers, others floats; one that a row lacks is NaN. `write_table` makes it a file.
        """
        import pandas as pd  # takes longer to import than most readers of results take in all

        corner_of = {row.number: name for name, row in self.corner_rows().items()}
        lines = []
        for row, feasible, front in zip(self.rows, self.feasible, self.on_front, strict=True):
            tree = row.candidate.architecture.tree
            lines.append(
                {
                    "number": row.number,
                    "id": row.id,
                    "corner": corner_of.get(row.number, ""),
                    "tree": str(tree),
                    "nodes": tree.node_count,
                    "policy": policy_text(self.space, row.candidate),
                    **row.costs,
                    "feasible": bool(feasible),
                    "front": bool(front),
                    "candidate": json.dumps(row.candidate.to_json()),
                }
            )
        return typed(pd.DataFrame(lines, columns=None if lines else list(_COLUMNS)))


def mean_error(errors: Mapping[str, float]) -> float:
    """Plain mean of errors by task."""
    return math.fsum(errors.values()) / len(errors)
