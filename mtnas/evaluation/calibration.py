"""Batch-norm statistics of one candidate."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtnas.space.data import Batch
from mtnas.space.shapes import to_device


def recalibrate(network: nn.Module, batches: Iterable[Batch]) -> None:
    """Replace the batch-norm statistics of a network by the plain average over ``batches``.

    Statistics gathered while many sub-networks shared a node fit none of them. Everything but batch norm runs in
    evaluation mode; the network is left in evaluation mode.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    network.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
        norm.train()
    device = next(network.parameters()).device
    with torch.no_grad():
        for x, _ in batches:
            network(to_device(x, device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
