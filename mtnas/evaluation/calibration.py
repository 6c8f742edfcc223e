"""Statistics of one candidate's batch norms, and of the instance norms that keep some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from mtnas.space.data import Batch
from mtnas.space.elastic import device_of
from mtnas.space.shapes import to_device


def recalibrate(network: nn.Module, batches: Iterable[Batch]) -> None:
    """Replace the batch-norm statistics of a network by the average of those of ``batches``, weighed by their samples.

    So are those of instance norms that keep running averages. Statistics gathered while many sub-networks shared a node
    fit none of them. Everything but such norms runs in evaluation mode; the network is left in evaluation mode.
    """
    with gathering_statistics(network) as needed:
        if needed:
            device = device_of(network)
            for x, _ in batches:
                network(to_device(x, device))


@contextmanager
def gathering_statistics(module: nn.Module) -> Iterator[bool]:
    """Forward passes within set the module's batch-norm statistics, as an average by samples; no gradients.

    Of batches of one size it is the plain average: a last one that is shorter counts for what it has.

    Yields whether there is any to set. The module is left in evaluation mode.
    """
    module.eval()
    norms = [part for part in module.modules() if isinstance(part, _NormBase) and part.track_running_stats]
    with ExitStack() as undo, torch.no_grad():
        undo.callback(module.eval)
        for norm in norms:
            norm.reset_running_stats()
            undo.callback(setattr, norm, "momentum", norm.momentum)
            undo.callback(norm.register_forward_pre_hook(_ByElements(), with_kwargs=True).remove)
            norm.train()
        yield bool(norms)


class _ByElements:
    """A hook that lets every call of a norm count by the elements that enter it: all its samples have as many."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, norm: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        x = args[0] if args else kwargs["input"]
        self.seen += x.numel()
        norm.momentum = x.numel() / self.seen
