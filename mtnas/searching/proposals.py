"""Proposals worth an evaluation: not measured before, and within the budgets that are known exactly."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Mapping

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from mtnas.architecture import EXACT_COSTS, Architecture, Candidate, CostTable, crossover, mutate
from mtnas.errors import SearchError
from mtnas.searching.parameters import Parameters
from mtnas.searching.study import RunStudy


class Proposals:
    """Asks a sampler until it proposes something new that fits; repairs its last proposal if it does not.

    Args:
        study: of the run.
        parameters: of the space.
        costs: exact costs.
        budgets: hard limits by cost name.
        tries: proposals of the sampler per evaluation before one is repaired.
    """

    def __init__(
        self, study: RunStudy, parameters: Parameters, costs: CostTable, budgets: Mapping[str, float], tries: int
    ) -> None:
        self.study, self.parameters, self.costs, self.tries = study, parameters, costs, tries
        self.limits = {name: limit for name, limit in budgets.items() if name in EXACT_COSTS}
        self.space = parameters.space

    def fixed(self, architecture: Architecture) -> optuna.Trial:
        """A trial of a given architecture."""
        self.study.study.enqueue_trial(self.parameters.encode(architecture))
        return self.study.study.ask(self.parameters.distributions)

    def next(
        self, known: Container[Candidate], sampler: Callable[[int], BaseSampler], rng: Callable[[int], random.Random]
    ) -> tuple[optuna.Trial, Candidate] | None:
        """A trial and its candidate, or None if every candidate within the budgets is known.

        All that chance decides is seeded by the number of the proposal, so that it does not matter where a process was
        killed.

        Args:
            known: candidates that were measured.
            sampler: the sampler of a proposal by its number.
            rng: the generator of a repair by its number.
        """
        number, rejected = self.study.progress()
        while rejected < self.tries:
            self.study.study.sampler = sampler(number)
            trial = self.study.study.ask(self.parameters.distributions)
            candidate = Candidate(self.parameters.decode(trial.params))
            if candidate in known:
                self.study.reject(trial, f"known: {candidate.id}")
            elif not self._fits(candidate.architecture):
                self.study.reject(trial, "over a budget")
            else:
                return trial, candidate
            number, rejected = number + 1, rejected + 1
        last = self.study.study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))[-1]
        repaired = self._repair(self.parameters.decode(last.params), known, rng(number))
        return None if repaired is None else (self.fixed(repaired), Candidate(repaired))

    def _fits(self, architecture: Architecture) -> bool:
        costs = self.costs.of(self.space, architecture)
        return all(costs[name] <= limit for name, limit in self.limits.items())

    def _repair(
        self, architecture: Architecture, known: Container[Candidate], rng: random.Random
    ) -> Architecture | None:
        """An unknown architecture within the limits that keeps as much as possible of a given one."""
        anchor = self.costs.meeting(self.space, self.limits)
        if anchor is None:
            raise SearchError(f"no candidate meets the budgets {self.limits}")
        for _ in range(200):
            found = architecture
            while not self._fits(found):
                # Each round takes about half of what still differs over from a network that is known to fit.
                found = crossover(found, anchor, rng)
            if Candidate(found) not in known:
                return found
            architecture = mutate(self.space, found, rng)
        # The neighbourhood is used up: any member will do. Drawing finds it in a large space, a list in a small one.
        for _ in range(2000):
            found = self.space.draw(rng)
            if Candidate(found) not in known and self._fits(found):
                return found
        if self.space.size > 1_000_000:
            raise SearchError(
                f"no unknown candidate within the budgets {self.limits} was found in 2,200 tries;"
                " raise a budget, or ask for fewer evaluations"
            )
        left = (a for a in self.space.architectures() if Candidate(a) not in known and self._fits(a))
        return next(left, None)
