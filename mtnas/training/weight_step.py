"""Gradients of one learning step of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

from mtnas.architecture import Architecture
from mtnas.space.data import Batch
from mtnas.space.shapes import to_device
from mtnas.supernet import SuperNetwork
from mtnas.training.accumulation import label_shares
from mtnas.training.batch_labels import BatchLabels
from mtnas.training.distillation import mix_with_teacher
from mtnas.training.group import ALONE, Group
from mtnas.training.settings import TrainingSettings
from mtnas.training.weighting import StepPart, WeightingState
from mtnas.training.weighting.sharing import count_sharers


def add_gradients(
    supernet: SuperNetwork,
    batches: Sequence[Batch | None],
    drawn: Sequence[Architecture],
    weighting: WeightingState,
    settings: TrainingSettings,
    device: torch.device,
    group: Group = ALONE,
) -> dict[str, float]:
    """Add the gradients of some sub-networks on some batches to those of the supernetwork's weights.

    They are means over the sub-networks and over the labelled samples of all batches. With ``settings.sandwich``, the
    first sub-network teaches the others.

    Args:
        supernet: in training mode.
        batches: of the step; None where this process has no part of one.
        drawn: the sub-networks.
        weighting: of the tasks.
        settings: of the training.
        device: of the supernetwork.
        group: whose processes have the other parts of the batches. Gradients and losses then are sums over all of them.

    Returns:
        Mean loss on the labels of every task that has one, by task name.
    """
    tasks = supernet.space.tasks
    found: dict[str, list[Tensor]] = {}
    for batch, shares in zip(batches, label_shares(tasks, batches, group, device), strict=True):
        if batch is None:
            continue
        batch_x, batch_labels = batch
        x, labels = to_device(batch_x, device), to_device(batch_labels, device)
        weights = {task.name: task.weight * shares[task.name] for task in tasks}
        learned = BatchLabels(tasks, labels)
        teacher: dict[str, Tensor] | None = None
        for architecture in drawn:
            with _precision(settings, device):
                outputs = supernet(x, architecture)
            outputs = {name: _in_float32(output) for name, output in outputs.items()}
            losses = learned.losses(outputs)
            for name, loss in losses.items():
                found.setdefault(name, []).append(loss.detach().float() * (shares[name] / len(drawn)))
            if teacher is not None:
                losses = mix_with_teacher(learned, losses, outputs, teacher, settings.distillation)
            elif settings.sandwich:
                teacher = {name: output.detach() for name, output in outputs.items()}
            if losses:
                weighting.backward(
                    StepPart(losses, weights, len(drawn), partial(count_sharers, supernet, architecture))
                )
    means = {name: float(torch.stack(losses).sum()) for name, losses in found.items()}
    if group.alone:
        return means
    group.sum_gradients([*supernet.parameters(), *weighting.learned()])
    names = [task.name for task in tasks]
    summed = group.sum([means.get(name, 0.0) for name in names] + [float(name in means) for name in names], device)
    return {name: loss for name, loss, seen in zip(names, summed, summed[len(names) :], strict=False) if seen}


def _precision(settings: TrainingSettings, device: torch.device) -> AbstractContextManager[object]:
    if settings.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _in_float32(output: Tensor) -> Tensor:
    return output.float() if output.dtype is torch.bfloat16 else output
