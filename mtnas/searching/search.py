"""Search: ask, measure, tell."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from mtnas.architecture import FLOAT, Candidate, JointSpace
from mtnas.evaluation import CandidateErrors
from mtnas.latency import LATENCY
from mtnas.progress import progress
from mtnas.quantizing import JointCosts
from mtnas.results import MEAN_ERROR, Results, Row, corners, mean_error
from mtnas.runs import Run, read_results
from mtnas.searching.checks import default_objectives, searched_space, target_of
from mtnas.searching.latency import SearchLatency
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
from mtnas.targets import Target
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

    The corner networks (hard sharing and single-task, in float) are measured first, whatever the budgets, as baselines.
    Where latency is a cost, the front is measured again at the end, all members interleaved, until every member of it
    has been.

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
    tasks = space.architectures.tasks
    objectives = tuple(settings.objectives) or default_objectives(tasks, settings)
    with run.hold(), cpu_threads(settings.threads):
        supernet = supernet or load_supernetwork(space, data, run, settings.device)
        example, _ = data.example()
        joint = searched_space(settings, space, supernet.found, example)
        target = target_of(settings, tasks)
        run.manifest.claim("search", claim_of(settings, objectives, target))
        latency = None if target is None else SearchLatency(run, supernet, data, target, settings)
        optuna_level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            loop = _Loop.start(space, data, run, settings, objectives, supernet, joint, latency, warm_start)
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
        if latency is None:
            results = read_results(run)
        else:
            results = latency.confirm(lambda: read_results(run), show_progress=show_progress)
        run.write_text("results.csv", results.to_frame().to_csv(index=False))
    return results


def claim_of(settings: SearchSettings, objectives: Sequence[str], target: Target | None) -> dict[str, Any]:
    """What makes a search another one: rows of the two could not stand in one table."""
    claim: dict[str, Any] = {"objectives": list(objectives)}
    if settings.searches_bits:
        claim["precisions"] = [list(bits) for bits in settings.precisions]
    if target is not None:
        claim["target"] = target.describe()
    return claim


@dataclass
class _Loop:
    """State of a search: what is known, and what proposes and judges the next.

    Attributes:
        corners: the corner networks.
        first: what is measured before anything is proposed: the corner networks, and the best of the earlier rows.
        latency: measures it; None: it is no cost of this search.
    """

    space: SearchSpace
    run: Run
    settings: SearchSettings
    study: RunStudy
    proposals: Proposals
    errors: CandidateErrors
    latency: SearchLatency | None
    earlier: EarlierRows
    corners: list[Candidate]
    first: list[Candidate]
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
        joint: JointCosts,
        latency: SearchLatency | None,
        warm_start: Results | None,
    ) -> _Loop:
        earlier = EarlierRows.of(run, joint, objectives, warm_start)
        study = RunStudy.open(run, objectives, settings.budgets)
        proposals = Proposals(study, Parameters(joint.space.product), joint, settings.budgets, settings.tries)
        errors = CandidateErrors(supernet, data, cache_mib=settings.cache_mib)
        rows = list(study.rows())
        for row in rows:
            measured = {task: row.costs[f"error/{task}"] for task in space.architectures.tasks}
            errors.remember(row.candidate, measured)
        corner = [Candidate(one) for one in corners(space.architectures, supernet.found.costs).values()]
        left = settings.startup - len(set(corner))
        first = [*corner, *earlier.best(objectives, settings.budgets, left)]
        known = {row.candidate for row in rows}
        return cls(space, run, settings, study, proposals, errors, latency, earlier, corner, first, rows, known)

    def step(self, sampler: SamplerOf) -> bool:
        """Measure one more candidate; False if there is none left."""
        for candidate in self.first:
            if candidate not in self.known:
                self._measure(self.proposals.fixed(candidate), candidate)
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
        if set(self.corners) <= self.known and "reference" not in self.run.manifest.read():
            self.run.manifest.write("reference", self._reference())

    def predicting(self) -> BaseSampler:
        """The sampler of this run: it knows the trees, the exact costs and the reference point."""
        if self._predicting is None:
            joint, settings = self.proposals.joint, self.settings
            reference = self.run.manifest.section("reference")
            self._predicting = PredictorSampler(
                seed=derive_seed(self.run.seed, "search"),
                startup=settings.startup,
                batch=settings.batch,
                settings=settings.planning,
                genetics=lambda names: TreeGenes(
                    joint.space.product,
                    joint.table,
                    [*names],
                    self.study.objectives,
                    settings.budgets,
                    parts=parts_of(joint.space),
                ),
                reference=[reference[name] for name in self.study.objectives],
                earlier=self.earlier.trials(self.proposals.parameters, joint, self.study.objectives),
            )
        return self._predicting

    def _measure(self, trial: optuna.Trial, candidate: Candidate) -> None:
        errors, joint = self.errors(candidate), self.proposals.joint
        costs = {
            **{f"error/{task}": error for task, error in errors.items()},
            MEAN_ERROR: mean_error(errors),
            **joint.table.of(joint.space.product, joint.space.join(candidate)),
        }
        notes: dict[str, Any] = {}
        if self.latency is not None:
            latency = self.latency(candidate)
            costs[LATENCY], notes["latency"] = latency.ms, latency.to_json()
        self.study.tell(trial, candidate, costs, self.settings.budgets, notes)
        self.rows.append(Row(len(self.rows), candidate, costs))
        self.known.add(candidate)

    def _reference(self) -> dict[str, float]:
        """Reference point by cost name: stated by the user or the task, else from the corners just measured."""
        joint = self.proposals.joint
        point = {name: float(joint.table.largest(joint.space.product, name)) for name in joint.table.names}
        if self.latency is not None:
            point[LATENCY] = 1.1 * max(row.costs[LATENCY] for row in self.rows)
        for task in self.space.tasks:
            worst = max(row.costs[f"error/{task.name}"] for row in self.rows)
            stated = task.reference_error
            point[f"error/{task.name}"] = stated if stated is not None else 1.1 * worst or 1.0
        tasks = self.space.architectures.tasks
        point[MEAN_ERROR] = math.fsum(point[f"error/{task}"] for task in tasks) / len(tasks)
        return {**point, **self.settings.reference}

    def text(self) -> str:
        """The best so far."""
        within = [row for row in self.rows if all(row.costs[n] <= limit for n, limit in self.settings.budgets.items())]
        if not within:
            return "none within the budgets yet"
        best = min(within, key=lambda row: row.costs[MEAN_ERROR])
        at = f"{best.costs[LATENCY]:#.3g} ms" if LATENCY in best.costs else f"{best.costs['params']:,.0f} params"
        return f"best mean error within budgets {best.costs[MEAN_ERROR]:.4f} at {at}"


def parts_of(joint: JointSpace) -> list[list[tuple[int, ...]]]:
    """Operator and bits of every option, ``[block][option][part]``, float as 0; the operator alone without bits."""
    if len(joint.precisions) == 1:
        return [[(option,) for option, _ in block] for block in joint.choices]
    numbers = {bits: number for number, bits in enumerate(sorted(joint.precisions, key=lambda bits: bits != FLOAT))}
    return [[(option, numbers[bits]) for option, bits in block] for block in joint.choices]
