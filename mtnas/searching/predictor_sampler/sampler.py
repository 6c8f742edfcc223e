"""An Optuna sampler that lets predictors choose what to measure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mtnas.errors import SearchError
from mtnas.limits import check_number
from mtnas.predicting import Genetics, IndependentGenes, Plan, PlanSettings, Tuned, plan
from mtnas.predicting.genetics import Genes
from mtnas.searching.predictor_sampler.axis import Axis
from mtnas.searching.predictor_sampler.history import History
from mtnas.seeds import derive_seed

PREDICTORS = "mtnas:predictors"
"""System attribute of the first trial of every batch: figures of the predictors that planned it."""

GeneticsOf = Callable[[Mapping[str, BaseDistribution]], Genetics]

_log = optuna.logging.get_logger("mtnas")


class PredictorSampler(BaseSampler):
    """Predictor-guided multi-objective search for categorical and stepped parameters.

    After a few trials that lie far from each other, trials come in batches: predictors of every objective and
    constraint are fitted to all measured rows, an evolutionary search runs on the predictions alone, and what promises
    the largest gain of hypervolume is measured. Nothing is proposed twice, nor while it is being measured.

    Works with any study, one objective or several, `study.optimize` or ask and tell, any storage. Constraints come by
    ``trial.set_constraint``. Floats without a step are searched on a grid. Parameters that are not in every trial are
    drawn at random. Proposals depend on the seed and the study's own trials only, so a study that is loaded again goes
    on as if it had never stopped.

    Args:
        seed: None: another one each time.
        startup: trials before the first prediction.
        batch: trials that one fit of the predictors serves. None: 10, or a 25th of the trials if that is more, so
            that the time for a trial does not grow with their number.
        settings: of the planning of a batch.
        genetics: makes what the genes mean of the distributions of the parameters, in their order; gene i is the
            number of the i-th parameter's value. None: parameters know nothing of each other.
        reference: of the hypervolume, one number per objective, in the study's own directions. None: a tenth beyond
            the worst end of the front, measured or predicted.
        levels: values that stand for a parameter without steps, or with more.
        refit: the weights of the predictors are fitted anew when rows have grown by this factor; in between they only
            learn the new rows.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        startup: int = 10,
        batch: int | None = None,
        settings: PlanSettings | None = None,
        genetics: GeneticsOf | None = None,
        reference: Sequence[float] | None = None,
        levels: int = 64,
        refit: float = 1.3,
    ) -> None:
        check_number(SearchError, "startup", startup, at_least=2, whole=True)
        check_number(SearchError, "levels", levels, at_least=2, whole=True)
        check_number(SearchError, "refit", refit, above=1)
        if batch is not None:
            check_number(SearchError, "batch", batch, at_least=1, whole=True)
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self.startup, self.batch, self.refit, self.levels = startup, batch, refit, levels
        self.settings = settings or PlanSettings()
        self.genetics = genetics
        self.reference = None if reference is None else tuple(reference)
        self._lock = threading.RLock()
        self._studies: dict[str, _Memory] = {}

    # What Optuna calls ------------------------------------------------------------------------------------------

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        with self._lock:
            found = self._memory(study).search_space.calculate(study)
        return {name: distribution for name, distribution in found.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            memory = self._memory(study)
            history = memory.history_of(search_space, self.genetics, self.levels)
            trials = study.get_trials(deepcopy=False)
            history.read(study, trials)
            flying = self._in_flight(memory, history, trials, trial)
            genes = self._propose(study, trial, memory, history, flying)
            memory.handed[trial.number] = genes
            return history.params_of(genes)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """At random: for parameters that not all trials have, and before there are trials."""
        axis = Axis.of(param_distribution, self.levels)
        closed = sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in study.get_trials(deepcopy=False))
        rng = np.random.default_rng(derive_seed(self.seed, "independent", closed, trial.number, param_name))
        return axis.values[int(rng.integers(len(axis.values)))]

    def reseed_rng(self) -> None:
        """Nothing to do: every draw has a seed of its own, and threads share what is being measured."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_studies": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    # Proposals --------------------------------------------------------------------------------------------------

    def _memory(self, study: Study) -> _Memory:
        """What is kept of a study; begun anew if another study has its name."""
        first = next(iter(study.get_trials(deepcopy=False)), None)
        born = None if first is None else first.datetime_start
        memory = self._studies.get(study.study_name)
        if memory is None or (memory.born is not None and memory.born != born):
            memory = self._studies[study.study_name] = _Memory()
        memory.born = born
        return memory

    def _in_flight(
        self, memory: _Memory, history: History, trials: Sequence[FrozenTrial], own: FrozenTrial
    ) -> tuple[list[Genes], int]:
        """Genes that are being measured, and the number of earlier trials that other processes are still choosing."""
        genes, choosing = [], 0
        for trial in trials:
            if trial.state != TrialState.RUNNING or trial.number == own.number:
                continue
            found = history.genes_of(trial.params)
            if found is None:
                found = memory.handed.get(trial.number)
            if found is not None and len(found) == len(history.axes):
                genes.append(found)
            elif trial.number < own.number:
                choosing += 1
        return genes, choosing

    def _propose(
        self,
        study: Study,
        trial: FrozenTrial,
        memory: _Memory,
        history: History,
        flying: tuple[list[Genes], int],
    ) -> Genes:
        pending, skip = flying
        taken = {int(value) for value in np.concatenate([history.known(), history.prints(pending)])}
        if history.measured < self.startup:
            return self._far_off(history, taken, pending)
        begin = self._batch_begin(history)
        planned = memory.plans.setdefault(begin, [])
        for extension in range(100):
            free = [genes for genes in planned if int(history.prints([genes])[0]) not in taken]
            if len(free) > skip:
                return free[skip]
            known = np.array(sorted(taken), dtype=np.uint64)
            known = np.concatenate([known, history.prints(planned)])
            count = max(self._size(begin), skip + 1 - len(free))
            made = self._plan(memory, history, begin, known, pending + free, count, extension)
            if extension == 0 and not planned:
                self._report(study, trial, made)
            if not len(made.genes):
                break
            planned.extend(made.genes)
            if len(memory.plans) > 1:
                memory.plans = {begin: planned}
        # Everything is known: a study that goes on regardless gets repeats.
        rng = np.random.default_rng(derive_seed(self.seed, "repeat", history.closed))
        return history.genetics.draw(1, rng)[0]

    def _size(self, begin: int) -> int:
        """Trials of the batch that begins after so many."""
        return self.batch or max(10, begin // 25)

    def _batch_begin(self, history: History) -> int:
        """Number of closed trials before the present batch."""
        # The first batch begins as soon as enough rows are measured, however many were rejected on the way.
        begin = history.closed_at(self.startup)
        while begin + self._size(begin) <= history.closed:
            begin += self._size(begin)
        return begin

    def _far_off(self, history: History, taken: set[int], pending: Sequence[Genes]) -> Genes:
        """A draw that is far from all there is."""
        rng = np.random.default_rng(derive_seed(self.seed, "startup", history.closed, len(pending)))
        drawn = history.genetics.draw(64, rng)
        new = np.array([int(value) not in taken for value in history.prints(list(drawn))])
        drawn = drawn[new] if new.any() else drawn
        distance = history.nearest_distance(drawn, [*history.all_genes(), *pending])
        return drawn[int(distance.argmax())]

    def _plan(
        self,
        memory: _Memory,
        history: History,
        begin: int,
        known: np.ndarray[Any, np.dtype[np.uint64]],
        pending: Sequence[Genes],
        count: int,
        extension: int,
    ) -> Plan:
        rows = history.rows(begin)
        last = self.startup
        while round(last * self.refit) <= len(rows):
            last = max(last + 1, round(last * self.refit))
        if memory.tuned is None or memory.tuned[0] != last:
            memory.tuned = (last, Tuned.on(rows.take(slice(0, last)), history.genetics, self.settings.models))
        return plan(
            rows,
            history.genetics,
            memory.tuned[1],
            self.settings,
            known=known,
            pending=history.stack(pending),
            count=count,
            seed=derive_seed(self.seed, "plan", begin, extension),
            reference=None,
        )

    def _report(self, study: Study, trial: FrozenTrial, made: Plan) -> None:
        """Keep the predictors' figures with the trial, and say so if they are not trusted."""
        if made.note:
            _log.warning(f"trial {trial.number}: {made.note}")
        figures = {str(cost): {**asdict(found), "trusted": made.trusted[cost]} for cost, found in made.quality.items()}
        study._storage.set_trial_system_attr(trial._trial_id, PREDICTORS, {"figures": figures, "note": made.note})


class _Memory:
    """What a sampler keeps of one study; all of it can be worked out anew from the study."""

    def __init__(self) -> None:
        self.born: Any = None
        self.search_space = IntersectionSearchSpace()
        self.history: History | None = None
        self.plans: dict[int, list[Genes]] = {}
        self.tuned: tuple[int, Tuned] | None = None
        self.handed: dict[int, Genes] = {}

    def history_of(
        self, search_space: Mapping[str, BaseDistribution], genetics: GeneticsOf | None, levels: int
    ) -> History:
        """The history over these parameters; begun anew when they change."""
        if self.history is None or self.history.distributions != dict(search_space):
            if genetics is None:
                axes = [Axis.of(distribution, levels) for distribution in search_space.values()]
                made: Genetics = IndependentGenes([len(axis.values) for axis in axes], [axis.ordered for axis in axes])
            else:
                made = genetics(search_space)
            self.history = History(search_space, made, levels)
            self.plans, self.tuned, self.handed = {}, None, {}
        return self.history
