"""Processes of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from mtnas.errors import PoolError
from mtnas.limits import check_number
from mtnas.pools.crew import Crew, Died, Ready, Rules, Said
from mtnas.pools.pool import Finished, Job, Make, Pool, Workers
from mtnas.pools.process_worker import START, packed


@dataclass(frozen=True)
class Processes(Pool):
    """Worker processes on this machine.

    A worker that dies (killed, out of memory) is replaced, and what it was doing is done again elsewhere; a job that
    takes too long is stopped and has failed. Workers end with this process, however that ends. They are new Python
    processes that import what they need, so that a script that searches needs no ``if __name__ == "__main__"``.

    Args:
        workers: of the main role. Every other role has a process of its own.
        timeout_s: seconds that one job may take; None: as long as it likes.
        attempts: times that a job is begun before its workers' deaths are taken for its fault.
        ahead: jobs that a worker has waiting, so that it need not wait for this process.
        start_s: seconds that a worker may take to get ready.
    """

    workers: int = 2
    timeout_s: float | None = None
    attempts: int = 2
    ahead: int = 1
    start_s: float = 300.0

    def __post_init__(self) -> None:
        check_number(PoolError, "workers", self.workers, at_least=1, whole=True)
        self._rules()  # says what is wrong with the others

    @property
    def size(self) -> int:
        return self.workers

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return _Running(self._rules(), self.workers, {name: packed(make) for name, make in roles.items()})

    def _rules(self) -> Rules:
        return Rules(self.timeout_s, self.attempts, self.ahead, self.start_s)


@dataclass(eq=False)
class _Process:
    """A worker.

    Attributes:
        ended: can be read once the process has ended, where the system has that. Its connection does not tell while
            processes that it began hold that open, too, such as those that load data.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    ended: int | None


class _Running(Crew[_Process]):
    def __init__(self, rules: Rules, workers: int, roles: Mapping[str, bytes]) -> None:
        super().__init__(rules, {name: 1 if place else workers for place, name in enumerate(roles)})
        self._roles = dict(roles)
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def _start(self, role: str) -> _Process:
        here, there = socket.socketpair()
        with there:  # the other end is the worker's alone: it closes when the worker dies
            process = subprocess.Popen(
                [sys.executable, "-c", START, str(there.fileno()), str(os.getpid())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which then ends its workers
            )
        connection = Connection(here.detach())
        handle = _Process(process, connection, os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None)
        with suppress(OSError):  # it has died, which its silence tells
            connection.send_bytes(self._roles[role])
        return handle

    def _send(self, handle: _Process, job: Job) -> None:
        with suppress(OSError):  # likewise
            handle.connection.send(job)

    def _listen(self, handles: Sequence[_Process], timeout: float | None) -> list[tuple[_Process, Said]]:
        sources: dict[Any, _Process] = {handle.connection: handle for handle in handles}
        sources |= {handle.ended: handle for handle in handles if handle.ended is not None}
        speaking = {id(sources[source]): sources[source] for source in wait(list(sources), timeout)}
        return [(handle, self._said(handle)) for handle in speaking.values()]

    def _said(self, handle: _Process) -> Said:
        try:
            if not handle.connection.poll():
                raise EOFError
            said = handle.connection.recv()
        except (EOFError, OSError):
            handle.process.kill()
            return Died(_ending(handle.process.wait()))
        assert isinstance(said, (Ready, Finished))
        return said

    def _end(self, handle: _Process) -> None:
        handle.process.kill()
        handle.process.wait()
        handle.connection.close()
        if handle.ended is not None:
            os.close(handle.ended)
            handle.ended = None


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"by signal {-code}" + (", as when memory runs out" if code == -9 else "")
    return f"with exit status {code}"
