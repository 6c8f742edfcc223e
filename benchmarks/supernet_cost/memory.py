"""Memory of one training step."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.supernet_cost.clock import DEVICE

MEMORY = "max_memory_allocated of CUDA" if DEVICE.type == "cuda" else "bytes saved for backward"
"""What `peak_memory` measures."""


def peak_memory(step: Callable[[], object], modules: Iterable[nn.Module]) -> int:
    """Bytes of one step in the sense of `MEMORY`."""
    if DEVICE.type == "cpu":
        return SavedForBackward(modules).of(step)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


class SavedForBackward:
    """Bytes that autograd keeps for backward, now and at most: each storage once, ``modules``' own left out."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        own = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        self.peak = 0
        self._own = {tensor.untyped_storage().data_ptr() for tensor in own}
        self._holders: Counter[int] = Counter()
        self._now = 0

    def of(self, step: Callable[[], object]) -> int:
        """Peak while ``step`` runs."""
        with torch.autograd.graph.saved_tensors_hooks(self._pack, lambda held: held.tensor):
            step()
        return self.peak

    def _pack(self, tensor: Tensor) -> _Held:
        held, storage = _Held(tensor), tensor.untyped_storage()
        if storage.data_ptr() not in self._own:
            if not self._holders[storage.data_ptr()]:
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)
            self._holders[storage.data_ptr()] += 1
            weakref.finalize(held, self._release, storage.data_ptr(), storage.nbytes())
        return held

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self._now -= size


@dataclass
class _Held:
    tensor: Tensor
