"""The loop of a search: ask, have measured, tell."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from mtnas.architecture import Candidate
from mtnas.branching import Branching
from mtnas.errors import SearchError
from mtnas.latency import LATENCY, Latency
from mtnas.pools import Finished, Job, Workers
from mtnas.pools.failures import reason
from mtnas.quantizing import JointCosts
from mtnas.results import MEAN_ERROR, Row, mean_error
from mtnas.runs import Run
from mtnas.searching.latency import SearchLatency
from mtnas.searching.networks import Networks
from mtnas.searching.parameters import Parameters
from mtnas.searching.predictor_sampler import PredictorSampler
from mtnas.searching.proposals import Proposals
from mtnas.searching.settings import SearchSettings
from mtnas.searching.stored_trials import check_trials
from mtnas.searching.study import RunStudy
from mtnas.searching.tree_genes import TreeGenes
from mtnas.searching.tree_prior import TreePrior
from mtnas.searching.warm_start import EarlierRows
from mtnas.searching.workers import ERRORS, LATENCY_MS
from mtnas.seeds import derive_seed
from mtnas.space.search_space import SearchSpace

SamplerOf = Callable[[int], BaseSampler]
"""Makes a sampler for a proposal by its number."""


@dataclass
class _Flight:
    """A candidate that is being measured: its trial, and what has come back."""

    trial: optuna.Trial
    candidate: Candidate
    errors: Mapping[str, float] | None = None
    latency: Latency | None = None


@dataclass
class Loop:
    """State of a search: what is known, what is being measured, and what proposes the next.

    Args:
        space: of the run.
        run: keeps the reference point.
        settings: of the search.
        joint: the space of candidates, with its exact costs.
        study: where rows are kept.
        earlier: rows of another run to begin from.
        corners: the corner networks: measured first, they settle the reference point.
        latency: has it measured; None: it is no cost of this search.
    """

    space: SearchSpace
    run: Run
    settings: SearchSettings
    joint: JointCosts
    study: RunStudy
    earlier: EarlierRows
    corners: Sequence[Candidate]
    latency: SearchLatency | None
    branching: Branching | None = None
    rows: list[Row] = field(default_factory=list)
    _known: set[Candidate] = field(default_factory=set)
    _flying: dict[int, _Flight] = field(default_factory=dict)
    _failed_in_a_row: int = 0
    _reference: Mapping[str, float] | None = None
    _predicting: PredictorSampler | None = None
    _best: Row | None = None

    def __post_init__(self) -> None:
        self.proposals = Proposals(
            self.study, Parameters(self.joint.space.product), self.joint, self.settings.budgets, self.settings.tries
        )
        check_trials(self.study, self.proposals.parameters, self.joint)
        left = self.settings.startup - len(set(self.corners))
        best = self.earlier.best(self.study.objectives, self.settings.budgets, left)
        self._first = list(dict.fromkeys([*self.corners, *best]))
        self._reference = self.run.manifest.read().get("reference")
        self._networks = Networks(self.joint)
        for candidate in set(self.study.failures()) - set(self.corners):
            self._know(candidate)
        for row in self.study.rows():
            self._add(row)
        self._fix_reference()

    @property
    def reference(self) -> Mapping[str, float] | None:
        """Reference point by cost name; None as long as corner networks are missing."""
        return self._reference

    @property
    def flying(self) -> int:
        """Number of candidates that are being measured."""
        return len(self._flying)

    # Asking -----------------------------------------------------------------------------------------------------

    def begin(self, workers: Workers, sampler: SamplerOf) -> bool:
        """Have one more candidate measured; False if none is to be had now: all are known, or rows must come first."""
        found = self._next(sampler)
        if found is None:
            return False
        trial, candidate = found
        self._flying[trial.number] = _Flight(trial, candidate)
        workers.submit(Job(trial.number, ERRORS, candidate))
        if self.latency is not None:
            workers.submit(Job(trial.number, LATENCY_MS, self.latency.question(candidate)))
        return True

    def _next(self, sampler: SamplerOf) -> tuple[optuna.Trial, Candidate] | None:
        flying = {flight.candidate for flight in self._flying.values()}
        for candidate in self._first:
            if candidate not in self._known and candidate not in flying:
                return self.proposals.fixed(candidate), candidate
        if self._reference is None:
            return None
        known = self._networks.with_others(flying)
        return self.proposals.next(
            known, sampler, lambda number: random.Random(derive_seed(self.run.seed, "repair", number))
        )

    def predicting(self, slots: int) -> BaseSampler:
        """The sampler of this run: it knows the trees, the exact costs and the reference point.

        Args:
            slots: candidates that are measured or wait at workers at the same time.
        """
        if self._predicting is None:
            joint, settings, reference = self.joint, self.settings, self._reference
            assert reference is not None
            options: dict[str, Any] = {
                "seed": derive_seed(self.run.seed, "search"),
                "startup": settings.startup,
                # A plan for several workers must last until the next one is made.
                "least_batch": max(3, 2 * slots),
                "settings": settings.planning,
                "genetics": self._genes,
                "reference": [reference[name] for name in self.study.objectives],
                "earlier": self.earlier.trials(self.proposals.parameters, joint, self.study.objectives),
            }
            if settings.batch is not None:
                options["batch"] = settings.batch
            self._predicting = (PredictorSampler.thorough if settings.thorough else PredictorSampler)(**options)
        return self._predicting

    def _genes(self, names: Iterable[str]) -> TreeGenes:
        genes = TreeGenes(
            self.joint.space.product,
            self.joint.table,
            [*names],
            self.study.objectives,
            self.settings.budgets,
            parts=self.joint.space.parts,
            structure=self.joint.structure,
            idle=self.joint.idle,
            affinities=None if self.branching is None else self.branching.affinities,
        )
        if self.branching is not None:
            genes.prior = TreePrior(self.branching, genes)
        return genes

    # Telling ----------------------------------------------------------------------------------------------------

    def take(self, finished: Finished) -> bool:
        """Take in what a worker gave; whether a candidate is measured with that.

        Raises:
            SearchError: if too many candidates in a row could not be measured, or a corner network could not.
        """
        flight = self._flying.get(finished.job.number)
        if flight is None:  # its other half has failed
            return False
        if finished.failure:
            self._fail(finished.job.number, flight, finished.failure)
            return False
        if finished.job.role == ERRORS:
            flight.errors = finished.value
        elif self.latency is not None:
            flight.latency = self.latency.answer(flight.candidate, finished.value)
        if flight.errors is None or (self.latency is not None and flight.latency is None):
            return False
        del self._flying[finished.job.number]
        self._tell(flight.trial, flight.candidate, flight.errors, flight.latency)
        return True

    def _tell(
        self, trial: optuna.Trial, candidate: Candidate, errors: Mapping[str, float], latency: Latency | None
    ) -> None:
        costs = {
            **{f"error/{task}": error for task, error in errors.items()},
            MEAN_ERROR: mean_error(errors),
            **self.joint.table.of(self.joint.space.product, self.joint.space.join(candidate)),
        }
        notes: dict[str, Any] = {}
        if latency is not None:
            costs[LATENCY], notes["latency"] = latency.ms, latency.to_json()
        self.study.tell(trial, candidate, costs, self.settings.budgets, notes)
        self._add(Row(len(self.rows), candidate, costs))
        self._failed_in_a_row = 0
        self._fix_reference()

    def _fail(self, number: int, flight: _Flight, failure: str) -> None:
        del self._flying[number]
        self.study.fail(flight.trial, flight.candidate, failure)
        self._failed_in_a_row += 1
        which = f"candidate {flight.candidate.id} could not be measured"
        if flight.candidate in self.corners:
            raise SearchError(f"{which}, a corner network, without which no search begins: {reason(failure)}")
        self._know(flight.candidate)
        if self._failed_in_a_row >= self.settings.most_failures:
            raise SearchError(
                f"{self._failed_in_a_row} candidates in a row could not be measured (most_failures); the last one:"
                f" {which}: {reason(failure)}"
            )

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        self._know(row.candidate)
        within = all(row.costs[name] <= limit for name, limit in self.settings.budgets.items())
        if within and (self._best is None or row.costs[MEAN_ERROR] < self._best.costs[MEAN_ERROR]):
            self._best = row

    def _know(self, candidate: Candidate) -> None:
        """It is not proposed any more, nor is another candidate that is the same network."""
        self._known.add(candidate)
        self._networks.add(candidate)

    def _fix_reference(self) -> None:
        """Settle the reference point once the corners are measured; it never changes after that."""
        if self._reference is None and set(self.corners) <= self._known:
            self._reference = self._from_corners()
            self.run.manifest.write("reference", self._reference)

    def _from_corners(self) -> dict[str, float]:
        """Reference point by cost name: stated by the user or the task, else from the corner networks."""
        rows = [row for row in self.rows if row.candidate in set(self.corners)]
        point = {name: self._above_all(name) for name in self.joint.table.names}
        if self.latency is not None:
            point[LATENCY] = 1.1 * max(row.costs[LATENCY] for row in rows)
        for task in self.space.tasks:
            worst = max(row.costs[f"error/{task.name}"] for row in rows)
            stated = task.reference_error
            point[f"error/{task.name}"] = stated if stated is not None else 1.1 * worst or 1.0
        tasks = self.space.architectures.tasks
        point[MEAN_ERROR] = math.fsum(point[f"error/{task}"] for task in tasks) / len(tasks)
        return {**point, **self.settings.reference}

    def _above_all(self, name: str) -> float:
        """The largest that an exact cost can be; where all have the same, more than that: else none would be below."""
        table, product = self.joint.table, self.joint.space.product
        largest = float(table.largest(product, name))
        return largest if largest > table.smallest(product, name) else 1.1 * largest or 1.0

    def best_errors(self) -> dict[str, float]:
        """Errors of the best so far, by what they are called; none while nothing is within the budgets."""
        if self._best is None:
            return {}
        return {
            f"error/{task} of the best": self._best.costs[f"error/{task}"] for task in self.space.architectures.tasks
        }

    def text(self) -> str:
        """The best so far."""
        if self._best is None:
            return "none within the budgets yet"
        costs = self._best.costs
        at = f"{costs[LATENCY]:#.3g} ms" if LATENCY in costs else f"{costs['params']:,.0f} params"
        return f"best mean error within budgets {costs[MEAN_ERROR]:.4f} at {at}"
