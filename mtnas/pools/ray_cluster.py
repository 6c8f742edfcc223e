"""A connection to a Ray cluster. Nothing but this starts Ray."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mtnas.errors import PoolError
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

_AS_ANYBODY = {
    # Workers of a cluster of one's own are as good as local processes: Ray would have them wait for all else that runs
    # on the machine, so that beside other work a search would all but stand still.
    "RAY_worker_niceness": "0",
}


class RayCluster:
    """A connection to a cluster, or a cluster of this process's own. It is used as it is if there is one already.

    Args:
        address: see `RayPool`.
        cpus: that a cluster of this process's own must have; more if the machine has.

    Raises:
        PoolError: if there is no cluster there, or Ray is not installed.
    """

    def __init__(self, address: str, cpus: float) -> None:
        self.ray = imported_ray()
        self._home: RayHome | None = None
        self._own = False  # whether the connection to Ray is ours to end
        self._address, self._seen = address, time.monotonic()
        try:
            self._connect(address, cpus)
        except BaseException:
            self.close()
            raise

    @property
    def home(self) -> RayHome | None:
        """Where a cluster of this process's own has its files."""
        return self._home

    @property
    def users_home(self) -> str | None:
        """What processes of the cluster must set HOME to; None: they have it."""
        return None if self._home is None else os.environ.get("HOME")

    def put(self, value: Any) -> Any:
        """A reference to a value in the object store; code of space files travels along."""
        try:
            with _space_files_by_value():
                return self.ray.put(value)
        except Exception as error:
            raise PoolError(
                f"the space or its data cannot be handed to another process ({first_line(error)}); keep open files,"
                " locks and generators out of them, or work in this process"
            ) from error

    def check(self, every_s: float = 2.0, patience_s: float = 8.0) -> None:
        """See that the head of the cluster is there, if that was not seen lately.

        Ray itself would end this process, without a chance to say what is kept.

        Raises:
            PoolError: if it cannot be reached for some seconds.
        """
        if self._address.startswith("ray://") or time.monotonic() - self._seen < every_s:
            return
        head = self.ray.get_runtime_context().gcs_address
        end = time.monotonic() + patience_s
        while True:
            try:
                _check_reachable(head, 1.0)
            except OSError as error:
                if time.monotonic() > end:
                    self._own = False  # there is nobody to say good-bye to
                    raise PoolError(
                        f"the head of the Ray cluster, {head}, is gone ({error}); what was done is kept: give the same"
                        " command once there is a cluster again, or without one"
                    ) from error
                time.sleep(0.5)
            else:
                self._seen = time.monotonic()
                return

    def close(self) -> None:
        """Leave the cluster; one of this process's own ends."""
        if self._own:
            self._own = False
            self.ray.shutdown()
        if self._home is not None:
            self._home.leave()
            self._home = None

    def _connect(self, address: str, cpus: float) -> None:
        if self.ray.is_initialized():
            return
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        wanted = _QUIET | _AS_ANYBODY if address == "local" else _QUIET
        os.environ.update({name: value for name, value in wanted.items() if name not in os.environ})
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            if address == "local":
                # Nobody else may use it. Ray remembers the first token of a process, so that all of them have one.
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
                self._home = RayHome.enter()
                with self._home.for_children():
                    self.ray.init(
                        address="local",
                        num_cpus=max(os.cpu_count() or 1, int(cpus + 1)),
                        include_dashboard=False,
                        _node_ip_address="127.0.0.1",
                        _temp_dir=str(self._home.path),
                        **given,
                    )
            else:
                _check_reachable(address)
                self.ray.init(address=address, **({} if address.startswith("ray://") else given))
        except (ConnectionError, OSError, RuntimeError, TimeoutError, ValueError) as error:
            raise PoolError(
                f"no Ray cluster at '{address}' ({first_line(error)}); start one with ray start --head, or use the"
                " address local"
            ) from error
        self._own = True


def _check_reachable(address: str, patience_s: float = 5.0) -> None:
    """Raise OSError if nobody listens there: Ray would end this process, not raise."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), patience_s).close()


def first_line(error: Exception) -> str:
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


def imported_ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise PoolError("Ray is needed for this pool but is not installed; pip install 'mtnas[ray]'") from error
