"""An Optuna sampler that lets predictors choose what to measure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mtnas.errors import SearchError, brief
from mtnas.limits import check_number, is_number, plain
from mtnas.predicting import Advised, Genetics, IndependentGenes, Model, Plan, PlanSettings, Rows, Tuned, plan
from mtnas.predicting.genetics import Genes, meets_exact_constraints
from mtnas.results.predictor_report import PREDICTORS
from mtnas.searching.predictor_sampler.axis import Axis
from mtnas.searching.predictor_sampler.common import CommonParameters
from mtnas.searching.predictor_sampler.history import History, directions_of
from mtnas.searching.predictor_sampler.threads import one_thread
from mtnas.seeds import derive_seed

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
        batch: trials that one plan serves. None: a 25th of the trials or a 20th of the parameters if that is more, but
            no more than 100 and no fewer than ``least_batch``, so that the time for a trial does not grow with their
            numbers.
        settings: of the planning of a batch.
        genetics: makes what the genes mean of the distributions of the parameters, in their order; gene i is the
            number of the i-th parameter's value. None: parameters know nothing of each other.
        reference: of the hypervolume, one number per objective, in the study's own directions. None: a tenth beyond
            the worst end of the front, measured or predicted.
        levels: values that stand for a parameter without steps, or with more.
        earlier: trials of an earlier study with the same objectives, parameters and choices, or fewer. What they let
            expect is one more thing that predictors see; they are not taken for trials of this study.
        refit: the weights of the predictors are fitted anew when rows have grown by this factor; in between they only
            learn the new rows.
        least_batch: see ``batch``; twice the trials that are measured at the same time, if that is more than 3, so that
            a plan lasts until there are results to make the next one of.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        startup: int = 10,
        batch: int | None = None,
        least_batch: int = 3,
        settings: PlanSettings | None = None,
        genetics: GeneticsOf | None = None,
        reference: Sequence[float] | None = None,
        levels: int = 64,
        earlier: Sequence[FrozenTrial] = (),
        refit: float = 1.25,
    ) -> None:
        check_number(SearchError, "startup", startup, at_least=2, whole=True)
        check_number(SearchError, "levels", levels, at_least=2, whole=True)
        check_number(SearchError, "refit", refit, above=1)
        if batch is not None:
            check_number(SearchError, "batch", batch, at_least=1, whole=True)
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        check_number(SearchError, "least_batch", least_batch, at_least=1, whole=True)
        self.startup, self.batch, self.refit, self.levels = startup, batch, refit, levels
        self.least_batch = least_batch
        self.settings = settings or PlanSettings()
        check_number(SearchError, "anew", self.settings.anew, at_least=1, whole=True)
        check_number(SearchError, "further", self.settings.further, at_least=0, at_most=1)
        self.genetics = genetics
        self.reference = None if reference is None else tuple(plain(one) for one in reference)
        for one in self.reference or ():
            if not is_number(one):
                raise SearchError(f"reference must hold a finite number for each objective, but holds {brief(one)}")
        self.earlier = tuple(earlier)
        self._lock = threading.RLock()
        self._studies: dict[str, _Memory] = {}

    @classmethod
    def thorough(cls, seed: int | None = None, polish: int | None = None, **options: Any) -> PredictorSampler:
        """A sampler for trials that take many seconds each: a tenth of a second a trial instead of some milliseconds.

        Every trial has a plan of its own, begun anew and made by all that is measured; predictors are settled anew
        whenever there are 5 % more rows; and the gain of hypervolume is climbed, see `PlanSettings`.

        Args:
            seed: None: another one each time.
            polish: rounds of that climb. None: those of ``settings`` if there are any, else 10.
            options: more arguments of the class, which come before those of this preset.
        """
        settings = options.pop("settings", None) or PlanSettings()
        settings = replace(settings, polish=(settings.polish or 10) if polish is None else polish, anew=1)
        return cls(**{"seed": seed, "batch": 1, "refit": 1.05, "settings": settings, **options})

    # What Optuna calls ------------------------------------------------------------------------------------------

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        with self._lock:
            trials = study.get_trials(deepcopy=False)
            found = self._memory(study, trials).common.read(trials)
        return {name: distribution for name, distribution in found.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            trials = study.get_trials(deepcopy=False)
            memory = self._memory(study, trials)
            history = memory.history_of(search_space, lambda: self._history(study, search_space))
            open_trials = history.read(study, trials)
            genes = self._propose(study, trial, memory, open_trials)
            still_open = {other.number for other in open_trials}
            memory.handed = {number: kept for number, kept in memory.handed.items() if number in still_open}
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

    def _history(self, study: Study, search_space: Mapping[str, BaseDistribution]) -> History:
        """An empty history over some parameters."""
        if self.genetics is None:
            axes = [Axis.of(distribution, self.levels) for distribution in search_space.values()]
            genetics: Genetics = IndependentGenes([len(axis.values) for axis in axes], [axis.ordered for axis in axes])
        else:
            genetics = self.genetics(search_space)
        history = History(search_space, genetics, self.levels)
        earlier = history.rows_of(self.earlier, directions_of(study))
        if len(earlier) >= self.startup:
            with one_thread():
                history.genetics = Advised(genetics, earlier, self.settings.models, self.settings.most_rows)
        return history

    # Proposals --------------------------------------------------------------------------------------------------

    def _memory(self, study: Study, trials: Sequence[FrozenTrial]) -> _Memory:
        """What is kept of a study; begun anew if another study has its name."""
        born = trials[0].datetime_start if trials else None
        memory = self._studies.get(study.study_name)
        if memory is None or (memory.born is not None and memory.born != born):
            memory = self._studies[study.study_name] = _Memory()
        memory.born = born
        return memory

    def _propose(self, study: Study, trial: FrozenTrial, memory: _Memory, open_trials: Sequence[FrozenTrial]) -> Genes:
        history = memory.the_history
        pending, choosing = memory.in_flight(open_trials, trial)
        taken = history.known | set(history.prints(pending).tolist())
        parameters = len(history.distributions)
        begin = memory.batch_begin(self.startup, lambda closed: self._size(closed, parameters))
        if begin is None:
            return self._far_off(history, taken, pending)
        batch = memory.batch_at(begin)
        while True:
            free = [genes for genes, mark in zip(batch.genes, batch.marks, strict=True) if mark not in taken]
            if len(free) > choosing:
                return free[choosing]
            # A batch must not depend on how far it has been measured: a study that is loaded again plans it anew.
            measured = taken if batch.genes else history.marks(begin)
            known = np.array([*measured, *history.prints(pending).tolist(), *batch.marks], dtype=np.uint64)
            count = max(self._size(begin, parameters), choosing + 1 - len(free))
            rows = history.rows(begin)
            before = None if batch.genes else self._shortlist_before(study, memory, begin)
            made = self._plan(study, memory, rows, begin, known, pending + free, count, before, len(batch.genes))
            if not batch.genes:
                self._report(study, trial, memory, made, len(rows))
                memory.shortlist = begin, made.shortlist
            if not len(made.genes):
                break
            batch.genes.extend(made.genes)
            batch.marks.extend(history.prints(list(made.genes)).tolist())
        # Everything is known: a study that goes on regardless gets repeats.
        rng = np.random.default_rng(derive_seed(self.seed, "repeat", history.closed))
        repeat: Genes = history.genetics.draw(1, rng)[0]
        return repeat

    def _shortlist_before(self, study: Study, memory: _Memory, begin: int) -> Genes | None:
        """What the plan of the batch before this one came by; None where plans begin anew.

        A study that is loaded has it worked out again, as far back as plans go on from each other.
        """
        history = memory.the_history
        parameters = len(history.distributions)
        *earlier, _ = memory.begins(self.startup, lambda closed: self._size(closed, parameters), begin) or [begin]
        settled = history.closed_at(max(1, self.settings.settled))
        going_on = earlier[len(earlier) - len(earlier) % self.settings.anew :]  # from each other, up to the last one
        if not going_on or settled is None or begin < settled:
            return None
        if memory.shortlist is None or memory.shortlist[0] != going_on[-1]:
            before = None
            for one, following in zip(going_on, [*going_on[1:], begin], strict=True):
                if following < settled:
                    continue  # it begins anew, too
                known = np.array([*history.marks(one)], dtype=np.uint64)
                count = self._size(one, parameters)
                made = self._plan(study, memory, history.rows(one), one, known, [], count, before, 0)
                memory.shortlist, before = (one, made.shortlist), made.shortlist
        return None if memory.shortlist is None else memory.shortlist[1]

    def _size(self, begin: int, parameters: int) -> int:
        """Trials of the batch that begins after so many: a plan takes longer the more rows and parameters there are."""
        return self.batch or max(self.least_batch, min(100, max(begin // 25, parameters // 20)))

    def _far_off(self, history: History, taken: set[int], pending: Sequence[Genes]) -> Genes:
        """A draw that is far from all there is."""
        rng = np.random.default_rng(derive_seed(self.seed, "startup", history.closed, len(pending)))
        drawn = history.genetics.draw(self.settings.children, rng)
        new = np.array([mark not in taken for mark in history.prints(list(drawn)).tolist()])
        allowed = new & meets_exact_constraints(history.genetics, drawn)
        wanted = next((drawn[mask] for mask in (allowed, new) if mask.any()), drawn)
        return history.farthest(wanted, pending)

    def _plan(
        self,
        study: Study,
        memory: _Memory,
        rows: Rows,
        begin: int,
        known: NDArray[np.uint64],
        pending: Sequence[Genes],
        count: int,
        before: Genes | None,
        planned: int,
    ) -> Plan:
        history = memory.the_history
        if self.reference is not None and len(self.reference) != rows.costs.shape[1]:
            raise SearchError(
                f"the reference {list(self.reference)} has {len(self.reference)} numbers,"
                f" but the study has {rows.costs.shape[1]} objectives; give one for each"
            )
        with one_thread():
            return plan(
                rows,
                history.genetics,
                memory.tuned_on(rows, self._last_tuning(len(rows)), self.settings.models),
                self.settings,
                known=known,
                pending=history.stack(pending),
                count=count,
                seed=derive_seed(self.seed, "plan", begin, planned),
                reference=None if self.reference is None else directions_of(study) * np.asarray(self.reference),
                before=before,
            )

    def _last_tuning(self, rows: int) -> int:
        """Number of rows that the weights of predictors were last fitted on."""
        last = following = self.startup
        while following <= rows:
            last, following = following, max(following + 1, round(following * self.refit))
        return last

    def _report(self, study: Study, trial: FrozenTrial, memory: _Memory, made: Plan, measured: int) -> None:
        """Keep the predictors' figures with the trial, and say so when they are not trusted, or are again."""
        if bool(made.note) != memory.without:
            _log.warning(f"trial {trial.number}: {made.note or 'predictors guide the search again'}")
        memory.without = bool(made.note)
        figures = {str(cost): {**asdict(found), "trusted": made.trusted[cost]} for cost, found in made.quality.items()}
        report: Any = {"measured": measured, "figures": figures, "note": made.note}
        study._storage.set_trial_system_attr(trial._trial_id, PREDICTORS, report)


@dataclass
class _Batch:
    """Genomes that were planned together, with their fingerprints."""

    begin: int
    genes: list[Genes] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)


class _Memory:
    """What a sampler keeps of one study; all of it can be worked out anew from the study."""

    def __init__(self) -> None:
        self.born: datetime | None = None
        self.common = CommonParameters()
        self.history: History | None = None
        self.batch: _Batch | None = None
        self.without = False  # the last plan was made without predictors
        self.tuned: tuple[int, Tuned] | None = None
        self.shortlist: tuple[int, Genes] | None = None
        self.handed: dict[int, Genes] = {}
        self.flying: dict[int, Genes] = {}

    @property
    def the_history(self) -> History:
        if self.history is None:
            raise RuntimeError("a study's history is asked for before its parameters are known")
        return self.history

    def history_of(self, search_space: Mapping[str, BaseDistribution], make: Callable[[], History]) -> History:
        """The history over these parameters; begun anew when they change."""
        if self.history is None or self.history.distributions != dict(search_space):
            self.history = make()
            self.batch, self.tuned, self.shortlist, self.handed, self.flying = None, None, None, {}, {}
        return self.history

    def in_flight(self, open_trials: Sequence[FrozenTrial], own: FrozenTrial) -> tuple[list[Genes], int]:
        """Genes that are being measured, and how many earlier trials other processes are still choosing for."""
        genes, choosing = [], 0
        flying: dict[int, Genes] = {}
        for trial in open_trials:
            if trial.state != TrialState.RUNNING or trial.number == own.number:
                continue
            # Parameters of a trial do not change once it has all of them.
            found = self.flying.get(trial.number)
            if found is None:
                found = self.the_history.genes_of(trial.params)
            if found is not None:
                flying[trial.number] = found
            else:
                found = self.handed.get(trial.number)
            if found is not None:
                genes.append(found)
            elif trial.number < own.number:
                choosing += 1
        self.flying = flying
        return genes, choosing

    def batch_begin(self, startup: int, size: Callable[[int], int]) -> int | None:
        """Number of closed trials before the present batch; None before the first one.

        The first begins as soon as enough rows are measured, however many were rejected on the way.
        """
        first = self.the_history.closed_at(startup) if self.batch is None else self.batch.begin
        return None if first is None else _begins(first, size, self.the_history.closed)[-1]

    def begins(self, startup: int, size: Callable[[int], int], last: int) -> list[int]:
        """Numbers of closed trials before every batch that begins after no more than ``last`` of them."""
        first = self.the_history.closed_at(startup)
        return [] if first is None else _begins(first, size, last)

    def batch_at(self, begin: int) -> _Batch:
        """The batch that begins after so many closed trials."""
        if self.batch is None or self.batch.begin != begin:
            self.batch = _Batch(begin)
        return self.batch

    def tuned_on(self, rows: Rows, first: int, models: Sequence[Model]) -> Tuned:
        """Models settled on the first rows."""
        if self.tuned is None or self.tuned[0] != first:
            self.tuned = (first, Tuned.on(rows.take(slice(0, first)), self.the_history.genetics, models))
        return self.tuned[1]


def _begins(first: int, size: Callable[[int], int], last: int) -> list[int]:
    """The first beginning of a batch, and those that follow it up to ``last``."""
    found = [first]
    while (following := found[-1] + size(found[-1])) <= last:
        found.append(following)
    return found
