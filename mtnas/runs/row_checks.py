"""Whether measured rows agree with themselves and with their run.

No digest guards a study, which Optuna writes. But most of a row is said twice, or follows from the rest: exact costs
from the architecture, the mean error from the errors, the objectives' values from the costs. A row that contradicts
that is damaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mtnas.architecture import FLOAT, ArchitectureSpace, Candidate, CostTable
from mtnas.results import MEAN_ERROR, Row, corners, cost_names, mean_error, possible_cost_names
from mtnas.runs.searched import Searched

TOLERANCE = 1e-9
"""Relative difference that arithmetic in another order, or a database's own format of numbers, may make."""


class RowCheck:
    """Checks the rows of one study.

    Args:
        space: of the run.
        table: exact costs of its options.
        searched: what the manifest says of the search.
    """

    def __init__(self, space: ArchitectureSpace, table: CostTable, searched: Searched) -> None:
        self.space, self.table, self.searched = space, table, searched
        self._errors = tuple(f"error/{task}" for task in space.tasks)
        self._needed = {*cost_names(space.tasks), *searched.objectives, *searched.budgets}
        self._possible = set(possible_cost_names(space.tasks))
        self._bits = {*searched.precisions, FLOAT}
        self._numbers: dict[Candidate, int] = {}

    def __call__(self, row: Row, values: Sequence[float]) -> None:
        """Take in a row.

        Args:
            values: of the objectives, as the study has them beside the costs.

        Raises:
            ValueError: if the row contradicts itself, its run, or a row before.
        """
        try:
            self._check(row, values)
        except ValueError as error:
            raise ValueError(f"row {row.number}: {error}") from error
        first = self._numbers.setdefault(row.candidate, row.number)
        if first != row.number:
            raise ValueError(f"rows {first} and {row.number} are of the same candidate {row.id}")

    def end(self) -> None:
        """Take in that there are no more rows. ValueError if some must be missing."""
        if not self.searched.reference:
            return
        for name, architecture in corners(self.space, self.table).items():
            if Candidate(architecture) not in self._numbers:
                raise ValueError(f"the reference point is settled, but the corner '{name}' has no row")

    def _check(self, row: Row, values: Sequence[float]) -> None:
        costs = row.costs
        if not self._needed <= costs.keys() or not costs.keys() <= self._possible:
            raise ValueError(f"it has the costs {', '.join(costs)}")
        check_member(self.space, row.candidate)
        if any(bits not in self._bits for _, bits in row.candidate.policy.entries):
            raise ValueError("it has bits that were not searched")
        for name, cost in self.table.of(self.space, row.candidate.architecture).items():
            if not close(costs[name], cost):
                raise ValueError(f"{name} is {costs[name]:.10g}, but by the manifest its architecture has {cost:.10g}")
        check_mean({name: costs[name] for name in self._errors}, costs[MEAN_ERROR])
        stated = [costs[name] for name in self.searched.objectives]
        if len(values) != len(stated) or not all(map(close, values, stated)):
            raise ValueError("its costs are not the values of its trial")


def check_member(space: ArchitectureSpace, candidate: Candidate) -> None:
    """Raise ArchitectureError, a ValueError, unless a candidate's architecture is in the space."""
    space.check(candidate.architecture)


def check_mean(errors: Mapping[str, float], mean: float) -> None:
    """Raise ValueError unless ``mean`` is the plain mean of the errors."""
    true = mean_of(errors)
    if not close(mean, true):
        raise ValueError(f"its mean error is {mean:.10g}, but that of its errors is {true:.10g}")


def mean_of(errors: Mapping[str, float]) -> float:
    """Plain mean of errors by task; ValueError if their sum is beyond all numbers."""
    try:
        return mean_error(errors)
    except OverflowError as error:
        raise ValueError("its errors are too large") from error


def close(one: float, other: float) -> bool:
    """Whether two numbers are the same but for rounding."""
    return one == other or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
