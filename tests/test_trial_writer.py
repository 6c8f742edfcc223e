"""Trials that are written at once read like those that Optuna writes piece by piece."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from mtnas.searching import trial_writer
from mtnas.searching.trial_writer import TrialWriter

DISTRIBUTIONS = {
    "option": CategoricalDistribution(("conv", "skip", "conv W8A8")),
    "depth": IntDistribution(0, 4),
    "share": FloatDistribution(0.1, 1.0),
}


def trials() -> list[FrozenTrial]:
    params = {"option": "skip", "depth": 3, "share": 0.30000000000000004}
    made = [
        create_trial(
            params=params,
            distributions=DISTRIBUTIONS,
            values=[0.1 + 0.2, float("inf")],
            user_attrs={"candidate": {"groups": [[0, 1], [2]]}, "costs": {"error/mean": 1 / 3}, "empty": None},
            system_attrs={"fixed_params": params},
            constraints={"size": -3.5},
        ),
        create_trial(state=TrialState.PRUNED, params=params, distributions=DISTRIBUTIONS),
        create_trial(state=TrialState.FAIL, user_attrs={"failure": "Traceback ...\n'quoted' \"text\" ∞"}),
        create_trial(values=[-1.0, 2.0]),
    ]
    for number, trial in enumerate(made):
        trial.datetime_start = datetime(2026, 1, 2, 3, 4, 5, 678901 + number)
        trial.datetime_complete = datetime(2026, 1, 2, 3, 4, 6, number)
    return made


def read(path: Path, name: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{path}").get_trials()


@pytest.mark.parametrize("known", [True, False])
def test_trials_read_like_optuna_s_own(tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not known:
        monkeypatch.setattr(trial_writer, "KNOWN_SCHEMA", -1)
    storage = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    theirs = optuna.create_study(study_name="theirs", storage=storage, directions=["minimize"] * 2)
    ours = optuna.create_study(study_name="ours", storage=storage, directions=["minimize"] * 2)
    theirs.add_trials(trials())
    writer = TrialWriter(ours, storage)
    for trial in trials()[:2]:
        writer.add(trial)
    for trial in trials()[2:]:
        TrialWriter(ours, storage).add(trial)  # as another process would go on
    one, other = (read(tmp_path / "study.db", name) for name in ("theirs", "ours"))
    assert [trial.number for trial in other] == [0, 1, 2, 3]
    for mine, yours in zip(other, one, strict=True):
        mine._trial_id = yours._trial_id
        assert mine == yours
        assert mine.constraints == yours.constraints
    assert ours.best_trials[0].values == theirs.best_trials[0].values
