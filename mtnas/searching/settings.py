"""What is searched, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mtnas.errors import SearchError
from mtnas.limits import check_number


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
        device: ``auto`` (CUDA if there is one, else CPU) or a torch device, for a supernetwork that is loaded from the
            run.
        tries: proposals of the sampler that may be known or over a budget before one is repaired instead.
    """

    evaluations: int = 100
    objectives: Sequence[str] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    reference: Mapping[str, float] = field(default_factory=dict)
    population: int = 20
    threads: int = 0
    device: str = "auto"
    tries: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "budgets", dict(self.budgets))
        object.__setattr__(self, "reference", dict(self.reference))
        for name, least in (("evaluations", 1), ("population", 2), ("tries", 1), ("threads", 0)):
            check_number(SearchError, name, getattr(self, name), at_least=least, whole=True)
        for what, values in (("budget", self.budgets), ("reference", self.reference)):
            for name, value in values.items():
                check_number(SearchError, f"the {what} of {name}", value, above=0)
