"""The Optuna study of a run: where finished evaluations are kept."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.results import Row
from mtnas.runs import Run
from mtnas.runs.measured import CANDIDATE, COSTS, as_row, damaged_study, must_have_study

_CLOSED = (TrialState.COMPLETE, TrialState.PRUNED)


class RunStudy:
    """Measured rows as trials of an Optuna study in the run's SQLite file.

    A row is durable once `tell` returns: candidate and costs are written first, and the trial's state last, in one
    transaction. Changed budgets start a new study in the same file, with all rows measured so far and their
    constraints worked out anew.
    """

    def __init__(self, study: optuna.Study, path: Path, objectives: Sequence[str]) -> None:
        self.study = study
        self.path = path
        self.objectives = tuple(objectives)

    @classmethod
    def open(cls, run: Run, objectives: Sequence[str], budgets: Mapping[str, float]) -> RunStudy:
        """The run's study for these budgets, made where needed; trials that a killed process left open are closed."""
        known = run.manifest.read().get("study")
        if known is not None:
            must_have_study(run)
        with _readable(run.study):
            storage = _storage(run.study)
            if known is None:
                return cls._create(run, storage, objectives, budgets, ())
            study = optuna.load_study(study_name=known["name"], storage=storage)
            opened = cls(study, run.study, objectives)
            study_id = storage.get_study_id_from_name(study.study_name)
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
                trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
                storage.set_trial_state_values(trial_id, TrialState.FAIL)
            if known["budgets"] == dict(budgets):
                return opened
            done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            return cls._create(run, storage, objectives, budgets, done)

    @classmethod
    def _create(
        cls,
        run: Run,
        storage: RDBStorage,
        objectives: Sequence[str],
        budgets: Mapping[str, float],
        earlier: Sequence[FrozenTrial],
    ) -> RunStudy:
        names = {summary.study_name for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)}
        name = next(name for index in range(len(names) + 1) if (name := f"search-{index}") not in names)
        study = optuna.create_study(study_name=name, storage=storage, directions=["minimize"] * len(objectives))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # names for dashboards; nothing here relies on them
            study.set_metric_names([*objectives])
        for trial in earlier:
            kept = {key: value for key, value in trial.system_attrs.items() if "constraint" not in key}
            costs = trial.user_attrs[COSTS]
            study.add_trial(
                create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    values=trial.values,
                    user_attrs=trial.user_attrs,
                    system_attrs=kept,
                    constraints={cost: costs[cost] - limit for cost, limit in budgets.items()},
                )
            )
        run.manifest.write("study", {"name": name, "budgets": dict(budgets)})
        return cls(study, run.study, objectives)

    def tell(
        self, trial: optuna.Trial, candidate: Candidate, costs: Mapping[str, float], budgets: Mapping[str, float]
    ) -> None:
        """Record an evaluation."""
        trial.set_user_attr(CANDIDATE, candidate.to_json())
        trial.set_user_attr(COSTS, dict(costs))
        for name, limit in budgets.items():
            trial.set_constraint(name, costs[name] - limit)
        self.study.tell(trial, [costs[name] for name in self.objectives])

    def reject(self, trial: optuna.Trial, reason: str) -> None:
        """Record a proposal that was not evaluated."""
        trial.set_user_attr("not evaluated", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def rows(self) -> tuple[Row, ...]:
        """Measured rows in the order of their trials."""
        with _readable(self.path):
            return _rows(self.study)

    def progress(self) -> tuple[int, int]:
        """How many trials there were, and how many of the last ones in a row were rejected.

        Trials that a killed process left open do not count, so a resumed search stands where it stood.
        """
        states = [trial.state for trial in self.study.get_trials(deepcopy=False) if trial.state in _CLOSED]
        rejected = next((i for i, state in enumerate(reversed(states)) if state != TrialState.PRUNED), len(states))
        return len(states), rejected


def _rows(study: optuna.Study) -> tuple[Row, ...]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trials.sort(key=lambda trial: trial.number)
    return tuple(as_row(number, trial.user_attrs) for number, trial in enumerate(trials))


def _storage(path: Path) -> RDBStorage:
    url = sqlalchemy.URL.create("sqlite", database=str(path.resolve()))
    return RDBStorage(url.render_as_string(), skip_compatibility_check=False)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a damaged study raises into a sentence."""
    try:
        yield
    except RunError:
        raise
    except (SQLAlchemyError, OptunaError, KeyError, TypeError, ValueError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ else error
        raise damaged_study(path, str(getattr(cause, "orig", None) or cause)) from error
