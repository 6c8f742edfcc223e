"""A smaller operator that computes with slices of a larger one's weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.space.elastic.slicing import Slicing, check_slices, parameters_by_owner


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
        for (path, name), parameter in parameters_by_owner(small).items():
            part = _Part(small.get_submodule(path), full.get_submodule(path), name, tuple(parameter.shape), slicing)
            # A plain attribute hides the registered parameter: modules read it as if it were theirs.
            part.small._parameters[name] = None
            part.put(torch.empty(parameter.shape, device="meta"))
            self._parts.append(part)

    def forward(self, x: Tensor) -> Any:
        placeholders = [part.put(part.slice()) for part in self._parts]
        try:
            return self.small(x)
        finally:  # slices of this pass keep its graph alive and cannot be copied
            for part, placeholder in zip(self._parts, placeholders, strict=True):
                part.put(placeholder)

    def ordinary(self) -> nn.Module:
        """The same operator as an ordinary module with weights of its own."""
        copied = copy.deepcopy((self.small, [part.small for part in self._parts]))
        for part, owner in zip(self._parts, copied[1], strict=True):
            del owner.__dict__[part.name]
            weight = part.slice().detach().clone(memory_format=torch.contiguous_format)
            owner._parameters[part.name] = nn.Parameter(weight)
        return copied[0]


class _Part:
    """One parameter of the smaller operator."""

    def __init__(self, small: nn.Module, full: nn.Module, name: str, shape: tuple[int, ...], slicing: Slicing) -> None:
        self.small, self.full, self.name, self.shape, self.slicing = small, full, name, shape, slicing

    def slice(self) -> Tensor:
        """The part of the larger operator's parameter."""
        return self.slicing(self.full, self.name, getattr(self.full, self.name), self.shape)

    def put(self, tensor: Tensor) -> Tensor:
        """Let the smaller operator use a tensor; gives the one before."""
        before: Tensor = self.small.__dict__.get(self.name, tensor)
        self.small.__dict__[self.name] = tensor
        return before
