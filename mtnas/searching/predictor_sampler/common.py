"""The parameters that all measured trials of a study have in common."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState


class CommonParameters:
    """As Optuna's intersection search space over completed trials, which looks at every trial once and copies nothing.

    Attributes:
        distributions: by name, in the order of the names; empty before a trial is complete.
    """

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}
        self._any = False
        self._ended = 0  # all trials before this one have ended and were looked at
        self._seen: set[int] = set()

    def read(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Take in what has ended since the last call."""
        first_open = len(trials)
        for place in range(self._ended, len(trials)):
            trial = trials[place]
            if not trial.state.is_finished():
                first_open = min(first_open, place)
            elif trial.number not in self._seen:
                self._seen.add(trial.number)
                if trial.state == TrialState.COMPLETE:
                    self._narrow(trial.distributions)
        self._ended = first_open
        return self.distributions

    def _narrow(self, given: dict[str, BaseDistribution]) -> None:
        if not self._any:
            self._any, self.distributions = True, dict(sorted(given.items()))
        elif not all(alike(given.get(name), kind) for name, kind in self.distributions.items()):
            self.distributions = {
                name: kind for name, kind in self.distributions.items() if alike(given.get(name), kind)
            }


def alike(one: BaseDistribution | None, other: BaseDistribution) -> bool:
    """Equality; Optuna's own looks at all choices one by one, which takes its time with every trial."""
    return one is other or (type(one) is type(other) and vars(one) == vars(other)) or one == other
