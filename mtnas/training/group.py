"""The processes that train one supernetwork together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from mtnas.errors import MtnasError
from mtnas.seeds import derive_seed

Value = TypeVar("Value")


@dataclass(frozen=True)
class Group:
    """This process among those that train together, each on its part of every batch (data parallelism).

    All of them draw the same sub-networks and take the same steps, by gradients that are summed over the group. A
    wrapper of the whole module, such as torch's DistributedDataParallel, expects one pass through all parameters a
    step; here a step has several passes, each through some of them.

    Attributes:
        rank: of this process; the one of rank 0 keeps the run.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        """That of torch.distributed, if it was initialised, else this process alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def alone(self) -> bool:
        return self.size == 1

    def seed(self, seed: int) -> int:
        """A seed of this process's own, for dropout and augmentation; that of a process alone is the seed itself."""
        return seed if self.rank == 0 else derive_seed(seed, "process", self.rank)

    def first_says(self, make: Callable[[], Value]) -> Value:
        """What the process of rank 0 makes; where it raises an `MtnasError`, all do."""
        if self.alone:
            return make()
        told: list[tuple[Value | None, MtnasError | None]] = [(None, None)]
        if self.rank == 0:
            try:
                told = [(make(), None)]
            except MtnasError as error:
                told = [(None, error)]
        dist.broadcast_object_list(told, 0)
        value, failure = told[0]
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]

    def sum(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """Numbers, each summed over the processes."""
        if self.alone or not numbers:
            return list(numbers)
        held = torch.tensor(numbers, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
        dist.all_reduce(held)
        summed: list[float] = held.tolist()
        return summed

    @torch.no_grad()
    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over the processes. One that no process has stays None: its optimizer leaves it alone."""
        if self.alone or not parameters:
            return
        has = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        has = has.to(parameters[0].device)
        dist.all_reduce(has)
        used = [parameter for parameter, count in zip(parameters, has.tolist(), strict=True) if count]
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._in_one(dist.all_reduce, [parameter.grad for parameter in used if parameter.grad is not None])

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace floating tensors by their means over the processes."""
        held = [tensor for tensor in tensors if tensor.is_floating_point()]
        if self.alone or not held:
            return
        self._in_one(dist.all_reduce, held)
        for tensor in held:
            tensor.div_(self.size)

    @torch.no_grad()
    def follow_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the process of rank 0: what rounding may have moved apart is the same again."""
        if not self.alone:
            self._in_one(lambda joined: dist.broadcast(joined, 0), list(tensors))

    @staticmethod
    def _in_one(act: Callable[[Tensor], object], tensors: Sequence[Tensor]) -> None:
        """Do something to tensors joined into one of each type: a message for each would take longer than the sums."""
        for dtype in {tensor.dtype for tensor in tensors}:
            own = [tensor for tensor in tensors if tensor.dtype == dtype]
            joined = torch.cat([tensor.detach().reshape(-1) for tensor in own])
            act(joined)
            pieces = torch.split(joined, [tensor.numel() for tensor in own])
            for tensor, piece in zip(own, pieces, strict=True):
                tensor.copy_(piece.view_as(tensor))


ALONE = Group()
"""This process by itself."""
