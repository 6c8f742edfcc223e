"""Files of the driver, from wherever on a Ray cluster a training is."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtnas.errors import PoolError
from mtnas.pools.ray_cluster import RayCluster
from mtnas.pools.ray_home import born_at
from mtnas.pools.ray_pool import RayPool
from mtnas.pools.trainings import FolderStore


class Keeper(FolderStore):
    """What is an actor, on the machine of the driver: keeps files, and what is to be told.

    Args:
        root: folder of the files.
        driver: number of the driver's process, and when it began. An actor outlives a killed driver by moments; what it
            wrote then would come between the files of the command that goes on.
    """

    def __init__(self, root: str, driver: tuple[int, str]) -> None:
        super().__init__(Path(root))
        self._driver, self._seen = driver, _lives(driver)  # not seen from a container of its own
        self._failures: dict[str, str] = {}
        self._heard: list[tuple[int, str]] = []

    def save(self, folder: str, files: Mapping[str, bytes | None]) -> None:
        if self._seen and not _lives(self._driver):
            raise PoolError(f"nothing is kept for {folder}: the command that began it has ended")
        super().save(folder, files)

    def fail(self, name: str, failure: str) -> None:
        self._failures[name] = failure

    def failures(self) -> dict[str, str]:
        """Tracebacks by name, in the order in which they came."""
        return self._failures

    def hear(self, step: int, text: str) -> None:
        self._heard.append((step, text))

    def heard(self) -> list[tuple[int, str]]:
        """What was heard since the last call."""
        heard, self._heard = self._heard, []
        return heard


def _lives(driver: tuple[int, str]) -> bool:
    pid, born = driver
    return born_at(pid) == born


class Kept:
    """The driver's store, through its keeper."""

    def __init__(self, ray: Any, keeper: Any) -> None:
        self._ray, self._keeper = ray, keeper

    def load(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        files: dict[str, bytes] = self._ray.get(self._keeper.load.remote(folder, list(names)))
        return files

    def save(self, folder: str, files: Mapping[str, bytes | None]) -> None:
        self._ray.get(self._keeper.save.remote(folder, dict(files)))


@contextmanager
def cluster_for_files(pool: RayPool, environment: Mapping[str, str]) -> Iterator[tuple[RayCluster, Path]]:
    """A connection to the cluster of a pool that this machine is a part of, and a folder for what Ray itself writes.

    Args:
        pool: where.
        environment: of Ray's libraries, where it is not set already.
    """
    pool.check_part_of_cluster()
    os.environ.update({name: value for name, value in environment.items() if name not in os.environ})
    cluster = RayCluster(pool.address, pool.workers * pool.cpus + 1)
    folder = tempfile.mkdtemp(prefix="trainings-", dir=None if cluster.home is None else cluster.home.path)
    try:
        yield cluster, Path(folder)
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def started_keeper(cluster: RayCluster, root: Path) -> Any:
    """A `Keeper` as an actor on this machine."""
    ray = cluster.ray
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeper, driver = ray.remote(Keeper), (os.getpid(), born_at(os.getpid()))
    return keeper.options(num_cpus=0, scheduling_strategy=here).remote(str(root.resolve()), driver)
