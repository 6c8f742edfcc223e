"""Several processes that train one supernetwork, each on its part of every batch, against one that trains it alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_space
from pool_works import serving_path
from torch import Tensor, nn
from torch.utils.data import BatchSampler, IterableDataset, RandomSampler

from mtnas.errors import DataError, PoolError, TrainingError
from mtnas.pools import InProcess, Processes, RayPool
from mtnas.runs import Run, load_checkpoint
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.parts import Part, PartOfBatches
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train
from mtnas.training.weighting import PCGrad, UncertaintyWeighting

pytestmark = pytest.mark.long

HOW = TrainingSettings(epochs=4, learning_rate=3e-3, threads=1, device="cpu")


def smooth(shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 8), nn.Tanh())


def narrow(shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], 3), nn.Tanh(), nn.Linear(3, 8))


SPACE = SearchSpace(
    toy_space.space.tasks, [Block(name, {"smooth": smooth, "narrow": narrow}) for name in ("first", "second")]
)
"""Without batch norms, which see the samples of their process only."""


def trained(path: Path, pool: Any, how: TrainingSettings = HOW, data: Data | None = None) -> SuperNetwork:
    given = replace(toy_space.data(None), batch_size=33) if data is None else data  # the last batch has 28 samples
    return train(SPACE, given, Run(path, 0), how, pool=pool, show_progress=False)


def far(one: SuperNetwork, other: SuperNetwork) -> float:
    """Largest difference of a weight."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs if a.numel())


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        replace(HOW, weighting=UncertaintyWeighting(), ema_decay=0.9, accumulate=2, sandwich=False),
    ],
)
def test_processes_train_what_one_process_trains(tmp_path: Path, how: TrainingSettings) -> None:
    alone, short = trained(tmp_path / "alone", None, how), trained(tmp_path / "short", None, replace(how, epochs=3))
    for count in (2, 3):
        together = trained(tmp_path / f"{count}", Processes(count), how)
        assert far(alone, together) < 1e-4 < 1e-3 < far(alone, short)
    one, other = (load_checkpoint(tmp_path / name / "supernet.safetensors")[1]["history"] for name in ("alone", "3"))
    for a, b in zip(one, other, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], abs=1e-5)
        assert ("branching" in a) == ("branching" in b)
        assert a["learning_rate"] == b["learning_rate"]


def test_gradients_of_tasks_are_weighted_by_every_process(tmp_path: Path) -> None:
    """Those of a part of a batch are projected, so that the steps are others; they must still train."""
    how = replace(HOW, weighting=PCGrad())
    trained(tmp_path / "run", Processes(2), how)
    first, *_, last = load_checkpoint(tmp_path / "run" / "supernet.safetensors")[1]["history"]
    assert all(last["losses"][task] < first["losses"][task] for task in first["losses"])


def test_another_number_of_processes_goes_on_after_the_last_epoch(tmp_path: Path) -> None:
    stopped = Run(tmp_path / "run", 0)
    lethal = replace(toy_space.data(None), batch_size=33, train=Lethal(tmp_path / "mark", after=250))
    with pytest.raises(TrainingError, match=r"(?s)after epoch \d, which is kept.*its worker died"):
        train(SPACE, lethal, stopped, HOW, pool=Processes(2), show_progress=False)
    assert load_checkpoint(stopped.checkpoint)[1]["epoch"] in (1, 2, 3)
    alone = trained(tmp_path / "alone", None, data=lethal)
    assert far(trained(stopped.path, Processes(3), data=lethal), alone) < 1e-4


def test_what_fails_in_a_process_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"(?s)after epoch 0, .*a worker failed: the (loss|network's outputs)"):
        trained(tmp_path / "run", Processes(2), replace(HOW, learning_rate=1e30, gradient_clip=0))


def test_what_cannot_be_dealt_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="InProcess"):
        trained(tmp_path / "run", InProcess())
    endless = replace(toy_space.data(None), train=Endless(), branch=toy_space.Numbers(0, 40))
    with pytest.raises(TrainingError, match="a worker failed: the train data is iterable-style, .* 2 processes"):
        trained(tmp_path / "iterable", Processes(2), data=endless)
    with pytest.raises(DataError, match="iterable-style"):
        endless.train_batches(0, Part(1, 2))


@pytest.mark.parametrize("samples", [60, 61, 62, 63, 64, 65])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_parts_make_up_their_batches_and_none_has_one_sample(samples: int, count: int) -> None:
    def batches() -> BatchSampler:
        order = RandomSampler(range(samples), generator=torch.Generator().manual_seed(3))
        return BatchSampler(order, 20, drop_last=False)

    parts = [list(PartOfBatches(batches(), Part(index, count))) for index in range(count)]
    for batch, *pieces in zip(batches(), *parts, strict=True):
        assert sorted(sample for piece in pieces for sample in piece) == sorted(batch)
        assert all(len(piece) != 1 or len(batch) == 1 for piece in pieces)


def test_parts_of_the_data_are_the_batches_of_one_process() -> None:
    data = replace(toy_space.data(None), batch_size=33, workers=0)
    whole = [x for x, _ in data.train_batches(5)]
    parts = [[batch[0] for batch in data.train_batches(5, Part(index, 2))] for index in range(2)]
    for x, one, two in zip(whole, *parts, strict=True):
        assert torch.equal(x[0::2], one) and torch.equal(x[1::2], two)


def test_a_ray_cluster_trains_and_goes_on_when_a_worker_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    serving_path(monkeypatch)
    lethal = replace(toy_space.data(None), batch_size=33, train=Lethal(tmp_path / "mark", after=250))
    together = trained(tmp_path / "run", RayPool(workers=2), data=lethal)
    assert (tmp_path / "mark").exists()
    assert far(together, trained(tmp_path / "alone", None, data=lethal)) < 1e-4


class Lethal(toy_space.Numbers):
    """Kills the process that asks for so many samples, the first time that one does."""

    def __init__(self, mark: Path, after: int) -> None:
        super().__init__(0, 200)
        self.mark, self.left, self.owner = mark, after, os.getpid()

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        if os.getpid() != self.owner:
            self.left -= 1
            if self.left < 0 and not self.mark.exists():
                self.mark.touch()
                time.sleep(0.5)  # what was stored before stays
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        numbers = toy_space.Numbers(0, 40)
        return (numbers[index] for index in range(40))
