"""One supernetwork trained by several processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from mtnas.errors import PoolError, TrainingError
from mtnas.pools import FolderStore, Job, Pool, Processes, RayPool, Store, run_together
from mtnas.pools.failures import reason
from mtnas.progress import Advance
from mtnas.runs import load_checkpoint
from mtnas.seeds import derive_seed
from mtnas.space.check import check
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.threads import cpu_threads
from mtnas.supernet import SuperNetwork
from mtnas.training.compiling import compiled
from mtnas.training.devices import resolve_device
from mtnas.training.group import Group
from mtnas.training.settings import TrainingSettings
from mtnas.training.trainer import Trainer, begun


@dataclass(frozen=True)
class Together:
    """What each process of a group does.

    Attributes:
        space: to train.
        data: its train and branch splits; every process loads its part of the batches only.
        seed: of the run.
        settings: of the training.
        supernetwork: class of the supernetwork.
    """

    space: SearchSpace
    data: Data
    seed: int
    settings: TrainingSettings
    supernetwork: type[SuperNetwork]

    def __call__(self, store: Store, report: Callable[[int, str], None], checkpoint: str) -> None:
        """Train in this process, which torch.distributed has put into a group, to the end.

        Args:
            store: has the checkpoint, of which the process of rank 0 keeps a new one after every epoch.
            report: called by the process of rank 0 with the number of every epoch and a text, once it is stored.
            checkpoint: its name.
        """
        group, settings = Group.current(), self.settings
        device = _device_of(settings, group)
        with tempfile.TemporaryDirectory(prefix="mtnas-train-") as place, cpu_threads(settings.threads or 1):
            path = Path(place) / checkpoint
            if group.rank == 0 and (content := store.load(".", [checkpoint]).get(checkpoint)) is not None:
                path.write_bytes(content)
            found, weights = check(self.space, self.data), derive_seed(self.seed, "weights")
            supernet = begun(self.supernetwork, self.space, found, weights, settings)
            trainer = Trainer(supernet.to(device), self.space, self.data, self.seed, settings, device, path, group)
            trainer.resume()
            with compiled(trainer.supernet, settings.compile):
                while trainer.epoch < settings.epochs:
                    text = trainer.train_epoch()
                    if group.rank == 0:
                        store.save(".", {checkpoint: path.read_bytes()})
                        losses = (f"{name} {loss:.3f}" for name, loss in trainer.losses().items())
                        report(trainer.epoch, "  ".join([text, *losses]))


def train_together(pool: Pool, work: Together, checkpoint: Path, epoch: int, advance: Advance) -> None:
    """Have the workers of a pool train to the end.

    Args:
        pool: whose workers.
        work: what they do.
        checkpoint: of the run.
        epoch: number of finished epochs.
        advance: called after every epoch that is seen to be finished.

    Raises:
        PoolError: if a worker died too often.
        TrainingError: if the training failed in a worker.
    """
    shown = epoch

    def reached(number: int, text: str) -> None:
        nonlocal shown
        for _ in range(shown, number):
            advance(text)
        shown = max(shown, number)

    if isinstance(pool, RayPool):
        failure = run_together(pool, partial(work, checkpoint=checkpoint.name), checkpoint.parent, reached)
    elif isinstance(pool, Processes):
        failure = _train_in_processes(pool, work, checkpoint)
    else:
        raise PoolError(
            f"a supernetwork is trained together by processes that live at the same time, which a"
            f" {type(pool).__name__} does not promise; pass Processes(...), RayPool(...) or no pool"
        )
    if failure:
        raise TrainingError(
            f"training stopped after epoch {_epochs_in(checkpoint)}, which is kept, so that the same command goes on"
            f" from there; a worker failed: {reason(failure)}"
        )
    reached(work.settings.epochs, "")


def _train_in_processes(pool: Processes, work: Together, checkpoint: Path) -> str:
    """Train by processes of this machine; gives the traceback of one that failed."""
    with tempfile.TemporaryDirectory(prefix="mtnas-train-") as place:
        meeting = (Path(place) / "meeting").resolve()
        make = partial(_make, work, checkpoint.resolve(), meeting, pool.workers)
        # One job for each, all at once. What a process that died did cannot be done again without the others.
        with replace(pool, ahead=0, attempts=1, timeout_s=None).open({"training": make}) as workers:
            for rank in range(pool.workers):
                workers.submit(Job(rank, "training", rank))
            left = pool.workers
            while left:
                for done in workers.wait():
                    if done.failure:
                        return done.failure
                    left -= 1
    return ""


def _make(work: Together, checkpoint: Path, meeting: Path, size: int) -> Callable[[Any], None]:
    def train(rank: Any) -> None:
        device = resolve_device(work.settings.device)
        # NCCL wants a GPU for each process, gloo lets them share one.
        backend = "nccl" if device.type == "cuda" and size <= torch.cuda.device_count() else "gloo"
        os.environ["LOCAL_RANK"] = str(rank)
        dist.init_process_group(backend, init_method=meeting.as_uri(), rank=rank, world_size=size)
        try:
            work(FolderStore(checkpoint.parent), lambda epoch, text: None, checkpoint.name)
        finally:
            dist.destroy_process_group()

    return train


def _device_of(settings: TrainingSettings, group: Group) -> torch.device:
    """The device of this process: of several GPUs, each process of a machine has its own."""
    device = resolve_device(settings.device)
    if device.type == "cuda":
        if settings.device in ("auto", "cuda"):
            local = int(os.environ.get("LOCAL_RANK", group.rank))
            device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
    return device


def _epochs_in(checkpoint: Path) -> int:
    return int(load_checkpoint(checkpoint)[1]["epoch"]) if checkpoint.exists() else 0
