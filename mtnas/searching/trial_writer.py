"""Ended trials, written to a database as a whole and at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial

from mtnas.searching.predictor_sampler.common import alike

KNOWN_SCHEMA = 12
"""Version of Optuna's tables that trials are written into directly."""

_TRIALS: Any = models.TrialModel.__table__
_PARAMS: Any = models.TrialParamModel.__table__
_VALUES: Any = models.TrialValueModel.__table__
_NOTES: Any = models.TrialUserAttributeModel.__table__
_SYSTEM: Any = models.TrialSystemAttributeModel.__table__


class TrialWriter:
    """Adds trials to a study of which this process is the only writer.

    Optuna's own `Study.add_trial` asks the database a question for every parameter, which takes 20 ms for 20 of them; a
    row in every table takes 1. Where Optuna's tables are of another version than is known here, its own way is gone.

    Args:
        study: in a relational database.
        storage: of it.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage) -> None:
        self._study, self._storage = study, storage
        self._known = models.SCHEMA_VERSION == KNOWN_SCHEMA
        self._number: int | None = None
        self._kinds: dict[str, tuple[BaseDistribution, str]] = {}
        self._insert = {table: sqlalchemy.insert(table) for table in (_TRIALS, _PARAMS, _VALUES, _NOTES, _SYSTEM)}

    def add(self, trial: FrozenTrial) -> None:
        """Write an ended trial in one transaction; its number is the next of the study."""
        if not self._known:
            self._study.add_trial(trial)
            return
        with self._storage.engine.begin() as connection:
            if self._number is None:
                mine = _TRIALS.c.study_id == self._study._study_id
                count = sqlalchemy.select(sqlalchemy.func.count()).select_from(_TRIALS).where(mine)
                self._number = int(connection.execute(count).scalar_one())
            row = {
                "number": self._number,
                "study_id": self._study._study_id,
                "state": trial.state,
                "datetime_start": trial.datetime_start,
                "datetime_complete": trial.datetime_complete,
            }
            added = connection.execute(self._insert[_TRIALS], row).inserted_primary_key
            assert added is not None
            for table, rows in self._rows(trial):
                if rows:
                    connection.execute(self._insert[table], [{"trial_id": added[0], **one} for one in rows])
        self._number += 1

    def _rows(self, trial: FrozenTrial) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        """What a trial is in every table but that of the trials."""
        yield (
            _PARAMS,
            [
                {
                    "param_name": name,
                    "param_value": trial.distributions[name].to_internal_repr(value),
                    "distribution_json": self._json_of(name, trial.distributions[name]),
                }
                for name, value in trial.params.items()
            ],
        )
        values = []
        for objective, given in enumerate(trial.values or ()):
            value, kind = models.TrialValueModel.value_to_stored_repr(given)
            values.append({"objective": objective, "value": value, "value_type": kind})
        yield _VALUES, values
        for table, attributes in (
            (_NOTES, trial.user_attrs),
            (_SYSTEM, trial.system_attrs),
        ):
            yield table, [{"key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]

    def _json_of(self, name: str, distribution: BaseDistribution) -> str:
        """Every trial of a run has the same distributions, as a rule, but copies of them."""
        known = self._kinds.get(name)
        if known is None or not alike(known[0], distribution):
            known = self._kinds[name] = distribution, distribution_to_json(distribution)
        return known[1]
