"""Trainings as trials of Ray Tune, their files kept by the driver."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtnas.errors import TrainingError
from mtnas.limits import check_number
from mtnas.pools.keeper import Kept, cluster_for_files, started_keeper
from mtnas.pools.ray_cluster import RayCluster
from mtnas.pools.ray_pool import RayPool
from mtnas.pools.trainings import Training, Watch

_TUNE = {
    # What Tune would keep for itself: everything is in the files that the trainings save.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # Ctrl-C is the caller's.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Data may be known by relative paths.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


@dataclass(frozen=True)
class Halving:
    """Ends trainings that are behind others: asynchronous successive halving (ASHA, arXiv 1810.05934, algorithm 2).

    After ``grace`` epochs, and ``reduction`` times as many again and again, a training goes on only if its cost is
    among the best ``1 / reduction`` of those that have come so far.

    Args:
        cost: the one that decides, such as ``error/mean``.
        grace: epochs that every training has.
        reduction: how much fewer trainings go on.
    """

    cost: str = "error/mean"
    grace: int = 3
    reduction: float = 3.0

    def __post_init__(self) -> None:
        check_number(TrainingError, "grace", self.grace, at_least=1, whole=True)
        check_number(TrainingError, "reduction", self.reduction, above=1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def run_trials(
    pool: RayPool,
    training: Training,
    root: Path,
    names: Sequence[str],
    *,
    halving: Halving | None = None,
    epochs: int,
    watch: Watch,
) -> dict[str, str]:
    """Run trainings as trials, as many at once as the pool has workers.

    A training whose worker or node dies begins again elsewhere, from what it has stored.

    Args:
        pool: where; the cluster must be this process's own, or this machine a part of it.
        training: does one of them; it travels once to every node.
        root: folder of the files, a folder for each name.
        names: of the trainings.
        halving: ends those that are behind.
        epochs: largest number that is reported.
        watch: is told how they go.

    Returns:
        Tracebacks of those that failed, by name.

    Raises:
        PoolError: if there is no cluster, or it is lost.
    """
    with cluster_for_files(pool, _TUNE) as (cluster, folder):
        return _Trials(pool, cluster, folder, root).run(training, names, halving, epochs, watch)


class _Trials:
    def __init__(self, pool: RayPool, cluster: RayCluster, folder: Path, root: Path) -> None:
        self._pool, self._cluster, self._folder, self._ray = pool, cluster, folder, cluster.ray
        self._keeper = started_keeper(cluster, root)

    def run(
        self,
        training: Training,
        names: Sequence[str],
        halving: Halving | None,
        epochs: int,
        watch: Watch,
    ) -> dict[str, str]:
        tune, pool = importlib.import_module("ray.tune"), self._pool
        trial = _Trial(self._cluster.put(training), self._keeper, self._cluster.users_home)
        tuner = tune.Tuner(
            tune.with_resources(trial.__call__, {"cpu": pool.cpus, "gpu": pool.gpus}),
            param_space={"name": tune.grid_search(list(names))},
            tune_config=tune.TuneConfig(
                scheduler=None if halving is None else _asha(halving, epochs),
                max_concurrent_trials=pool.workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=str(self._folder),
                failure_config=tune.FailureConfig(max_failures=pool.attempts - 1),
                callbacks=[_listener(watch)],
                verbose=0,
            ),
        )
        results = tuner.fit()
        failures: dict[str, str] = self._ray.get(self._keeper.failures.remote())
        for result in results:
            if result.error is not None and result.config["name"] not in failures:
                failures[result.config["name"]] = str(result.error)
        return failures


def _asha(halving: Halving, epochs: int) -> Any:
    # One epoch more than there are: it would end, as done, whatever reaches the largest number.
    return importlib.import_module("ray.tune.schedulers").ASHAScheduler(
        time_attr="epoch",
        metric=halving.cost,
        mode="min",
        max_t=epochs + 1,
        grace_period=min(halving.grace, epochs),
        reduction_factor=halving.reduction,
    )


def _listener(watch: Watch) -> Any:
    """A callback of Tune, which is an object of a class that only Ray has."""

    class Listener(importlib.import_module("ray.tune").Callback):  # type: ignore[misc]
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **more: Any) -> None:
            if "epoch" in result:
                costs = {name: value for name, value in result.items() if name.startswith("error/")}
                watch.reached(trial.config["name"], int(result["epoch"]), costs)

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **more: Any) -> None:
            watch.ended(trial.config["name"])

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **more: Any) -> None:
            watch.ended(trial.config["name"])

        def __reduce__(self) -> tuple[Any, ...]:
            return object, ()  # Tune keeps a copy of all settings; this one would be of no use

    return Listener()


class _Trial:
    """What Tune calls, where the trial is."""

    def __init__(self, training: Any, keeper: Any, home: str | None) -> None:
        self._training, self._keeper, self._home = training, keeper, home

    def __call__(self, config: Mapping[str, Any]) -> None:
        ray, tune = importlib.import_module("ray"), importlib.import_module("ray.tune")
        if self._home is not None:
            os.environ["HOME"] = self._home
        name = config["name"]
        store = Kept(ray, self._keeper)

        def report(epoch: int, costs: Mapping[str, float]) -> None:
            tune.report({"epoch": epoch, **costs})

        try:
            ray.get(self._training)(name, store, report)
        except Exception:
            ray.get(self._keeper.fail.remote(name, traceback.format_exc()))
