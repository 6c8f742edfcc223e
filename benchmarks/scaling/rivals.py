"""The same evaluations through Optuna's own ways of using several workers, with random proposals: they cost nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scaling.evaluations import all_up

JOURNAL = """
import os, sys, time
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
path, seconds, count, genes, up = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
study = optuna.load_study(
    study_name="scaling", storage=JournalStorage(JournalFileBackend(path)), sampler=optuna.samplers.RandomSampler()
)

def objective(trial):
    values = [trial.suggest_categorical(f"gene{i}", [0, 1, 2, 3]) for i in range(genes)]
    time.sleep(seconds)
    return sum(values), -values[0], values[1]

with open(os.path.join(up, str(os.getpid())), "w") as file:
    file.write(repr(time.time()))
study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(count)])
"""

GENES = 21
"""As many as the digits space has."""


def journal(workers: int, evaluations: int, seconds: float) -> tuple[list[float], float]:
    """When trials ended, by processes that each call `study.optimize` on one JournalStorage; when all were up."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal.log")
        storage = JournalStorage(JournalFileBackend(path))
        optuna.create_study(study_name="scaling", storage=storage, directions=["minimize"] * 3)
        up = Path(folder) / "up"
        up.mkdir()
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            JOURNAL,
            path,
            str(seconds),
            str(evaluations),
            str(GENES),
            str(up),
        ]
        processes = [subprocess.Popen(command) for _ in range(workers)]
        for process in processes:
            process.wait()
        trials = optuna.load_study(study_name="scaling", storage=JournalStorage(JournalFileBackend(path))).trials
        times = sorted(trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete)
        return times, all_up(up)


def ray_tune(workers: int, evaluations: int, seconds: float, at_most_s: float) -> list[float]:
    """When trials ended, by Ray Tune with its OptunaSearch. Ray is running.

    Args:
        at_most_s: seconds after which no more are begun: it is slow.
    """
    import logging

    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    logging.getLogger("ray").setLevel(logging.ERROR)
    choices = optuna.distributions.CategoricalDistribution([0, 1, 2, 3])
    space: dict[str, optuna.distributions.BaseDistribution] = {f"gene{i}": choices for i in range(GENES)}
    search = OptunaSearch(
        space=space,
        metric=["a", "b", "c"],
        mode=["min"] * 3,
        sampler=optuna.samplers.RandomSampler(),
    )
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(_trial(seconds), {"cpu": 1}),
            tune_config=tune.TuneConfig(
                search_alg=search, num_samples=evaluations, max_concurrent_trials=workers, time_budget_s=at_most_s
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        metrics = [results[number].metrics or {} for number in range(len(results))]
        return sorted(one["ended"] for one in metrics if "ended" in one)


def _trial(seconds: float):  # type: ignore[no-untyped-def]
    def trial(config: dict[str, int]) -> dict[str, float]:
        time.sleep(seconds)
        return {"a": float(sum(config.values())), "b": 0.0, "c": 0.0, "ended": time.time()}

    return trial
