"""Search: ask, measure, tell."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler

from mtnas.architecture import EXACT_COSTS, Architecture, Candidate
from mtnas.evaluation import InheritedErrors
from mtnas.progress import progress
from mtnas.results import MEAN_ERROR, Results, Row, corners, mean_error
from mtnas.runs import Run, read_results
from mtnas.searching.checks import check_settings, default_objectives
from mtnas.searching.parameters import Parameters
from mtnas.searching.predictor_sampler import PredictorSampler
from mtnas.searching.proposals import Proposals
from mtnas.searching.settings import SearchSettings
from mtnas.searching.stopping import Watch
from mtnas.searching.study import RunStudy
from mtnas.searching.tree_genes import TreeGenes
from mtnas.searching.warm_start import EarlierRows
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import cpu_threads, load_supernetwork

SamplerOf = Callable[[int], BaseSampler]
"""Makes a sampler for a proposal by its number."""


def search(
    space: SearchSpace,
    data: Data,
    run: Run,
    settings: SearchSettings | None = None,
    *,
    sampler: BaseSampler | SamplerOf | None = None,
    supernet: SuperNetwork | None = None,
    warm_start: Results | None = None,
    show_progress: bool = True,
) -> Results:
    """Measure candidates of a trained supernetwork until the asked number is reached, or go on where it stopped.

    A rule in `SearchSettings.stop_when` may end it earlier; then the reason is printed.

    The corner networks (hard sharing and single-task) are measured first, whatever the budgets, as baselines.

    Args:
        space: the search space that the run was trained on.
        data: its validation split judges candidates.
        run: with a finished training.
        settings: None: `SearchSettings()`.
        sampler: any Optuna sampler for several objectives, or a function that makes one for a proposal by its number.
            The latter serves samplers with a generator of their own, such as NSGA-II: with a seed derived from the
            number, a resumed search proposes what an uninterrupted one would have. None: `PredictorSampler`.
        supernet: the trained supernetwork, if it is at hand; None: it is loaded from the run.
        warm_start: results of another run on the same space or one that shares members with it. Its best candidates
            are measured first, and its rows advise the predictors; they are copied into this run, which keeps them
            when it is gone on with.
        show_progress: False: nothing is printed.

    Raises:
        SearchError: before anything is measured, for an unknown cost, budgets that nothing can meet, or a warm start
            from rows that are not in this space.
        RunError: if the run belongs to another space, data or objectives, or is not trained.
    """
    settings = settings or SearchSettings()
    objectives = tuple(settings.objectives) or default_objectives(space.architectures.tasks)
    with run.hold(), cpu_threads(settings.threads):
        supernet = supernet or load_supernetwork(space, data, run, settings.device)
        check_settings(settings, space.architectures, supernet.found.costs)
        run.manifest.claim("search", {"objectives": list(objectives)})
        optuna_level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            loop = _Loop.start(space, data, run, settings, objectives, supernet, warm_start)
            watch = Watch(settings.stop_when, objectives, settings.budgets)
            with progress("search", settings.evaluations, len(loop.rows), show=show_progress) as advance:
                loop.fix_reference()
                while (
                    len(loop.rows) < settings.evaluations
                    and not watch.ends(loop.rows, run.manifest.read().get("reference"))
                    and loop.step(sampler if callable(sampler) else lambda number: sampler or loop.predicting())
                ):
                    loop.fix_reference()
                    advance(loop.text())
            if show_progress:
                watch.tell(len(loop.rows))
        finally:
            optuna.logging.set_verbosity(optuna_level)
        results = read_results(run)
        run.write_text("results.csv", results.to_frame().to_csv(index=False))
    return results


@dataclass
class _Loop:
    """State of a search: what is known, and what proposes and judges the next.

    Attributes:
        corners: the corner networks.
        first: what is measured before anything is proposed: the corner networks, and the best of the earlier rows.
    """

    space: SearchSpace
    run: Run
    settings: SearchSettings
    study: RunStudy
    proposals: Proposals
    errors: InheritedErrors
    earlier: EarlierRows
    corners: list[Architecture]
    first: list[Architecture]
    rows: list[Row]
    known: set[Candidate]
    _predicting: PredictorSampler | None = None

    @classmethod
    def start(
        cls,
        space: SearchSpace,
        data: Data,
        run: Run,
        settings: SearchSettings,
        objectives: tuple[str, ...],
        supernet: SuperNetwork,
        warm_start: Results | None,
    ) -> _Loop:
        parameters = Parameters(space.architectures)
        earlier = EarlierRows.of(run, parameters, warm_start)
        study = RunStudy.open(run, objectives, settings.budgets)
        proposals = Proposals(study, parameters, supernet.found.costs, settings.budgets, settings.tries)
        errors = InheritedErrors(supernet, data, cache_mib=settings.cache_mib)
        rows = list(study.rows())
        for row in rows:
            measured = {task: row.costs[f"error/{task}"] for task in space.architectures.tasks}
            errors.remember(row.candidate.architecture, measured)
        costs = supernet.found.costs
        corner = list(corners(space.architectures, costs).values())
        left = settings.startup - len(set(corner))
        first = [*corner, *earlier.best(parameters, costs, objectives, settings.budgets, left)]
        known = {row.candidate for row in rows}
        return cls(space, run, settings, study, proposals, errors, earlier, corner, first, rows, known)

    def step(self, sampler: SamplerOf) -> bool:
        """Measure one more candidate; False if there is none left."""
        for architecture in self.first:
            candidate = Candidate(architecture)
            if candidate not in self.known:
                self._measure(self.proposals.fixed(architecture), candidate)
                return True
        found = self.proposals.next(
            self.known,
            sampler,
            lambda number: random.Random(derive_seed(self.run.seed, "repair", number)),
        )
        if found is None:
            return False
        self._measure(*found)
        return True

    def fix_reference(self) -> None:
        """Settle the reference point once the corners are measured; it never changes after that."""
        wanted = {Candidate(architecture) for architecture in self.corners}
        if wanted <= self.known and "reference" not in self.run.manifest.read():
            self.run.manifest.write("reference", self._reference())

    def predicting(self) -> BaseSampler:
        """The sampler of this run: it knows the trees, the exact costs and the reference point."""
        if self._predicting is None:
            architectures, settings = self.space.architectures, self.settings
            reference = self.run.manifest.section("reference")
            self._predicting = PredictorSampler(
                seed=derive_seed(self.run.seed, "search"),
                startup=settings.startup,
                batch=settings.batch,
                settings=settings.planning,
                genetics=lambda names: TreeGenes(
                    architectures, self.proposals.costs, [*names], self.study.objectives, settings.budgets
                ),
                reference=[reference[name] for name in self.study.objectives],
                earlier=self.earlier.trials(self.proposals.parameters, self.study.objectives),
            )
        return self._predicting

    def _measure(self, trial: optuna.Trial, candidate: Candidate) -> None:
        errors = self.errors(candidate.architecture)
        costs = {
            **{f"error/{task}": error for task, error in errors.items()},
            MEAN_ERROR: mean_error(errors),
            **self.proposals.costs.of(self.space.architectures, candidate.architecture),
        }
        self.study.tell(trial, candidate, costs, self.settings.budgets)
        self.rows.append(Row(len(self.rows), candidate, costs))
        self.known.add(candidate)

    def _reference(self) -> dict[str, float]:
        """Reference point by cost name: stated by the user or the task, else from the corners just measured."""
        architectures, costs = self.space.architectures, self.proposals.costs
        point: dict[str, float] = {name: float(costs.largest(architectures, name)) for name in EXACT_COSTS}
        for task in self.space.tasks:
            worst = max(row.costs[f"error/{task.name}"] for row in self.rows)
            stated = task.reference_error
            point[f"error/{task.name}"] = stated if stated is not None else 1.1 * worst or 1.0
        point[MEAN_ERROR] = math.fsum(point[f"error/{task}"] for task in architectures.tasks) / len(architectures.tasks)
        return {**point, **self.settings.reference}

    def text(self) -> str:
        """The best so far."""
        within = [row for row in self.rows if all(row.costs[n] <= limit for n, limit in self.settings.budgets.items())]
        if not within:
            return "none within the budgets yet"
        best = min(within, key=lambda row: row.costs[MEAN_ERROR])
        return f"best mean error within budgets {best.costs[MEAN_ERROR]:.4f} at {best.costs['params']:,.0f} params"
