"""The Optuna study of a run: where finished evaluations are kept."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from mtnas.architecture import Candidate
from mtnas.atomic import telling_full_disk
from mtnas.errors import RunError, brief
from mtnas.results import Row
from mtnas.runs import Run
from mtnas.runs.measured import CANDIDATE, COSTS, as_row, read_rows
from mtnas.runs.study_file import (
    STORAGE_VARIABLE,
    damaged_study,
    first_line,
    remember,
    with_password,
)
from mtnas.searching.trial_writer import TrialWriter

_CLOSED = (TrialState.COMPLETE, TrialState.PRUNED)

FAILURE = "failure"
"""Attribute of a trial that could not be measured: the traceback, or why there is none."""


class RunStudy:
    """Measured rows as trials of an Optuna study in the run's SQLite file.

    Samplers work on a copy in memory; a trial is written as a whole once it has ended, in one transaction, so that a
    row is durable when `tell` returns and a killed process leaves nothing half done. (An open trial in SQLite would
    take one transaction for every parameter.) Changed budgets start a new study in the same file, with all rows
    measured so far, their constraints worked out anew, and what could not be measured.

    Attributes:
        study: the copy in memory, for asking.
        where: the file, or the address of the database.
        objectives: names of the costs that are minimised.
    """

    def __init__(self, stored: optuna.Study, storage: RDBStorage, where: str, objectives: Sequence[str]) -> None:
        self._writer = TrialWriter(stored, storage)
        self.where = where
        self.objectives = tuple(objectives)
        self.study = _named(optuna.create_study(directions=stored.directions), objectives)
        # Trials that were left open by a killed process of an earlier version are not taken over.
        ended = stored.get_trials(deepcopy=False, states=(*_CLOSED, TrialState.FAIL))
        self.study.add_trials(sorted(ended, key=lambda trial: trial.number))

    @classmethod
    def open(
        cls, run: Run, objectives: Sequence[str], budgets: Mapping[str, float], address: str | None = None
    ) -> RunStudy:
        """The run's study for these budgets, made where needed.

        Args:
            address: of a database to keep it in, as SQLAlchemy takes it; None: where the run has it, a file of its own
                if it has none yet.

        Raises:
            RunError: if the study is damaged, cannot be reached, or is elsewhere than said; or if its rows lack a cost
                that has a budget.
        """
        known = run.manifest.read().get("study")
        kept = _place(run, known, address)
        if known is not None:
            # Reading sees what Optuna does not ask: whether the file is whole, and its rows agree.
            _check_budgets(run, read_rows(run), budgets)
        where = kept or str(run.study)
        with _readable(where):
            storage = _storage(run.study, kept)
            if known is None:
                return cls._create(run, storage, kept, objectives, budgets, ())
            study = optuna.load_study(study_name=known["name"], storage=storage)
            if len(study.directions) != len(objectives):
                raise ValueError(f"it has {len(study.directions)} objectives, not {len(objectives)}")
            if known["budgets"] == dict(budgets):
                return cls(study, storage, where, objectives)
            tried = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
            return cls._create(run, storage, kept, objectives, budgets, [t for t in tried if CANDIDATE in t.user_attrs])

    @classmethod
    def _create(
        cls,
        run: Run,
        storage: RDBStorage,
        kept: str | None,
        objectives: Sequence[str],
        budgets: Mapping[str, float],
        earlier: Sequence[FrozenTrial],
    ) -> RunStudy:
        names = {summary.study_name for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)}
        # Many runs may share a database.
        first = "" if kept is None else f"{run.path.name} of {run.manifest.section('run').get('created', '')}, "
        name = next(name for index in range(len(names) + 1) if (name := f"{first}search-{index}") not in names)
        study = optuna.create_study(study_name=name, storage=storage, directions=["minimize"] * len(objectives))
        study = _named(study, objectives)
        for trial in earlier:
            attributes = {key: value for key, value in trial.system_attrs.items() if "constraint" not in key}
            costs = trial.user_attrs.get(COSTS)  # None: it could not be measured
            study.add_trial(
                create_trial(
                    state=trial.state,
                    params=trial.params,
                    distributions=trial.distributions,
                    values=trial.values,
                    user_attrs=trial.user_attrs,
                    system_attrs=attributes,
                    constraints=costs and {cost: costs[cost] - limit for cost, limit in budgets.items()},
                )
            )
        where = {} if kept is None else {"storage": kept}
        run.manifest.write("study", {"name": name, "budgets": dict(budgets), **where})
        return cls(study, storage, kept or str(run.study), objectives)

    def tell(
        self,
        trial: optuna.Trial,
        candidate: Candidate,
        costs: Mapping[str, float],
        budgets: Mapping[str, float],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record an evaluation.

        Args:
            notes: more that is kept with it, as JSON by name.
        """
        trial.set_user_attr(CANDIDATE, candidate.to_json())
        trial.set_user_attr(COSTS, dict(costs))
        for name, note in (notes or {}).items():
            trial.set_user_attr(name, note)
        for name, limit in budgets.items():
            trial.set_constraint(name, costs[name] - limit)
        self._keep(self.study.tell(trial, [costs[name] for name in self.objectives]))

    def reject(self, trial: optuna.Trial, reason: str) -> None:
        """Record a proposal that was not evaluated."""
        trial.set_user_attr("not evaluated", reason)
        self._keep(self.study.tell(trial, state=TrialState.PRUNED))

    def fail(self, trial: optuna.Trial, candidate: Candidate, failure: str) -> None:
        """Record an evaluation that gave no result."""
        trial.set_user_attr(CANDIDATE, candidate.to_json())
        trial.set_user_attr(FAILURE, failure)
        self._keep(self.study.tell(trial, state=TrialState.FAIL))

    def _keep(self, trial: FrozenTrial) -> None:
        """Write an ended trial, as a whole."""
        with telling_full_disk(Path(self.where)):
            self._writer.add(trial)

    def failures(self) -> dict[Candidate, str]:
        """Candidates that could not be measured, and why."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        with _readable(self.where):
            notes = [trial.user_attrs for trial in trials if CANDIDATE in trial.user_attrs]
            return {Candidate.from_json(note[CANDIDATE]): str(note.get(FAILURE, "")) for note in notes}

    def rows(self) -> tuple[Row, ...]:
        """Measured rows in the order of their trials."""
        with _readable(self.where):
            return _rows(self.study)

    def progress(self) -> tuple[int, int]:
        """How many trials there were, and how many of the last ones in a row were rejected."""
        trials = self.study.get_trials(deepcopy=False)
        ended = (i for i, trial in enumerate(reversed(trials)) if trial.state != TrialState.PRUNED)
        return len(trials), next(ended, len(trials))


def _named(study: optuna.Study, objectives: Sequence[str]) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # names for dashboards; nothing here relies on them
        study.set_metric_names([*objectives])
    return study


def _rows(study: optuna.Study) -> tuple[Row, ...]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trials.sort(key=lambda trial: trial.number)
    return tuple(as_row(number, trial.user_attrs) for number, trial in enumerate(trials))


def _check_budgets(run: Run, rows: Sequence[Row], budgets: Mapping[str, float]) -> None:
    """Raise RunError if a row lacks a cost that has a budget: it could not be said whether it meets that."""
    for name in budgets:
        if any(name not in row.costs for row in rows):
            raise RunError(
                f"rows of the run {run.path} were measured without {name}, so that it can have no budget there; leave"
                " it out, or search in a fork of the run (mtnas fork), which keeps what is trained"
            )


def check_storage(run: Run, address: str | None) -> None:
    """Raise RunError if a study cannot be kept at this address, before other work is done for it."""
    kept = _place(run, run.manifest.read().get("study"), address)
    if kept is not None:
        _storage(run.study, kept)


def storage_of(run: Run) -> RDBStorage:
    """Optuna's storage of a run that was searched, for its own tools.

    Raises:
        RunError: if there is none yet, or it cannot be reached.
    """
    kept = _place(run, run.manifest.section("study"), None)
    with _readable(kept or str(run.study)):
        return _storage(run.study, kept)


def _place(run: Run, known: Mapping[str, Any] | None, address: str | None) -> str | None:
    """Address of the database that has the run's study, None for its own file."""
    kept = None if address is None else remember(address)
    if known is None:
        return kept
    found: str | None = known.get("storage")
    if address is not None and kept != found:
        raise RunError(
            f"the run {run.path} has its study in {found or run.study.name}, not in {kept}; leave the address out, or"
            " use another run directory"
        )
    return found


def _storage(path: Path, kept: str | None) -> RDBStorage:
    """Optuna's storage in the run's own file, or in a database."""
    if kept is not None:
        try:
            return RDBStorage(with_password(kept), skip_compatibility_check=False)
        except (SQLAlchemyError, OptunaError, ImportError) as error:
            cause = error.__cause__ or error
            raise RunError(
                f"the database {brief(kept)} cannot be used ({first_line(cause)}); is it there, is its driver"
                f" installed, and does {STORAGE_VARIABLE} hold its whole address if it needs a password?"
            ) from error
    url = sqlalchemy.URL.create("sqlite", database=str(path.resolve()))
    return RDBStorage(url.render_as_string(), skip_compatibility_check=False)


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Turn what a damaged study raises into a sentence."""
    try:
        yield
    except RunError:
        raise
    except (SQLAlchemyError, OptunaError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ else error
        raise damaged_study(where, str(getattr(cause, "orig", None) or cause)) from error
