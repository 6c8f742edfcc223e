"""What is searched, and for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mtnas.errors import SearchError


@dataclass(frozen=True)
class SearchSettings:
    """All that can be chosen about a search.

    Args:
        evaluations: candidates to be measured in all, those of earlier calls on the same run included.
        objectives: names of the costs to minimise. Empty: every task's error, params and macs.
        budgets: hard upper limits by cost name. Candidates whose exact costs exceed one are not evaluated; only the
            corner networks always are, as baselines.
        reference: reference point of the hypervolume by cost name, for those that should differ from the default: a
            task's `reference_error`, or 1.1 times its worst error among the corner networks; the largest reachable
            params and macs.
        population: population size of the default sampler, NSGA-II.
        threads: CPU threads of torch; 0: torch's default.
        tries: proposals of the sampler that may be known or over a budget before one is repaired instead.
    """

    evaluations: int = 100
    objectives: Sequence[str] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    reference: Mapping[str, float] = field(default_factory=dict)
    population: int = 20
    threads: int = 0
    tries: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "budgets", dict(self.budgets))
        object.__setattr__(self, "reference", dict(self.reference))
        if self.evaluations < 1:
            raise SearchError(f"evaluations must be at least 1, but is {self.evaluations}")
        if self.population < 2:
            raise SearchError(f"population must be at least 2, but is {self.population}")
        if self.threads < 0:
            raise SearchError(f"threads must be at least 0 (torch's default), but is {self.threads}")
        if self.tries < 1:
            raise SearchError(f"tries must be at least 1, but is {self.tries}")
        for name, limit in self.budgets.items():
            if not (math.isfinite(limit) and limit > 0):
                raise SearchError(f"the budget of {name} must be a number above 0, but is {limit}")
        for name, value in self.reference.items():
            if not (math.isfinite(value) and value > 0):
                raise SearchError(f"the reference of {name} must be a number above 0, but is {value}")
