"""Operators on one tensor of a dict, for blocks that hand several tensors on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mtnas.errors import SpaceError, unknown_name
from mtnas.space.block import Operator
from mtnas.space.shapes import InputShape, Shape


class OnEntry(nn.Module):
    """An operator on one tensor of a dict; the others pass.

    Args:
        name: of the tensor.
        operator: what it goes through.
    """

    def __init__(self, name: str, operator: nn.Module) -> None:
        super().__init__()
        self.name, self.operator = name, operator

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {**x, self.name: self.operator(x[self.name])}

    def extra_repr(self) -> str:
        return repr(self.name)


class FromEntry(OnEntry):
    """A module on one tensor of a dict; the others are left behind."""

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:  # type: ignore[override]
        found: Tensor = self.operator(x[self.name])
        return found


def on_entry(name: str, operator: Operator) -> Operator:
    """An operator for one tensor of the dict that enters a block; the others pass as they are.

    Elastic: ``elastic(lambda **sizes: on_entry("x", conv(16, **sizes)), kernel=(3, 5))``.

    Args:
        name: of the tensor.
        operator: for its shape.
    """
    return lambda shape: OnEntry(name, operator(_entry(shape, name)))


def from_entry(name: str, make: Operator) -> Operator:
    """A head for one tensor of the dict that leaves the last block, or an operator that hands on its result alone.

    Args:
        name: of the tensor.
        make: for its shape.
    """
    return lambda shape: FromEntry(name, make(_entry(shape, name)))


def _entry(shape: InputShape, name: str) -> Shape:
    if not isinstance(shape, dict):
        raise SpaceError(f"the entry '{name}' is asked of a single tensor of shape {shape}; a dict of tensors has some")
    if name not in shape:
        raise SpaceError(unknown_name("tensor", name, shape))
    return shape[name]
