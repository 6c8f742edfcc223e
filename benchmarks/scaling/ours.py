"""A real search, but for what its workers do."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import mtnas.searching
from benchmarks.scaling.evaluations import all_up, make_sleeper
from mtnas.pools import Finished, InProcess, Make, Pool, Workers
from mtnas.pools.in_process import Here
from mtnas.pools.pool import Work
from mtnas.runs import Run, fork_run
from mtnas.searching import SearchSettings
from mtnas.searching.loop import Loop
from mtnas.searching.workers import ERRORS
from mtnas.space.file import load_space_file
from mtnas.training import TrainingSettings, load_supernetwork, train

OBJECTIVES = ("error/mean", "params", "macs")


@dataclass(frozen=True)
class Trained:
    """A trained run to fork, and what belongs to it. Its weights are never looked at."""

    folder: Path
    run: Run
    space: Any
    data: Any
    supernet: Any


@contextmanager
def trained() -> Iterator[Trained]:
    """The digits space, trained for an epoch."""
    file = load_space_file(Path(__file__).parents[2] / "search_spaces" / "digits.py")
    data = file.data(None)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "trained", 0)
        settings = replace(file.setting("training", TrainingSettings()), epochs=1, threads=1, device="cpu")
        train(file.space, data, run, settings, show_progress=False)
        yield Trained(Path(folder), run, file.space, data, load_supernetwork(file.space, data, run, "cpu"))


@dataclass(frozen=True)
class ManySlots(InProcess):
    """Work in this process, with as many candidates in flight as many workers would have.

    Args:
        slots: candidates in flight.
    """

    slots: int = 64

    def open(self, roles: Mapping[str, Make]) -> Workers:
        return _Many({name: make() for name, make in roles.items()}, self.slots)


class _Many(Here):
    def __init__(self, works: Mapping[str, Work], slots: int) -> None:
        super().__init__(works)
        self._slots = slots

    @property
    def slots(self) -> int:
        return self._slots


@dataclass
class Timeline:
    """When evaluations were taken in, in seconds since the epoch and of the driver's CPU; when all workers were up."""

    wall: list[float] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)
    up: float = 0.0


def run_search(of: Trained, pool: Pool, evaluations: int, seconds: float, *, busy: bool = False) -> Timeline:
    """Search with workers that take so long for a candidate."""
    found, tasks = Timeline(), of.space.architectures.tasks
    take = Loop.take

    def noted(self: Loop, finished: Finished) -> bool:
        measured = take(self, finished)
        found.wall.append(time.time())
        found.driver.append(time.process_time())
        return measured

    module = sys.modules["mtnas.searching.search"]
    run = fork_run(of.run, Path(tempfile.mkdtemp(dir=of.folder)) / "run")
    up = Path(tempfile.mkdtemp(dir=of.folder))
    roles = {ERRORS: partial(make_sleeper, tasks, seconds, busy, str(up))}
    settings = SearchSettings(evaluations, objectives=OBJECTIVES, threads=1)
    with mock.patch.object(module, "_roles", return_value=roles), mock.patch.object(Loop, "take", noted):
        mtnas.searching.search(of.space, of.data, run, settings, supernet=of.supernet, pool=pool, show_progress=False)
    found.up = all_up(up)
    return found
