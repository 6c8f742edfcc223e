"""Batch-norm statistics of one candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtnas.space.data import Batch
from mtnas.space.elastic import device_of
from mtnas.space.shapes import to_device


def recalibrate(network: nn.Module, batches: Iterable[Batch]) -> None:
    """Replace the batch-norm statistics of a network by the plain average over ``batches``.

    Statistics gathered while many sub-networks shared a node fit none of them. Everything but batch norm runs in
    evaluation mode; the network is left in evaluation mode.
    """
    with gathering_statistics(network) as needed:
        if needed:
            device = device_of(network)
            for x, _ in batches:
                network(to_device(x, device))


@contextmanager
def gathering_statistics(module: nn.Module) -> Iterator[bool]:
    """Forward passes within set the module's batch-norm statistics, as their plain average; no gradients.

    Yields whether there is any batch norm to set. The module is left in evaluation mode.
    """
    module.eval()
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
        norm.train()
    try:
        with torch.no_grad():
            yield bool(norms)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval()
