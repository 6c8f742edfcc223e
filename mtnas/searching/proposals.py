"""Proposals worth an evaluation: not measured before, and within the budgets that are known exactly."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Mapping

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from mtnas.architecture import Architecture, Candidate, crossover, mutate
from mtnas.errors import SearchError
from mtnas.quantizing import JointCosts
from mtnas.searching.parameters import Parameters
from mtnas.searching.study import RunStudy


class Proposals:
    """Asks a sampler until it proposes something new that fits; repairs its last proposal if it does not.

    Args:
        study: of the run.
        parameters: of the space of candidates.
        joint: that space, with its exact costs.
        budgets: hard limits by cost name.
        tries: proposals of the sampler per evaluation before one is repaired.
    """

    def __init__(
        self, study: RunStudy, parameters: Parameters, joint: JointCosts, budgets: Mapping[str, float], tries: int
    ) -> None:
        self.study, self.parameters, self.joint, self.tries = study, parameters, joint, tries
        self.limits = {name: limit for name, limit in budgets.items() if name in joint.table.names}
        self.space = joint.space.product

    def fixed(self, candidate: Candidate) -> optuna.Trial:
        """A trial of a given candidate."""
        self.study.study.enqueue_trial(self.parameters.encode(self.joint.space.join(candidate)))
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
            member = self.parameters.decode(trial.params)
            candidate = self.joint.space.split(member)
            if candidate in known:
                self.study.reject(trial, f"known: {candidate.id}")
            elif not self._fits(member):
                self.study.reject(trial, "over a budget")
            else:
                return trial, candidate
            number, rejected = number + 1, rejected + 1
        last = self.study.study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))[-1]
        repaired = self._repair(self.parameters.decode(last.params), known, rng(number))
        return None if repaired is None else (self.fixed(repaired), repaired)

    def _fits(self, member: Architecture) -> bool:
        costs = self.joint.table.of(self.space, member)
        return all(costs[name] <= limit for name, limit in self.limits.items())

    def _repair(self, member: Architecture, known: Container[Candidate], rng: random.Random) -> Candidate | None:
        """An unknown candidate within the limits that keeps as much as possible of a given member of the space."""
        anchor = self.joint.table.meeting(self.space, self.limits)
        if anchor is None:
            raise SearchError(f"no candidate meets the budgets {self.limits}")
        for _ in range(200):
            found = member
            while not self._fits(found):
                # Each round takes about half of what still differs over from a network that is known to fit.
                found = crossover(found, anchor, rng, self.space.most_groups)
            if (candidate := self.joint.space.split(found)) not in known:
                return candidate
            member = mutate(self.space, found, rng)
        # The neighbourhood is used up: any member will do. Drawing finds it in a large space, a list in a small one.
        for _ in range(2000):
            found = self.space.draw(rng)
            if (candidate := self.joint.space.split(found)) not in known and self._fits(found):
                return candidate
        if self.space.size > 1_000_000:
            raise SearchError(
                f"no unknown candidate within the budgets {self.limits} was found in 2,200 tries;"
                " raise a budget, or ask for fewer evaluations"
            )
        within = (self.joint.space.split(found) for found in self.space.architectures() if self._fits(found))
        return next((candidate for candidate in within if candidate not in known), None)
