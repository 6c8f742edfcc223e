"""Times of the parts of a training, taken while the trainer runs: by its data, supernetwork, weighting, optimizers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from benchmarks.supernet_cost.clock import clock
from benchmarks.supernet_cost.hard_sharing import HardSharing
from mtnas.architecture import Architecture
from mtnas.space.data import Batch, Data
from mtnas.space.shapes import Input
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings
from mtnas.training.weighting import StepPart, TaskWeighting, WeightingState


@dataclass
class Epoch:
    """Seconds of an epoch.

    Attributes:
        hard: of `clock`, of the epoch of hard sharing before it.
        hard_wall: of the wall, of the same.
        parts: of `clock`, by part; together they are the whole epoch.
        wall: of the wall.
    """

    hard: float
    hard_wall: float
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.parts.values())


class Watch:
    """Notes the times of a training's epochs, and trains hard sharing for an epoch before each."""

    def __init__(self, hard: HardSharing) -> None:
        self.hard = hard
        self.epochs: list[Epoch] = []
        self._runs = False
        self._last = self._begin_wall = 0.0

    def begin_epoch(self) -> None:
        self.end_epoch()
        self.epochs.append(Epoch(*self.hard.epoch(len(self.epochs))))
        self._runs = True
        self._begin_wall, self._last = time.perf_counter(), clock()

    def end_epoch(self) -> None:
        if self._runs:
            self.lap("end of epoch")
            self.epochs[-1].wall = time.perf_counter() - self._begin_wall
            self._runs = False

    def lap(self, part: str) -> None:
        """All since the lap before was ``part``."""
        if self._runs:
            now = clock()
            self.epochs[-1].parts[part] += now - self._last
            self._last = now

    @contextmanager
    def optimizers(self) -> Iterator[None]:
        """Note the steps of the weights' AdamW and the branch points' Adam meanwhile."""

        def before(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if type(optimizer) is torch.optim.AdamW:
                self.lap("gradient clip")

        def after(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            self.lap("optimizer" if type(optimizer) is torch.optim.AdamW else "branch points")

        hooks = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


class WatchedData:
    """Data that notes when batches are asked for and given; the first of an epoch begins it."""

    def __init__(self, data: Data, watch: Watch) -> None:
        self._data, self._watch = data, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def train_batches(self, seed: int) -> _WatchedBatches:
        self._watch.begin_epoch()
        return _WatchedBatches(self._data.train_batches(seed), self._watch)

    def branch_batches(self, seed: int) -> _WatchedBatches:
        return _WatchedBatches(self._data.branch_batches(seed), self._watch)


class _WatchedBatches:
    def __init__(self, batches: DataLoader[Batch], watch: Watch) -> None:
        self.batches, self.watch, self.dataset = batches, watch, batches.dataset

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        self.watch.lap("rest")
        for batch in self.batches:
            self.watch.lap("loading data")
            yield batch
            self.watch.lap("rest")


def watched_data(data: Data, watch: Watch) -> Data:
    return cast(Data, WatchedData(data, watch))


def watched_supernetwork(watch: Watch) -> type[SuperNetwork]:
    """A class of supernetworks that note when a sub-network has been drawn."""

    class Watched(SuperNetwork):
        def forward(self, x: Input, architecture: Architecture) -> dict[str, Tensor]:
            watch.lap("drawing")
            return super().forward(x, architecture)

    return Watched


class WatchedWeighting(TaskWeighting):
    """The weighting of some settings, which notes when a sub-network has its gradients."""

    def __init__(self, settings: TrainingSettings, watch: Watch) -> None:
        second = "smallest network" + (" or a random one" if settings.smallest_share < 1 else "")
        extremes = ["largest network", second] if settings.sandwich else []
        self.names = extremes + ["random networks"] * settings.random_networks
        self.weighting, self.watch = settings.weighting, watch

    def begin(self, tasks: Sequence[str], device: torch.device) -> WeightingState:
        return _WatchedState(self.weighting.begin(tasks, device), self.names, self.watch)

    def to_json(self) -> dict[str, Any]:
        return self.weighting.to_json()


class _WatchedState(WeightingState):
    def __init__(self, state: WeightingState, names: Sequence[str], watch: Watch) -> None:
        self.state, self.names, self.watch = state, names, watch
        self._done = 0

    def begin_epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        self.state.begin_epoch(history)

    def begin_step(self, seed: int) -> None:
        self._done = 0
        self.state.begin_step(seed)

    def backward(self, part: StepPart) -> None:
        self.state.backward(part)
        self.watch.lap(self.names[self._done % len(self.names)])
        self._done += 1

    def end_step(self) -> None:
        self.state.end_step()

    def tensors(self) -> dict[str, Tensor]:
        return self.state.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.state.load(tensors)
