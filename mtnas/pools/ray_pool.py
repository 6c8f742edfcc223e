"""Actors on a Ray cluster."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtnas.errors import PoolError
from mtnas.limits import check_number
from mtnas.pools.crew import Crew, Died, Ready, Rules, Said
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers, attempt
from mtnas.pools.ray_cluster import RayCluster, first_line


@dataclass(frozen=True)
class RayPool(Pool):
    """Long-lived actors on a Ray cluster: needs ``mtnas[ray]``.

    What the workers are made of travels once to every node, through Ray's object store. Workers need no shared disk and
    no access to the run: this process alone asks and tells. An actor or node that dies is replaced where there is room,
    and what it was doing is done again; a job that takes too long is stopped and has failed.

    Args:
        address: ``local`` (a cluster of this process's own on this machine, gone with it), ``auto`` (the one that this
            machine belongs to), ``host:port``, or ``ray://host:port`` (from outside the cluster).
        workers: actors of the main role.
        cpus: that each of them takes of the cluster; fractions are welcome.
        gpus: likewise.
        resource: custom resource of the nodes that may do the other roles, such as measuring latency on the device that
            they are; None: any node.
        others: actors of every other role.
        timeout_s: seconds that one job may take; None: as long as it likes.
        attempts: times that a job is begun before its workers' deaths are taken for its fault.
        ahead: jobs that a worker has waiting, so that it need not wait for this process.
        start_s: seconds that the cluster may take to find room for the first worker and get it ready.
    """

    address: str = "local"
    workers: int = 2
    cpus: float = 1.0
    gpus: float = 0.0
    resource: str | None = None
    others: int = 1
    timeout_s: float | None = None
    attempts: int = 2
    ahead: int = 1
    start_s: float = 300.0

    def __post_init__(self) -> None:
        for name in ("workers", "others"):
            check_number(PoolError, name, getattr(self, name), at_least=1, whole=True)
        for name in ("cpus", "gpus"):
            check_number(PoolError, name, getattr(self, name), at_least=0)
        self.rules()  # says what is wrong with the others
        if not self.address:
            raise PoolError("address must be local, auto, host:port or ray://host:port, but is empty")

    @property
    def size(self) -> int:
        return self.workers

    @property
    def elsewhere(self) -> bool:
        return self.address != "local"

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return _Actors(self, roles)

    def check_part_of_cluster(self) -> None:
        """Raise PoolError if this machine cannot be a part of the cluster, and so not keep the files of trainings."""
        if self.address.startswith("ray://"):
            raise PoolError(
                f"trainings keep their files on the machine of this process, which must be a part of the cluster, but"
                f" '{self.address}' is reached from outside; use auto or host:port on a machine of the cluster"
            )

    def rules(self) -> Rules:
        """How jobs are handed out."""
        return Rules(self.timeout_s, self.attempts, self.ahead, self.start_s)


class _Doer:
    """What is an actor.

    Args:
        make: makes what it does.
        home: of the user, where the cluster has another one; None: as it is.
    """

    def __init__(self, make: Make, home: str | None = None) -> None:
        if home is not None:
            os.environ["HOME"] = home
        self._work = make()

    def ready(self) -> Ready:
        return Ready()

    def do(self, job: Job) -> Finished:
        return attempt(self._work, job)


@dataclass(eq=False)
class _Actor:
    """One actor, and the references to what it is to say, in order: that it is ready, then results and that again."""

    actor: Any
    expected: deque[Any]


class _Actors(Crew[_Actor]):
    def __init__(self, pool: RayPool, roles: Mapping[str, Make]) -> None:
        super().__init__(
            pool.rules(), {name: pool.others if place else pool.workers for place, name in enumerate(roles)}
        )
        self._pool = pool
        self._cluster = RayCluster(pool.address, pool.workers * pool.cpus + (len(roles) - 1) * pool.others)
        self._ray = self._cluster.ray
        try:
            self._makes = {name: self._cluster.put(make) for name, make in roles.items()}
            self.begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        self._cluster.close()

    # Workers ----------------------------------------------------------------------------------------------------

    def _start(self, role: str) -> _Actor:
        pool, main = self._pool, role == self._main
        resources = {} if main or pool.resource is None else {pool.resource: 0.001}
        actor = (
            self._ray.remote(_Doer)
            .options(
                num_cpus=pool.cpus if main else 1 if pool.resource is None else 0,
                num_gpus=pool.gpus if main else 0,
                resources=resources,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=1,
            )
            .remote(self._makes[role], self._cluster.users_home)
        )
        return _Actor(actor, deque([actor.ready.remote()]))

    def _send(self, handle: _Actor, job: Job) -> None:
        handle.expected.append(handle.actor.do.remote(job))

    def _ask(self, handle: _Actor) -> bool:
        handle.expected.append(handle.actor.ready.remote())
        return True

    def _listen(self, handles: Sequence[_Actor], timeout: float | None) -> list[tuple[_Actor, Said]]:
        sources = {handle.expected[0]: handle for handle in handles if handle.expected}
        self._cluster.check()
        done, _ = self._ray.wait(list(sources), num_returns=1, timeout=2.0 if timeout is None else min(timeout, 2.0))
        if done:
            done, _ = self._ray.wait(list(sources), num_returns=len(sources), timeout=0)
        return [(sources[reference], self._said(sources[reference])) for reference in done]

    def _said(self, handle: _Actor) -> Said:
        errors, reference = self._ray.exceptions, handle.expected.popleft()
        try:
            said = self._ray.get(reference)
        except errors.ActorDiedError as error:
            told = str(error)
            if "creation task" in told:
                return Ready(failure=told)
            return Died(first_line(error))
        except errors.RayTaskError as error:  # the work itself raises nothing: its value cannot be sent
            return Finished(_NOBODY, failure=f"its value cannot be sent back: {error}")
        except errors.RayError as error:
            return Died(first_line(error))
        assert isinstance(said, (Ready, Finished))
        return said

    def _end(self, handle: _Actor) -> None:
        self._ray.kill(handle.actor, no_restart=True)

    def _not_ready(self, role: str) -> str:
        pool = self._pool
        wants = f"{pool.cpus:g} CPUs and {pool.gpus:g} GPUs each" if role == self._main else f"'{pool.resource}'"
        has = {name: amount for name, amount in self._ray.cluster_resources().items() if ":" not in name}
        return (
            f"no worker for {role} was ready after {pool.start_s:g} s (start_s): it wants {wants}, and the cluster has"
            f" {has}; ask for less, or add nodes"
        )


_NOBODY = Job(-1, "", None)
"""The crew knows whose job it is."""
