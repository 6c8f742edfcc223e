"""Actors on a Ray cluster. Nothing but this starts or imports Ray."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import socket
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mtnas.errors import PoolError
from mtnas.limits import check_number
from mtnas.pools.crew import Crew, Died, Ready, Rules, Said
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers, attempt
from mtnas.pools.ray_home import RayHome

_QUIET = {
    # No statistics of use, and no address of anybody to send any to.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    # Workers without a GPU may still use the one that they see by other means.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A driver whose cluster is gone ends soon instead of after a minute.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
}


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
        start_s: seconds that the cluster may take to find room for a worker and get it ready.
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

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return _Actors(self, roles)

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
    """One actor, and the references to what it is to say, in order: that it is ready, then results."""

    actor: Any
    expected: deque[Any]


class _Actors(Crew[_Actor]):
    def __init__(self, pool: RayPool, roles: Mapping[str, Make]) -> None:
        super().__init__(
            pool.rules(), {name: pool.others if place else pool.workers for place, name in enumerate(roles)}
        )
        self._pool, self._ray = pool, _imported()
        self._home: RayHome | None = None
        self._own = False  # whether the connection to Ray is ours to end
        try:
            self._connect()
            with _space_files_by_value():
                self._makes = {name: self._put(make) for name, make in roles.items()}
            self.begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        if self._own:
            self._own = False
            self._ray.shutdown()
        if self._home is not None:
            self._home.leave()
            self._home = None

    # The cluster ------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """To the cluster, unless this process is connected already."""
        if self._ray.is_initialized():
            return
        pool = self._pool
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            if pool.address == "local":
                # Nobody else may use it. Ray remembers the first token of a process, so that all of them have one.
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
                self._home = RayHome.enter()
                needed = pool.workers * pool.cpus + (len(self._counts) - 1) * pool.others
                with self._home.for_children():
                    self._ray.init(
                        address="local",
                        num_cpus=max(os.cpu_count() or 1, int(needed + 1)),
                        include_dashboard=False,
                        _node_ip_address="127.0.0.1",
                        _temp_dir=str(self._home.path),
                        **given,
                    )
            else:
                _check_reachable(pool.address)
                self._ray.init(address=pool.address, **({} if pool.address.startswith("ray://") else given))
        except (ConnectionError, OSError, RuntimeError, TimeoutError, ValueError) as error:
            raise PoolError(
                f"no Ray cluster at '{pool.address}' ({_first_line(error)}); start one with ray start --head, or"
                " use the address local"
            ) from error
        self._own = True

    def _put(self, make: Make) -> Any:
        try:
            return self._ray.put(make)
        except Exception as error:
            raise PoolError(
                f"the space or its data cannot be handed to another process ({_first_line(error)}); keep open files,"
                " locks and generators out of them, or search in this process"
            ) from error

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
            .remote(self._makes[role], None if self._home is None else os.environ.get("HOME"))
        )
        return _Actor(actor, deque([actor.ready.remote()]))

    def _send(self, handle: _Actor, job: Job) -> None:
        handle.expected.append(handle.actor.do.remote(job))

    def _listen(self, handles: Sequence[_Actor], timeout: float | None) -> list[tuple[_Actor, Said]]:
        sources = {handle.expected[0]: handle for handle in handles if handle.expected}
        done, _ = self._ray.wait(list(sources), num_returns=1, timeout=timeout)
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
            return Died(_first_line(error))
        except errors.RayTaskError as error:  # the work itself raises nothing: its value cannot be sent
            return Finished(_NOBODY, failure=f"its value cannot be sent back: {error}")
        except errors.RayError as error:
            return Died(_first_line(error))
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


def _check_reachable(address: str, patience_s: float = 5.0) -> None:
    """Raise OSError if nobody listens there: Ray would end this process, not raise."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), patience_s).close()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def _space_files_by_value() -> Iterator[None]:
    """Code of space files travels along: other nodes cannot import it by its name."""
    pickling = importlib.import_module("ray.cloudpickle")
    own = [module for name, module in sys.modules.items() if name.startswith("mtnas_space_")]
    for module in own:
        pickling.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            pickling.unregister_pickle_by_value(module)


def _imported() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise PoolError("Ray is needed for this pool but is not installed; pip install 'mtnas[ray]'") from error
