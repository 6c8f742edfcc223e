"""Trainings that other processes do, their files kept by this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mtnas.atomic import write_bytes
from mtnas.pools.pool import Job, Pool, Work

Report = Callable[[int, Mapping[str, float]], None]
"""Call with the number of finished epochs and the costs then. It does not return in a training that is to end."""


class Store(Protocol):
    """Files of trainings."""

    def load(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        """Those of some files of a folder that there are, by name."""

    def save(self, folder: str, files: Mapping[str, bytes | None]) -> None:
        """Keep some files, one after the other, each as a whole; None: delete it."""


class Training(Protocol):
    """What a process does, wherever it is."""

    def __call__(self, name: str, store: Store, report: Report) -> None:
        """Train to the end, or go on from what is stored; what it is to leave behind, it stores."""


class Watch(Protocol):
    """Is told, in the process that has the trainings done, how they go."""

    def reached(self, name: str, epoch: int, costs: Mapping[str, float]) -> None:
        """A training has finished an epoch."""

    def ended(self, name: str) -> None:
        """A training has ended, well or not."""


class FolderStore:
    """Files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        paths = [self._root / folder / name for name in names]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def save(self, folder: str, files: Mapping[str, bytes | None]) -> None:
        for name, content in files.items():
            path = self._root / folder / name
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_bytes(path, content)


def train_in(pool: Pool, training: Training, root: Path, names: Sequence[str], watch: Watch) -> dict[str, str]:
    """Have trainings done by the workers of a pool on this machine, as many at once as it has.

    Args:
        pool: where.
        training: does one of them.
        root: folder of the files.
        names: of the trainings.
        watch: is told of those that have ended.

    Returns:
        Tracebacks of those that failed, by name.
    """
    failures = {}
    with pool.open({"training": partial(_make, training, root.resolve())}) as workers:
        for number, name in enumerate(names):
            workers.submit(Job(number, "training", name))
        left = len(names)
        while left:
            for done in workers.wait():
                left -= 1
                if done.failure:
                    failures[names[done.job.number]] = done.failure
                watch.ended(names[done.job.number])
    return failures


def _make(training: Training, root: Path) -> Work:
    def work(name: Any) -> None:
        training(name, FolderStore(root), lambda epoch, costs: None)

    return work
