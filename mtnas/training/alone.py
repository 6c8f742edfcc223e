"""One epoch of one network on its own: refining and benchmarks train like this."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mtnas.seeds import derive_seed
from mtnas.space.chance import fixed_chance
from mtnas.space.data import Data
from mtnas.space.shapes import to_device
from mtnas.space.task import Task
from mtnas.space.unstrided import unstrided
from mtnas.training.epoch_batches import MIDDLE, epoch_batches, length_of
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.schedule import learning_rate_factor


def train_epoch(
    network: nn.Module,
    tasks: Sequence[Task],
    data: Data,
    optimizer: torch.optim.Optimizer,
    *,
    epoch: int,
    epochs: int,
    seed: int,
    learning_rate: float,
    warmup_share: float,
    gradient_clip: float,
    device: torch.device,
) -> None:
    """Train a network for one epoch on the train split. The global random state is as before afterwards.

    Args:
        network: ``network(x) -> {task name: output}``, on ``device``; it is left in training mode.
        tasks: whose weighted losses are summed; a batch without any label is passed over.
        data: its train split is used, in the order that ``seed`` and ``epoch`` give.
        optimizer: of the network's parameters; the learning rates of all its groups are set.
        epoch: number of this epoch, from 0.
        epochs: of the whole training, which fixes where this epoch stands in the schedule.
        seed: of the whole training; order and dropout of an epoch depend on it and the epoch's number only.
        learning_rate: peak rate; warmed up linearly, then cosine to zero.
        warmup_share: share of all steps over which the rate rises, 0 to 1.
        gradient_clip: largest norm of the gradient of one step; 0: not clipped.
        device: of the network.

    Raises:
        DataError: if the train split gives no batch.
        TrainingError: naming the task whose loss is not finite.
    """
    seed = derive_seed(seed, "epoch", epoch)
    batches = data.train_batches(seed)
    length = length_of(batches)
    steps = epochs * 1000  # thousandths of an epoch need no count of steps, which iterable data does not have
    network.train()
    # Dropout, augmentation and whatever else draws from the global generators.
    with unstrided(network), fixed_chance(seed, device):
        for index, batch in enumerate(epoch_batches(batches, epoch)):
            assert batch is not None  # this process alone has all of every batch
            x, labels = batch
            step = round((epoch + (index / length if length else MIDDLE)) * 1000)
            factor = learning_rate_factor(step, steps, round(steps * warmup_share))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor
            outputs = network(to_device(x, device))
            losses = task_losses(tasks, outputs, to_device(labels, device))
            total = weighted_sum(tasks, losses)
            if total is None:
                continue
            optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            if gradient_clip > 0:
                torch.nn.utils.clip_grad_norm_(network.parameters(), gradient_clip)
            optimizer.step()
