"""One training by several processes of a Ray cluster at once, through Ray Train."""

from __future__ import annotations

import importlib
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mtnas.pools.keeper import Kept, cluster_for_files, started_keeper
from mtnas.pools.ray_cluster import RayCluster
from mtnas.pools.ray_pool import RayPool
from mtnas.pools.trainings import Store

_TRAIN = {
    # Data may be known by relative paths.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # No word of its own, beside the caller's.
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
}


class Shared(Protocol):
    """What each of the processes does, once torch.distributed has put them into a group."""

    def __call__(self, store: Store, report: Callable[[int, str], None]) -> None:
        """Do this process's part. The process of rank 0 stores what is to stay, and reports every step and a text."""


def run_together(pool: RayPool, work: Shared, root: Path, told: Callable[[int, str], None]) -> str:
    """Run the parts of a training on a cluster, all at the same time, one in each worker of the pool.

    If a worker or its node dies, all begin again from what is stored, as often as the pool has attempts.

    Args:
        pool: where; the cluster must be this process's own, or this machine a part of it.
        work: of every worker; it travels once to every node.
        root: folder of the files that are stored.
        told: called in this process with what is reported.

    Returns:
        Traceback of what failed; empty if nothing did.

    Raises:
        PoolError: if there is no cluster, or it is lost.
    """
    with cluster_for_files(pool, _TRAIN) as (cluster, folder):
        return _run(pool, cluster, folder, work, root, told)


def _run(
    pool: RayPool, cluster: RayCluster, folder: Path, work: Shared, root: Path, told: Callable[[int, str], None]
) -> str:
    train, torch = importlib.import_module("ray.train"), importlib.import_module("ray.train.torch")
    keeper = started_keeper(cluster, root)
    part = _Part(cluster.put(work), keeper, cluster.users_home)
    trainer = torch.TorchTrainer(
        part.__call__,
        scaling_config=train.ScalingConfig(
            num_workers=pool.workers,
            use_gpu=pool.gpus > 0,
            resources_per_worker={"CPU": pool.cpus, **({"GPU": pool.gpus} if pool.gpus else {})},
        ),
        # NCCL, Ray's choice for GPUs, wants one for each process; gloo lets them share.
        torch_config=torch.TorchConfig(backend="gloo" if 0 < pool.gpus < 1 else None),
        run_config=train.RunConfig(
            name="training",
            storage_path=str(folder),
            failure_config=train.FailureConfig(max_failures=pool.attempts - 1),
        ),
    )
    done = threading.Event()
    listening = threading.Thread(target=_listen, args=(cluster.ray, keeper, told, done), daemon=True)
    listening.start()
    try:
        trainer.fit()
    except Exception as error:
        failures: dict[str, str] = cluster.ray.get(keeper.failures.remote())
        return next(iter(failures.values()), "") or str(error)
    finally:
        done.set()
        listening.join()
    return ""


def _listen(ray: Any, keeper: Any, told: Callable[[int, str], None], done: threading.Event) -> None:
    """Tell what has been reported, now and then."""
    while True:
        ended = done.wait(0.5)
        try:
            for step, text in ray.get(keeper.heard.remote()):
                told(step, text)
        except ray.exceptions.RayError:
            return  # the cluster is lost, which the caller is told by what it waits for
        if ended:
            return


class _Part:
    """What Ray Train calls in every worker."""

    def __init__(self, work: Any, keeper: Any, home: str | None) -> None:
        self._work, self._keeper, self._home = work, keeper, home

    def __call__(self) -> None:
        ray = importlib.import_module("ray")
        if self._home is not None:
            os.environ["HOME"] = self._home
        context = importlib.import_module("ray.train").get_context()
        os.environ["LOCAL_RANK"] = str(context.get_local_rank())

        def report(step: int, text: str) -> None:
            ray.get(self._keeper.hear.remote(step, text))

        try:
            ray.get(self._work)(Kept(ray, self._keeper), report)
        except Exception:
            # The first to fail is the reason why the others do.
            ray.get(self._keeper.fail.remote(f"rank {context.get_world_rank()}", traceback.format_exc()))
            raise
