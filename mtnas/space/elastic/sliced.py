"""A smaller operator that computes with slices of a larger one's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.space.elastic.slicing import Slicing, check_slices, parameters_by_owner
from mtnas.space.shapes import Input


class Sliced(nn.Module):
    """A smaller operator whose parameters are slices of those of a larger one; buffers (statistics) are its own.

    It has no parameters itself: training it trains the larger operator.

    Args:
        full: the larger operator; not a submodule of this one.
        small: the smaller one; its parameters are dropped.
        slicing: which part of a parameter of ``full`` to use.

    Raises:
        SpaceError: if a parameter of ``small`` cannot be a slice.
    """

    def __init__(self, full: nn.Module, small: nn.Module, slicing: Slicing) -> None:
        super().__init__()
        check_slices("a smaller operator", full, small)
        self.small = small
        # Modules of the larger operator stay in a plain list, so that they are not registered as parts of this one.
        self._parts: list[_Part] = []
        own = parameters_by_owner(small)
        numbers = {id(parameter): number for number, parameter in enumerate(own.values())}
        for (path, name), parameter in own.items():
            number = numbers[id(parameter)]
            part = _Part(small.get_submodule(path), full.get_submodule(path), name, parameter, number, slicing)
            # A plain attribute hides the registered parameter: modules read it as if it were theirs.
            part.small._parameters[name] = None
            part.put(torch.empty(parameter.shape, device="meta"))
            self._parts.append(part)

    def forward(self, x: Input) -> Any:
        placeholders = [part.put(part.slice()) for part in self._parts]
        try:
            return self.small(x)
        finally:  # slices of this pass keep its graph alive and cannot be copied
            for part, placeholder in zip(self._parts, placeholders, strict=True):
                part.put(placeholder)

    def ordinary(self) -> nn.Module:
        """The same operator as an ordinary module with weights of its own."""
        copied = copy.deepcopy((self.small, [part.small for part in self._parts]))
        made: dict[tuple[int, int], nn.Parameter] = {}
        for part, owner in zip(self._parts, copied[1], strict=True):
            del owner.__dict__[part.name]
            key = part.number, id(getattr(part.full, part.name))
            if key not in made:  # tied weights stay tied, and frozen ones frozen
                weight = part.slice().detach().clone(memory_format=torch.contiguous_format)
                made[key] = nn.Parameter(weight, part.requires_grad)
            owner._parameters[part.name] = made[key]
        return copied[0]

    def shared(self) -> Iterator[Tensor]:
        """The larger operator's parameters that it computes with parts of."""
        return (getattr(part.full, part.name) for part in self._parts)


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes, also one that has no parameters but those that sliced operators share; else the CPU."""
    shared = (tensor for part in module.modules() if isinstance(part, Sliced) for tensor in part.shared())
    tensor = next(chain(module.parameters(), shared, module.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device


class _Part:
    """One parameter of the smaller operator; tied ones have the same number."""

    def __init__(
        self,
        small: nn.Module,
        full: nn.Module,
        name: str,
        parameter: nn.Parameter,
        number: int,
        slicing: Slicing,
    ) -> None:
        self.small, self.full, self.name, self.number, self.slicing = small, full, name, number, slicing
        self.shape, self.requires_grad = tuple(parameter.shape), parameter.requires_grad

    def slice(self) -> Tensor:
        """The part of the larger operator's parameter."""
        return self.slicing(self.full, self.name, getattr(self.full, self.name), self.shape)

    def put(self, tensor: Tensor) -> Tensor:
        """Let the smaller operator use a tensor; gives the one before."""
        before: Tensor = self.small.__dict__.get(self.name, tensor)
        self.small.__dict__[self.name] = tensor
        return before
